"""Plans for who asks by the API: each is made once, and kept for who comes back for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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

    first = plans.get(Config(), "docs", 0.0)
    maker.may_end.set()
    second = plans.get(Config(), "docs", 10.0)
    third = plans.get(Config(), "docs", 10.0)

    assert first is None
    assert second is not None
    assert third is not None
    assert [one.operations[0].path for one in (second, third)] == ["1", "2"]  # told once
    assert maker.made == ["docs", "docs"]


def test_whoever_asks_for_the_same_meanwhile_waits_for_the_same() -> None:
    maker = Maker()
    plans = Plans(maker)

    with ThreadPoolExecutor(4) as callers:
        asked = [callers.submit(plans.get, Config(), "docs", 10.0) for _ in range(4)]
        assert plans.get(Config(), "docs", 0.0) is None
        maker.may_end.set()
        found = {one.result() for one in asked}

    assert len(found) == len(maker.made)


def test_one_that_failed_is_made_anew_the_next_time() -> None:
    maker = Maker()
    maker.error = TemporaryError("the store hiccups")
    maker.may_end.set()
    plans = Plans(maker)

    with pytest.raises(TemporaryError):
        plans.get(Config(), "docs", 10.0)
    maker.error = None

    assert plans.get(Config(), "docs", 10.0) is not None
