"""A form with a document in it (RFC 7578), read as it comes: nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from docferry.web.problems import ProblemError

_MOST_FIELD_BYTES = 16_384
_MOST_PARTS = 20
#: Of a form, beside its document: no more is taken.
MOST_BESIDE = _MOST_PARTS * 2 * _MOST_FIELD_BYTES
#: The part that is the document.
FILE = "file"


@dataclass(slots=True)
class Form:
    """
    A form on its way in.

    fields: what came before the document, by name.
    is_document: whether the document has begun; what comes then is told by `feed`.
    is_whole: whether the end of the form has come.
    """

    boundary: bytes
    fields: dict[str, str] = field(default_factory=dict)
    is_document: bool = False
    is_whole: bool = False
    _parts: int = 0
    _name: str | None = None
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _text: bytearray = field(default_factory=bytearray)
    _found: list[bytes] = field(default_factory=list)
    _parser: Any = None

    def __post_init__(self) -> None:
        self._parser = MultipartParser(
            self.boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": partial(_take, self._header),
                "on_header_value": partial(_take, self._value),
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._take_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    @property
    def is_in_document(self) -> bool:
        return self._name == FILE

    def feed(self, part: bytes) -> Iterator[bytes]:
        """
        Yield what of *part* is the document's.

        Raises:
            ProblemError: It is no such form.
        """
        try:
            self._parser.write(part)
        except FormParserError as error:
            raise _malformed(str(error)) from error
        found, self._found = self._found, []
        yield from found

    def _begin(self) -> None:
        self._parts += 1
        self._name = None
        if self._parts > _MOST_PARTS:
            raise _malformed(f"more than {_MOST_PARTS} parts")

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        if self._name is None:
            raise _malformed("a part of it has no name")
        if self._name == FILE:
            if self.is_document:
                raise _malformed(f"it has two parts named {FILE}")
            self.is_document = True

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self.is_in_document:
            self._found.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > _MOST_FIELD_BYTES:
            raise _malformed(f"the part {self._name!r} is too long")

    def _end_part(self) -> None:
        if self._name is not None and not self.is_in_document:
            if self.is_document:
                raise _malformed(f"the part named {FILE} must be the last one")
            try:
                self.fields[self._name] = self._text.decode()
            except UnicodeDecodeError as error:
                raise _malformed(f"the part {self._name!r} is not UTF-8") from error
        self._text.clear()

    def _end(self) -> None:
        self.is_whole = True


def form_of(content_type: str | None) -> Form | None:
    """
    Begin to read a form; None: the body is none, but the document itself.

    Raises:
        ProblemError: It is said to be a form, and not how its parts are told apart.
    """
    kind, options = parse_options_header(content_type or "")
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 256:
        raise _malformed("its Content-Type names no boundary")
    return Form(boundary)


def _take(into: bytearray, data: bytes, start: int, end: int) -> None:
    into += data[start:end]


def _malformed(why: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"this is no proper form: {why}"
    )
