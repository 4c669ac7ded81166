"""Drop folders of a mirror that a person has paused."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator

import pytest

from docferry.core.settle import CLOCK_TICK_S
from dropping import Drops, fresh
from watching import PATIENCE_S, wait_until


def is_at_rest(file: pathlib.Path) -> bool:
    return time.time() - file.stat().st_ctime > 2 * CLOCK_TICK_S


@pytest.fixture
def drops(tmp_path: pathlib.Path) -> Iterator[Drops]:
    yield from fresh(tmp_path / "drop", tmp_path / "mirror")


def test_while_the_mirror_rests_nothing_is_moved_and_afterwards_all_is(drops: Drops) -> None:
    drops.trouble = "mirror documents is paused by anna"
    (drops.folder / "a").write_text("a")
    drops.start()
    told = drops.problems.get(timeout=PATIENCE_S)
    (drops.folder / "b").write_text("b")
    drops.trouble = None
    drops.wait_for("a", "b")
    mended = drops.problems.get(timeout=PATIENCE_S)

    assert told == ("", "mirror documents is paused by anna")
    assert mended == ("", None)


def test_a_pause_while_files_are_moved_leaves_the_rest_where_they_are(drops: Drops) -> None:
    paths = [str(number) for number in range(20)]
    for path in paths:
        (drops.folder / path).write_text(path)

    def rest(path: str) -> None:
        drops.trouble = "mirror documents is paused by anna"

    drops.before_placed = rest
    wait_until(lambda: all(map(is_at_rest, drops.folder.iterdir())))  # one look takes them all
    drops.start()
    drops.problems.get(timeout=PATIENCE_S)
    moved = drops.mirrored()
    drops.before_placed, drops.trouble = (lambda path: None), None
    drops.wait_for(*paths)

    assert len(moved) == 1
    assert sorted(drops.mirrored()) == sorted(paths)
