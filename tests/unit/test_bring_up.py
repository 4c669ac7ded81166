"""The bucket comes to hold every displaced version, each content once."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.engine.bring_up import AT_ONCE, BringUp
from docferry.engine.contents import Contents
from docferry.engine.identity import Places
from docferry.errors import PermanentError, StaleError
from docferry.ledger import Ledger
from docferry.model import Attributes, Origin, Path, Side, SyncedState, Ulid, VersionRow
from docferry.storage.memory import BytesContent, MemoryStorage, sha256_of
from ledger_rows import NOW, fresh_ledger


class Bench:
    """Both sides' archives in memory, a real ledger, and the chore."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.local = MemoryStorage(knows_sha256=False)
        self.remote = MemoryStorage(knows_sha256=False)
        self.numbers = iter(range(1, 100))
        self.chore = self.new_chore()

    def new_chore(self, at_once: int = AT_ONCE) -> BringUp:
        places = Places(self.local, self.remote, "the folder", "the bucket")
        contents = Contents("docs", places, self.ledger.versions, self.ledger.synced)
        return BringUp("docs", self.local, self.remote, self.ledger, contents, at_once=at_once)

    def displaced(
        self,
        path: Path,
        content: bytes,
        *sides: Side,
        is_noted: bool = True,
        bytes_: bytes | None = None,
        number: int | None = None,
    ) -> VersionRow:
        """
        Let a content have been displaced, and be in the archives of *sides*.

        Args:
            bytes_: What is there in truth.
        """
        row = VersionRow(
            id=f"01KXXXXXXXXXXXXXXXXXXXXX{number or next(self.numbers):02}",
            mirror="docs",
            path=path,
            sha256=sha256_of(content),
            size=len(content),
            mtime_ns=1,
            origin=Origin.LOCAL,
            parent=None,
            etag=None,
            created_at=NOW,
            left_at=NOW,
            archived_local=is_noted and Side.LOCAL in sides,
            archived_remote=is_noted and Side.REMOTE in sides,
        )
        self.ledger.versions.add([row])
        for side in sides:
            storage = self.local if side is Side.LOCAL else self.remote
            found = content if bytes_ is None else bytes_
            storage.archive.put(row.id, BytesContent(found), Attributes(sha256=sha256_of(found)))
        return row

    def run(self) -> None:
        self.chore.run(lambda: False)

    def row(self, version: Ulid) -> VersionRow:
        row = self.ledger.versions.get(version)
        assert row is not None
        return row

    def in_bucket(self, row: VersionRow) -> bytes:
        with self.remote.archive.read(row.id) as content:
            return b"".join(content.parts())

    def holds_own_bytes(self, side: MemoryStorage, row: VersionRow) -> bool:
        found = side.archive.describe(row.id)
        return found is not None and found.bytes_of is None


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Bench(ledger)


def test_what_only_the_folder_has_is_copied_up_with_all_that_names_it(bench: Bench) -> None:
    row = bench.displaced("a", b"old", Side.LOCAL)

    bench.run()

    assert bench.in_bucket(row) == b"old"
    assert bench.row(row.id).archived_remote
    found = bench.remote.archive.describe(row.id)
    assert found is not None
    assert (found.version, found.sha256, found.path) == (row.id, row.sha256, "a")


def test_what_is_there_without_a_note_is_only_noted(bench: Bench) -> None:
    row = bench.displaced("a", b"old", Side.REMOTE, is_noted=False)

    bench.run()

    assert bench.row(row.id).archived_remote


def test_a_reference_to_what_is_gone_is_not_there(bench: Bench) -> None:
    gone = bench.displaced("x", b"old", Side.REMOTE)
    row = bench.displaced("a", b"old", Side.LOCAL)
    about = Attributes(sha256=row.sha256, size=row.size, path="a")
    bench.remote.archive.refer(row.id, gone.id, about)
    bench.ledger.versions.let_go([gone.id], NOW)
    bench.remote.archive.remove(gone.id)

    bench.run()

    assert bench.in_bucket(row) == b"old"
    assert (bench.row(row.id).bytes_of, bench.row(row.id).archived_remote) == (None, True)


def test_a_content_that_is_current_again_elsewhere_is_had_from_there(bench: Bench) -> None:
    row = bench.displaced("a", b"old")
    agreed = SyncedState(
        row.sha256,
        bench.local.user_write("b", b"old"),
        bench.remote.user_write("b", b"old"),
        "V",
        3,
    )
    put_synced(bench.ledger, "b", agreed)

    bench.run()

    assert bench.in_bucket(row) == b"old"


def put_synced(ledger: Ledger, path: Path, state: SyncedState) -> None:
    from docferry.model import MarkSynced, Outcome

    marked = MarkSynced(
        path, state.sha256, state.size, state.local_token, state.remote_token, is_new_content=False
    )
    ledger.record("docs", [Outcome(marked, state)], at=NOW)


def test_equal_contents_keep_their_bytes_once_on_both_sides(bench: Bench) -> None:
    first = bench.displaced("a", b"same", Side.LOCAL, Side.REMOTE)
    second = bench.displaced("b", b"same", Side.LOCAL)
    third = bench.displaced("a", b"same", Side.LOCAL, Side.REMOTE)

    bench.run()

    sides = (bench.local, bench.remote)
    assert [bench.holds_own_bytes(side, first) for side in sides] == [True, True]
    for row in (second, third):
        assert bench.row(row.id).bytes_of == first.id
        assert [bench.holds_own_bytes(side, row) for side in sides] == [False, False]
        assert bench.in_bucket(row) == b"same"


