"""What the commands about versions say, and what they ask the daemon for."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from commands import Desk, held
from docferry.core.guards import marker
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import RequestRow
from docferry.model import Attributes, HoldState, Path, RequestKind, RequestState, Ulid
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent, sha256_of
from ledger_rows import MINUTE, NOW, deleted, ulid_of, uploaded
from processes import wait_for

GONE_ULID = "01KXXXXXXXXXXXXXXXXXXXXXXX"


def at(minute: int) -> datetime:
    return NOW + minute * MINUTE


class Office(Desk):
    """A desk at which documents have come and gone; their old contents are in the folder."""

    def fill(self, ledger: Ledger) -> None:
        self.storage = LocalStorage(self.folder / "docs")
        self.storage.root.mkdir()
        self.storage.write_marker(marker("M"))
        self.put(ledger, "a.txt", "one\ntwo\n", 1)
        self.put(ledger, "a.txt", "one\n2\n", 2)
        self.put(ledger, "b.txt", "b", 3)
        ledger.record("docs", [deleted("b.txt")], at=at(4))

    def put(self, ledger: Ledger, path: Path, text: str, minute: int) -> None:
        outcome = uploaded(path, text)
        assert outcome.version is not None
        assert outcome.synced is not None
        content = text.encode()
        row = replace(
            outcome.version, created_at=at(minute), sha256=sha256_of(content), size=len(content)
        )
        ledger.record("docs", [replace(outcome, version=row)], at=at(minute))
        self.storage.archive.put(row.id, BytesContent(content), Attributes(sha256=row.sha256))


FIRST, SECOND, B = ulid_of("a.txtone\ntwo\n"), ulid_of("a.txtone\n2\n"), ulid_of("b.txtb")


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Office:
    return Office(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Office) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        desk.fill(ledger)
        yield ledger


def asked_for(ledger: Ledger) -> list[tuple[RequestKind, Path, Ulid | None, Ulid | None]]:
    return [
        (row.kind, row.path, row.version, row.expect) for row in ledger.requests.open("docs", 100)
    ]


@pytest.mark.usefixtures("ledger")
def test_the_versions_of_a_path_are_listed_with_how_they_are(desk: Office) -> None:
    said = desk.asks("versions", "a.txt")
    found = desk.asks("versions", "a.txt", "--json").json

    assert said.code == 0
    assert "current" in next(line for line in said.text.splitlines() if SECOND in line)
    assert {row["id"] for row in found["versions"]} == {FIRST, SECOND}
    assert found["mirror"] == "docs"


@pytest.mark.usefixtures("ledger")
def test_a_path_that_no_mirror_ever_had_is_said_so(desk: Office) -> None:
    said = desk.asks("versions", "c.txt")
    named = desk.asks("versions", "c.txt", "--mirror", "docs")

    assert (said.code, named.code) == (2, 2)
    assert "no mirror has a version of 'c.txt'" in said.errors
    assert "docs has no version of 'c.txt'" in named.errors


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("command", ["versions", "log"])
def test_of_many_versions_the_newest_are_shown_and_the_rest_is_counted(
    desk: Office, command: str
) -> None:
    said = desk.asks(command, "a.txt", "--limit", "1")
    facts = desk.asks(command, "a.txt", "--limit", "1", "--json").json

    assert SECOND in said.text
    assert FIRST not in said.text
    assert "... and 1 more: --limit N, or --json" in said.words
    assert len(facts["versions"]) == 2


@pytest.mark.parametrize(
    "arguments", [["versions"], ["log"], ["cat"], ["restore"], ["undelete"], ["erase"]]
)
def test_a_name_that_is_no_text_is_refused_in_one_line(
    desk: Office, ledger: Ledger, arguments: list[str]
) -> None:
    said = desk.asks(*arguments, "bad\udcff.txt", "--mirror", "docs")

    assert said.code == 2
    assert "b'bad\\xff.txt' is not valid UTF-8" in said.errors
    assert ledger.requests.open("docs", 10) == []


@pytest.mark.usefixtures("ledger")
def test_a_name_in_an_error_cannot_speak_to_the_terminal(desk: Office) -> None:
    said = desk.asks("restore", "a.txt", "--at", "1h", "--mirror", "\x1b[2J")

    assert said.code == 2
    assert "\x1b" not in said.errors


def test_a_path_that_several_mirrors_had_takes_the_name_of_one(
    desk: Office, ledger: Ledger
) -> None:
    desk.configure("docs", "other")
    row = replace(uploaded("a.txt", "other").version, mirror="other")  # type: ignore[type-var]
    ledger.record("other", [replace(uploaded("a.txt", "other"), version=row)], at=NOW)

    unclear = desk.asks("versions", "a.txt")
    clear = desk.asks("versions", "a.txt", "--mirror", "docs")

    assert unclear.code == 2
    assert "--mirror one of docs, other" in unclear.errors
    assert clear.code == 0


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((FIRST,), "one\ntwo\n"),
        (("b.txt",), "b"),
        (("a.txt", "--at", at(1).isoformat()), "one\ntwo\n"),
        ((FIRST.lower(),), "one\ntwo\n"),
    ],
)
def test_the_bytes_of_a_version_are_written_as_they_were(
    desk: Office, arguments: tuple[str, ...], expected: str
) -> None:
    said = desk.asks("cat", *arguments)

    assert (said.code, said.text) == (0, expected)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ((GONE_ULID,), 2, "there is no version"),
        (("a.txt", "--at", "yesterday"), 2, "is no time"),
        (("a.txt", "--at", at(0).isoformat()), 2, "a.txt came to docs later, at"),
        (("b.txt", "--at", at(5).isoformat()), 2, "docs had no b.txt at"),
        (("a.txt", "--at", "2999-01-01"), 2, "is yet to come"),
        (("a.txt", "--mirror", "nix"), 2, "there is no mirror 'nix'"),
        ((FIRST, "--at", "1h"), 2, "a time goes with a path"),
        ((FIRST, "--mirror", "other"), 2, f"version {FIRST} is of the mirror docs"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(
    desk: Office, arguments: tuple[str, ...], code: int, why: str
) -> None:
    desk.configure("docs", "other")

    said = desk.asks("cat", *arguments)

    assert said.code == code
    assert why in said.errors


def test_damaged_bytes_are_not_given_out(desk: Office, ledger: Ledger) -> None:
    file = desk.storage.root / ".docferry" / "versions" / B
    file.chmod(0o600)
    file.write_bytes(b"x")

    said = desk.asks("cat", B)

    assert said.code == 1
    assert said.text == ""
    assert "cannot reach" in said.errors or "damaged" in said.errors


@pytest.mark.usefixtures("ledger")
def test_two_texts_are_compared_line_by_line(desk: Office) -> None:
    same = desk.asks("diff", FIRST, FIRST)
    said = desk.asks("diff", FIRST, SECOND)

    assert (same.code, same.text) == (0, "")
    assert said.code == 1
    assert said.text.splitlines()[2:] == ["@@ -1,2 +1,2 @@", " one", "-two", "+2"]


def test_what_cannot_be_compared_is_told_from_what_differs(desk: Office, ledger: Ledger) -> None:
    desk.storage.archive.remove(FIRST)

    said = desk.asks("diff", FIRST, SECOND)

    assert (said.code, said.text) == (2, "")
    assert said.errors.startswith("docferry: ")


@pytest.mark.usefixtures("ledger")
def test_a_rewind_of_what_never_was_says_so(desk: Office) -> None:
    said = desk.asks("rewind", "docs/nope", "--to", at(3).isoformat())

    assert said.code == 2
    assert "nothing was ever at or below docs/nope" in said.errors


def test_what_is_no_text_is_only_said_to_differ(desk: Office, ledger: Ledger) -> None:
    desk.put(ledger, "c.bin", "\0", 6)

    said = desk.asks("diff", ulid_of("c.bin\0"), FIRST)

    assert said.code == 1
    assert "they are no texts" in said.text


def test_the_version_before_the_present_one_is_restored_if_none_is_named(
    desk: Office, ledger: Ledger
) -> None:
    said = desk.asks("restore", "a.txt")

    assert said.code == 1
    assert "docferry is not running" in said.text
    assert asked_for(ledger) == [(RequestKind.RESTORE, "a.txt", FIRST, None)]


def test_a_version_is_restored_to_another_path(desk: Office, ledger: Ledger) -> None:
    desk.asks("restore", B, "--to", "sub/c.txt")

    assert asked_for(ledger) == [(RequestKind.RESTORE, "sub/c.txt", B, None)]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a//b", ".docferry/mirror.json", ""])
def test_nothing_is_restored_to_what_is_no_path_of_a_mirror(desk: Office, path: str) -> None:
    assert desk.asks("restore", B, "--to", path).code == 2


def test_nothing_is_restored_where_it_would_not_travel(desk: Office, ledger: Ledger) -> None:
    desk.config.write_text(
        desk.config.read_text().replace("[mirror.docs]", '[mirror.docs]\nmode = "pull"')
    )

    said = desk.asks("restore", B)

    assert said.code == 2
    assert "docs only pulls" in said.errors
    assert asked_for(ledger) == []


def test_a_version_whose_bytes_were_let_go_is_not_asked_for(desk: Office, ledger: Ledger) -> None:
    ledger.versions.let_go([B], at(5))
    desk.storage.archive.remove(B)

    said, read = desk.asks("restore", B), desk.asks("cat", B)

    assert (said.code, read.code) == (2, 2)
    assert "were let go" in said.errors
    assert read.errors == said.errors


def test_what_was_deleted_below_a_folder_is_asked_for_at_once(desk: Office, ledger: Ledger) -> None:
    desk.put(ledger, "f/c.txt", "c", 5)
    ledger.record("docs", [deleted("f/c.txt")], at=at(6))

    nothing = desk.asks("undelete", "a.txt")
    desk.asks("undelete", "f")

    assert nothing.code == 2
    assert asked_for(ledger) == [(RequestKind.RESTORE, "f/c.txt", ulid_of("f/c.txtc"), "")]


def test_what_was_deleted_and_let_go_is_named_as_lost(desk: Office, ledger: Ledger) -> None:
    for path in ("f/c.txt", "f/d.txt"):
        desk.put(ledger, path, path, 5)
    ledger.record("docs", [deleted("f/c.txt"), deleted("f/d.txt")], at=at(6))
    lost = ulid_of("f/c.txtf/c.txt")
    ledger.versions.let_go([lost], at(7))

    said = desk.asks("undelete", "f")
    facts = desk.asks("undelete", "f/c.txt", "--json")

    assert (said.code, facts.code) == (1, 1)
    assert f"cannot be had back: f/c.txt (version {lost}: its bytes were let go)" in said.words
    assert [path for _, path, _, _ in asked_for(ledger)] == ["f/d.txt"]
    assert [row["id"] for row in facts.json["lost"]] == [lost]


def test_all_that_was_put_back_is_well_unless_some_of_it_is_lost(
    desk: Office, ledger: Ledger
) -> None:
    desk.put(ledger, "c.txt", "c", 5)
    ledger.record("docs", [deleted("c.txt")], at=at(6))
    ledger.versions.let_go([B], at(7))

    with Answering(desk, ledger):
        well = desk.asks("undelete", "c.txt")
    with Answering(desk, ledger):
        said = desk.asks("undelete", "")

    assert (well.code, said.code) == (0, 1)


def test_what_is_erased_while_a_command_waits_is_said_so(desk: Office, ledger: Ledger) -> None:
    with Erasing(desk, ledger):
        said = desk.asks("undelete", "b.txt")

    assert said.code == 1
    assert "b.txt: erased meanwhile, and the request with it" in said.words


class Answering:
    """A daemon that has done the first thing that is asked for."""

    def __init__(self, desk: Desk, ledger: Ledger) -> None:
        self._lock = StateLock(desk.state)
        self._ledger = ledger
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join(10)
        self._lock.__exit__(None, None, None)

    def _run(self) -> None:
        wait_for(lambda: bool(self._ledger.requests.open("docs", 1)))
        [request] = self._ledger.requests.open("docs", 10)
        self.answer(request)

    def answer(self, request: RequestRow) -> None:
        self._ledger.requests.finish(request.id, RequestState.DONE, NOW, "")


class Erasing(Answering):
    """One that erases the document instead."""

    def answer(self, request: RequestRow) -> None:
        self._ledger.erasures.forget("docs", request.path, {}, NOW, request_id=0, is_all=True)


def test_what_a_hold_keeps_is_no_deletion_to_be_undone_and_the_hold_is_named(
    desk: Office, ledger: Ledger
) -> None:
    hold = held(ledger, "a.txt")

    said = desk.asks("undelete", "a.txt")

    assert said.code == 2
    assert f"what hold {hold} keeps (1): docferry holds discard {hold}" in said.errors


def test_a_rewind_is_laid_ready_and_done_when_a_person_says_so(
    desk: Office, ledger: Ledger
) -> None:
    desk.put(ledger, "new.txt", "n", 5)

    said = desk.asks("rewind", "docs", "--to", at(3).isoformat())
    [hold] = ledger.holds.all("docs")
    before = asked_for(ledger)
    shown = desk.asks("holds", "show", str(hold.id))
    desk.asks("holds", "approve", str(hold.id))

    assert said.code == 0
    assert f"docferry holds approve {hold.id}" in said.text
    assert (hold.kind, hold.count) == ("rewind", 2)
    assert before == []
    assert "b.txt" in shown.text
    assert asked_for(ledger) == [
        (RequestKind.RESTORE, "b.txt", B, ""),
        (RequestKind.REMOVE, "new.txt", None, ulid_of("new.txtn")),
    ]


def test_a_rewind_tells_a_program_what_it_would_do(desk: Office, ledger: Ledger) -> None:
    desk.put(ledger, "new.txt", "n", 5)

    said = desk.asks("rewind", "docs", "--to", at(3).isoformat(), "--json").json

    assert said["steps"] == [
        {"what": "put-back", "path": "b.txt", "version": B},
        {"what": "take-away", "path": "new.txt", "version": ulid_of("new.txtn")},
    ]


def test_a_rewind_can_go_to_a_version_and_be_of_a_folder_alone(
    desk: Office, ledger: Ledger
) -> None:
    desk.put(ledger, "f/c.txt", "c", 5)
    desk.put(ledger, "f/c.txt", "d", 6)

    desk.asks("rewind", "docs/f", "--to", ulid_of("f/c.txtc"))

    [hold] = ledger.holds.all("docs")
    [request] = ledger.requests.in_hold(hold.id, 10)
    assert (request.path, request.version) == ("f/c.txt", ulid_of("f/c.txtc"))


def test_a_rewind_knows_what_is_there_though_that_came_by_a_clock_that_was_ahead(
    desk: Office, ledger: Ledger
) -> None:
    a_year = 525_600
    desk.put(ledger, "a.txt", "ahead", a_year)
    desk.put(ledger, "new.txt", "n", a_year)

    desk.asks("rewind", "docs", "--to", at(2).isoformat())

    [hold] = ledger.holds.all("docs")
    found = [(one.path, one.expect) for one in ledger.requests.in_hold(hold.id, 10)]
    assert found == [("a.txt", ulid_of("a.txtahead")), ("new.txt", ulid_of("new.txtn"))]


def test_a_discarded_rewind_leaves_everything_as_it_is(desk: Office, ledger: Ledger) -> None:
    desk.asks("rewind", "docs", "--to", at(1).isoformat())
    [hold] = ledger.holds.all("docs")

    desk.asks("holds", "discard", str(hold.id))

    assert ledger.holds.get(hold.id).state is HoldState.DONE
    states = {request.state for request in ledger.requests.in_hold(hold.id, 10)}
    assert states == {RequestState.SKIPPED}


def test_a_second_rewind_takes_the_place_of_one_that_nobody_decided_about(
    desk: Office, ledger: Ledger
) -> None:
    first = desk.asks("rewind", "docs", "--to", at(1).isoformat(), "--json").json["hold"]["id"]
    desk.asks("rewind", "docs", "--to", at(3).isoformat())

    [hold] = ledger.holds.all("docs")
    said = desk.asks("holds", "show", str(first))

    assert [request.path for request in ledger.requests.in_hold(hold.id, 10)] == ["b.txt"]
    assert "a newer rewind took its place" in said.text


@pytest.mark.usefixtures("ledger")
def test_a_rewind_to_before_the_first_version_is_refused(desk: Office) -> None:
    said = desk.asks("rewind", "docs", "--to", at(0).isoformat())

    assert said.code == 2
    assert "is before the first version of docs" in said.errors


def test_what_cannot_be_rewound_is_named(desk: Office, ledger: Ledger) -> None:
    ledger.versions.let_go([B], at(5))

    said = desk.asks("rewind", "docs", "--to", at(3).isoformat())

    assert said.code == 1
    assert f"cannot be had back: b.txt (version {B}" in said.text
    assert ledger.holds.all("docs") == []


def test_a_version_is_held_and_held_no_more(desk: Office, ledger: Ledger) -> None:
    held = desk.asks("hold", B)
    is_held = ledger.versions.get(B)
    desk.asks("unhold", B)
    is_not = ledger.versions.get(B)

    assert held.code == 0
    assert is_held is not None
    assert is_held.held
    assert is_not is not None
    assert not is_not.held


def test_an_open_rewind_blocks_no_status(desk: Office, ledger: Ledger) -> None:
    desk.asks("rewind", "docs", "--to", at(1).isoformat())

    said = desk.asks("status")

    assert "held back" not in said.text
