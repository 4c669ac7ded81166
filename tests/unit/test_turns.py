"""Threads of which no mirror has more than its share, whatever hangs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from docferry.web.lanes import Lane, apart
from docferry.web.problems import ProblemError
from docferry.web.turns import Turns


def test_a_mirror_that_hangs_leaves_threads_for_the_others() -> None:
    turns, go, hanging = Turns(of_one=2), threading.Event(), threading.Semaphore(0)

    @apart(Lane("contents", 4))
    def read(mirror: str) -> str:
        with turns.taken(mirror):
            if mirror == "hung":
                hanging.release()
                go.wait(30)
            return mirror

    async def ask() -> tuple[str, list[str]]:
        many = [asyncio.ensure_future(read("hung")) for _ in range(8)]
        for _ in range(2):
            assert await asyncio.to_thread(hanging.acquire, timeout=10)
        try:
            other = await asyncio.wait_for(read("fine"), 4)
        finally:
            go.set()
        return other, await asyncio.gather(*many)

    assert asyncio.run(ask()) == ("fine", ["hung"] * 8)


def test_who_waits_for_a_mirror_that_hangs_is_told_to_come_again() -> None:
    turns = Turns(of_one=1)

    async def wait() -> None:
        await turns.wait("hung", asyncio.get_running_loop().time() + 0.1)

    with turns.taken("hung"), pytest.raises(ProblemError, match="hung"):
        asyncio.run(wait())
    asyncio.run(wait())
