"""What a value of a converter or of a rule may be; see `values`."""

from __future__ import annotations

import json
import pathlib
import re
import tomllib

from docferry.config.faults import shown
from docferry.config.values import (
    Check,
    Wrong,
    duration,
    read_absolute,
    read_endpoint,
    read_file,
    read_list,
    read_name,
    read_text,
    words,
)
from docferry.core.places import DEFAULT_TEMPLATE, FIELDS, fields_in
from docferry.model import RESERVED

_LONGEST_CHAIN = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def patience() -> Check:
    """Seconds too; 0 is for ever, which is None."""
    seconds = duration()
    return Check(lambda value: seconds.read(value) or None, f"{seconds.right}; 0 for ever")


# How values are read.


def _template(value: object) -> str:
    """Read what a rule's `to` says behind its mirror: how the results are called."""
    template = read_text(value).partition("/")[2]
    if not template:
        return DEFAULT_TEMPLATE
    try:
        fields = fields_in(template)
    except ValueError as error:
        raise Wrong(f"is {shown(value)}: {error}") from error
    for folder in ("", "a/"):  # {dir} ends with its slash, or is empty
        sample = template.format(**(dict.fromkeys(FIELDS, "x") | {"dir": folder}))
        for forbidden in ("", ".", "..", RESERVED):
            if forbidden in sample.split("/"):
                raise Wrong(f"is {shown(value)}, which has the segment {shown(forbidden)}")
    if not fields & {"ulid", "sha256", "path", "name", "stem"}:
        raise Wrong(f"is {shown(value)}: all results would have one name")
    return template


def _chain(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) and not value.startswith("[") else read_list(value)
    if not 1 <= len(names) <= _LONGEST_CHAIN:
        raise Wrong(f"has {len(names)} converters in it")
    return tuple(read_name(name) for name in names)


def _command(value: object) -> tuple[str, ...]:
    listed = read_list(value)
    if not listed or not all(isinstance(word, str) and word for word in listed):
        raise Wrong(f"is {json.dumps(listed, default=str, ensure_ascii=False)}")
    command = tuple(str(word) for word in listed)
    if any(_CONTROL.search(word) for word in command):
        raise Wrong("has a control character in it")
    if not any("{input}" in word for word in command):
        raise Wrong('has no "{input}" in it')
    return command


def _extension(value: object) -> str:
    extension = read_text(value).removeprefix(".").lower()
    if not re.fullmatch(r"[a-z0-9]{1,16}", extension):
        raise Wrong(f"is {shown(value)}")
    return "." + extension


def _options(value: object) -> dict[str, str | int | float | bool]:
    if isinstance(value, str):
        try:
            value = tomllib.loads(f"table = {value}")["table"]
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise Wrong(f"is {shown(value)}: {error}") from error
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}")
    for name, one in value.items():
        if not isinstance(one, str | int | float | bool):
            raise Wrong(f"has {shown(one)} for {name}")
        if _CONTROL.search(name) or not name:
            raise Wrong(f"has the name {shown(name)}")
    return value


def _variables(value: object) -> dict[str, str]:
    variables = {}
    for name, one in _options(value).items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Wrong(f"has the name {shown(name)}")
        if not isinstance(one, str):
            raise Wrong(f"has {shown(one)} for {name}, which is no text")
        variables[name] = one
    return variables


def _places(value: object) -> tuple[pathlib.Path, ...]:
    return tuple(read_absolute(one) for one in read_list(value))


def _header(value: object) -> str:
    header = read_text(value)
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", header):  # RFC 9110, 5.6.2
        raise Wrong(f"is {shown(value)}")
    return header


# The checks.

TEMPLATE = Check(
    _template,
    '"MIRROR", or "MIRROR/" and how results are called, such as "MIRROR/{dir}{name}.{ext}", of '
    f'{", ".join(f"{{{field}}}" for field in FIELDS)}: relative, with no "//", no "." or '
    f'".." and no "{RESERVED}" between slashes, and with something that tells results apart',
)
CHAIN = Check(
    _chain,
    'the name of a converter, or a list such as ["office", "markdown"] in which each goes on '
    f"with what the one before it made; at most {_LONGEST_CHAIN}",
)
COMMAND = Check(
    _command,
    'a list with the program and its arguments, such as ["tool", "{input}", "{output}"]; '
    "no shell reads it",
)
EXTENSION = Check(_extension, 'what names of results end with, such as "md"')
OPTIONS = Check(_options, "a table of texts, numbers, true or false: { name = value }")
VARIABLES = Check(_variables, 'a table of texts, such as { LANG = "C.UTF-8" }')
PLACES = Check(_places, 'a list of absolute paths, such as ["/opt/models"]')
FILE = Check(read_file, "the absolute path of a file")
HEADER = Check(_header, 'the name of a header, such as "Authorization" or "X-Api-Key"')
SERVICE = Check(read_endpoint, 'the service\'s address, such as "http://127.0.0.1:3000"')
LANGUAGES = words(r"[A-Za-z_]+(/[A-Za-z_]+)?", 'a list as Tesseract has it, such as ["eng", "deu"]')
TYPES = words(
    r"[a-z0-9.+-]+/(\*|[a-z0-9.+-]+)", 'a list such as ["application/pdf", "image/*"], lower case'
)
