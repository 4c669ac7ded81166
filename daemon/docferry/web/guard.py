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
        taken = (_Patient if is_document else _Small)(receive)
        guarded = _with_defaults(send)
        length = Headers(scope=scope).get("content-length", "0")
        if not is_document and (not length.isdecimal() or int(length) > MOST_BYTES):
            await response(too_large())(scope, receive, guarded)
            return
        await self._app(scope, taken, guarded)


def too_large(most: int = MOST_BYTES) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"more than {most} bytes are not taken"
    )


class _Patient:
    """Waits for each part of a body for so long, and no longer."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def __call__(self) -> Message:
        if self._is_over:  # whoever waits for the end of the connection may wait
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._left_s())
        except TimeoutError:
            raise _too_slow() from None
        self._is_over = not message.get("more_body", False)
        self._took(len(message.get("body", b"")))
        return message

    def _left_s(self) -> float:
        return PART_WITHIN_S

    def _took(self, size: int) -> None:
        pass


class _Small(_Patient):
    """Takes a small body, all of it within a time."""

    def __init__(self, receive: Receive) -> None:
        super().__init__(receive)
        self._until_s = asyncio.get_running_loop().time() + WITHIN_S
        self._size = 0

    def _left_s(self) -> float:
        return max(0.0, self._until_s - asyncio.get_running_loop().time())

    def _took(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES:
            raise too_large()


def _too_slow() -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_TIMEOUT, "too-slow", "the request did not come", headers=_CLOSE
    )


_CLOSE = {"Connection": "close"}


def _with_defaults(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _DEFAULTS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
