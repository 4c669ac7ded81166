"""What a path held without an agreement, and lost: it leaves, however many there are."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator

import pytest

from docferry.core.merge import Difference
from docferry.engine.dirty import DirtyPaths
from docferry.engine.left import Left
from docferry.ledger import Ledger
from docferry.model import FileState, Forget, Mode, Outcome, Path
from ledger_rows import NOW, fresh_ledger, uploaded

#: More than are looked at together.
PATHS = [f"{number:04}" for number in range(700)]


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def look_at_all(left: Left, dirty: DirtyPaths, *, held: Path = "") -> None:
    """Look at what is marked, as the loop does: nothing is anywhere, but for *held*."""
    state = FileState("token", None, 1)
    while due := dirty.take_due(100):
        for path in sorted(due):
            left.looked(Difference(path, state if path == held else None, None, None))


def current(ledger: Ledger) -> list[Path]:
    return [path for path in PATHS if any(r.is_current for r in ledger.versions.of("docs", path))]


@pytest.mark.parametrize("mode", Mode)
def test_a_full_run_has_all_of_them_looked_at(ledger: Ledger, mode: Mode) -> None:
    """But for those of a mirror that goes one way: one side may keep any number to itself."""
    ledger.record("docs", [uploaded(path) for path in PATHS], at=NOW)
    ledger.synced.forget_all("docs")
    dirty = DirtyPaths(threading.Event())
    left = Left("docs", mode, ledger, dirty, lambda: NOW)

    left.full_run_ended()
    look_at_all(left, dirty, held=PATHS[3])

    assert current(ledger) == ([PATHS[3]] if mode is Mode.TWO_WAY else PATHS)
    assert ledger.unagreed.paths("docs", 10) == current(ledger)[:10]


def test_what_one_side_has_still_stays_and_what_is_nowhere_is_asked_for_once(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    ledger.record("docs", [Outcome(Forget("a", stays=True), synced=None)], at=NOW)
    left = Left("docs", Mode.TWO_WAY, ledger, DirtyPaths(threading.Event()), lambda: NOW)

    for path in ("a", "b", "c"):
        left.looked(Difference(path, None, FileState("etag", None, 1), None))
    assert ledger.unagreed.paths("docs", 10) == ["a"]

    for _ in range(2):
        left.looked(Difference("a", None, None, None))
    assert ledger.unagreed.paths("docs", 10) == []
    [row] = ledger.versions.of("docs", "a")
    assert row.left_at == NOW
