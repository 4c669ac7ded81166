"""Mirrors whose loops are ended with the test."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from docferry.model import Mode
from looped_mirror import Mirror


@pytest.fixture
def new_mirror(tmp_path: pathlib.Path) -> Iterator[Callable[..., Mirror]]:
    made: list[Mirror] = []

    def make(delete_limit: int = 100, mode: Mode = Mode.TWO_WAY) -> Mirror:
        made.append(Mirror(tmp_path, delete_limit, mode))
        return made[-1]

    yield make
    for mirror in made:
        mirror.close()
