"""What `docferry retention` says, and how it asks for a round."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.model import RequestKind
from ledger_rows import ulid_of, version

DAY = timedelta(days=1)


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    now = datetime.now(UTC)
    with desk.ledger() as ledger:
        rows = [replace(version("a", f"{days}"), left_at=now - days * DAY) for days in (1, 2, 3, 4)]
        ledger.versions.add(rows)
        ledger.versions.keep(ulid_of("a4"), now, is_held=True)
        yield ledger


def test_retention_says_what_would_go_and_why_the_rest_stays(desk: Desk, ledger: Ledger) -> None:
    desk.configure(more="keep_last = 1\n")

    said = desk.asks("retention")

    assert said.code == 0
    assert "docs: 2 versions (20 B) would go, 2 versions would stay" in said.words
    assert "1 of those that stay: it is held" in said.words
    assert ulid_of("a2") in said.text
    assert ulid_of("a1") not in said.text
    assert [row.kind for row in ledger.history.of("docs", "a")] == ["hold"]  # nothing went


def test_retention_tells_a_program_of_every_version(desk: Desk, ledger: Ledger) -> None:
    desk.configure(more="keep_last = 1\n")

    [facts] = desk.asks("retention", "docs", "--json").json

    assert (facts["goes"], facts["stays"]) == (2, 2)
    whys = {one["version"]: (one["goes"], one["why"]) for one in facts["versions"]}
    assert whys == {
        ulid_of("a1"): (False, "it is among the last ones"),
        ulid_of("a2"): (True, "no rule keeps it"),
        ulid_of("a3"): (True, "no rule keeps it"),
        ulid_of("a4"): (False, "it is held"),
    }


def test_what_retention_does_not_show_it_counts(desk: Desk, ledger: Ledger) -> None:
    desk.configure(more="keep_last = 1\n")

    said = desk.asks("retention", "--limit", "1")

    assert ulid_of("a3") not in said.text
    assert "and 1 more" in said.words


def test_without_a_rule_retention_says_that_everything_stays(desk: Desk, ledger: Ledger) -> None:
    assert "all versions stay for ever" in desk.asks("retention").words


def test_a_round_is_asked_for_once(desk: Desk, ledger: Ledger) -> None:
    first, again = desk.asks("retention", "docs", "--now"), desk.asks("retention", "docs", "--now")

    assert (first.code, again.code) == (0, 0)
    [request] = ledger.requests.open("docs", 10)
    assert (request.kind, request.path) == (RequestKind.RETENTION, "")
    assert "no daemon runs: it is done once one does" in first.words


def test_a_round_is_promised_soon_only_where_a_daemon_runs(desk: Desk, ledger: Ledger) -> None:
    with StateLock(desk.state):
        said = desk.asks("retention", "docs", "--now")

    assert "the daemon does it within seconds" in said.words


def test_retention_that_waits_says_so_and_why_and_what_to_do(desk: Desk, ledger: Ledger) -> None:
    desk.configure(more="keep_last = 1\n")
    ledger.waits.begin("docs", datetime.now(UTC))

    said, [facts] = desk.asks("retention", "docs"), desk.asks("retention", "docs", "--json").json
    status = desk.asks("status")

    assert "docs: retention waits" in said.words
    assert "which versions were held may be forgotten" in said.words
    assert "docferry retention docs --now --yes" in said.words
    assert facts["waits_since"] is not None
    assert "retention waits for your word" in status.words


def test_a_round_that_a_person_asks_for_ends_the_waiting(desk: Desk, ledger: Ledger) -> None:
    desk.configure(more="keep_last = 1\n")
    ledger.waits.begin("docs", datetime.now(UTC))

    desk.asks("retention", "docs", "--now", "--yes")

    assert ledger.waits.since("docs") is None
    [request] = ledger.requests.open("docs", 10)
    assert request.kind is RequestKind.RETENTION
    assert "retention waits" not in desk.asks("retention").words + desk.asks("status").words


def test_to_ask_for_a_round_alone_is_no_word_of_a_person(desk: Desk, ledger: Ledger) -> None:
    desk.configure(more="keep_last = 1\n")
    ledger.waits.begin("docs", datetime.now(UTC))

    said = desk.asks("retention", "docs", "--now")  # as a timer does

    assert said.code == 2
    assert "which versions were held may be forgotten" in said.errors
    assert "docferry retention docs --now --yes" in said.errors
    assert ledger.waits.since("docs") is not None
    assert ledger.requests.open("docs", 10) == []


def test_where_no_rule_lets_anything_go_nobody_is_told_to_decide_and_it_still_waits(
    desk: Desk, ledger: Ledger
) -> None:
    ledger.waits.begin("docs", datetime.now(UTC))

    said = [desk.asks("status"), desk.asks("retention"), desk.asks("retention", "docs", "--now")]

    assert not any("waits" in each.words for each in said)
    assert ledger.waits.since("docs") is not None


@pytest.mark.parametrize("arguments", [("--now",), ("other",), ("other", "--now")])
def test_retention_of_no_mirror_is_refused(
    desk: Desk, ledger: Ledger, arguments: tuple[str, ...]
) -> None:
    assert desk.asks("retention", *arguments).code == 2
