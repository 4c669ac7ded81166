"""What happens, as it happens, for whoever keeps a page or a program up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from docferry.web.asker import Asker, Viewer
from docferry.web.event_lines import lines_of
from docferry.web.feed import AT_ONCE, Listener, Over, OverError, is_cut

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
    asker.desk.feed.require_room(who=asker.caller.actor)
    if last_event_id is None:  # before the answer begins: whoever has it hears of what follows
        last_event_id = await run_in_threadpool(asker.desk.ledger.events.last)
    return StreamingResponse(
        _stream(asker, last_event_id),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would keep them until there are many
    )


async def _stream(asker: Asker, cursor: int) -> AsyncIterator[bytes]:
    yield f"retry: {_AGAIN_MS}\n\n".encode()
    ledger, feed, caller = asker.desk.ledger, asker.desk.feed, asker.caller
    with feed.listening(caller.actor, caller.credential, asker.still_counts) as listener:
        await run_in_threadpool(feed.look)
        # What has happened since, and what the feed tells besides, is told once.
        is_behind = True
        while is_behind:
            rows = await run_in_threadpool(ledger.events.after, cursor, AT_ONCE)
            if rows is None:
                yield _RESET
                cursor = await run_in_threadpool(ledger.events.last)
            elif rows:
                yield (await run_in_threadpool(lines_of, ledger, rows)).after(cursor, _sees(asker))
                cursor = rows[-1].id
            # Whatever is newer the feed tells: while much happens, there would be no end here.
            is_behind = is_cut(rows)
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
