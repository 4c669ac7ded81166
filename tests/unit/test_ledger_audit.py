"""The audit in the ledger and in its file: what is done is in it, and nothing leaves it."""

from __future__ import annotations

import fcntl
import json
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from threading import Barrier, Thread

import pytest

from docferry.app.audit import AuditKeeper, Verdict, verified
from docferry.config import Config, MirrorConfig, SecretStr, StoreConfig
from docferry.core.audit import Action, AuditRow
from docferry.errors import PermanentError, TemporaryError, UserError
from docferry.ledger import Ledger
from docferry.ledger.audit_file import AuditFile
from docferry.ledger.requests import NewRequest
from docferry.model import (
    DeleteLocal,
    DeleteRemote,
    HoldState,
    Outcome,
    Remove,
    RequestKind,
    Side,
)
from events import logged
from ledger_rows import NOW, fresh_ledger, uploaded, version


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: pathlib.Path) -> Iterator[Ledger]:
    fresh_ledger(path).close()
    with Ledger.open(path, actor="anna") as ledger:
        yield ledger


@pytest.fixture
def file(tmp_path: pathlib.Path) -> AuditFile:
    return AuditFile(tmp_path / "audit.jsonl")


def told(ledger: Ledger) -> list[tuple[str, str | None, object]]:
    """What was done, where, and its facts."""
    return [(row.action, row.mirror, json.loads(row.facts)) for row in ledger.audit.rows()]