def test_what_others_refer_to_never_becomes_a_reference(bench: Bench) -> None:
    second = bench.displaced("b", b"same", Side.REMOTE, number=2)
    third = bench.displaced("c", b"same", Side.LOCAL, number=3)
    bench.run()
    first = bench.displaced("a", b"same", Side.REMOTE, number=1)  # older, and displaced later

    bench.run()

    assert [bench.in_bucket(row) for row in (first, second, third)] == [b"same"] * 3
    assert [bench.row(row.id).bytes_of for row in (first, second, third)] == [
        second.id,
        None,
        second.id,
    ]


def test_of_two_that_others_refer_to_neither_becomes_a_reference(bench: Bench) -> None:
    homes = [bench.displaced(path, b"same", Side.REMOTE) for path in ("a", "b")]
    borrowers = [bench.displaced(path, b"same") for path in ("c", "d")]
    for row, home in zip(borrowers, homes, strict=True):
        bench.ledger.versions.note_bytes_of(row.id, home.id)
        bench.remote.archive.refer(row.id, home.id, Attributes(sha256=row.sha256, size=row.size))

    bench.run()

    assert [bench.row(home.id).bytes_of for home in homes] == [None, None]
    assert [bench.in_bucket(row) for row in borrowers] == [b"same"] * 2


def test_empty_contents_stay_as_they_are(bench: Bench) -> None:
    rows = [
        bench.displaced(path, b"", side) for path, side in zip("abcd", [*Side, *Side], strict=True)
    ]

    bench.run()

    for row in rows:
        assert bench.row(row.id).bytes_of is None
        assert bench.holds_own_bytes(bench.remote, row)


def test_more_equal_contents_than_are_read_at_a_time_find_one_home(bench: Bench) -> None:
    rows = [bench.displaced(f"{number}", b"same", Side.REMOTE) for number in range(9)]

    bench.chore = bench.new_chore(at_once=2)
    bench.run()

    assert [bench.row(row.id).bytes_of for row in rows] == [None] + [rows[0].id] * 8


def test_equal_contents_that_left_their_path_later_are_found_too(bench: Bench) -> None:
    first, second = (bench.displaced(path, b"same", Side.REMOTE) for path in ("a", "b"))
    bench.run()
    third = bench.displaced("c", b"same", Side.REMOTE)

    bench.run()

    assert [bench.row(row.id).bytes_of for row in (first, second, third)] == [
        None,
        first.id,
        first.id,
    ]


def test_nothing_is_shared_with_one_whose_bytes_are_not_what_they_should_be(
    bench: Bench,
) -> None:
    rotten = bench.displaced("a", b"same", Side.REMOTE, bytes_=b"rots")
    sound = bench.displaced("b", b"same", Side.LOCAL)

    bench.run()

    assert bench.in_bucket(sound) == b"same"
    assert bench.row(sound.id).bytes_of is None
    assert bench.row(rotten.id).bytes_of is None


def test_damaged_bytes_are_not_copied_up(bench: Bench) -> None:
    row = bench.displaced("a", b"old", Side.LOCAL, bytes_=b"odd")

    bench.run()

    assert bench.remote.archive.describe(row.id) is None
    assert not bench.row(row.id).archived_remote


def test_what_is_nowhere_keeps_nothing_else_from_being_copied(bench: Bench) -> None:
    lost = bench.displaced("a", b"lost")
    row = bench.displaced("b", b"old", Side.LOCAL)

    bench.run()
    bench.run()

    assert bench.in_bucket(row) == b"old"
    assert not bench.row(lost.id).archived_remote


def test_one_that_cannot_be_brought_up_keeps_no_other_from_it(bench: Bench) -> None:
    first = bench.displaced("a", b"old", Side.LOCAL)
    bench.remote.archive.put(first.id, BytesContent(b"another"), Attributes())
    second = bench.displaced("b", b"older", Side.LOCAL)
    equal = [bench.displaced(path, b"same", Side.REMOTE) for path in ("c", "d")]

    with pytest.raises(PermanentError, match=f"something else as version {first.id}"):
        bench.run()

    assert bench.in_bucket(second) == b"older"
    assert bench.row(equal[1].id).bytes_of == equal[0].id


def test_a_crash_before_the_bytes_are_shared_leaves_them_where_they_were(bench: Bench) -> None:
    first = bench.displaced("a", b"same", Side.REMOTE)
    second = bench.displaced("b", b"same", Side.REMOTE)
    bench.ledger.versions.note_bytes_of(second.id, first.id)  # and no more than that

    bench.run()

    assert bench.in_bucket(second) == b"same"
    assert [*bench.ledger.sharing.borrowers_of(first.id)] == [bench.row(second.id)]


def test_it_stops_between_two_versions(bench: Bench) -> None:
    row = bench.displaced("a", b"old", Side.LOCAL)

    bench.chore.run(lambda: True)

    with pytest.raises(StaleError):
        bench.in_bucket(row)


def test_what_was_let_go_is_not_copied_up(bench: Bench) -> None:
    row = bench.displaced("a", b"old", Side.LOCAL)
    bench.ledger.versions.let_go([row.id], NOW)

    bench.run()

    assert bench.remote.archive.describe(row.id) is None


def test_a_note_of_what_shares_its_bytes_is_taken_back_where_they_cannot_be_shared(
    bench: Bench,
) -> None:
    first = bench.displaced("a", b"same", Side.REMOTE)
    second = bench.displaced("b", b"same", Side.LOCAL)
    bench.remote.archive.remove(first.id)

    bench.run()

    assert bench.row(second.id) == replace(bench.row(second.id), bytes_of=None)
    assert bench.in_bucket(second) == b"same"
