"""What happens, as it happens, for whoever keeps a page or a program up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from docferry.web.asker import Asker, Viewer
from docferry.web.event_lines import lines_of
from docferry.web.feed import AT_ONCE, Listener, MissedError

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
    ledger = asker.desk.ledger
    with asker.desk.feed.listening(asker.caller.actor) as listener:
        await run_in_threadpool(asker.desk.feed.look)
        # What has happened since, and what the feed tells besides, is told once.
        while rows := await run_in_threadpool(ledger.events.after, cursor, AT_ONCE):
            yield (await run_in_threadpool(lines_of, ledger, rows)).after(cursor, _sees(asker))
            cursor = rows[-1].id
        if rows is None:
            yield _RESET
            cursor = await run_in_threadpool(ledger.events.last)
        async for part in _go_on(asker, listener, cursor):
            yield part


async def _go_on(asker: Asker, listener: Listener, cursor: int) -> AsyncIterator[bytes]:
    clock, beat_s = asyncio.get_running_loop().time, asker.desk.feed.beat_s
    ask_at_s = clock()
    while not asker.desk.is_ending.is_set():
        if clock() >= ask_at_s:  # also while much happens
            if not await run_in_threadpool(asker.still_counts):
                return
            ask_at_s = clock() + beat_s
        try:
            found = await listener.get(beat_s)
        except MissedError:
            if not asker.desk.is_ending.is_set():  # else all of it can be told after the restart
                yield _RESET
            return
        yield found.after(cursor, _sees(asker)) if found else b": nothing happens\n\n"


def _sees(asker: Asker) -> Callable[[str], bool] | None:
    return None if asker.caller.mirrors is None else asker.sees
