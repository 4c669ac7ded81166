"""The stream by which an open page hears that something has changed; what, it then asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from docferry.web.asker import Asker
from docferry.web.feed import Over, OverError
from docferry.web.pages.visit import Viewer

router = APIRouter()

#: Then the page connects again, and is asked again who it is.
_LASTS_S = 600.0
_CHANGED = b"event: changed\ndata: \n\n"
#: An event, not a comment: by its absence the page knows that nobody is there.
_BEAT = b"event: beat\ndata: \n\n"


@router.get("/live")
async def live(visitor: Viewer) -> StreamingResponse:
    visitor.desk.feed.require_room(who=visitor.asker.caller.actor)
    return StreamingResponse(
        _stream(visitor.asker),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would keep them until there are many
    )


async def _stream(asker: Asker) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    feed, caller, ends_s = asker.desk.feed, asker.caller, clock() + _LASTS_S
    yield b"retry: 2000\n\n"
    with feed.listening(caller.actor, caller.credential, asker.still_counts) as listener:
        await run_in_threadpool(feed.look)
        yield _CHANGED  # whatever came since the page was made
        while clock() < ends_s:
            try:
                found = await listener.get(feed.beat_s)
            except OverError as over:
                if over.why is Over.MISSED:
                    yield _CHANGED
                return
            if any(asker.sees(line.mirror) for line in found.lines):
                yield _CHANGED
            else:
                yield _BEAT
