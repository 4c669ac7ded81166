"""Housekeeping: which announced uploads are forgotten, and which conflicts listed late."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from docferry.core.intents import INTENT_LIFE, TRANSFER_LIFE, is_spent
from docferry.core.merge import Difference, Unseen
from docferry.engine.gate import Gate
from docferry.engine.identity import Places
from docferry.engine.look import Looks
from docferry.engine.tidy import recover_conflicts, tidy
from docferry.errors import DocferryError, PermanentError, UnreachableError
from docferry.ledger import Ledger
from docferry.model import (
    FileState,
    MarkSynced,
    Origin,
    Outcome,
    Path,
    Side,
    SyncedState,
    Token,
    Ulid,
    Unknown,
    VersionRow,
)
from docferry.storage.base import Content, WantsUpload
from docferry.storage.memory import MemoryStorage, sha256_of
from ledger_rows import fresh_ledger

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - INTENT_LIFE - timedelta(minutes=1)
LATELY = NOW - INTENT_LIFE + timedelta(minutes=1)

HERE, THERE = FileState("here", None, 1), FileState("there", None, 1)
AGREED = SyncedState("sha", "here", "there", "version", 1)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Difference("p", HERE, THERE, AGREED), True),
        (Difference("p", None, None, None), True),
        (Difference("p", HERE, THERE, None), False),
        (Difference("p", None, THERE, None), False),
        (Difference("p", HERE, None, None), False),
        (Difference("p", FileState("edited", None, 1), THERE, AGREED), False),
        (Difference("p", HERE, FileState("edited", None, 1), AGREED), False),
        (Difference("p", None, THERE, AGREED), False),
        (Difference("p", HERE, None, AGREED), False),
        (Difference("p", None, None, AGREED), False),
        (Unseen(Side.LOCAL, Unknown("p", "unreadable")), False),
        (Unseen(Side.REMOTE, Unknown("p", "unreadable")), False),
    ],
)
def test_an_old_intent_is_spent_once_the_path_is_as_agreed_or_nowhere(
    seen: Difference | Unseen, *, expected: bool
) -> None:
    assert is_spent(seen) is expected


class Bucket(MemoryStorage):
    """Says of some paths that they cannot be looked at, or does not answer at all."""

    is_down = False
    failures: list[DocferryError]

    def stat(self, path: Path) -> FileState | None:
        if self.is_down:
            raise UnreachableError("nobody there")
        return super().stat(path)

    def sweep_uploads(self, is_wanted: WantsUpload) -> list[DocferryError]:
        super().sweep_uploads(is_wanted)
        return self.failures


class Folder(MemoryStorage):
    """Is away, now and then."""

    is_away = False

    def read_archived(self, version: Ulid) -> Content:
        if self.is_away:
            raise UnreachableError("no such folder")
        return super().read_archived(version)


@dataclass(slots=True)
class Desk:
    """Two sides and a ledger, for housekeeping."""

    local: Folder
    remote: Bucket
    ledger: Ledger
    pool: ThreadPoolExecutor

    def announce(self, path: Path, at: datetime) -> Ulid:
        version = str(ULID.from_datetime(at))
        self.ledger.intents.add("docs", [(path, version)])
        return version

    def agree(self, path: Path) -> None:
        """Let both sides hold *path* and the ledger know it: by another version."""
        local, remote = self.write(self.local, path), self.write(self.remote, path)
        synced = SyncedState(sha256_of(b"x"), local, remote, str(ULID()), 1)
        marked = MarkSynced(path, synced.sha256, 1, local, remote, is_new_content=False)
        self.ledger.record("docs", [Outcome(marked, synced)], at=NOW)

    def write(self, side: MemoryStorage, path: Path) -> Token:
        return side.user_write(path, b"x")

    def tidy(self) -> None:
        places = Places(self.local, self.remote, "here", "there")
        tidy("docs", places, self.ledger, Looks(self.pool, Gate(4)), NOW)

    def intended(self) -> frozenset[Path]:
        return self.ledger.intents.paths("docs")


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Desk]:
    remote = Bucket()
    remote.failures = []
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger, ThreadPoolExecutor(2) as pool:
        yield Desk(Folder(), remote, ledger, pool)


def test_old_intents_are_forgotten_where_both_sides_have_moved_on(desk: Desk) -> None:
    desk.agree("agreed on")
    for path in ("agreed on", "nowhere"):
        desk.announce(path, LONG_AGO)

    desk.tidy()

    assert desk.intended() == frozenset()


def test_an_intent_is_kept_while_its_upload_may_still_show_up(desk: Desk) -> None:
    for path in ("agreed on", "agreed on, too"):
        desk.agree(path)
        desk.announce(path, LATELY)
    desk.announce("nowhere", LATELY)

    desk.tidy()

    assert desk.intended() == {"agreed on", "agreed on, too", "nowhere"}


def test_an_old_intent_is_kept_while_the_bucket_may_hold_its_upload(desk: Desk) -> None:
    """A store that was gone for weeks comes back with what was sent to it at the end."""
    version = desk.announce("p", LONG_AGO)
    desk.write(desk.remote, "p")

    desk.tidy()

    assert desk.ledger.intents.is_intended("docs", "p", version)


def test_of_a_path_only_the_old_intents_are_forgotten(desk: Desk) -> None:
    desk.agree("p")
    old, young = desk.announce("p", LONG_AGO), desk.announce("p", LATELY)

    desk.tidy()

    assert not desk.ledger.intents.is_intended("docs", "p", old)
    assert desk.ledger.intents.is_intended("docs", "p", young)


def test_the_intents_of_another_mirror_are_not_touched(desk: Desk) -> None:
    desk.ledger.intents.add("other", [("p", str(ULID.from_datetime(LONG_AGO)))])

    desk.tidy()

    assert desk.ledger.intents.paths("other") == {"p"}


def test_while_a_side_does_not_answer_nothing_is_forgotten(desk: Desk) -> None:
    desk.announce("p", LONG_AGO)
    desk.remote.is_down = True

    with pytest.raises(UnreachableError):
        desk.tidy()

    assert desk.intended() == {"p"}


def test_parts_that_stay_in_the_store_are_told(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.remote.failures = [PermanentError("not allowed to take away the parts of p")]

    desk.tidy()

    assert "not allowed to take away the parts of p" in capsys.readouterr().err


# Uploads that were cut off.


def test_parts_of_a_file_that_is_still_to_go_up_stay(desk: Desk) -> None:
    desk.write(desk.local, "new")
    desk.agree("edited")
    desk.local.user_write("edited", b"yz")
    desk.remote.cut_off = [("new", 1, NOW), ("edited", 2, NOW)]

    desk.tidy()

    assert desk.remote.cut_off == [("new", 1, NOW), ("edited", 2, NOW)]


def test_parts_of_what_is_not_to_go_up_any_more_are_taken_away(desk: Desk) -> None:
    desk.agree("up already")
    desk.write(desk.local, "of another size")
    desk.remote.cut_off = [("up already", 1, NOW), ("deleted", 1, NOW), ("of another size", 2, NOW)]

    desk.tidy()

    assert desk.remote.cut_off == []


def test_parts_do_not_wait_for_ever(desk: Desk) -> None:
    archived = f".docferry/versions/{'0' * 26}"
    desk.write(desk.local, "new")
    long_ago = NOW - TRANSFER_LIFE
    desk.remote.cut_off = [("new", 1, long_ago), (archived, 1, long_ago), (archived, 1, NOW)]

    desk.tidy()

    assert desk.remote.cut_off == [(archived, 1, NOW)]


# Downloads that were cut off.


def test_what_came_of_a_download_stays_while_it_is_still_to_come(desk: Desk) -> None:
    long_ago = NOW - TRANSFER_LIFE
    desk.write(desk.remote, "new")
    desk.agree("here already")
    desk.agree("edited")
    desk.remote.user_write("edited", b"yz")
    wanted = [("new", 1, NOW), ("edited", 2, NOW), (f".docferry/versions/{'0' * 26}", 1, NOW)]
    spent = [("here already", 1, NOW), ("deleted", 1, NOW), ("new", 2, NOW), ("new", 1, long_ago)]
    desk.local.begun = [*wanted, *spent]

    desk.tidy()

    assert desk.local.begun == wanted


# Conflicts whose note was lost.


def begin_conflict(desk: Desk, path: Path) -> VersionRow:
    displaced = VersionRow(
        str(ULID()), "docs", path, sha256_of(b"mine"), 4, None, Origin.LOCAL, None, None, NOW
    )
    desk.ledger.conflicts.begin(displaced, f"{path}.conflict")
    return displaced


def recover(desk: Desk, *busy: Path) -> None:
    places = Places(desk.local, desk.remote, "here", "there")
    recover_conflicts("docs", places, desk.ledger, busy.__contains__, NOW)


def test_a_conflict_that_is_under_way_is_not_judged(desk: Desk) -> None:
    begin_conflict(desk, "p")

    recover(desk, "p")
    while_busy = len(desk.ledger.conflicts.begun("docs"))
    recover(desk)

    assert while_busy == 1
    assert desk.ledger.conflicts.begun("docs") == []


def test_a_conflict_is_not_judged_while_the_archive_cannot_be_read(desk: Desk) -> None:
    begin_conflict(desk, "p")
    desk.local.is_away = True

    recover(desk)

    assert len(desk.ledger.conflicts.begun("docs")) == 1
