"""When all is called in step: when nobody has to act, and nothing waits."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from conversion_rows import dead, queued, running
from docferry.app.report import Status, status
from docferry.config import Config
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import NewRequest
from docferry.model import DeleteRemote, OrderedRun, RequestKind
from integration.test_report import config, kept_both, run_once
from ledger_rows import NOW, agreed, fresh_ledger

__all__ = ["config"]


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield ledger


def conflict_is_open(ledger: Ledger) -> None:
    ledger.record("docs", [kept_both("c", "c.conflict")], at=NOW)


def hold_is_open(ledger: Ledger) -> None:
    ledger.holds.park("docs", [(DeleteRemote("a", "etag"), agreed("a").sha256)])
    ledger.holds.hold("docs", "too many", NOW)


def request_is_open(ledger: Ledger) -> None:
    ledger.requests.add([NewRequest("docs", "a", RequestKind.RESTORE, version="01M8")], NOW)


def conversion_waits(ledger: Ledger) -> None:
    queued(ledger, "a.docx")


def conversion_runs(ledger: Ledger) -> None:
    running(ledger, "a.docx")


def conversion_was_given_up(ledger: Ledger) -> None:
    dead(ledger, "broken.docx")


def run_is_ordered(ledger: Ledger) -> None:
    ledger.orders.ask("docs", OrderedRun.POLL, NOW)


@pytest.mark.parametrize(
    "happens",
    [
        conflict_is_open,
        hold_is_open,
        request_is_open,
        conversion_waits,
        conversion_runs,
        conversion_was_given_up,
        run_is_ordered,
    ],
)
def test_while_anything_waits_for_a_person_or_for_its_turn_nothing_is_in_step(
    config: Config, ledger: Ledger, happens: Callable[[Ledger], None]
) -> None:
    for name in config.mirrors:
        run_once(ledger, name)
    happens(ledger)

    with StateLock(config.state_dir):
        report = status(config, ledger)

    assert not report.is_in_step
    assert not report.of(["docs"]).is_in_step
    assert report.of(["processed"]).is_in_step


def test_a_full_disk_is_told_to_those_who_may_see_one_mirror_without_its_folder() -> None:
    full = Status(NOW, 1, "the disk of /var/lib/docferry is full", ())

    assert not full.of([]).is_in_step
    assert full.of([]).trouble is not None
    assert "/var" not in str(full.of([]).trouble)
