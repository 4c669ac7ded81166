"""A content is found wherever it is by now, of however many equal ones it may be one."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.engine.contents import Contents
from docferry.engine.identity import Places
from docferry.errors import PermanentError
from docferry.ledger import Ledger
from docferry.ledger.sharing import AT_ONCE
from docferry.model import Attributes, Path, Sha256, Side, SyncedState, Ulid, VersionRow
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, MemoryStorage
from ledger_rows import NOW, fresh_ledger, sha_of, uploaded, version

SAME = "same"


class Reader(MemoryStorage):
    """A side that notes which archived versions are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Ulid] = []

    def read_archived(self, version: Ulid) -> Content:
        self.asked.append(version)
        return super().read_archived(version)


class Counted:
    """What is asked of the ledger's versions, counted by the row."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.rows = 0

    def with_content(
        self, mirror: str, sha256: Sha256, *, is_archived: bool = False
    ) -> Iterator[VersionRow]:
        for row in self._ledger.versions.with_content(mirror, sha256, is_archived=is_archived):
            self.rows += 1
            yield row


class Bench:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.local, self.remote = Reader(), Reader()
        self.versions = Counted(ledger)
        places = Places(self.local, self.remote, "the folder", "the bucket")
        self.contents = Contents("docs", places, self.versions, ledger.synced)

    def displaced(self, path: Path, *claimed: Side) -> VersionRow:
        """Let the ledger say that *path* held the content once, and who archived it."""
        row = replace(
            version(path),
            sha256=sha_of(SAME),
            size=len(SAME),
            left_at=NOW,
            archived_local=Side.LOCAL in claimed,
            archived_remote=Side.REMOTE in claimed,
        )
        self.ledger.versions.add([row])
        return row

    def archive(self, side: Side, row: VersionRow, content: str = SAME) -> None:
        archive = (self.local if side is Side.LOCAL else self.remote).archive
        archive.put(row.id, BytesContent(content.encode()), Attributes(sha256=sha_of(content)))

    def many(self) -> list[VersionRow]:
        """Let many paths have held the content, of which nobody has bytes."""
        rows = [self.displaced(f"{number:04}") for number in range(2 * AT_ONCE + 50)]
        return sorted(rows, key=lambda row: row.id)

    def asked(self) -> int:
        return len(self.local.asked) + len(self.remote.asked)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Bench(ledger)


def read(content: Content) -> bytes:
    with content:
        return b"".join(content.parts())


@pytest.mark.parametrize("side", Side)
def test_of_many_equal_ones_those_are_asked_that_are_said_to_have_the_bytes(
    bench: Bench, side: Side
) -> None:
    wanted, *_ = bench.many()
    home = bench.displaced("home", side)
    bench.archive(side, home)

    found = read(bench.contents.open(wanted))

    assert found == SAME.encode()
    assert bench.versions.rows == 1
    assert bench.asked() <= 4


def test_bytes_that_no_row_tells_of_are_found_all_the_same(bench: Bench) -> None:
    wanted, *_, last = bench.many()
    bench.archive(Side.LOCAL, last)

    assert read(bench.contents.open(wanted)) == SAME.encode()


def test_bytes_that_an_equal_one_was_to_give_up_and_did_not_are_found(bench: Bench) -> None:
    wanted, other = bench.displaced("a"), bench.displaced("b", Side.LOCAL)
    bench.ledger.versions.note_bytes_of(other.id, wanted.id)  # a crash came after the note
    bench.archive(Side.LOCAL, other)

    assert read(bench.contents.open(wanted)) == SAME.encode()


def test_bytes_that_are_nowhere_are_asked_for_once_at_each_place(bench: Bench) -> None:
    wanted, *_ = rows = bench.many()
    home = bench.displaced("home")
    for row in rows[1:]:
        bench.ledger.versions.note_bytes_of(row.id, home.id)

    with pytest.raises(PermanentError, match="neither side"):
        bench.contents.open(wanted)

    for side in (bench.local, bench.remote):
        assert sorted(side.asked) == sorted(row.id for row in [*rows, home])


def test_a_content_is_had_from_any_path_that_has_it_now(bench: Bench) -> None:
    wanted = bench.displaced("wanted")
    for number in range(AT_ONCE + 2):
        path = f"{number:04}"
        outcome = uploaded(path)
        state = SyncedState(wanted.sha256, "gone", "gone", version(path).id, wanted.size)
        if number == AT_ONCE + 1:
            token = bench.local.user_write(path, SAME.encode())
            state = replace(state, local_token=token)
        row = replace(version(path), sha256=wanted.sha256)
        bench.ledger.record("docs", [replace(outcome, synced=state, version=row)], at=NOW)

    assert read(bench.contents.open(wanted)) == SAME.encode()


@pytest.mark.parametrize("is_agreed", [True, False])
@pytest.mark.parametrize("side", Side)
def test_a_content_is_had_from_its_path_though_it_is_not_as_agreed(
    bench: Bench, side: Side, *, is_agreed: bool
) -> None:
    """Touched while its deletion waits for a person, say, or not agreed on again yet."""
    row = replace(version("a"), sha256=sha_of(SAME), size=len(SAME))
    state = SyncedState(row.sha256, "before", "before", row.id, row.size)
    bench.ledger.record("docs", [replace(uploaded("a"), synced=state, version=row)], at=NOW)
    if not is_agreed:
        bench.ledger.synced.forget_all("docs")
    (bench.local if side is Side.LOCAL else bench.remote).user_write("a", SAME.encode())

    assert read(bench.contents.open(row)) == SAME.encode()
    assert read(bench.contents.open_sound(row)) == SAME.encode()


def test_an_edit_of_the_same_size_is_not_taken_for_the_content_before(bench: Bench) -> None:
    wanted = bench.displaced("a")
    for side in (bench.local, bench.remote):
        side.user_write("a", SAME.upper().encode())

    with pytest.raises(PermanentError, match="neither side"):
        bench.contents.open(wanted)


def test_bytes_of_another_size_are_not_taken_for_the_content(bench: Bench) -> None:
    """Of rotten bytes the size alone often tells; the next place may have sound ones."""
    wanted = bench.displaced("a", *Side)
    bench.archive(Side.LOCAL, wanted, "same, but longer")
    bench.archive(Side.REMOTE, wanted)

    assert read(bench.contents.open(wanted)) == SAME.encode()


def test_a_content_of_which_all_bytes_have_another_size_is_nowhere(bench: Bench) -> None:
    wanted = bench.displaced("a", *Side)
    for side in Side:
        bench.archive(side, wanted, "")

    with pytest.raises(PermanentError, match="neither side"):
        bench.contents.open(wanted)
