"""The stream by which an open page hears that something has changed; what, it then asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from docferry.web.desk import Desk
from docferry.web.pages.visit import Viewer
from docferry.web.pulse import Pulse

router = APIRouter()

#: A line now and then, so that nobody on the way takes the stream for dead.
_BEAT_S = 15.0
#: Not more often: each change makes every open page ask anew.
_AT_MOST_EVERY_S = 0.5
#: Then the page connects again, and is asked again who it is.
_LASTS_S = 600.0


@router.get("/live")
async def live(visitor: Viewer, request: Request) -> StreamingResponse:
    stream = _stream(request.app.state.pulse, visitor.desk)
    return StreamingResponse(
        stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _stream(pulse: Pulse, desk: Desk) -> AsyncIterator[bytes]:
    ends_s = asyncio.get_running_loop().time() + _LASTS_S
    with pulse.listening() as changed:
        yield b"retry: 2000\n\n"
        while not desk.is_ending.is_set() and asyncio.get_running_loop().time() < ends_s:
            try:
                await asyncio.wait_for(changed.wait(), _BEAT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            changed.clear()
            yield b"event: changed\ndata: \n\n"
            await asyncio.sleep(_AT_MOST_EVERY_S)
