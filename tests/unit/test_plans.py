"""Plans for who asks by the API: each is made once, and kept for who comes back for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from docferry.config import Config
from docferry.engine.dry_run import DryRun, Step
from docferry.errors import TemporaryError
from docferry.web.plans import Plans


class Maker:
    """Makes plans that are done when they may be."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.may_end = threading.Event()
        self.error: Exception | None = None

    def __call__(self, config: Config, mirror: str, within_s: float) -> DryRun:
        self.made.append(mirror)
        assert self.may_end.wait(10)
        if self.error is not None:
            raise self.error
        return DryRun(operations=(Step("upload", f"{len(self.made)}"),))


def test_a_plan_that_takes_long_is_there_for_who_comes_back() -> None:
    maker = Maker()
    plans = Plans(maker)

    async def ask() -> list[DryRun | None]:
        first = await plans.get(Config(), "docs", 0.0)
        maker.may_end.set()
        return [first, *[await plans.get(Config(), "docs", 10.0) for _ in range(2)]]

    first, second, third = asyncio.run(ask())

    assert first is None
    assert second is not None
    assert third is not None
    assert [one.operations[0].path for one in (second, third)] == ["1", "2"]  # told once
    assert maker.made == ["docs", "docs"]


def test_whoever_asks_for_the_same_meanwhile_waits_for_the_same() -> None:
    maker = Maker()
    plans = Plans(maker)

    async def ask() -> list[DryRun | None]:
        asked = [asyncio.create_task(plans.get(Config(), "docs", 10.0)) for _ in range(4)]
        assert await plans.get(Config(), "docs", 0.0) is None
        maker.may_end.set()
        return await asyncio.gather(*asked)

    found = asyncio.run(ask())

    assert len({id(one) for one in found}) == 1
    assert maker.made == ["docs"]


def test_who_gives_up_waiting_takes_the_plan_from_nobody() -> None:
    maker = Maker()
    plans = Plans(maker)

    async def ask() -> DryRun | None:
        gone, stays = (asyncio.create_task(plans.get(Config(), "docs", 10.0)) for _ in range(2))
        assert await plans.get(Config(), "docs", 0.0) is None  # by now both wait
        gone.cancel()
        await asyncio.wait({gone})
        maker.may_end.set()
        return await stays

    assert asyncio.run(ask()) is not None
    assert maker.made == ["docs"]


def test_one_that_failed_is_made_anew_the_next_time() -> None:
    maker = Maker()
    maker.error = TemporaryError("the store hiccups")
    maker.may_end.set()
    plans = Plans(maker)

    with pytest.raises(TemporaryError):
        asyncio.run(plans.get(Config(), "docs", 10.0))
    maker.error = None

    assert asyncio.run(plans.get(Config(), "docs", 10.0)) is not None
