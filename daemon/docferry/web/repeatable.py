"""POSTs that may be sent again: carried out once for each Idempotency-Key of a caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from docferry.app import idempotency
from docferry.app.idempotency import Busy, Fresh, Mismatch, Replay
from docferry.web.asker import Caller, caller_of
from docferry.web.conditional import ConditionalRoute
from docferry.web.desk import Desk
from docferry.web.problems import ProblemError

HEADER = "Idempotency-Key"
_REPLAYED = {"Idempotent-Replayed": "true"}

#: For the OpenAPI document.
PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Any text of the caller's own, for this call alone. Sent again with it, within "
    "24 hours, the call is not carried out again, and answered as before.",
    "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.LONGEST_KEY},
}

#: The same.
REPLAYED: dict[str, Any] = {
    "Idempotent-Replayed": {
        "description": "true: it was carried out before, and is answered as it was then.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}

_Handler = Callable[[Request], Awaitable[Response]]


class RepeatableRoute(ConditionalRoute):
    """A route whose POSTs heed an Idempotency-Key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handle(request)
            return await _once(request, key, handle)

        return handle_once


async def _once(request: Request, key: str, handle: _Handler) -> Response:
    desk: Desk = request.app.state.desk
    caller = await run_in_threadpool(caller_of, request)
    fingerprint = idempotency.fingerprint_of(request.url.query.encode(), await request.body())
    begun = await run_in_threadpool(
        idempotency.begin,
        desk.ledger,
        _owner(caller),
        key,
        f"{request.method} {request.url.path}",
        fingerprint,
        desk.now(),
    )
    match begun:
        case Replay(status, body, location):
            headers = _REPLAYED | ({} if location is None else {"Location": location})
            return Response(body, status, media_type="application/json", headers=headers)
        case Busy():
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "under-way",
                f"the call with this {HEADER} is being carried out",
                headers={"Retry-After": "2"},
            )
        case Mismatch():
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "another-call",
                f"something else was sent with this {HEADER} before: take another one",
            )
        case Fresh():
            return await _carried_out(desk, begun, request, handle)


async def _carried_out(desk: Desk, fresh: Fresh, request: Request, handle: _Handler) -> Response:
    try:
        answer = await handle(request)
        body = bytes(answer.body).decode()
    except BaseException:  # refused, or broken off: nothing of it is kept, and it may come again
        await run_in_threadpool(idempotency.give_up, desk.ledger, fresh)
        raise
    location = answer.headers.get("location")
    await run_in_threadpool(
        idempotency.finish, desk.ledger, fresh, answer.status_code, body, location
    )
    return answer


def _owner(caller: Caller) -> str:
    """A name may be another key's later."""
    return caller.actor if caller.key is None else f"{caller.actor} {caller.key.id}"
