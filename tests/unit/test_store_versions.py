"""What others overwrote in a bucket that keeps versions becomes versions of the mirror."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from docferry.engine.bring_up import BringUp
from docferry.engine.contents import Contents
from docferry.engine.identity import Places
from docferry.engine.strangers import SWEEP_AGAIN_S, SWEEP_EVERY_S, StoreVersions
from docferry.errors import PermanentError, StaleError, UnreachableError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import Attributes, Origin, Path, RequestKind, Side, VersionRow
from docferry.storage.memory import MemoryStorage, sha256_of
from docferry.storage.probe import StoreProfile
from kept_versions import KeepingBucket
from ledger_rows import MINUTE, NOW, fresh_ledger, ulid_of


class KilledError(BaseException):
    """The process ends here."""


class Bench:
    """A bucket that keeps versions, a real ledger, and the chore."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.bucket = KeepingBucket()
        self.numbers = iter(range(1, 100))
        self.seconds = 0.0
        self.found = 0  #: how often the chore said that bytes are to be lent
        self.chore = self.new_chore()

    def new_chore(self, takes: Callable[[Path], bool] = lambda path: True) -> StoreVersions:
        return StoreVersions(
            "docs",
            self.bucket,
            self.ledger,
            takes=takes,
            new_ulid=lambda: f"01KYYYYYYYYYYYYYYYYYYYYY{next(self.numbers):02}",
            now=lambda: self.bucket.now + MINUTE / 120,
            on_found=self.note_found,
            seconds=lambda: self.seconds,
            most_paths=3,
        )

    def note_found(self) -> None:
        self.found += 1

    def bring_up(self) -> None:
        local = MemoryStorage(knows_sha256=False)
        places = Places(local, self.bucket.storage, "the folder", "the bucket")
        contents = Contents("docs", places, self.ledger.versions, self.ledger.synced)
        BringUp("docs", local, self.bucket.storage, self.ledger, contents).run(lambda: False)

    def knows(
        self, name: str, content: bytes, *, path: Path = "a", is_archived: bool = True
    ) -> VersionRow:
        """Let docferry have seen a content in the bucket, and its end."""
        etag = next(put.version.token for put in self.bucket.puts if put.version.version_id == name)
        row = VersionRow(
            id=ulid_of(name),
            mirror="docs",
            path=path,
            sha256=sha256_of(content),
            size=len(content),
            mtime_ns=None,
            origin=Origin.STORE,
            parent=None,
            etag=etag,
            created_at=self.bucket.at(name),
            left_at=self.bucket.at(name) + MINUTE,
            archived_local=is_archived,
        )
        self.ledger.versions.add([row])
        return row

    def run(self) -> None:
        self.chore.run(lambda: False)

    def rows(self, path: Path = "a") -> list[VersionRow]:
        """Give the versions of *path*, the oldest first."""
        return self.ledger.versions.of("docs", path)[::-1]

    def contents(self, path: Path = "a") -> list[bytes]:
        """Give what the archive has of the versions of *path*, the oldest first."""
        return [self.bucket.archived(row.id) for row in self.rows(path)]


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Bench(ledger)


def test_contents_that_were_overwritten_between_two_looks_become_versions(bench: Bench) -> None:
    names = [bench.bucket.put("a", content) for content in (b"one", b"two", b"three")]

    bench.run()

    assert bench.contents() == [b"one", b"two"]
    first, second = bench.rows()
    assert (first.created_at, first.left_at) == (bench.bucket.at(names[0]), second.created_at)
    assert second.left_at == bench.bucket.at(names[2])
    assert [first.parent, second.parent] == [None, first.id]
    assert [first.store_version, second.store_version] == names[:2]
    assert (first.sha256, first.size, first.mtime_ns) == (sha256_of(b"one"), 3, 5)
    assert (first.origin, first.archived_remote) == (Origin.STORE, True)


