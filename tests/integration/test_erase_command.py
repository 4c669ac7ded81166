"""What `docferry erase` refuses, asks for and tells."""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import NewRequest, RequestRow
from docferry.model import Origin, RequestKind, RequestState
from ledger_rows import MINUTE, NOW, new_job, sha_of, ulid_of, uploaded, version
from processes import wait_for

BOTH = ("--all-versions", "--yes")
REPORT: dict[str, object] = {
    "versions": [ulid_of("a1")],
    "searched": ["the folder", "the bucket"],
    "left": [],
    "newer": [],
    "copies": [],
    "results": [],
}


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        ledger.record("docs", [uploaded("a", "1"), uploaded("b", "1")], at=NOW)
        ledger.record("docs", [uploaded("a", "2")], at=NOW + MINUTE)
        yield ledger


class Carried:
    """A daemon that says of each request to erase what it is told to say."""

    def __init__(self, desk: Desk, ledger: Ledger, *reports: dict[str, object]) -> None:
        self._lock = StateLock(desk.state)
        self._ledger = ledger
        self._reports = [*reports]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join(10)
        self._lock.__exit__(None, None, None)

    def _run(self) -> None:
        for report in self._reports:
            wait_for(lambda: bool(self._open()))
            [request] = self._open()
            note = json.dumps(report)
            state = RequestState.FAILED if report["left"] else RequestState.DONE
            self._ledger.requests.finish(request.id, state, NOW, note)

    def _open(self) -> list[RequestRow]:
        found = [self._ledger.requests.open(mirror, 10) for mirror in ("docs", "processed")]
        return [request for requests in found for request in requests]


@pytest.mark.parametrize("options", [(), ("--yes",), ("--all-versions",)])
def test_without_both_options_it_only_says_what_would_go(
    desk: Desk, ledger: Ledger, options: tuple[str, ...]
) -> None:
    job = replace(new_job("2"), path="a", version=ulid_of("a2"))
    ledger.record("docs", [], [job], at=NOW)
    claimed = ledger.jobs.claim(NOW, NOW, rules=[job.rule])
    assert claimed is not None
    ledger.jobs.finish(claimed.id, NOW, "x.md")
    made = version("x.md", mirror="processed")
    ledger.versions.add([replace(made, origin=Origin.CONVERSION)])

    said = desk.asks("erase", "a", *options)

    assert said.code == 2
    assert "docs: would go: the file on both sides, 2 versions (20 B)" in said.words
    assert "processed/x.md" in said.words
    assert "nothing was erased" in said.errors
    assert ledger.requests.open("docs", 10) == []


def test_what_no_conversion_made_is_named_as_it_stays(desk: Desk, ledger: Ledger) -> None:
    with Carried(desk, ledger, REPORT | {"no_results": ["processed/x.md"]}):
        said = desk.asks("erase", "a", *BOTH)

    assert "so it stays: processed/x.md" in said.words


def test_what_would_go_answers_a_program_too(desk: Desk, ledger: Ledger) -> None:
    said = desk.asks("erase", "a", "--json")

    assert said.code == 2
    assert set(said.json["would_go"]["versions"]) == {ulid_of("a1"), ulid_of("a2")}


def test_what_is_held_is_refused_before_anything_is_asked_for(desk: Desk, ledger: Ledger) -> None:
    ledger.versions.keep(ulid_of("a1"), NOW, is_held=True)

    said = desk.asks("erase", "a", *BOTH)

    assert (said.code, ulid_of("a1") in said.errors) == (2, True)
    assert ledger.requests.open("docs", 10) == []


def test_what_no_mirror_ever_had_is_refused(desk: Desk, ledger: Ledger) -> None:
    assert desk.asks("erase", "never", *BOTH).code == 2
    assert desk.asks("erase", "never", *BOTH, "--mirror", "docs").code == 2


def test_of_several_mirrors_one_must_be_named(desk: Desk, ledger: Ledger) -> None:
    desk.configure("docs", "more")
    ledger.versions.add([version("a", mirror="more")])

    said = desk.asks("erase", "a", *BOTH)

    assert (said.code, "--mirror one of docs, more" in said.errors) == (2, True)


@pytest.mark.parametrize("command", ["cat", "restore", "hold", "unhold"])
def test_of_an_erased_version_the_commands_say_when_that_was(
    desk: Desk, ledger: Ledger, command: str
) -> None:
    one = ulid_of("a1")
    ledger.erasures.forget("docs", "a", {one: sha_of("1")}, NOW, request_id=0, is_all=True)

    said = desk.asks(command, one)

    assert said.code == 2
    assert f"version {one} was erased on 2026-11-23 12:00 UTC" in said.errors


def test_without_a_daemon_it_is_asked_for_once(desk: Desk, ledger: Ledger) -> None:
    codes = [desk.asks("erase", "a", *BOTH).code for _ in range(2)]

    assert codes == [1, 1]
    assert desk.asks("erase", "a", *BOTH, "--json").json["is_done"] is False
    [request] = ledger.requests.open("docs", 10)
    assert (request.kind, request.path) == (RequestKind.ERASE, "a")


def test_what_the_daemon_wrote_down_by_a_clock_ahead_of_ours_is_erased_too(
    desk: Desk, ledger: Ledger
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    ledger.versions.add([replace(version("a", "3"), created_at=ahead)])

    desk.asks("erase", "a", *BOTH)

    [request] = ledger.requests.open("docs", 10)
    assert request.created_at == ahead


def test_it_waits_for_the_daemon_and_tells_what_it_says(desk: Desk, ledger: Ledger) -> None:
    with Carried(desk, ledger, REPORT):
        said = desk.asks("erase", "a", *BOTH)

    assert said.code == 0
    assert f"1 version erased {ulid_of('a1')} searched: the folder" in said.words
    assert "nothing was found" in said.words


def test_what_is_left_is_named_and_is_no_success(desk: Desk, ledger: Ledger) -> None:
    with Carried(desk, ledger, REPORT | {"left": ["remote: delete marker 1 of docs/a"]}):
        said = desk.asks("erase", "a", *BOTH)

    assert said.code == 1
    assert "left: remote: delete marker 1 of docs/a" in said.words
    assert "nothing was found" not in said.words


def test_it_waits_for_what_conversions_made_of_it_too(desk: Desk, ledger: Ledger) -> None:
    result = NewRequest("processed", "x.md", RequestKind.ERASE)
    [number] = ledger.requests.add([result], NOW)
    ledger.requests.finish(number, RequestState.FAILED, NOW, "the side is gone")

    with Carried(desk, ledger, REPORT | {"results": [number]}):
        said = desk.asks("erase", "a", *BOTH, "--json")

    assert said.code == 1
    assert [one["state"] for one in said.json["ended"]] == ["done", "failed"]
    assert said.json["ended"][1]["trouble"] == "the side is gone"
