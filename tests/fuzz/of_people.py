"""What people, and programs of theirs, may ask for."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pydantic

from docferry import web
from docferry.config import ConfigError, load
from docferry.core.filters import Filter
from docferry.core.when import moment, moment_ahead, span_of
from docferry.errors import DocferryError
from docferry.web.file_upload import _wait_s
from docferry.web.headers import Unsatisfiable, names, part_of
from docferry.web.multipart import MOST_BESIDE, form_of
from docferry.web.problems import ProblemError

_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of each strange byte
_FORM = "multipart/form-data; boundary=b"


def configuration(data: bytes) -> None:
    """A configuration: taken, or every fault is named."""
    text, faults = data.decode(errors="replace"), None
    try:
        load(Path("/etc/docferry/docferry.toml"), {}, text)
    except ConfigError as error:
        faults = error.faults
    assert faults is None or faults


def ranges(data: bytes) -> None:
    """A Range header: bytes that are there, or none."""
    size, text = data[:1].hex() if data else "0", data[1:].decode("latin-1")
    of = int(size, 16)
    try:
        part = part_of(text, of)
    except Unsatisfiable:
        return
    assert part is None or 0 <= part.start < part.stop <= of


def conditions(data: bytes) -> None:
    """If-Match, If-None-Match, Prefer: an answer, whatever they say."""
    text = data.decode("latin-1")
    assert isinstance(names(text, "tag"), bool)
    assert names(f'{text.replace(chr(34), "")}, "tag"', "tag")
    assert 0 <= _wait_s(text) <= 3600


def forms(data: bytes) -> None:
    """A form, in two pieces: a document and a few words, or no proper form."""
    form, got = form_of(_FORM), b""
    assert form is not None
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        with _refused():
            got += b"".join(form.feed(part))
    assert len(got) <= len(data)
    assert sum(map(len, form.fields.values())) <= MOST_BESIDE
    assert all(value.isprintable() or value.encode() for value in form.fields.values())


def content_types(data: bytes) -> None:
    """A Content-Type: that of a form with a boundary, of none, or of no proper one."""
    with _refused():
        form = form_of(data.decode("latin-1"))
        assert form is None or 0 < len(form.boundary) <= 256


def bodies(data: bytes) -> None:
    """A body of the API: taken, or refused with what is wrong; what is taken can be sent."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return
    for model in _models():
        with suppress(pydantic.ValidationError):
            model.model_validate(told).model_dump_json()


def times(data: bytes) -> None:
    """A moment, or a span: one that can be reckoned with, or none."""
    text = data.decode(errors="surrogateescape")
    for found in (moment(text, _NOW), moment_ahead(text, _NOW)):
        assert found is None or found.tzinfo is not None
    span = span_of(text)
    assert span is None or span >= timedelta(0)


def patterns(data: bytes) -> None:
    """A pattern of a filter: taken or refused, and asked about in a moment."""
    pattern, _, path = data.decode(errors="replace").partition("\n")
    try:
        found = Filter([pattern])
    except (DocferryError, ValueError, FutureWarning):  # the last of a set in a set
        return
    assert isinstance(found.takes(path.strip("/") or "a"), bool)


@contextmanager
def _refused() -> Iterator[None]:
    status = None
    try:
        yield
    except ProblemError as error:
        status = error.problem.status
    assert status in (None, 422)


@cache
def _models() -> list[type[pydantic.BaseModel]]:
    for module in pkgutil.iter_modules(web.__path__, "docferry.web."):
        if not module.name.endswith((".serve", ".__main__")):  # programs
            importlib.import_module(module.name)
    found, waiting = [], [pydantic.BaseModel]
    while waiting:
        for model in waiting.pop().__subclasses__():
            if model.__module__.startswith("docferry."):
                found.append(model)
                waiting.append(model)
    return found
