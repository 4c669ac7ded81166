"""What holds for every request and answer: sizes, times, and what a browser may do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docferry.web.problems import ProblemError, response

#: Of a request that is no document.
MOST_BYTES = 1 << 20
WITHIN_S = 20.0
#: No part of a document may take longer.
PART_WITHIN_S = 30.0

#: A page sets its own policy; whatever else is answered is no page.
_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_CLOSE = {"Connection": "close"}
_DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Guard:
    """
    Around the whole application.

    Args:
        documents: (method, path) of requests whose bodies are documents: as large as these.
    """

    def __init__(self, app: ASGIApp, documents: Collection[tuple[str, str]] = ()) -> None:
        self._app = app
        self._documents = frozenset(documents)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_document = (scope["method"], scope["path"]) in self._documents
        body = (_Body if is_document else _SmallBody)(receive)
        answer = _Answer(scope, body, send)
        problem = _faulty(Headers(scope=scope), is_document=is_document)
        if problem is not None:
            await response(problem)(scope, receive, answer)
        else:
            await self._app(scope, body, answer)


def too_large(most: int = MOST_BYTES) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        f"more than {most} bytes are not taken",
        headers=_CLOSE,
    )


def _faulty(headers: Headers, *, is_document: bool) -> ProblemError | None:
    if "content-length" in headers and "transfer-encoding" in headers:
        # A proxy that goes by the other one takes the rest for the next request.
        detail = "both Content-Length and Transfer-Encoding are given"
        return ProblemError(HTTPStatus.BAD_REQUEST, "bad-request", detail, headers=_CLOSE)
    length = headers.get("content-length", "0")
    if not is_document and (not length.isdecimal() or int(length) > MOST_BYTES):
        return too_large()
    return None


class _Body:
    """What comes of a body: it waits for each part so long, and no longer."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False
        self.problem: ProblemError | None = None  #: why no more of it is read

    async def __call__(self) -> Message:
        if self._is_over:  # whoever waits for the end of the connection may wait
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._left_s())
        except TimeoutError:
            raise self._refused(_too_slow()) from None
        self._is_over = not message.get("more_body", False)
        self._took(len(message.get("body", b"")))
        return message

    def _refused(self, problem: ProblemError) -> ProblemError:
        self.problem = problem
        return problem

    def _left_s(self) -> float:
        return PART_WITHIN_S

    def _took(self, size: int) -> None:
        pass


class _SmallBody(_Body):
    """One that is small, and comes within a time."""

    def __init__(self, receive: Receive) -> None:
        super().__init__(receive)
        self._until_s = asyncio.get_running_loop().time() + WITHIN_S
        self._size = 0

    def _left_s(self) -> float:
        return max(0.0, self._until_s - asyncio.get_running_loop().time())

    def _took(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES:
            raise self._refused(too_large())


def _too_slow() -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_TIMEOUT, "too-slow", "the request did not come", headers=_CLOSE
    )


class _Answer:
    """
    The answer, with the headers that all have.

    Whoever reads a body may take its refusal for a body that is not valid, and answer that: the
    refusal is answered instead.
    """

    def __init__(self, scope: Scope, body: _Body, send: Send) -> None:
        self._scope = scope
        self._body = body
        self._send = send
        self._is_replaced = False

    async def __call__(self, message: Message) -> None:
        if self._is_replaced:
            return
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        if self._body.problem is not None:
            self._is_replaced = True
            plain = _Answer(self._scope, _Body(self._body), self._send)
            await response(self._body.problem)(self._scope, self._body, plain)
            return
        headers = MutableHeaders(scope=message)
        for name, value in _DEFAULTS.items():
            headers.setdefault(name, value)
        await self._send(message)
