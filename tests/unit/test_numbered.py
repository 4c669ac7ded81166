"""Pages of what has a number: each once, the newest first."""

from __future__ import annotations

import random

import pytest

from docferry.web.pages.numbered import PAGE, newest_of


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1])
def test_every_number_is_on_one_page(count: int) -> None:
    numbers = random.Random(count).sample(range(1, count + 1), count)
    found, before = list[int](), None

    for _ in range(4):
        page, before = newest_of(numbers, before, lambda one: one)
        found += page
        if before is None:
            break

    assert found == sorted(numbers, reverse=True)
    assert before is None
