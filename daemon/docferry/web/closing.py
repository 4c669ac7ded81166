"""What is closed by a thread, so that the event loop of all requests waits for no disk."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from anyio import CancelScope
from starlette.concurrency import run_in_threadpool


@asynccontextmanager
async def closed_by_thread(stack: ExitStack) -> AsyncIterator[ExitStack]:
    """Close *stack* at the end of the block, however it ends: also where whoever asks is gone."""
    try:
        yield stack
    finally:
        with CancelScope(shield=True):
            await run_in_threadpool(stack.__exit__, *sys.exc_info())
