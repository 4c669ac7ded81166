"""What the first page says of all of it, in a sentence: never more than is so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.app.report import MirrorReport, Status
from docferry.ledger import MirrorRow
from docferry.model import MirrorHealth, Mode, Pause
from docferry.web.pages.overview import headline, mark_of
from ledger_rows import NOW

ROW = MirrorRow(
    name="docs",
    marker_id="M",
    store="main",
    bucket="b",
    prefix="",
    local="/srv/docs",
    mode=Mode.TWO_WAY,
    health=MirrorHealth.IN_STEP,
    reason=None,
    since=NOW,
    last_poll_at=NOW,
    last_scan_at=NOW,
    last_full_at=NOW,
    dirty=0,
    oldest_dirty_at=None,
)


def mirror(health: MirrorHealth) -> MirrorReport:
    return MirrorReport("docs", "/srv/docs", "s3://b/", replace(ROW, health=health))


def status(*healths: MirrorHealth, pid: int | None = 1) -> Status:
    return Status(NOW, pid, None, tuple(mirror(health) for health in healths))


IN_STEP, WORKING, WAITING = MirrorHealth.IN_STEP, MirrorHealth.WORKING, MirrorHealth.WAITING


@pytest.mark.parametrize(
    ("report", "decisions", "mark", "text"),
    [
        (status(IN_STEP), 0, "ok", "Everything is in step"),
        (status(IN_STEP, IN_STEP), 0, "ok", "All 2 mirrors are in step"),
        (status(IN_STEP, pid=None), 0, "bad", "docferry is not running: nothing travels"),
        (status(IN_STEP), 1, "warn", "1 decision waits for you"),
        (status(MirrorHealth.BLOCKED), 2, "warn", "2 decisions wait for you"),
        (status(MirrorHealth.BLOCKED), 0, "bad", "1 mirror is out of step"),
        (status(IN_STEP, MirrorHealth.UNREACHABLE), 0, "bad", "1 mirror is out of step"),
        (status(IN_STEP, WORKING), 0, "busy", "Documents are travelling"),
        (status(WAITING), 0, "warn", "Not everything is in step"),
        (replace(status(IN_STEP), trouble="full"), 0, "warn", "Not everything is in step"),
    ],
)
def test_the_headline_says_how_all_of_it_is(
    report: Status, decisions: int, mark: str, text: str
) -> None:
    found = headline(report, decisions)

    assert (found.mark, found.text) == (mark, text)


@pytest.mark.parametrize("health", MirrorHealth)
def test_only_what_is_in_step_has_the_sign_of_that(health: MirrorHealth) -> None:
    assert (mark_of(mirror(health), is_running=True) == "ok") is (health is IN_STEP)


def test_a_mirror_of_a_daemon_that_does_not_run_has_no_good_sign() -> None:
    assert mark_of(mirror(IN_STEP), is_running=False) == "idle"


def test_a_mirror_that_was_paused_says_so_before_its_loop_has_heard() -> None:
    paused = replace(mirror(IN_STEP), pause=Pause("docs", NOW, "anna"))

    assert mark_of(paused, is_running=True) == "paused"
