"""What holds for every request and answer: sizes, times, and what a browser may do with it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from docferry.web.patience import Patience
from docferry.web.problems import ProblemError, response

#: Of a request that is no document.
MOST_BYTES = 1 << 20

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

    def __init__(
        self,
        app: ASGIApp,
        documents: Collection[tuple[str, str]] = (),
        patience: Patience = Patience(),  # noqa: B008 - it is frozen
    ) -> None:
        self._app = app
        self._documents = frozenset(documents)
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_document = (scope["method"], scope["path"]) in self._documents
        body = (_Document if is_document else _SmallBody)(receive, self._patience)
        answer = _Answer(scope, body, send)
        problem = _faulty(scope, is_document=is_document)
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


def _faulty(scope: Scope, *, is_document: bool) -> ProblemError | None:
    if scope["http_version"] not in ("1.0", "1.1"):
        detail = "this is HTTP/1.1: nothing else is spoken here"
        return ProblemError(HTTPStatus.BAD_REQUEST, "bad-request", detail, headers=_CLOSE)
    headers = Headers(scope=scope)
    if "content-length" in headers and "transfer-encoding" in headers:
        # A proxy that goes by the other one takes the rest for the next request.
        detail = "both Content-Length and Transfer-Encoding are given"
        return ProblemError(HTTPStatus.BAD_REQUEST, "bad-request", detail, headers=_CLOSE)
    length = headers.get("content-length", "0")
    if not is_document and (not length.isdecimal() or int(length) > MOST_BYTES):
        return too_large()
    return None


class _Body(ABC):
    """What comes of a body: it waits for each part so long, and no longer."""

    def __init__(self, receive: Receive, patience: Patience) -> None:
        self._receive = receive
        self._patience = patience
        self._is_over = False
        self.is_begun = False  #: whether anybody has asked for it
        self.problem: ProblemError | None = None  #: why no more of it is read

    async def __call__(self) -> Message:
        self.is_begun = True
        if self._is_over:  # whoever waits for the end of the connection may wait
            return await self._receive()
        began_s = _now_s()
        try:
            message = await asyncio.wait_for(self._receive(), self._left_s())
        except TimeoutError:
            raise self._refused(_too_slow()) from None
        self._is_over = not message.get("more_body", False)
        self._took(len(message.get("body", b"")), _now_s() - began_s)
        return message

    def _refused(self, problem: ProblemError) -> ProblemError:
        self.problem = problem
        return problem

    @abstractmethod
    def _left_s(self) -> float: ...

    @abstractmethod
    def _took(self, size: int, waited_s: float) -> None: ...


class _Document(_Body):
    """
    One of any size, that comes at some pace.

    What it takes to write it down is no fault of who sends it: only what is waited for them counts.
    """

    def __init__(self, receive: Receive, patience: Patience) -> None:
        super().__init__(receive, patience)
        self._waited_s = 0.0
        self._came = 0

    def _left_s(self) -> float:
        return max(0.0, self._patience.document_s - self._waited_s)

    def _took(self, size: int, waited_s: float) -> None:
        self._waited_s += waited_s
        self._came += size
        if self._came >= self._patience.document_bytes:
            self._waited_s, self._came = 0.0, 0


class _SmallBody(_Body):
    """
    One that is small, and comes within a time.

    Of that only what is waited counts: an answer that is streamed asks for the rest, which is
    there, once a slow store has begun to answer.
    """

    def __init__(self, receive: Receive, patience: Patience) -> None:
        super().__init__(receive, patience)
        self._waited_s = 0.0
        self._size = 0

    def _left_s(self) -> float:
        return max(0.0, self._patience.body_s - self._waited_s)

    def _took(self, size: int, waited_s: float) -> None:
        self._waited_s += waited_s
        self._size += size
        if self._size > MOST_BYTES:
            raise self._refused(too_large())


def _now_s() -> float:
    return asyncio.get_running_loop().time()


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
            plain = response(self._body.problem)
            await plain(self._scope, self._body, self._complete)
            return
        await self._complete(message)

    async def _complete(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _DEFAULTS.items():
                headers.setdefault(name, value)
            if self._may_lack_its_body:
                headers["Connection"] = "close"
        await self._send(message)

    @property
    def _may_lack_its_body(self) -> bool:
        """
        Say whether who asked waits to be told to go on, and was not (RFC 9110, 10.1.1).

        Whether a body or the next request comes then is theirs to choose: one passed for the other.
        """
        expects = Headers(scope=self._scope).get("expect", "").lower()
        return "100-continue" in expects and not self._body.is_begun