def test_what_was_put_and_deleted_between_two_looks_becomes_a_version(bench: Bench) -> None:
    bench.bucket.put("a", b"gone")
    bench.bucket.delete("a")

    bench.run()

    assert bench.contents() == [b"gone"]


def test_the_archive_says_what_was_taken_into_it(bench: Bench) -> None:
    bench.bucket.put("a", b"one")
    bench.bucket.put("a", b"two")

    bench.run()

    [row] = bench.rows()
    found = bench.bucket.storage.archive.describe(row.id)
    assert found is not None
    assert (found.version, found.sha256, found.path) == (row.id, row.sha256, "a")


def test_to_look_again_adds_nothing_and_reads_nothing(bench: Bench) -> None:
    for content in (b"one", b"two", b"one", b"three"):
        bench.bucket.put("a", content)
    bench.run()
    bench.bring_up()
    rows, archive = bench.rows(), dict(bench.bucket.storage.archive)
    bench.bucket.asked.clear()

    bench.new_chore().run(lambda: False)

    assert bench.rows() == rows
    assert dict(bench.bucket.storage.archive) == archive
    assert bench.bucket.asked == ["scan"]


@pytest.mark.parametrize("moment", ["before_archiving", "after_archiving"])
def test_a_kill_between_the_note_and_the_copy_leaves_nothing_twice_and_nothing_out(
    bench: Bench, moment: str
) -> None:
    def kill() -> None:
        raise KilledError

    for content in (b"one", b"two", b"three"):
        bench.bucket.put("a", content)
    setattr(bench.bucket, moment, kill)
    with pytest.raises(KilledError):
        bench.run()
    setattr(bench.bucket, moment, lambda: None)

    bench.new_chore().run(lambda: False)

    assert bench.contents() == [b"one", b"two"]
    assert all(row.archived_remote for row in bench.rows())
    assert len(bench.bucket.storage.archive) == 2


def test_what_docferry_has_seen_is_not_taken_in_again_but_gets_its_name(bench: Bench) -> None:
    name = bench.bucket.put("a", b"one")
    row = bench.knows(name, b"one")
    bench.bucket.put("a", b"two")

    bench.run()

    assert bench.rows() == [replace(row, store_version=name)]
    assert bench.bucket.asked == ["scan"]
    assert not bench.bucket.storage.archive


def test_a_version_that_no_archive_has_is_had_back_from_the_bucket(bench: Bench) -> None:
    name = bench.bucket.put("a", b"one")
    row = bench.knows(name, b"one", is_archived=False)
    bench.bucket.put("a", b"two")

    bench.run()

    assert bench.contents() == [b"one"]
    assert bench.rows() == [replace(row, store_version=name, archived_remote=True)]


def test_a_lost_version_gets_no_bytes_but_its_own(bench: Bench) -> None:
    row = bench.knows(bench.bucket.put("a", b"one"), b"odd", is_archived=False)
    bench.bucket.put("a", b"two")

    with pytest.raises(PermanentError):
        bench.run()

    assert not bench.bucket.storage.archive
    assert not bench.rows()[0].archived_remote
    assert bench.rows()[0].id == row.id


def test_what_was_let_go_is_not_brought_back(bench: Bench) -> None:
    row = bench.knows(bench.bucket.put("a", b"one"), b"one", is_archived=False)
    bench.ledger.versions.let_go([row.id], NOW)
    bench.bucket.put("a", b"two")

    bench.run()

    assert not bench.bucket.storage.archive


def test_a_version_of_a_rebuilt_ledger_is_known_by_its_content(bench: Bench) -> None:
    name = bench.bucket.put("a", b"one")
    row = replace(bench.knows(name, b"one"), id=ulid_of("rebuilt"), path="b", etag=None)
    bench.ledger.versions.add([row])
    for _ in range(2):
        name = bench.bucket.put("b", b"one")

    bench.run()

    assert bench.rows("b") == [replace(row, store_version="bucket-2")]


