"""Mirrors, as commands show them, pause them, and have them look."""

from __future__ import annotations

import getpass
import pathlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from docferry.core.orders import answers
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import NewRequest
from docferry.model import MirrorHealth, OrderedRun, RequestKind
from ledger_rows import NOW

ME = getpass.getuser()


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    monkeypatch.delenv("SUDO_USER", raising=False)
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        ledger.mirrors.put("docs", health=MirrorHealth.IN_STEP, since=NOW)
        yield ledger


@contextmanager
def heeding(desk: Desk, ledger: Ledger) -> Iterator[None]:
    """A daemon that heeds orders, as far as the ledger tells of it."""
    is_over = threading.Event()

    def heed() -> None:
        while not is_over.wait(0.01):
            is_paused = ledger.orders.pause_of("docs") is not None
            health = MirrorHealth.PAUSED if is_paused else MirrorHealth.WORKING
            ledger.mirrors.put("docs", health=health)
            if not is_paused:
                ids = ledger.orders.begin("docs", answers(OrderedRun.FULL), NOW)
                ledger.orders.answer(ids, OrderedRun.FULL, NOW)

    thread = threading.Thread(target=heed)
    with StateLock(desk.state):
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def test_a_pause_is_said_to_be_heard_and_status_says_who_and_how_to_end_it(
    desk: Desk, ledger: Ledger
) -> None:
    with heeding(desk, ledger):
        said = desk.asks("mirrors", "pause", "docs", "--reason", "new disks")
        status = desk.asks("status")

    pause = ledger.orders.pause_of("docs")
    assert pause is not None
    assert (said.code, pause.actor, pause.reason) == (0, ME, "new disks")
    assert said.words == f"docs: paused by {ME} since {pause.since:%Y-%m-%d %H:%M} UTC: new disks"
    assert f"paused by {ME} since" in status.words
    assert "new disks; to go on: docferry mirrors resume docs" in status.words
    assert "docs: paused since" in status.words
    assert status.code == 1


def test_a_pause_without_a_daemon_waits_for_one(desk: Desk, ledger: Ledger) -> None:
    said = desk.asks("mirrors", "pause", "docs")

    assert said.code == 0
    assert "docferry is not running: it heeds that once it is started" in said.words
    assert ledger.orders.pause_of("docs") is not None


def test_a_daemon_that_has_not_heard_is_told_of(desk: Desk, ledger: Ledger) -> None:
    with StateLock(desk.state):
        said = desk.asks("mirrors", "pause", "docs", "--wait", "0")
        status = desk.asks("status", "--json")

    assert said.code == 1
    assert "docferry has not heard yet" in said.words
    assert status.code == 1  # though its loop still says that it is in step


@pytest.mark.usefixtures("ledger")
def test_who_pauses_what_is_paused_is_told_by_whom(desk: Desk) -> None:
    desk.asks("mirrors", "pause", "docs", "--reason", "new disks")

    said = desk.asks("mirrors", "pause", "docs", "--reason", "something else")

    assert f"docs: already paused by {ME} since" in said.words
    assert "new disks" in said.words


def test_a_mirror_goes_on_when_it_is_resumed(desk: Desk, ledger: Ledger) -> None:
    ledger.orders.pause("docs", None, datetime.now(UTC) - timedelta(minutes=5))

    with heeding(desk, ledger):
        said = desk.asks("mirrors", "resume", "docs")
        again = desk.asks("mirrors", "resume", "docs", "--json")

    assert (said.code, said.words) == (0, "docs: goes on; was paused 5 min ago")
    assert again.json == [{"mirror": "docs", "was_paused": None}]
    assert ledger.orders.pause_of("docs") is None


@pytest.mark.parametrize("run", ["poll", "rescan"])
def test_what_is_ordered_is_waited_for(desk: Desk, ledger: Ledger, run: str) -> None:
    with heeding(desk, ledger):
        said = desk.asks("mirrors", run)
        [facts] = desk.asks("mirrors", run, "docs", "--json").json

    assert (said.code, said.words) == (0, f"docs: {run} done (full)")
    assert (facts["mirror"], facts["run"], facts["answered_by"]) == ("docs", run, "full")


def test_a_run_of_a_paused_mirror_is_not_waited_for(desk: Desk, ledger: Ledger) -> None:
    ledger.orders.pause("docs", None, NOW)

    with heeding(desk, ledger):
        said = desk.asks("mirrors", "poll")

    assert said.code == 1
    assert "docs: poll is ordered, and waits: the mirror is paused by daemon since" in said.words
    assert "docferry mirrors resume docs" in said.words


@pytest.mark.usefixtures("ledger")
def test_a_run_waits_for_a_daemon(desk: Desk) -> None:
    said = desk.asks("mirrors", "rescan")

    assert said.code == 1
    assert said.words == "docs: rescan is ordered, and waits: docferry is not running"


def test_what_is_asked_for_of_a_paused_mirror_says_why_it_waits(desk: Desk, ledger: Ledger) -> None:
    ledger.requests.add([NewRequest("docs", "a", RequestKind.RESTORE, "V")], NOW)
    ledger.orders.pause("docs", None, NOW)

    with StateLock(desk.state):
        [facts] = desk.asks("requests", "list", "--json").json

    assert facts["why"].startswith("the mirror is paused by daemon since ")


def test_all_mirrors_are_listed(desk: Desk, ledger: Ledger) -> None:
    desk.configure("docs", "notes")
    ledger.orders.pause("docs", "new disks", NOW)

    said = desk.asks("mirrors", "list")
    facts = desk.asks("mirrors", "list", "--json").json

    docs, notes = (
        next(row for row in said.text.splitlines() if row.startswith(name))
        for name in ("docs", "notes")
    )
    assert "new disks" in docs
    assert "has never run" in notes
    assert [one["name"] for one in facts] == ["docs", "notes"]
    assert facts[0]["pause"]["reason"] == "new disks"


def test_where_there_are_several_one_says_which(desk: Desk, ledger: Ledger) -> None:
    desk.configure("docs", "notes")

    none = desk.asks("mirrors", "pause")
    unknown = desk.asks("mirrors", "pause", "docs", "nope")
    every = desk.asks("mirrors", "pause", "--all")

    assert (none.code, unknown.code, every.code) == (2, 2, 0)
    assert "which mirror? --all, or some of: docs, notes" in none.errors
    assert "there is no mirror 'nope'" in unknown.errors
    assert ledger.orders.pauses().keys() == {"docs", "notes"}


def test_a_letter_is_no_reason(desk: Desk, ledger: Ledger) -> None:
    said = desk.asks("mirrors", "pause", "docs", "--reason", "x" * 501)

    assert said.code == 2
    assert "500 are enough" in said.errors
    assert ledger.orders.pause_of("docs") is None
