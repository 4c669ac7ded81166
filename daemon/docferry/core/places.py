"""
Where a result goes: a template of names, such as "{ulid}.{ext}" or "{dir}{stem}.{ext}".

A template is filled in twice. What the path of a document decides is filled in when its
job comes to be; what is left is its *place*: one result is made for each content and
place. The version's ULID and the hash follow when the result is stored.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from docferry.core.paths import is_plain
from docferry.model import Path, Sha256, Ulid

DEFAULT_TEMPLATE = "{ulid}.{ext}"

#: What a template may name, with what it stands for.
FIELDS: Mapping[str, str] = {
    "ulid": "the version's ULID: sortable by time, never the same twice",
    "sha256": "the hash of the document",
    "ext": 'what the converter makes, such as "md"',
    "path": 'the whole path: "offers/2026/q3.docx"',
    "dir": 'its folder, with the slash: "offers/2026/"; empty at the top',
    "name": 'its name: "q3.docx"',
    "stem": 'its name without the extension: "q3"',
    "rule": "the name of the rule",
}
#: Those that are filled in last, as equal contents share a result whatever they are; and what
#: they look like.
_LAST: Mapping[str, str] = {"ulid": "[0-9A-HJKMNP-TV-Z]{26}", "sha256": "[0-9a-f]{64}"}


def fields_in(template: str) -> frozenset[str]:
    """
    Give the fields that *template* names.

    Raises:
        ValueError: It names an unknown one, or its braces do not match.
    """
    if "{{" in template or "}}" in template:
        raise ValueError("a brace cannot be part of a name")
    found = set()
    for _, field, spec, conversion in string.Formatter().parse(template):
        if field is None:
            continue
        if field not in FIELDS or spec or conversion:
            raise ValueError(f"there is no {{{field}}}")
        found.add(field)
    return frozenset(found)


def place_of(mirror: str, template: str, path: Path, extension: str, rule: str) -> str:
    """
    Fill in what *path* decides: "MIRROR/" and what is still a template.

    Args:
        extension: With the dot, as converters give it.
    """
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    values = {
        "ext": extension.removeprefix("."),
        "path": path,
        "dir": folder + slash,
        "name": name,
        "stem": stem if dot and stem else name,
        "rule": rule,
    }
    filled = {key: _escaped(value) for key, value in values.items()}
    return f"{mirror}/" + template.format(**filled, **{key: f"{{{key}}}" for key in _LAST})


def result_path(place: str, version: Ulid, sha256: Sha256) -> Path:
    """Give the path of the result in the target mirror. It need not be one that may be used."""
    _, _, template = place.partition("/")
    return template.format(ulid=version, sha256=sha256)


def may_be_result(
    path: Path, template: str, version: Ulid, sha256: Sha256, extension: str, rule: str
) -> bool:
    """Say whether *path* is one that *template* can give to the result of some document."""
    values = {
        "ulid": version,
        "sha256": sha256,
        "ext": extension.removeprefix("."),
        "rule": rule,
    }
    return _are_in_order(_between_fields(template, values), path)


def is_place(text: str, mirror: str) -> bool:
    """
    Say whether *text* is a place in *mirror* that a result can be given a path of.

    Others may have written it: "{ulid:>9000000000}" is a name of nine gigabytes.
    """
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return False
    if any(field not in (None, *_LAST) or form or sign for _, field, form, sign in parts):
        return False
    path = result_path(text, "0" * 26, "0" * 64)
    return text.startswith(f"{mirror}/") and is_plain(path)


def is_of_place(path: Path, place: str) -> bool:
    """Say whether a result of *place*, of whichever version, can have *path*."""
    pattern = ""
    for literal, field, _, _ in string.Formatter().parse(place.partition("/")[2]):
        pattern += re.escape(literal) + ("" if field is None else _LAST[field])
    return re.fullmatch(pattern, path) is not None


def is_named_after(place: str, path: Path) -> bool:
    """
    Say whether a place tells the name of the file at *path*.

    By the name itself, as a word: which template it was, nobody remembers.
    """
    name = path.rpartition("/")[2]
    stem, dot, _ = name.rpartition(".")
    word = re.escape(_escaped(stem if dot and stem else name))
    _, _, template = place.partition("/")
    return re.search(rf"(?<![\w-]){word}(?![\w-])", template) is not None


def _escaped(value: str) -> str:
    return value.replace("{", "{{").replace("}", "}}")


def _between_fields(template: str, values: Mapping[str, str]) -> list[str]:
    """Give what a template says before, between and behind its fields but for *values*."""
    literals = [""]
    for literal, field, _, _ in string.Formatter().parse(template):
        literals[-1] += literal
        if field is None:
            continue
        if field in values:
            literals[-1] += values[field]
        else:
            literals.append("")
    return literals


def _are_in_order(literals: Sequence[str], path: Path) -> bool:
    """
    Say whether *path* is the *literals*, with anything between them.

    Each as early as it can be. Not by a pattern, which divides a path among its wildcards in
    every way: with five of them a thousand bytes took 3.6 s, and no other thread ran meanwhile.
    """
    first, *others = literals
    if not others:
        return path == first
    if not path.startswith(first):
        return False
    at = len(first)
    for literal in others[:-1]:
        found = path.find(literal, at)
        if found < 0:
            return False
        at = found + len(literal)
    return path.endswith(others[-1]) and len(path) - len(others[-1]) >= at