def test_equal_contents_are_not_copied_twice(bench: Bench) -> None:
    for content in (b"same", b"two"):
        bench.bucket.put("a", content)
        bench.bucket.put("b", content)
    bench.run()
    assert bench.found == 1

    bench.bring_up()

    [lender], [borrower] = bench.rows("a"), bench.rows("b")
    assert borrower.bytes_of == lender.id
    assert bench.contents("a") == bench.contents("b") == [b"same"]


def test_what_metadata_claims_is_not_believed(bench: Bench) -> None:
    known = bench.knows(bench.bucket.put("a", b"one"), b"one")
    claims = Attributes(version=known.id, sha256=known.sha256)
    bench.bucket.put("a", b"two", claims)
    bench.bucket.put("a", b"three")

    bench.run()

    _, edited = bench.rows()
    assert edited.sha256 == sha256_of(b"two")
    assert bench.bucket.archived(edited.id) == b"two"


def test_an_upload_that_is_to_be_written_down_is_left_to_the_loop(bench: Bench) -> None:
    version = ulid_of("upload")
    bench.ledger.intents.add("docs", [("a", version)])
    bench.bucket.put("a", b"ours", Attributes(version=version))
    bench.bucket.put("a", b"two")

    bench.run()

    assert bench.rows() == []


def test_what_is_to_be_erased_is_not_taken_in(bench: Bench) -> None:
    bench.ledger.requests.add([NewRequest("docs", "a", RequestKind.ERASE)], NOW)
    for path in ("a", "b"):
        bench.bucket.put(path, b"one " + path.encode())
        bench.bucket.delete(path)

    bench.run()

    assert bench.rows("a") == []
    assert bench.contents("b") == [b"one b"]


def test_what_the_mirror_does_not_mirror_is_left_alone(bench: Bench) -> None:
    bench.chore = bench.new_chore(takes=lambda path: not path.endswith(".tmp"))
    for path in ("a", "b.tmp"):
        bench.bucket.put(path, b"one")
        bench.bucket.delete(path)

    bench.run()

    assert [len(bench.rows(path)) for path in ("a", "b.tmp")] == [1, 0]


def test_what_had_left_before_the_mirror_began_is_not_copied(bench: Bench) -> None:
    for content in (b"one", b"two", b"three"):
        bench.bucket.put("a", content)
    bench.bucket.now += 10 * MINUTE
    bench.knows(bench.bucket.put("b", b"the first that is seen"), b"the first", path="b")
    bench.bucket.put("a", b"four")

    bench.run()

    assert bench.contents() == [b"three"]
    first_at = bench.ledger.versions.first_at("docs")
    assert first_at is not None
    assert bench.rows()[0].created_at == first_at.replace(microsecond=0)


# When it looks, and where.


def test_a_bucket_without_versions_is_asked_nothing_until_it_keeps_some(bench: Bench) -> None:
    bench.bucket.profile = StoreProfile()
    bench.chore.changed(["a"])
    bench.run()
    assert bench.bucket.asked == []
    bench.bucket.profile = StoreProfile(versioning=True)

    bench.run()

    assert bench.bucket.asked == ["scan"]


def test_after_the_first_sweep_only_what_was_told_of_is_looked_at(bench: Bench) -> None:
    bench.run()
    for path in ("a", "b"):
        bench.bucket.put(path, b"one " + path.encode())
        bench.bucket.delete(path)
    bench.bucket.asked.clear()
    bench.chore.changed(["a"])

    bench.run()

    assert bench.bucket.asked == ["of a", "read a"]
    assert bench.contents("a") == [b"one a"]
    assert bench.rows("b") == []


def test_at_its_time_all_is_looked_at(bench: Bench) -> None:
    bench.run()
    bench.run()
    bench.seconds = SWEEP_EVERY_S

    bench.run()

    assert bench.bucket.asked == ["scan"] * 2


def test_where_too_much_was_told_of_all_is_looked_at_but_not_again_and_again(
    bench: Bench,
) -> None:
    bench.run()
    bench.chore.changed(["a", "b", "c", "d"])
    bench.run()
    asked_soon = [*bench.bucket.asked]
    bench.seconds = SWEEP_AGAIN_S

    bench.run()

    assert asked_soon == ["scan"]
    assert bench.bucket.asked == ["scan"] * 2


