"""Texts compared by another process, and given up on when that takes too long."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from docferry.app.compare_apart import Compared, compare_apart
from docferry.errors import TemporaryError
from docferry.web.comparisons import Comparisons

#: Many lines that are alike, none so often that it is left out of account: minutes.
SLOW = [f"{n % 150}" for n in range(30_000)], [f"{n * 7 % 150}" for n in range(30_000)]


def test_two_texts_are_compared_line_by_line() -> None:
    found = compare_apart(["one", "two"], ["one", "three"], 100, 30.0)

    assert found is not None
    assert found.lines[2:] == ["@@ -1,2 +1,2 @@", " one", "-two", "+three"]
    assert found.hidden == 0


def test_of_many_lines_the_first_come_and_the_rest_is_counted() -> None:
    found = compare_apart([], ["x"] * 50_000, 10, 30.0)

    assert found is not None
    assert (len(found.lines), found.hidden) == (10, 50_000 + 3 - 10)


def test_what_takes_too_long_is_given_up_on() -> None:
    assert compare_apart(*SLOW, 10, 0.5) is None


def test_more_than_two_at_once_are_refused() -> None:
    begun, end = threading.Semaphore(0), threading.Event()

    def compare(
        before: Sequence[str], after: Sequence[str], most: int, within_s: float
    ) -> Compared | None:
        begun.release()
        assert end.wait(30)
        return None

    comparisons = Comparisons(compare, wait_s=0.0)
    threads = [threading.Thread(target=comparisons.get, args=([], [], 1)) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=30)
    try:
        with pytest.raises(TemporaryError, match="try again"):
            comparisons.get([], [], 1)
    finally:
        end.set()
        for thread in threads:
            thread.join()

    assert comparisons.get([], [], 1) is None  # there is room again
