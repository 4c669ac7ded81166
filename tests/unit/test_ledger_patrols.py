"""What a patrol asks the ledger, and what it leaves there."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.core.patrol import Phase
from docferry.ledger import Ledger
from docferry.ledger.patrols import PatrolRow
from docferry.ledger.requests import NewRequest
from docferry.model import RequestKind, RequestState
from ledger_rows import NOW, fresh_ledger, uploaded, version

ROW = PatrolRow("docs", NOW, Phase.CURRENT, "a", checked=1, total=3, found=0, finished_at=None)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def test_how_far_it_came_is_found_again(ledger: Ledger) -> None:
    ledger.patrols.put(ROW)
    further = replace(ROW, phase=Phase.DONE, cursor="", checked=3, found=1, finished_at=NOW)

    ledger.patrols.put(further)

    assert ledger.patrols.get("docs") == further
    assert ledger.patrols.get("other") is None


def test_the_next_paths_come_in_order_the_odd_ones_among_them(ledger: Ledger) -> None:
    paths = ["a", "a%2Fb", "b", "c", "d"]
    ledger.record("docs", [uploaded(path) for path in reversed(paths)], at=NOW)
    ledger.record("other", [uploaded("bb")], at=NOW)

    first = ledger.synced.following("docs", "", 3)
    rest = ledger.synced.following("docs", first[-1][0], 3)

    assert [path for path, _ in (*first, *rest)] == paths
    assert ledger.synced.following("docs", "d", 3) == []


def test_those_that_are_counted_are_those_that_are_gone_through(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("current")], at=NOW)
    for number in range(3):
        ledger.versions.add([replace(version("a", f"{number}"), left_at=NOW)])
    ledger.versions.let_go([version("a", "0").id], NOW)

    assert ledger.versions.count_displaced("docs") == 2
    assert len(list(ledger.versions.displaced("docs"))) == 2


def test_what_is_asked_for_is_known_until_it_is_answered(ledger: Ledger) -> None:
    [request] = ledger.requests.add([NewRequest("docs", "a", RequestKind.HEAL_LOCAL)], NOW)

    def asked() -> list[bool]:
        return [
            ledger.requests.is_asked(mirror, path, kind)
            for mirror, path, kind in (
                ("docs", "a", RequestKind.HEAL_LOCAL),
                ("docs", "a", RequestKind.HEAL_REMOTE),
                ("docs", "b", RequestKind.HEAL_LOCAL),
                ("other", "a", RequestKind.HEAL_LOCAL),
            )
        ]

    assert asked() == [True, False, False, False]
    ledger.requests.finish(request, RequestState.DONE, NOW)
    assert asked() == [False] * 4
