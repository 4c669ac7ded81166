"""What happens, as it happens, for whoever keeps a page or a program up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from docferry.web.asker import Asker, Viewer
from docferry.web.feed import Listener, Over, OverError

router = APIRouter(tags=["events"])

#: After so long a browser asks again when the connection has ended.
_AGAIN_MS = 2000
_RESET = b"event: reset\ndata: {}\n\n"

_EXAMPLE = """\
id: 4711
event: file
data: {"mirror": "docs", "ref": "903", "path": "a.txt", "what": "upload", "version": "01M8…"}

"""


@router.get(
    "/events",
    summary="Be told what happens",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events, without end: `file`, `job`, `hold`, `mirror`, "
            "`problem`, `conflict`, `request`. `reset`: some cannot be told any more, look anew.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
    },
)
async def events(
    asker: Viewer,
    last_event_id: Annotated[
        int | None, Header(ge=0, lt=2**63, description="Go on after this one.")
    ] = None,
) -> StreamingResponse:
    feed, caller = asker.desk.feed, asker.caller
    feed.require_room(who=caller.actor)
    with ExitStack() as stack:
        # Before the answer begins: whoever has it hears of what follows.
        listener = stack.enter_context(
            feed.listening(caller.actor, caller.credential, asker.still_counts)
        )
        await run_in_threadpool(feed.look)
        now = await run_in_threadpool(asker.desk.ledger.events.last)
        is_behind = last_event_id is not None and last_event_id != now
        told = _stream(asker, listener, last_event_id if is_behind else None, now)
        return _Stream(
            stack.pop_all(),
            told,
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},  # nginx would keep them until there are many
        )


class _Stream(StreamingResponse):
    """An answer that listens no more when it ends, however it does."""

    def __init__(self, stack: ExitStack, told: AsyncIterator[bytes], **given: Any) -> None:
        super().__init__(told, **given)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)


async def _stream(
    asker: Asker, listener: Listener, after: int | None, now: int
) -> AsyncIterator[bytes]:
    """
    Tell what happened, and what happens.

    Args:
        after: The event after which to begin; None: the present one.
        now: The last event a moment ago. *listener* is told of all that is newer.
    """
    yield f"retry: {_AGAIN_MS}\n\n".encode()
    cursor = now if after is None else after
    is_behind = after is not None
    while is_behind:
        # Up to where the feed is sure to go on: while much happens, there would be no end here.
        found = await asker.desk.past.after(cursor)
        if found is None:
            yield _RESET
            cursor = now
        else:
            yield found.lines.after(cursor, _sees(asker))
            cursor = found.last
        is_behind = found is not None and not found.is_all and cursor < now
    async for part in _go_on(asker, listener, cursor):
        yield part


async def _go_on(asker: Asker, listener: Listener, cursor: int) -> AsyncIterator[bytes]:
    while True:
        try:
            found = await listener.get(asker.desk.feed.beat_s)
        except OverError as over:
            # When all ends there is no need: the rest can be told after the restart.
            if over.why is Over.MISSED and not asker.desk.is_ending.is_set():
                yield _RESET
            return
        yield found.after(cursor, _sees(asker)) if found else b": nothing happens\n\n"


def _sees(asker: Asker) -> Callable[[str], bool] | None:
    return None if asker.caller.mirrors is None else asker.sees