def changed(path: pathlib.Path, *statements: str) -> None:
    """What somebody does who has the file: the triggers are in nobody's way."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER IF EXISTS audit_no_update")
        raw.execute("DROP TRIGGER IF EXISTS audit_no_delete")
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def noted(ledger: Ledger, count: int) -> list[AuditRow]:
    for number in range(count):
        ledger.audit.note(Action.LEDGER_REBUILT, NOW, "docs", files=number)
    return [*ledger.audit.rows()]


def where(verdict: Verdict) -> list[int]:
    return [fault.seq for fault in verdict.faults]


# What is in it.


def test_each_decision_and_each_deletion_is_in_it_with_who_did_it(ledger: Ledger) -> None:
    one, other = version("a"), version("b")
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    ledger.versions.keep(one.id, NOW, is_held=True)
    ledger.versions.keep(one.id, NOW, is_held=False)
    outcomes = [
        Outcome(DeleteLocal("a", "t"), None, archived=(one.id, Side.LOCAL)),
        Outcome(DeleteRemote("b", "t"), None, archived=(other.id, Side.REMOTE)),
    ]
    ledger.record("docs", outcomes, at=NOW)
    ledger.versions.let_go([one.id], NOW)
    [request] = ledger.requests.add([NewRequest("docs", "b", RequestKind.ERASE, other.id)], NOW)
    ledger.erasures.forget("docs", "b", {other.id: "s"}, NOW, request_id=request, is_all=True)

    assert told(ledger) == [
        ("version.held", "docs", {"version": one.id}),
        ("version.unheld", "docs", {"version": one.id}),
        ("files.deleted", "docs", {"delete_local": [one.id], "delete_remote": [other.id]}),
        ("versions.let-go", "docs", {"versions": [one.id]}),
        ("request.made", "docs", {"request": request, "kind": "erase", "version": other.id}),
        ("versions.erased", "docs", {"request": request, "versions": [other.id]}),
    ]
    assert {row.actor for row in ledger.audit.rows()} == {"anna"}


def test_holds_and_requests_are_in_it_as_they_are_decided(ledger: Ledger) -> None:
    asked = [
        NewRequest("docs", "a", RequestKind.REMOVE),
        NewRequest("docs", "b", RequestKind.HEAL_LOCAL),
    ]
    first = ledger.holds.hold_rewind("docs", "back", asked, NOW)
    second = ledger.holds.hold_rewind("docs", "back", asked[:1], NOW)
    ledger.holds.decide(second.id, HoldState.APPROVED, NOW)
    ids = ledger.requests.add(asked, NOW)
    ledger.requests.cancel([ids[1]], NOW)
    ledger.requests.cancel([ids[1]], NOW)  # nothing more comes of it

    assert told(ledger) == [
        ("hold.opened", "docs", {"hold": first.id, "kind": "rewind"}),
        ("hold.discarded", "docs", {"hold": first.id, "kind": "rewind"}),
        ("hold.opened", "docs", {"hold": second.id, "kind": "rewind"}),
        ("hold.approved", "docs", {"hold": second.id, "kind": "rewind", "count": 1}),
        ("request.made", "docs", {"request": ids[0], "kind": "remove", "version": None}),
        ("request.made", "docs", {"request": ids[1], "kind": "heal-local", "version": None}),
        ("request.cancelled", None, {"request": ids[1], "kind": "heal-local"}),
    ]


def test_what_was_removed_as_a_person_asked_is_among_the_deletions(ledger: Ledger) -> None:
    removed = Outcome(Remove("a", 1, "t", "e"), None, archived=(version("a").id, Side.REMOTE))

    ledger.record("docs", [removed], at=NOW)

    assert told(ledger) == [("files.deleted", "docs", {"remove": [version("a").id]})]


def test_what_changes_nothing_is_not_in_it(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.versions.let_go([version("a").id], NOW)  # its path has it
    ledger.jobs.replay(["no such job"], NOW)
    with pytest.raises(UserError):
        ledger.versions.keep("no such version", NOW, is_held=True)
    with pytest.raises(UserError):
        ledger.conflicts.settle(7, NOW)

    assert told(ledger) == []


def test_an_erasure_finds_no_name_in_it_that_it_could_not_take_out(
    ledger: Ledger, file: AuditFile
) -> None:
    name = "letters to Jane.docx"
    ledger.record("docs", [uploaded(name)], at=NOW)
    ledger.requests.add([NewRequest("docs", name, RequestKind.ERASE)], NOW)
    ledger.record("docs", [Outcome(DeleteRemote(name, "t"), None)], at=NOW)

    file.catch_up(ledger.audit)

    assert len(told(ledger)) == 2
    assert "Jane" not in file.path.read_text()


def test_a_changed_configuration_is_in_it_by_its_keys_and_never_by_its_values(
    ledger: Ledger, file: AuditFile
) -> None:
    keeper = AuditKeeper(ledger, file.path, lambda: NOW)
    docs = MirrorConfig("docs", "main", "documents", pathlib.Path("/srv/docs"))
    store = StoreConfig("main", secret_access_key=SecretStr("hush"))
    before = Config(mirrors={"docs": docs}, stores={"main": store})
    rotated = replace(store, secret_access_key=SecretStr("hush-hush"))
    after = Config(
        mirrors={"docs": replace(docs, keep_last=3), "new": replace(docs, name="new")},
        stores={"main": rotated},
    )

    for config in (before, before, after):
        keeper.note_configuration(config)

    first, secrets, change, rotation = told(ledger)
    assert [one[0] for one in (first, secrets)] == ["config.changed", "credentials.changed"]
    assert change[2].items() >= {"changed": ["mirror.docs.keep_last"]}.items()  # type: ignore[attr-defined]
    assert "mirror.new.local" in change[2]["new"]  # type: ignore[index]
    assert rotation[2]["changed"] == ["store.main.secret_access_key"]  # type: ignore[index]
    written = [one.read_bytes() for one in ledger.path.parent.glob("ledger.sqlite3*")]
    assert not any(b"hush" in one for one in written)


def test_one_process_writes_for_several_each_under_their_own_name(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    bea = ledger.acting_as("key bea")

    bea.versions.keep(version("a").id, NOW, is_held=True)
    ledger.versions.keep(version("a").id, NOW, is_held=False)

    assert [(row.action, row.actor) for row in ledger.audit.rows()] == [
        ("version.held", "key bea"),
        ("version.unheld", "anna"),
    ]
    assert (bea.instance, bea.path) == (ledger.instance, ledger.path)


def test_who_acts_at_the_same_moment_is_not_taken_for_another(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded(name) for name in "abcd"], at=NOW)
    begin = Barrier(4)

    def hold(name: str) -> None:
        mine = ledger.acting_as(f"key {name}")
        begin.wait()
        for is_held in (True, False) * 10:
            mine.versions.keep(version(name).id, NOW, is_held=is_held)

    threads = [Thread(target=hold, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    rows = [*ledger.audit.rows()]
    of = {version(name).id: f"key {name}" for name in "abcd"}
    assert len(rows) == 80
    assert all(row.actor == of[json.loads(row.facts)["version"]] for row in rows)
    assert [row.seq for row in rows] == [*range(1, 81)]


def test_of_a_new_pepper_the_audit_says_that_there_is_one(ledger: Ledger, file: AuditFile) -> None:
    keeper = AuditKeeper(ledger, file.path, lambda: NOW)

    for pepper in (None, SecretStr("hush"), SecretStr("hush-hush")):
        keeper.note_configuration(Config(api_pepper=pepper))

    changes = [facts for action, _, facts in told(ledger) if action == "credentials.changed"]
    assert [one.get("new") or one.get("changed") for one in changes] == [  # type: ignore[attr-defined]
        None,
        ["api.pepper"],
        ["api.pepper"],
    ]


# Nothing leaves it.


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
def test_a_row_is_neither_changed_nor_deleted_by_accident(
    ledger: Ledger, path: pathlib.Path, statement: str
) -> None:
    noted(ledger, 2)

    with (
        closing(sqlite3.connect(path)) as raw,
        pytest.raises(sqlite3.IntegrityError, match="only ever added to"),
    ):
        raw.execute(statement)

    assert len(told(ledger)) == 2


def test_several_processes_write_one_chain(ledger: Ledger, path: pathlib.Path) -> None:
    begin = Barrier(4)

    def write() -> None:
        with Ledger.open(path) as mine:
            begin.wait()
            noted(mine, 20)

    threads = [Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    rows = [*ledger.audit.rows()]
    assert [row.seq for row in rows] == [*range(1, 81)]
    assert len({row.previous for row in rows}) == 80


# The file, and what `verify` finds.


def test_the_file_has_every_row_and_a_second_look_adds_none(
    ledger: Ledger, file: AuditFile
) -> None:
    noted(ledger, 2)
    first = file.catch_up(ledger.audit)
    noted(ledger, 1)

    later = [AuditFile(file.path).catch_up(ledger.audit) for _ in range(2)]

    verdict = verified(ledger, file.path, ledger.audit.last()[1])
    assert (first, later) == (2, [1, 0])
    assert (verdict.rows, verdict.rows_in_file, verdict.faults) == (3, 3, [])
    assert file.path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("left", [1, 40])
def test_a_line_of_which_a_crash_left_a_part_is_completed(
    ledger: Ledger, file: AuditFile, left: int
) -> None:
    noted(ledger, 2)
    file.catch_up(ledger.audit)
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[: whole.index(b"\n") + 1 + left])

    behind = verified(ledger, file.path)
    count = AuditFile(file.path).catch_up(ledger.audit)

    assert (behind.rows_in_file, behind.faults) == (1, [])
    assert count == 1
    assert file.path.read_bytes() == whole


@pytest.mark.parametrize("left", [0, 1, 40])
def test_a_line_of_which_a_power_cut_left_zeros_is_completed(
    ledger: Ledger, file: AuditFile, left: int
) -> None:
    """A file system may have the new length of a file and not yet its bytes."""
    noted(ledger, 3)
    file.catch_up(ledger.audit)
    whole = file.path.read_bytes()
    sound = whole.index(b"\n") + 1 + left
    file.path.write_bytes(whole[:sound].ljust(len(whole), b"\0"))

    count = AuditFile(file.path).catch_up(ledger.audit)

    assert count == 2
    assert file.path.read_bytes() == whole
    assert verified(ledger, file.path).faults == []


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE audit SET facts = '{}' WHERE seq = 2", 2),
        ("UPDATE audit SET at = 'never' WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 2", 3),
        (
            "INSERT INTO audit SELECT 5, at, actor, action, mirror, facts, previous, hash "
            "FROM audit WHERE seq = 4",
            5,
        ),
        ("DELETE FROM audit WHERE seq = 4", 4),  # the last: the file has it
        ("DELETE FROM audit", 1),
    ],
)
def test_verify_finds_rows_that_were_changed_dropped_or_inserted(
    ledger: Ledger, file: AuditFile, path: pathlib.Path, statement: str, seq: int
) -> None:
    noted(ledger, 4)
    file.catch_up(ledger.audit)

    changed(path, statement)

    assert where(verified(ledger, file.path)) == [seq]


def test_what_was_written_anew_from_some_row_on_the_file_tells(
    ledger: Ledger, file: AuditFile, path: pathlib.Path
) -> None:
    noted(ledger, 4)
    file.catch_up(ledger.audit)

    changed(path, "DELETE FROM audit WHERE seq > 2")
    ledger.audit.note(Action.LEDGER_REBUILT, NOW, "docs", files=9)
    ledger.audit.note(Action.LEDGER_REBUILT, NOW, "docs", files=9)

    assert where(verified(ledger, file.path)) == [3]


def _drop_last(lines: list[bytes]) -> None:
    del lines[-1]


def _drop(lines: list[bytes]) -> None:
    del lines[1]


def _change(lines: list[bytes]) -> None:
    lines[1] = lines[1].replace(b"anna", b"eve")


def _insert(lines: list[bytes]) -> None:
    lines.insert(2, lines[1])


def _scribble(lines: list[bytes]) -> None:
    lines.append(b"\xff{\n")


@pytest.mark.parametrize(
    ("harm", "found"),
    [(_drop_last, []), (_drop, [2]), (_change, [2]), (_insert, [3]), (_scribble, [4])],
)
def test_a_file_that_was_changed_is_found_and_one_that_is_behind_is_not_blamed(
    ledger: Ledger, file: AuditFile, harm: Callable[[list[bytes]], None], found: list[int]
) -> None:
    noted(ledger, 3)
    file.catch_up(ledger.audit)
    lines = file.path.read_bytes().splitlines(keepends=True)

    harm(lines)
    file.path.write_bytes(b"".join(lines))

    assert where(verified(ledger, file.path)) == found


def test_a_file_that_is_gone_is_missed(ledger: Ledger, file: AuditFile) -> None:
    noted(ledger, 1)

    [fault] = verified(ledger, file.path).faults

    assert "No such file" in fault.what


def test_a_hash_that_was_noted_tells_of_an_end_that_both_have_lost(
    ledger: Ledger, file: AuditFile, path: pathlib.Path
) -> None:
    head = noted(ledger, 3)[-1].hash
    changed(path, "DELETE FROM audit WHERE seq = 3")
    file.catch_up(ledger.audit)

    without, with_it = verified(ledger, file.path), verified(ledger, file.path, head)

    assert without.faults == []
    assert where(with_it) == [2]


def test_nothing_is_added_to_a_file_that_is_not_of_this_ledger(
    ledger: Ledger, file: AuditFile, tmp_path: pathlib.Path
) -> None:
    with fresh_ledger(tmp_path / "other.sqlite3") as other:
        noted(other, 2)
        file.catch_up(other.audit)
    changed(tmp_path / "ledger.sqlite3", "UPDATE setting SET value = 'ours' WHERE key = 'instance'")
    before = file.path.read_bytes()

    with Ledger.open(tmp_path / "ledger.sqlite3") as ours:
        noted(ours, 3)
        with pytest.raises(PermanentError, match="move the file away"):
            AuditFile(file.path).catch_up(ours.audit)

    assert file.path.read_bytes() == before


def test_a_file_that_cannot_be_written_is_told_of_once_and_stops_nothing(
    ledger: Ledger, tmp_path: pathlib.Path
) -> None:
    keeper = AuditKeeper(ledger, tmp_path / "no folder" / "audit.jsonl", lambda: NOW)
    noted(ledger, 1)

    with logged() as events:
        keeper()
        keeper()

    assert [event["event"] for event in events] == ["audit.failed"]


def test_who_may_only_read_the_file_holds_nobody_up_by_locking_it(
    ledger: Ledger, file: AuditFile
) -> None:
    noted(ledger, 1)
    file.catch_up(ledger.audit)
    noted(ledger, 1)

    with file.path.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(TemporaryError, match="cannot write the audit's file"):
            file.catch_up(ledger.audit)

    assert file.catch_up(ledger.audit) == 1


def test_the_log_is_told_of_each_new_head(ledger: Ledger, file: AuditFile) -> None:
    keeper = AuditKeeper(ledger, file.path, lambda: NOW)
    head = noted(ledger, 2)[-1].hash

    with logged() as events:
        keeper()
        keeper()

    assert [(event["event"], event["seq"], event["head"]) for event in events] == [
        ("audit.written", 2, head)
    ]
