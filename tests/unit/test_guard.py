"""What is waited for of a request, and what is not."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from docferry.web.guard import Guard
from docferry.web.patience import Patience

BODY_S = 0.05


def test_a_body_that_is_there_is_not_late_for_a_slow_answer() -> None:
    got: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(TimeoutError):  # a store takes its time
            await asyncio.wait_for(asyncio.Event().wait(), 2 * BODY_S)
        got.append(await receive())

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "headers": []}
    asyncio.run(Guard(app, patience=Patience(body_s=BODY_S))(scope, receive, send))

    assert [one["type"] for one in got] == ["http.request"]