def test_one_content_that_cannot_be_read_keeps_no_other_from_being_kept(bench: Bench) -> None:
    for path in ("a", "b"):
        bench.bucket.put(path, b"one " + path.encode())
        bench.bucket.delete(path)

    def refuse(path: Path) -> None:
        if path == "a":
            raise PermanentError("encrypted with a key of the customer's")

    bench.bucket.before_reading = refuse

    with pytest.raises(PermanentError, match="1 content could not be kept"):
        bench.run()

    assert bench.rows("a") == []
    assert bench.contents("b") == [b"one b"]


def test_what_the_bucket_lets_go_meanwhile_is_no_version(bench: Bench) -> None:
    name = bench.bucket.put("a", b"one")
    bench.bucket.put("a", b"two")
    bench.bucket.before_reading = lambda path: bench.bucket.forget(name)

    with pytest.raises(PermanentError):
        bench.run()
    bench.run()

    assert bench.rows() == []


def test_while_the_store_is_gone_nothing_that_was_told_of_is_forgotten(bench: Bench) -> None:
    bench.run()
    bench.bucket.put("a", b"one")
    bench.bucket.delete("a")
    bench.chore.changed(["a"])

    def fail(path: Path) -> None:
        raise UnreachableError("it is gone")

    bench.bucket.before_reading = fail
    with pytest.raises(UnreachableError):
        bench.run()
    bench.bucket.before_reading = lambda path: None

    bench.run()

    assert bench.contents() == [b"one"]


def test_it_stops_between_two_paths(bench: Bench) -> None:
    bench.bucket.put("a", b"one")
    bench.bucket.delete("a")

    bench.chore.run(lambda: True)

    assert bench.rows() == []


def test_a_version_is_called_archived_only_once_it_is(bench: Bench) -> None:
    seen: list[bool] = []
    bench.bucket.put("a", b"one")
    bench.bucket.put("a", b"two")
    bench.bucket.before_archiving = lambda: seen.append(bench.rows()[0].archived_remote)

    bench.run()

    assert seen == [False]
    assert bench.rows()[0].archived_remote


def test_a_content_whose_lender_has_lost_its_bytes_is_had_from_the_bucket(bench: Bench) -> None:
    lender = bench.knows(bench.bucket.put("b", b"same"), b"same", path="b")
    bench.ledger.versions.note_archived([lender.id], Side.REMOTE)  # and it is not so
    bench.bucket.put("a", b"same")
    bench.bucket.put("a", b"two")
    bench.run()
    bench.bring_up()
    with pytest.raises(StaleError):
        bench.contents()

    bench.new_chore().run(lambda: False)

    assert bench.contents() == [b"same"]


def test_a_version_that_is_known_by_its_content_alone_and_lost_is_had_back(bench: Bench) -> None:
    name = bench.bucket.put("a", b"one")
    row = bench.knows(name, b"one")
    lost = replace(row, id=ulid_of("lost"), path="b", etag=None, archived_local=False)
    bench.ledger.versions.add([lost])
    for _ in range(2):
        bench.bucket.put("b", b"one")

    bench.run()

    assert bench.rows("b") == [replace(lost, store_version="bucket-2", archived_remote=True)]
    assert bench.bucket.archived(lost.id) == b"one"


def test_a_lost_version_takes_no_bytes_that_the_loop_has_yet_to_write_down(bench: Bench) -> None:
    claims = Attributes(version=ulid_of("ours"))
    bench.ledger.intents.add("docs", [("a", ulid_of("ours"))])
    row = bench.knows(bench.bucket.put("a", b"one", claims), b"one", is_archived=False)
    bench.bucket.put("a", b"two")

    bench.run()

    assert not bench.bucket.storage.archive
    assert [one.id for one in bench.rows()] == [row.id]
    assert not bench.rows()[0].archived_remote
