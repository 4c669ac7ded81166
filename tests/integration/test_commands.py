"""What the commands say to whoever is on night duty, and that it is so."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk, held, held_changes
from conversion_rows import RULE, dead
from docferry.app.daemon import Daemon
from docferry.config import load
from docferry.core.patrol import Phase
from docferry.errors import UserError
from docferry.job import BreakerState, ConverterRow
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.patrols import PatrolRow
from docferry.ledger.requests import NewRequest
from docferry.ledger.snapshot_log import SnapshotRow
from docferry.model import FileState, HoldState, KeepBoth, Outcome, RequestKind, RequestState
from ledger_rows import NOW, agreed, uploaded


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        yield ledger


# holds


def test_a_side_that_is_not_itself_cannot_be_discarded_away(desk: Desk, ledger: Ledger) -> None:
    hold = ledger.holds.hold_identity("docs", "the folder is not itself", NOW)

    said = desk.asks("holds", "discard", str(hold))

    assert said.code == 2
    assert f"docferry holds approve {hold}" in said.errors
    assert "the folder is not itself" in said.errors
    assert ledger.holds.get(hold or 0).state is HoldState.OPEN


def test_a_hold_of_identity_is_shown_with_its_reason(desk: Desk, ledger: Ledger) -> None:
    hold = ledger.holds.hold_identity("docs", "the folder is not itself", NOW)

    said = desk.asks("holds", "show", str(hold))
    facts = desk.asks("holds", "show", str(hold), "--json").json

    assert "docs: the folder is not itself" in said.words
    assert "nothing is to be deleted" in said.words
    assert (facts["kind"], facts["reason"]) == ("identity", "the folder is not itself")
    assert facts["deletions"] == []


def test_a_hold_that_is_not_there_is_no_empty_one(desk: Desk, ledger: Ledger) -> None:
    for command in ("show", "approve", "discard"):
        said = desk.asks("holds", command, "99")

        assert (said.code, said.errors) == (2, "docferry: there is no hold 99\n")


def test_what_a_hold_keeps_is_named_as_everywhere_and_nothing_is_cut_off_in_silence(
    desk: Desk, ledger: Ledger
) -> None:
    hold = held(ledger, "a", "b", "c")

    said = desk.asks("holds", "show", str(hold), "--limit", "1")
    whole = desk.asks("holds", "show", str(hold))
    facts = desk.asks("holds", "show", str(hold), "--json").json

    assert "delete_remote a ... and 2 more: docferry holds show" in said.words
    assert "more" not in whole.words
    assert {each["kind"] for each in facts["deletions"]} == {"delete_remote"}


def test_a_hold_of_changes_is_shown_with_why_and_what_to_do(desk: Desk, ledger: Ledger) -> None:
    hold = held_changes(ledger, "a.txt", "b.txt")

    said = desk.asks("holds", "show", str(hold), "--limit", "1")
    facts = desk.asks("holds", "show", str(hold), "--json").json
    listed = desk.asks("holds", "list")

    assert "upload a.txt it looks encrypted, and did not before" in said.words
    assert f"and 1 more: docferry holds show {hold}" in said.words
    assert f"docferry holds discard {hold}" in said.words
    assert [item["path"] for item in facts["items"]] == ["a.txt", "b.txt"]
    assert (facts["kind"], facts["deletions"]) == ("changes", [])
    assert "2 files in the folder changed as if by an encrypting program" in listed.words


def test_what_is_held_is_not_called_in_step_and_all_else_is_said_to_travel(
    desk: Desk, ledger: Ledger
) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b"), uploaded("c")], at=NOW)
    hold = held(ledger, "a", "b")

    status, listed, log = desk.asks("status"), desk.asks("ls", "docs"), desk.asks("log", "a")

    assert "1 file in step, 2 held back" in status.words
    assert "everything else travels meanwhile" in status.words
    gone = f"gone from one side, and kept on the other by hold {hold}"
    assert (listed.words.count(gone), log.words.count(gone)) == (2, 1)


def test_a_held_newcomer_takes_nothing_from_what_is_in_step(desk: Desk, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    hold = held_changes(ledger, "a", "b.locked")

    status, listed = desk.asks("status"), desk.asks("ls", "docs")

    assert "1 file in step, 2 held back" in status.words
    assert listed.words.count(f"changed on one side, and kept from the other by hold {hold}") == 1


def test_of_many_files_some_are_listed_and_the_rest_is_counted(desk: Desk, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b"), uploaded("c")], at=NOW)

    said, facts = (desk.asks("ls", "docs", "--limit", "2", *more) for more in ((), ("--json",)))

    assert "3 files" in said.text
    assert [line.split()[0] for line in said.text.splitlines()[2:]] == ["a", "b", "..."]
    assert "... and 1 more: --limit N, or --json" in said.words
    assert len(facts.json) == 3


def test_a_hold_that_is_over_says_what_was_decided(desk: Desk, ledger: Ledger) -> None:
    decided = {}
    for decision in (HoldState.APPROVED, HoldState.DISCARDED):
        decided[decision] = held(ledger, "a")
        ledger.holds.decide(decided[decision], decision, NOW)
        ledger.holds.finish(decided[decision], NOW)
    ended = held(ledger, "b")
    ledger.holds.finish(ended, NOW)

    said = desk.asks("holds", "list", "--all")

    for decision, hold in decided.items():
        assert f"{hold} docs done, {decision}" in said.words
    assert f"{ended} docs done, ended by itself" in said.words


def test_conflicts_say_whether_they_are_settled(desk: Desk, ledger: Ledger) -> None:
    state = FileState("token", None, 1)
    for path in ("a", "b"):
        operation = KeepBoth(path, f"{path}.conflict", state, state)
        outcome = Outcome(operation, agreed(path), conflict_copy=operation.copy_path)
        ledger.record("docs", [outcome], at=NOW)
    ledger.conflicts.settle(1, datetime.now(UTC))

    rows = desk.asks("conflicts", "list", "--all").text.splitlines()

    assert [row.split()[-1] for row in rows if ".conflict" in row] == ["ago", "no"]


@pytest.mark.parametrize(("decision", "state"), [("approve", "approved"), ("discard", "discarded")])
def test_a_decision_answers_a_program_too(
    desk: Desk, ledger: Ledger, decision: str, state: str
) -> None:
    hold = held(ledger, "a")

    said = desk.asks("holds", decision, str(hold), "--json").json

    assert (said["id"], said["state"]) == (hold, state)
    assert said["decided_at"] is not None


def test_settling_a_conflict_answers_a_program_too(desk: Desk, ledger: Ledger) -> None:
    state = FileState("token", None, 1)
    operation = KeepBoth("a", "a.conflict", state, state)
    outcome = Outcome(operation, agreed("a"), conflict_copy=operation.copy_path)
    ledger.record("docs", [outcome], at=NOW)

    said = desk.asks("conflicts", "settle", "1", "--json").json
    unknown = desk.asks("conflicts", "settle", "2", "--json")

    assert (said["path"], said["settled_at"] is not None) == ("a", True)
    assert (unknown.code, unknown.errors) == (2, "docferry: there is no conflict 2\n")


def test_a_conflict_is_settled_by_the_content_that_is_to_stay(desk: Desk, ledger: Ledger) -> None:
    state = FileState("token", None, 1)
    operation = KeepBoth("a", "a.conflict", state, state)
    outcome = Outcome(operation, agreed("a"), conflict_copy=operation.copy_path)
    ledger.record("docs", [outcome, uploaded("a.conflict")], at=NOW)

    said = desk.asks("conflicts", "settle", "1", "--keep", "folder")

    assert (said.code, said.text) == (0, "conflict 1 is settled\n")
    asked = ledger.requests.some(None, None, newest_first=False)
    assert [(row.kind.value, row.path) for row in asked] == [
        ("restore", "a"),
        ("remove", "a.conflict"),
    ]


# before anything is known


def test_before_the_first_run_status_says_so(desk: Desk) -> None:
    said, facts = desk.asks("status"), desk.asks("status", "--json")

    assert (said.code, facts.code) == (1, 1)
    assert "docferry is not running, and never was docs: has never run" in said.words
    assert [mirror["row"] for mirror in facts.json["mirrors"]] == [None]


@pytest.mark.parametrize(
    "arguments",
    [
        ["restore", "a.txt"],
        ["undelete", "a.txt"],
        ["rewind", "docs", "--to", "1h"],
        ["hold", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
        ["retention", "docs", "--now"],
        ["holds", "approve", "1"],
        ["conflicts", "settle", "1"],
    ],
)
def test_no_command_puts_an_empty_ledger_where_one_was_lost(
    desk: Desk, arguments: list[str]
) -> None:
    desk.state.mkdir()

    said = desk.asks(*arguments)

    assert said.code == 2
    assert "one that was lost comes back by `docferry rebuild`" in said.errors
    assert not any(desk.state.iterdir())


def test_of_a_path_that_never_was_nothing_is_known(desk: Desk, ledger: Ledger) -> None:
    said, facts = desk.asks("log", "nope"), desk.asks("log", "nope", "--json")

    assert (said.code, said.text) == (1, "docs: nothing is known of 'nope'\n")
    assert (facts.code, facts.json["history"]) == (1, [])


def test_status_tells_of_what_was_asked_for_and_of_what_looks_after_the_past(
    desk: Desk, ledger: Ledger
) -> None:
    now = datetime.now(UTC)
    kinds = (RequestKind.RESTORE, RequestKind.RESTORE, RequestKind.REMOVE, RequestKind.RESTORE)
    asked = [NewRequest("docs", f"{number}.txt", kind) for number, kind in enumerate(kinds)]
    failed, left, older, _ = ledger.requests.add(asked, now - timedelta(minutes=5))
    ledger.requests.finish(failed, RequestState.FAILED, now, "a folder stands there")
    ledger.requests.finish(left, RequestState.SKIPPED, now, "it has changed")
    ledger.requests.finish(older, RequestState.FAILED, now - timedelta(days=2), "long ago")
    ledger.snapshots.note(SnapshotRow("docs", "S", now - timedelta(hours=3), 1, 1, 0.1))
    began_at, ended_at = now - timedelta(days=1), now - timedelta(days=4)
    ledger.patrols.put(PatrolRow("docs", began_at, Phase.CURRENT, "a", 1, 4, 0, ended_at))

    said, facts = desk.asks("status"), desk.asks("status", "--json").json["mirrors"][0]

    assert "asked for: 1 request (1 restore), the oldest 5 min ago" in said.text
    assert "failed: restore 0.txt (0 s ago): a folder stands there" in said.text
    assert "it has changed" not in said.text
    assert "long ago" not in said.text
    assert "last snapshot 3 h ago, last whole patrol 4 d ago (the present one: 25%)" in said.text
    assert [one["path"] for one in facts["failed_requests"]] == ["0.txt"]
    assert (facts["asked"], facts["patrol"]["checked"]) == (1, 1)


# where nobody can be asked, read the answer, or the ledger


def test_who_cannot_be_asked_is_told_what_to_add(desk: Desk) -> None:
    said = desk.asks("rebuild", "--json")

    assert (said.code, said.text) == (2, "")
    assert f"docs: s3://documents/docs/ -> {desk.folder}/docs" in said.errors
    assert "Nobody can be asked here: add --yes if that is meant" in said.errors


@pytest.mark.tools("setpriv")
@pytest.mark.parametrize("arguments", [["status"], ["versions", "a"], ["rebuild", "--yes"]])
def test_who_may_not_look_at_the_ledger_is_told_so_in_one_line(
    desk: Desk, arguments: list[str]
) -> None:
    command = pathlib.Path(sys.executable).with_name("docferry")
    as_people_are = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    desk.state.mkdir(mode=0)

    said = subprocess.run(
        [
            *(as_people_are if os.geteuid() == 0 else ()),
            command,
            "--config",
            desk.config,
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 1
    assert len(said.stderr.splitlines()) == 1
    assert "Permission denied. Ask as the user that docferry runs as, or as root" in said.stderr


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["ls", "docs"]])
def test_an_answer_that_cannot_be_written_is_an_error_in_one_line(
    desk: Desk, ledger: Ledger, arguments: list[str]
) -> None:
    command = pathlib.Path(sys.executable).with_name("docferry")
    with pathlib.Path("/dev/full").open("wb") as full:
        said = subprocess.run(
            [command, "--config", desk.config, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert said.returncode == 1
    assert said.stderr == b"docferry: cannot write the answer: No space left on device\n"


# conversions


@pytest.fixture
def given_up(desk: Desk, ledger: Ledger) -> Ledger:
    """A ledger with a document whose conversion failed for good."""
    desk.configure("docs", "processed", more=RULE)
    dead(ledger, "broken.docx")
    return ledger


def test_status_names_the_document_that_cannot_be_converted_and_what_to_do(
    desk: Desk, given_up: Ledger
) -> None:
    said = desk.asks("status")
    facts = desk.asks("status", "--json").json

    assert said.code == 1
    assert "given up on docs: broken.docx" in said.words
    assert "why: no document at all" in said.words
    assert "docferry dead list" in said.words
    assert "mend such a document and save it again" in said.words
    assert "markdown: 0 queued, 0 running, 1 dead" in said.words
    assert [letter["path"] for letter in facts["dead_letters"]] == ["broken.docx"]


def test_the_log_of_a_document_tells_what_became_of_its_conversion(
    desk: Desk, given_up: Ledger
) -> None:
    said = desk.asks("log", "--mirror", "docs", "broken.docx")
    facts = desk.asks("log", "--mirror", "docs", "broken.docx", "--json").json

    assert "to-markdown dead no document at all" in said.words
    assert [job["state"] for job in facts["conversions"]] == ["dead"]


def test_status_says_since_when_a_converter_is_down_why_and_when_it_is_tried(
    desk: Desk, ledger: Ledger
) -> None:
    desk.configure("docs", "processed", more=RULE)
    retry_at = datetime.now(UTC) + timedelta(minutes=1)
    since = datetime.now(UTC) - timedelta(minutes=5)
    reason = "connection \x1b[31m refused"
    ledger.converters.put(ConverterRow("markdown", BreakerState.OPEN, reason, since, retry_at))

    said = desk.asks("status")

    assert "down since 5 min ago: connection \\x1b[31m refused" in said.words
    assert f"tried again {retry_at.astimezone():%H:%M:%S}" in said.words


# check


@pytest.mark.parametrize("local", ["docs", "docs/below"])
def test_check_names_a_file_where_the_first_run_would_need_a_folder(desk: Desk, local: str) -> None:
    (desk.folder / "docs").write_bytes(b"a file")
    desk.config.write_text(desk.config.read_text().replace('/docs"', f'/{local}"'))

    findings = desk.asks("check", "--json").json

    folders = [each for each in findings if (each["kind"], each["level"]) == ("folder", "error")]
    assert [each["what"] for each in folders] == [f"{desk.folder}/docs is no folder"]


def test_check_finds_no_fault_with_folders_that_the_first_run_makes(desk: Desk) -> None:
    findings = desk.asks("check", "--json").json

    folders = [each for each in findings if each["kind"] == "folder"]
    assert [each["level"] for each in folders] == ["warning", "warning"]
    assert {each["remedy"] for each in folders} == {"the first run makes it"}


def taken_port(desk: Desk) -> socket.socket:
    """Let somebody else listen where the metrics are configured to be."""
    other = socket.create_server(("127.0.0.1", 0))
    desk.configure(more=f"[metrics]\nport = {other.getsockname()[1]}\n")
    return other


def test_check_tells_that_the_port_for_metrics_is_taken(desk: Desk) -> None:
    with taken_port(desk):
        said = desk.asks("check")
    with desk.ledger(), StateLock(desk.state), taken_port(desk):
        while_running = desk.asks("check")

    assert said.code == 2
    assert "choose another `address` or `port` in [metrics]" in said.words
    assert "[metrics]" not in while_running.words  # our own daemon listens there


def test_a_daemon_that_is_refused_its_port_ends_before_anything_travels(desk: Desk) -> None:
    with taken_port(desk):
        config = load(desk.config, {})
        with Daemon(config) as daemon, pytest.raises(UserError, match=r"in \[metrics\]"):
            daemon.run(once=False)

        assert not any(loop.has_run or loop.is_alive for loop in daemon.loops.values())


def test_a_problem_of_the_mirror_itself_is_told_without_a_name(desk: Desk, ledger: Ledger) -> None:
    ledger.problems.put("docs", "", kind="watch", message="polled", at=NOW, retry_at=None)

    assert "problem: polled (since" in desk.asks("status").words
