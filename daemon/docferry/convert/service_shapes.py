"""The ways in which services want to be asked: any multipart one, Gotenberg and Tika."""

from __future__ import annotations

import base64
import binascii
import json
import pathlib
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ulid import ULID

from docferry.convert.base import Document
from docferry.convert.service_bodies import Fields, FileBody, FormBody
from docferry.convert.service_talk import Json, Talk
from docferry.errors import UserError

JsonEncoding: TypeAlias = Literal["text", "base64"]


class Shape(Protocol):
    """
    One way to ask for a conversion.

    `health_url` answers 200 while the service works; `version_url` says its version. None:
    it has none.
    """

    @property
    def health_url(self) -> str | None: ...

    @property
    def version_url(self) -> str | None: ...

    def convert(self, talk: Talk, document: Document, result: pathlib.Path) -> str:
        """Have *document* converted into *result*; give what a person should know about it."""
        ...


@dataclass(frozen=True, slots=True)
class Multipart:
    """A POST of a form with the document in it; the answer is the result, or has it in JSON."""

    url: str
    produces: str
    fields: Fields
    part: str
    json_field: str  #: where in the JSON: "document.md_content", "0.text"; "": it is no JSON
    json_encoding: JsonEncoding
    health_url: str | None = None
    version_url: str | None = None

    def convert(self, talk: Talk, document: Document, result: pathlib.Path) -> str:
        body = FormBody(document.path, document.media_type, part=self.part, fields=self.fields)
        with talk.ask("POST", self.url, body=body) as answer:
            if not self.json_field:
                talk.save(answer, result, self.produces)
            else:
                value = value_at(talk.json(answer), self.json_field)
                talk.write(self._decoded(talk, value), result)
        return ""

    def _decoded(self, talk: Talk, value: Json) -> bytes:
        if not isinstance(value, str):
            raise talk.wrong(f"JSON that has no text at {self.json_field}")
        if self.json_encoding == "text":
            return as_utf8(value)
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise talk.wrong(f"JSON that has no Base64 at {self.json_field}") from error


@dataclass(frozen=True, slots=True)
class Gotenberg:
    """
    Gotenberg's route for LibreOffice, in words that 8 and 9 both understand.

    Each request says a ULID as its trace: by it Gotenberg's log tells of the conversion.
    """

    base: str
    fields: Fields

    @property
    def health_url(self) -> str:
        return f"{self.base}/health"

    @property
    def version_url(self) -> str:
        return f"{self.base}/version"

    def convert(self, talk: Talk, document: Document, result: pathlib.Path) -> str:
        body = FormBody(document.path, document.media_type, part="files", fields=self.fields)
        url = f"{self.base}/forms/libreoffice/convert"
        with talk.ask("POST", url, body=body, headers={"Gotenberg-Trace": str(ULID())}) as answer:
            talk.save(answer, result, ".pdf")
        return ""


#: What Gotenberg 9 takes only as a stage of its own, and 8 only as a field.
_MOVED = (
    *("pdfa", "pdfua", "merge", "split", "flatten", "metadata", "watermark", "stamp"),
    *("rotate", "encrypt", "embeds", "userPassword", "ownerPassword", "stages"),
)


def gotenberg(base: str, produces: str, fields: Fields) -> Gotenberg:
    """
    Raises:
        UserError: It makes only PDF; or a field is not for all of its versions.
    """
    if produces != ".pdf":
        raise UserError(f'a gotenberg converter produces ".pdf", not "{produces}"')
    for name, _ in fields:
        if name == "files" or name.startswith(_MOVED):
            raise UserError(
                f"a gotenberg converter cannot send {name}: Gotenberg 8 and 9 do not both take it; "
                "a multipart converter for /forms/libreoffice/convert sends whatever you say"
            )
    return Gotenberg(base, fields)


@dataclass(frozen=True, slots=True)
class Tika:
    """Tika's server: the document is the body, and what comes of it is in the path."""

    base: str
    produces: str
    headers: Fields

    @property
    def health_url(self) -> str:
        return f"{self.base}/version"

    @property
    def version_url(self) -> str:
        return f"{self.base}/version"

    def convert(self, talk: Talk, document: Document, result: pathlib.Path) -> str:
        route, kind = TIKA_ROUTES[self.produces]
        body = FileBody(document.path, document.media_type)
        headers = {**dict(self.headers), "Accept": kind}
        with talk.ask("PUT", f"{self.base}/tika/{route}", body=body, headers=headers) as answer:
            if self.produces == ".json":
                _save_told(talk, talk.json(answer), result)
            else:
                talk.save(answer, result, self.produces)
        return ""


#: What Tika makes, by extension: the end of the path, and the type. "md" is of Tika 4.
TIKA_ROUTES = {
    ".txt": ("text", "text/plain"),
    ".md": ("md", "text/markdown, text/plain"),
    ".html": ("html", "text/html"),
    ".xml": ("xml", "text/xml"),
    ".json": ("json", "application/json"),
}
#: By which Tika says in JSON, with status 200, that it could not read a document: 4 and before.
_EXCEPTIONS = ("tk:exception:container-exception", "X-TIKA:EXCEPTION:container_exception")


def tika(base: str, produces: str, fields: Fields) -> Tika:
    """
    Raises:
        UserError: It does not make that; or an option is none of its headers.
    """
    if produces not in TIKA_ROUTES:
        raise UserError(f"a tika converter produces one of {', '.join(TIKA_ROUTES)}")
    for name, value in fields:
        if not name.lower().startswith("x-tika-") or not (value.isascii() and value.isprintable()):
            raise UserError(f"options of a tika converter are headers: X-Tika-…; not {name}")
    return Tika(base, produces, fields)


def _save_told(talk: Talk, told: Json, result: pathlib.Path) -> None:
    for part in told if isinstance(told, list) else [told]:
        for name in _EXCEPTIONS:
            if isinstance(part, dict) and part.get(name):
                raise talk.refused(str(part[name]))
    talk.write(as_json(told), result)


def value_at(told: Json, field: str) -> Json:
    """Give what is at *field*, a path with dots, in *told*. None: nothing."""
    for name in field.split("."):
        if isinstance(told, dict):
            told = told.get(name)
        elif isinstance(told, list) and name.isdecimal() and int(name) < len(told):
            told = told[int(name)]
        else:
            return None
    return told


def as_utf8(text: str) -> bytes:
    """Encode what came in JSON, where halves of characters can be written."""
    return text.encode(errors="replace")


def as_json(told: Json) -> bytes:
    return as_utf8(json.dumps(told, ensure_ascii=False, indent=1)) + b"\n"
