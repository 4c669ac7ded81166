"""Converters that are services: a document goes there over HTTP, and its result comes back."""

from __future__ import annotations

import contextlib
import pathlib
import socket
from collections.abc import Mapping
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from docferry.convert.base import Converted, ConverterDownError, Document, Limits, recipe_of
from docferry.convert.service_access import Access, service_at
from docferry.convert.service_docling import Waits, docling
from docferry.convert.service_lines import Lines
from docferry.convert.service_shapes import JsonEncoding, Multipart, Shape, gotenberg, tika
from docferry.convert.service_talk import Talk
from docferry.errors import UserError

__all__ = ["Access", "ServiceConverter", "ShapeName", "Waits"]

ShapeName: TypeAlias = Literal["multipart", "gotenberg", "docling", "tika"]

#: Raise it whenever the same options would ask a service for something else.
_REVISION = 1


class ServiceConverter:
    """
    Has documents converted by a service.

    Made without asking the service: one that is down does not keep the daemon from starting.
    """

    def __init__(
        self,
        name: str,
        url: str,
        shape: ShapeName,
        produces: str,
        *,
        slots: int = 4,
        access: Access | None = None,
        options: Mapping[str, str] | None = None,
        part: str = "file",
        json_field: str = "",
        json_encoding: JsonEncoding = "text",
        waits: Waits = "poll",
        revision: str = "",
    ) -> None:
        """
        Args:
            url: Of a multipart service, where to post; of the others, where all begins.
            produces: With the dot: ".pdf".
            options: Fields of the form; of Tika, headers.
            part: The form's part with the document. Multipart only, as the next two.
            json_field: Where in the answer's JSON the result is; "": the answer is the result.
            json_encoding: How it is written there.
            waits: How a result of docling-serve is waited for.
            revision: See `recipe`.

        Raises:
            UserError: The service cannot be asked like this.
        """
        self.name = name
        self.produces = produces
        self.slots = slots
        self._service = service_at(shape, url, access or Access())
        fields = tuple((options or {}).items())
        self._shape: Shape
        match shape:
            case "multipart":
                self._shape = Multipart(url, produces, fields, part, json_field, json_encoding)
            case "gotenberg":
                self._shape = gotenberg(_base(url), produces, fields)
            case "docling":
                self._shape = docling(_base(url), produces, fields, waits)
            case "tika":
                self._shape = tika(_base(url), produces, fields)
        self._lines = Lines()
        self._facts: dict[str, object] = {
            "shape": shape,
            "revision": _REVISION,
            "produces": produces,
            "options": dict(fields),
            "result": [part, json_field, json_encoding] if shape == "multipart" else [],
            # Wherever a service moves to, its results stay what the operator calls them.
            "service": {"revision": revision} if revision else {"url": url},
        }

    def recipe(self) -> str:
        """
        Give the hash of what decides a result, as far as the configuration says it.

        The service's own version is not in it, even where the service tells it. It would
        have to be asked: then it is another one when it is asked again, several behind a
        balancer differ, and one that is down has none; each time all documents would be
        converted anew. That is the operator's decision: `revision` is any text that is
        changed when results should be made anew. It stands for the service: with it the
        url may change, and nothing is. The secret is not in it, nor how long or how many
        at a time, nor how a result is waited for.
        """
        return recipe_of(self._facts)

    def release(self) -> str:
        """Name the service: "gotenberg https://host"."""
        return self._service.name

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        result = folder / f"result{self.produces}"
        with self._lines.line(limits.timeout_s) as line:
            talk = Talk(self._service, line, document, limits)
            with contextlib.closing(talk):
                note = self._shape.convert(talk, document, result)
        return Converted(result, note)

    def stop(self) -> None:
        """Cut the running requests at once; start no more."""
        self._lines.stop()

    def health(self, timeout_s: float) -> None:
        """
        Ask the service whether it works.

        A multipart service has nothing to ask: that it takes a connection must do.

        Raises:
            ConverterDownError: It does not, or not now.
            ConversionStoppedError: `stop` was called before.
            UserError: It refuses us.
        """
        if self._shape.health_url is None:
            self._connect(timeout_s)
        else:
            self._told(self._shape.health_url, timeout_s)

    def version(self, timeout_s: float) -> str:
        """
        Ask the service for its version, in its own words; "": it does not tell.

        Raises: As `health` does.
        """
        url = self._shape.version_url
        return self._told(url, timeout_s) if url else ""

    def _told(self, url: str, timeout_s: float) -> str:
        with self._lines.line(timeout_s) as line:
            talk = Talk(self._service, line, None, Limits(timeout_s=timeout_s))
            # A proxy in front may show only the routes for conversions: it lives all the same.
            known = frozenset({200, 403, 404, 405})
            with contextlib.closing(talk), talk.ask("GET", url, accepts=known) as answer:
                return talk.text(answer) if answer.status_code == 200 else ""

    def _connect(self, timeout_s: float) -> None:
        parts = urlsplit(self._service.origin)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), timeout_s).close()
        except OSError as error:
            raise ConverterDownError(f"{self._service.name} does not answer: {error}") from error


def _base(url: str) -> str:
    """
    Give the address that routes are put behind.

    Raises:
        UserError: There is a query: it would end up in the middle.
    """
    if "?" in url:
        raise UserError("the url of this service is where all its routes begin: no '?' in it")
    return url.rstrip("/")
