"""
What one conversion and its service say to each other, and what it means when they fail.

The border to requests: above it nobody knows its exceptions. What went before the document
was sent is the service's trouble alone; what breaks afterwards is in doubt.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import requests
import urllib3

from docferry.convert.base import (
    ConversionError,
    ConversionStoppedError,
    ConverterDownError,
    Document,
    Limits,
)
from docferry.convert.service_access import Service
from docferry.convert.service_answers import (
    WORDS_BYTES,
    Refusal,
    error_for,
    first_line,
    in_words,
    why_not,
)
from docferry.convert.service_bodies import FileBody
from docferry.convert.service_lines import CONNECT_TIMEOUT_S, GRACE_S, Line, session_on
from docferry.errors import DocferryError, TemporaryError, UserError
from docferry.job import Failure

Json: TypeAlias = Any  #: what json gives; whoever takes something out of it looks at it

_MIB = 1024 * 1024
_PART_BYTES = 64 * 1024
_HEAD_BYTES = 1024
#: JSON is parsed in memory, several times its size: whatever a result may have.
_LARGEST_JSON_BYTES = 64 * _MIB
_MOST_MEMORY_BYTES = 256 * _MIB
#: What Python takes for each part of it: a list, an object, half a text, a number in a list.
_MEMORY_OF: Mapping[bytes, int] = {b"[": 88, b"{": 184, b'"': 32, b",": 40}
_FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class Talk:
    """One conversion's conversation with its service."""

    def __init__(
        self, service: Service, line: Line, document: Document | None, limits: Limits
    ) -> None:
        """
        Args:
            document: None: there is none; only its health is asked for.
        """
        self.line = line
        self._service = service
        self._limits = limits
        self._document = document.name if document else ""
        self._session = session_on(line)
        self._session.headers.update(service.access.headers())
        self._session.headers["Accept-Encoding"] = "identity"
        self._session.headers["User-Agent"] = "docferry"
        self._body: FileBody | None = None
        self._is_answering = False  # since it has all of the document, it said something

    def close(self) -> None:
        self._session.close()

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        url: str,
        *,
        body: FileBody | None = None,
        headers: Mapping[str, str] | None = None,
        accepts: frozenset[int] = frozenset({200}),
    ) -> Iterator[requests.Response]:
        """
        Send a request, and give the beginning of its answer.

        Raises:
            DocferryError: As `Converter.convert` does; the status is not one of *accepts*.
        """
        self._body = body or self._body
        said = dict(headers or {})
        if body is not None:
            said["Content-Type"] = body.content_type
        answer = self._send(method, url, body, said)
        try:
            if answer.status_code not in accepts:
                raise error_for(self._refusal(answer), datetime.now(UTC))
            self._ensure_end_can_be_told(answer)
            yield answer
        finally:
            answer.close()

    def save(self, answer: requests.Response, to: pathlib.Path, produces: str) -> None:
        """
        Write the result, as it comes, into a new file.

        Raises:
            ConversionError: It is too large, or cannot be what the service is for.
        """
        head = b""
        try:
            with to.open("xb") as file:
                for part in self._parts(answer, self._limits.output_mib * _MIB):
                    file.write(part)
                    head += part[: _HEAD_BYTES - len(head)]
        except OSError as error:
            raise TemporaryError(f"cannot write the result of {self._document}: {error}") from error
        self._ensure_promised(answer, head, produces)

    def json(self, answer: requests.Response) -> Json:
        """
        Read an answer in JSON, in bounds.

        Raises:
            ConversionError: It is too large, or is none.
        """
        # A third more where the result is in Base64, and as much again for what is around it.
        most = min(self._limits.output_mib * _MIB * 2 + _MIB, _LARGEST_JSON_BYTES)
        said = bytearray()
        for part in self._parts(answer, most):
            said += part
        self._ensure_promised(answer, bytes(said[:_HEAD_BYTES]), ".json")
        if _memory_for(said) > _MOST_MEMORY_BYTES:
            raise self.wrong("JSON of too many parts", bytes(said[:WORDS_BYTES]))
        try:
            return json.loads(said)
        except (ValueError, RecursionError) as error:
            raise self.wrong(f"no JSON: {error}", bytes(said[:WORDS_BYTES])) from error

    def text(self, answer: requests.Response) -> str:
        """Read the beginning of an answer, as words."""
        return self._words(answer)

    def write(self, result: bytes, to: pathlib.Path) -> None:
        """Write a result that came inside of something else."""
        most = self._limits.output_mib
        if len(result) > most * _MIB:
            raise self._too_large(most * _MIB)
        try:
            to.write_bytes(result)
        except OSError as error:
            raise TemporaryError(f"cannot write the result of {self._document}: {error}") from error

    def wrong(self, what: str, said: bytes = b"") -> ConversionError:
        """Make the error for an answer that is *what*, and not the promised result."""
        return ConversionError(
            f"{self._service.name} answered {self._document} with {what}",
            failure=Failure.WRONG_TYPE,
            output=self._plain(said),
        )

    def refused(self, words: str) -> ConversionError:
        """Make the error for a document that the service cannot convert, in its *words*."""
        words = self._plain(words.encode(errors="replace"))
        why = first_line(words) or "it did not say why"
        message = f"cannot convert {self._document}: {self._service.name} said: {why}"
        return ConversionError(message, output=words)

    def lost(self, what: str) -> ConverterDownError:
        """Make the error for a document that the service does not know any more."""
        return ConverterDownError(f"{self._service.name} {what}", is_in_doubt=True)

    # One request.

    def _send(
        self, method: str, url: str, body: FileBody | None, headers: dict[str, str]
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                stream=True,
                allow_redirects=False,  # whoever it sends us to would be given the document
                timeout=(CONNECT_TIMEOUT_S, self.line.left_s + GRACE_S),
                verify=self._service.access.verify,
                cert=self._service.access.client_certificate,
                proxies=dict(self._service.proxies),
            )
        except _FOREIGN as error:
            raise self._translated(error) from error
        self._is_answering = self._body is not None and self._body.is_sent
        return answer

    def _parts(self, answer: requests.Response, most: int) -> Iterator[bytes]:
        length = _length_of(answer)
        if length is not None and length > most:
            raise self._too_large(most)
        size = 0
        parts = answer.iter_content(_PART_BYTES)
        while part := self._next(parts):
            size += len(part)
            if size > most:
                raise self._too_large(most)
            yield part

    def _next(self, parts: Iterator[bytes]) -> bytes:
        try:
            return next(parts, b"")
        except _FOREIGN as error:
            raise self._translated(error) from error

    def _words(self, answer: requests.Response) -> str:
        """Read what it says about a failure, as far as it gets."""
        said = b""
        with contextlib.suppress(*_FOREIGN):
            for part in answer.iter_content(WORDS_BYTES):
                said += part
                if len(said) >= WORDS_BYTES:
                    break
        return self._plain(said)

    def _plain(self, said: bytes) -> str:
        return in_words(self._service.access.hide(said.decode(errors="replace")).encode())

    def _refusal(self, answer: requests.Response) -> Refusal:
        return Refusal(
            service=self._service.name,
            document=self._document,
            status=answer.status_code,
            words=self._words(answer),
            headers=answer.headers,
        )

    def _ensure_end_can_be_told(self, answer: requests.Response) -> None:
        """
        Refuse an answer that ends with its connection.

        One that broke off half way could not be told from a whole one.
        """
        encodings = answer.headers.get("Transfer-Encoding", "").lower().split(",")
        is_chunked = "chunked" in [encoding.strip() for encoding in encodings]
        if not is_chunked and _length_of(answer) is None:
            raise UserError(
                f"{self._service.name} does not say how long its answers are, so a broken one "
                "cannot be told from a whole one; have it send Content-Length"
            )

    def _ensure_promised(self, answer: requests.Response, head: bytes, produces: str) -> None:
        what = why_not(produces, answer.headers.get("Content-Type", ""), head)
        if what is not None:
            raise self.wrong(what, head)

    def _too_large(self, most: int) -> ConversionError:
        message = f"what {self._service.name} makes of {self._document} is larger than"
        return ConversionError(f"{message} {most // _MIB} MiB", failure=Failure.TOO_LARGE)

    # What went wrong.

    def _translated(self, error: Exception) -> DocferryError:
        if self.line.is_overdue:
            return self._too_late()
        if self.line.is_cut:
            return ConversionStoppedError("the conversion was ended because the daemon stops")
        reason = _reason(error)
        if _is_about_a_file(error):
            return UserError(f"cannot ask {self._service.name}: {reason}; correct its certificates")
        has_begun = self._body is not None and self._body.sent > 0
        when = "broke off" if has_begun else "does not answer"
        return ConverterDownError(f"{self._service.name} {when}: {reason}", is_in_doubt=has_begun)

    def _too_late(self) -> DocferryError:
        """
        Tell what it means that the time is up.

        A service that began to answer lives, and is too slow with this document. One that
        has not said a word since it has the document may hang, or be busy with it: in
        doubt. Were that the document's own failure, a service that hangs would turn
        every document into a dead letter.
        """
        within = f"within {self._limits.timeout_s:g} s (timeout)"
        if self._is_answering:
            message = f"{self._service.name} did not finish {self._document} {within}"
            return ConversionError(message, failure=Failure.TIMEOUT)
        has_begun = self._body is not None and self._body.sent > 0
        message = f"{self._service.name} has not answered {within}"
        return ConverterDownError(message, is_in_doubt=has_begun)

    def ensure_time_is_left(self) -> None:
        """
        Raises:
            DocferryError: The time is up, or the daemon stops.
        """
        if self.line.is_cut or self.line.left_s <= 0:
            self.line.is_overdue = self.line.is_overdue or not self.line.is_cut
            raise self._translated(TimeoutError("its time is up"))


def _length_of(answer: requests.Response) -> int | None:
    """Read Content-Length; None: there is none, or one that nobody keeps to, such as -5."""
    length = answer.headers.get("Content-Length", "")
    return int(length[:18]) if length.isascii() and length.isdigit() else None


def _memory_for(said: bytearray) -> int:
    """
    Estimate what JSON takes as Python's objects, besides its texts: at most so much.

    64 MiB of empty lists take 1.6 GiB (3.11).
    """
    return sum(said.count(sign) * size for sign, size in _MEMORY_OF.items())


def _is_about_a_file(error: Exception) -> bool:
    """Tell whether requests did not find a certificate: then it raises a plain OSError."""
    return isinstance(error, OSError) and not isinstance(error, requests.RequestException)


def _reason(error: BaseException) -> str:
    """Give the words of what was at the bottom of it: requests wraps it several times."""
    seen: set[int] = set()
    while (cause := error.__cause__ or error.__context__) is not None and id(error) not in seen:
        seen.add(id(error))
        error = cause
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
