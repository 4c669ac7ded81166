"""A ledger made anew from a real prefix: what objects claim, what they are, what cannot be had."""

from __future__ import annotations

import gzip
import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

import servers
from docferry.core.filters import Filter
from docferry.core.rules import Rule
from docferry.errors import TemporaryError, UserError
from docferry.ledger import Ledger
from docferry.ledger.rebuilt import Rebuilt
from docferry.ledger.snapshots import make
from docferry.model import NEVER_SEEN, Attributes, Origin, Provenance, Side, SyncedState, Ulid
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, MemoryStorage, sha256_of
from docferry.storage.s3_metadata import headers_of
from docferry.storage.snapshots import SnapshotFacts
from ledger_rows import agreed, fresh_ledger, uploaded
from rebuilt_room import BEGAN, Room, just_now, ours, ulid

#: What it makes goes into the mirror that is rebuilt.
RULE = Rule("text", "inbox", Filter(("*",)), "docs", "markdown", ".md", "", "{dir}{stem}.{ext}")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def room(moto: servers.S3Server, tmp_path: pathlib.Path) -> Iterator[Room]:
    with Rebuilt.open(tmp_path / "rebuilt.sqlite3") as ledger:
        yield Room(moto, tmp_path, ledger)


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def telling(seaweedfs: servers.S3Server, tmp_path: pathlib.Path) -> Iterator[Room]:
    """A room in a store that keeps the checksums it is given."""
    with Rebuilt.open(tmp_path / "rebuilt.sqlite3") as ledger:
        yield Room(seaweedfs, tmp_path, ledger)


# What objects claim.


def test_an_object_of_docferrys_is_what_it_says_and_is_not_read(room: Room) -> None:
    first, second = ulid(1), just_now()
    token = room.put("a", b"second", ours(second, b"second", first))
    room.archive(first, b"first", sha256=sha256_of(b"first"), path="a")

    result = room.rebuild().result

    assert room.synced() == {
        "a": SyncedState(sha256_of(b"second"), NEVER_SEEN, token, second, len(b"second"))
    }
    newest, oldest = room.ledger.versions.of("docs", "a")
    assert (newest.id, newest.parent, newest.left_at) == (second, first, None)
    assert (oldest.id, oldest.left_at) == (first, newest.created_at)
    assert (oldest.archived_remote, newest.archived_remote) == (True, False)
    assert (result.told, result.read, result.archived) == (1, 0, 1)


def test_an_edit_that_kept_size_and_metadata_is_told_by_the_checksum_that_it_lacks(
    telling: Room,
) -> None:
    """Within minutes of the upload, its time tells nothing."""
    version, other = just_now(), just_now()
    telling.put("a", b"sound", ours(version, b"sound"))
    telling.put("b", b"other", ours(other, b"other"))
    metadata = {"docferry-version": version, "docferry-sha256": sha256_of(b"sound")}
    telling.put_plainly("a", b"wrong", **metadata)

    result = telling.rebuild().result

    assert telling.synced()["a"].sha256 == sha256_of(b"wrong")
    assert telling.synced()["a"].version != version
    assert telling.synced()["b"].version == other
    assert (result.told, result.read) == (1, 1)


def test_what_the_store_has_a_checksum_of_is_not_read_however_old_its_version_is(
    telling: Room,
) -> None:
    version = ulid(1)
    telling.put("a", b"sound", ours(version, b"sound"))

    result = telling.rebuild().result

    assert telling.synced()["a"].version == version
    assert (result.told, result.read) == (1, 0)


def test_a_copy_takes_the_claims_along_and_is_another_version(room: Room) -> None:
    version = just_now()
    for path in ("a", "copy of a"):
        room.put(path, b"content", ours(version, b"content"))

    result = room.rebuild().result

    states = room.synced()
    assert states["a"].version == version
    assert states["copy of a"].version != version
    assert {state.sha256 for state in states.values()} == {sha256_of(b"content")}
    assert (result.told, result.read) == (1, 1)


def test_a_result_is_known_by_what_its_object_says(room: Room) -> None:
    room.rules = [RULE]
    made_from = Provenance(just_now(), sha256_of(b"source"), "text", "xberg 1.3.9")
    version, first = just_now(), ulid(1)
    for path in ("a.md", "a.txt"):
        room.put(path, b"made", replace(ours(version, b"made", first), made_from=made_from))
    room.archive(first, b"old", sha256=sha256_of(b"old"), path="a.md", made_from=made_from)

    new = room.rebuild().new

    assert {row.path: row.origin for row in new} == {
        "a.md": Origin.CONVERSION,
        "a.txt": Origin.STORE,  # a copy, where the rule puts nothing
    }
    assert [row.origin for row in room.ledger.versions.of("docs", "a.md")] == [
        Origin.CONVERSION,
        Origin.CONVERSION,
    ]
    both = {sha256_of(b"made"): made_from, sha256_of(b"old"): made_from}
    assert room.ledger.results.at("docs", "a.md") == both
    assert room.ledger.results.at("docs", "a.txt") == {}


def test_an_edit_of_a_result_that_kept_its_metadata_is_a_persons(room: Room) -> None:
    room.rules = [RULE]
    made_from = Provenance(just_now(), sha256_of(b"source"), "text", "xberg 1.3.9")
    says = headers_of(replace(ours(ulid(1), b"made"), made_from=made_from))
    room.put_plainly("a.md", b"edited", **says)

    [row] = room.rebuild().new

    assert (row.sha256, row.origin) == (sha256_of(b"edited"), Origin.STORE)
    assert room.ledger.results.at("docs", "a.md") == {}


def test_what_was_copied_out_of_an_archive_is_not_the_archived_version(room: Room) -> None:
    version = ulid(1)
    room.archive(version, b"old", sha256=sha256_of(b"old"), path="a")
    room.put("b", b"old", replace(ours(version, b"old"), path="a"))

    room.rebuild()

    assert room.synced()["b"].version != version
    assert [row.id for row in room.ledger.versions.of("docs", "a")] == [version]


def test_a_version_of_the_far_future_is_nobodys(room: Room) -> None:
    """The next one would have to be greater than that."""
    for path, version in (("a", "7" + "Z" * 25), ("b", "V" * 26)):
        room.put(path, b"content", ours(version, b"content"))

    room.rebuild()

    last = room.ledger.versions.last()
    assert last is not None
    assert last[0] < str(ULID.from_datetime(datetime.now(UTC) + timedelta(days=1)))
    assert set(room.synced()) == {"a", "b"}


def test_a_strangers_object_is_read_and_has_its_name_on_this_side(room: Room) -> None:
    room.put_plainly("plain.txt", b"content")
    room.put_plainly("tab\there", b"odd")
    room.put_plainly("half.txt", b"half", **{"docferry-version": ulid(1)})

    result = room.rebuild().result

    states = room.synced()
    assert states["plain.txt"].sha256 == sha256_of(b"content")
    assert states["tab%_09here"].sha256 == sha256_of(b"odd")
    [row] = room.ledger.versions.of("docs", "plain.txt")
    assert (row.origin, row.parent, row.is_current) == (Origin.STORE, None, True)
    assert (result.read, result.read_bytes) == (3, len(b"contentoddhalf"))


def edited_in_place(room: Room, version: Ulid) -> None:
    """Let a stranger put other bytes to "a", and leave what docferry once said there."""
    claims = {"docferry-version": version, "docferry-sha256": sha256_of(b"before")}
    room.put_plainly("a", b"edited", **claims, **{"docferry-writer": "lost"})


def test_an_edit_that_left_the_metadata_as_it_was_is_read_and_not_taken_for_what_was_there(
    room: Room,
) -> None:
    version = ulid(1)
    edited_in_place(room, version)

    result = room.rebuild().result

    [row] = room.ledger.versions.of("docs", "a")
    assert room.synced()["a"].sha256 == row.sha256 == sha256_of(b"edited")
    assert row.origin is Origin.STORE
    assert row.id != version
    assert (result.told, result.read) == (0, 1)


def test_an_edit_soon_after_the_upload_is_read_where_the_folder_has_a_file_of_another_size(
    room: Room,
) -> None:
    edited_in_place(room, just_now())
    room.sizes_here["a"] = len(b"edited") + 1

    room.rebuild()

    assert room.synced()["a"].sha256 == sha256_of(b"edited")


def test_an_edit_soon_after_a_snapshot_is_read_for_its_version_had_another_token(
    room: Room, tmp_path: pathlib.Path
) -> None:
    version = just_now()
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        outcome = uploaded("a")
        assert outcome.synced is not None
        assert outcome.version is not None
        same = {"sha256": sha256_of(b"before"), "size": 6}
        known = replace(
            outcome,
            synced=replace(outcome.synced, version=version, **same),  # type: ignore[arg-type]
            version=replace(outcome.version, id=version, **same),  # type: ignore[arg-type]
        )
        lost.record("docs", [known], at=BEGAN)
        room.leave_snapshot(lost)
    edited_in_place(room, version)

    room.rebuild()

    newest, before = room.ledger.versions.of("docs", "a")
    assert (before.id, newest.parent) == (version, version)
    assert room.synced()["a"].sha256 == newest.sha256 == sha256_of(b"edited")


def test_what_was_read_and_is_what_it_says_stays_the_version_that_it_says(room: Room) -> None:
    """A long upload, a heal, a bucket that was copied: the object is younger than its version."""
    version = ulid(1)
    token = room.put("a", b"sound", ours(version, b"sound"))

    result = room.rebuild().result

    state = SyncedState(sha256_of(b"sound"), NEVER_SEEN, token, version, len(b"sound"))
    assert room.synced() == {"a": state}
    assert (result.told, result.read) == (0, 1)


def test_what_the_mirror_leaves_out_is_not_agreed_on(room: Room) -> None:
    room.put_plainly("a.tmp", b"left out")
    room.put_plainly("a", b"taken")

    result = room.rebuild().result

    assert set(room.synced()) == {"a"}
    assert result.read == 1


# With a snapshot.


def test_what_is_as_the_snapshot_says_is_not_even_looked_at(
    room: Room, tmp_path: pathlib.Path
) -> None:
    token = room.put("a", b"a", Attributes())
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        outcome = uploaded("a")
        assert outcome.synced is not None
        state = replace(outcome.synced, remote_token=token)
        lost.record("docs", [replace(outcome, synced=state)], at=BEGAN)
        snapshot = room.leave_snapshot(lost)

    result = room.rebuild().result

    assert result.snapshot == snapshot
    assert (result.told, result.read, result.gone) == (0, 0, 0)
    assert room.synced() == {"a": replace(state, local_token=NEVER_SEEN)}


def test_a_strangers_edit_follows_what_the_snapshot_knew(
    room: Room, tmp_path: pathlib.Path
) -> None:
    room.put_plainly("a", b"edited by a stranger")
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        lost.record("docs", [uploaded("a"), uploaded("gone")], at=BEGAN)
        room.leave_snapshot(lost)

    result = room.rebuild().result

    newest, before = room.ledger.versions.of("docs", "a")
    assert (newest.parent, newest.sha256) == (before.id, sha256_of(b"edited by a stranger"))
    assert before.left_at == newest.created_at
    [gone] = room.ledger.versions.of("docs", "gone")
    assert gone.left_at is not None
    assert (result.read, result.gone) == (1, 1)


def test_the_same_content_put_there_again_stays_the_version_it_was(
    room: Room, tmp_path: pathlib.Path
) -> None:
    room.put_plainly("a", b"same")
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        outcome = uploaded("a")
        assert outcome.synced is not None
        assert outcome.version is not None
        same = {"sha256": sha256_of(b"same"), "size": 4}
        known = replace(
            outcome,
            synced=replace(outcome.synced, sha256=sha256_of(b"same"), size=4),
            version=replace(outcome.version, **same),  # type: ignore[arg-type]
        )
        lost.record("docs", [known], at=BEGAN)
        room.leave_snapshot(lost)

    room.rebuild()

    [row] = room.ledger.versions.of("docs", "a")
    assert row.is_current
    assert room.synced()["a"].version == row.id == agreed("a").version


def test_a_snapshot_of_a_newer_docferry_stops_it_and_says_how_to_go_on(
    room: Room, tmp_path: pathlib.Path
) -> None:
    """An older snapshot would do, and all that was known since would be lost in silence."""
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        room.leave_snapshot(lost)
        newest = _of_a_newer_docferry(room, lost)

    with pytest.raises(UserError, match="newer docferry") as refused:
        room.rebuild()

    assert newest in str(refused.value)
    assert "--from-objects" in str(refused.value)


def _of_a_newer_docferry(room: Room, lost: Ledger) -> Ulid:
    folder = room.folder / "newer"
    folder.mkdir()
    packed, _ = make(lost, "docs", folder)
    plain = folder / "plain"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    with closing(sqlite3.connect(plain)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0999'")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    snapshot = str(ULID())
    facts = SnapshotFacts(lost.instance, sha256_of(packed.read_bytes()))
    room.remote.snapshots.write(snapshot, packed, facts)
    return snapshot


def test_a_snapshot_says_whether_retention_still_waits_for_a_person(
    room: Room, tmp_path: pathlib.Path
) -> None:
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        lost.record("docs", [uploaded("a")], at=BEGAN)
        lost.waits.begin("docs", BEGAN)
        room.leave_snapshot(lost)

    assert room.rebuild().result.may_forget_held


# The archives.


def test_what_was_deleted_left_when_it_came_into_the_archive(room: Room) -> None:
    version = ulid(1)
    room.archive(version, b"gone", sha256=sha256_of(b"gone"), path="a", mtime_ns=1)

    room.rebuild()

    [row] = room.ledger.versions.of("docs", "a")
    assert row.created_at == BEGAN + timedelta(minutes=1)
    assert row.left_at is not None
    assert abs(datetime.now(UTC) - row.left_at) < timedelta(minutes=1)


def test_a_reference_is_a_version_whose_bytes_are_elsewhere(room: Room) -> None:
    one, other = ulid(1), ulid(2)
    same = Attributes(sha256=sha256_of(b"same"), size=4, writer="lost")
    room.archive(one, b"same", sha256=same.sha256, path="a")
    room.remote.archive.refer(other, one, replace(same, version=other, path="b"))

    room.rebuild()

    [row] = room.ledger.versions.of("docs", "b")
    assert (row.id, row.bytes_of, row.size, row.archived_remote) == (other, one, 4, True)


def test_what_the_archive_holds_and_nothing_tells_of_is_counted_and_left(room: Room) -> None:
    silent, trap = ulid(1), ulid(2)
    room.put_plainly(f".docferry/versions/{silent}", b"of whom?")
    path = {"docferry-path": ".docferry/mirror.json", "docferry-sha256": "0" * 64}
    room.put_plainly(f".docferry/versions/{trap}", b"a trap", **path)

    result = room.rebuild().result

    assert (result.lost_count, result.versions) == (2, 0)
    assert [silent in result.lost[0], trap in result.lost[1]] == [True, True]
    assert {one.version for one in room.remote.archive.scan()} == {silent, trap}


def test_the_folders_own_archive_is_where_it_says_and_no_more(
    room: Room, tmp_path: pathlib.Path
) -> None:
    known, untold = ulid(1), ulid(2)
    room.put("a", b"a", ours(ulid(3), b"a", known))
    with fresh_ledger(tmp_path / "lost.sqlite3") as lost:
        row = uploaded("a").version
        assert row is not None
        was = replace(row, id=known, left_at=BEGAN, archived_remote=True)
        lost.versions.add([was])
        lost.versions.note_archived([known], Side.LOCAL)
        room.leave_snapshot(lost)
    room.here = MemoryStorage(keeps_references=False)
    for version in (known, untold):
        room.here.archive.put(version, BytesContent(b"bytes"), Attributes(version=version))

    result = room.rebuild().result

    found = room.ledger.versions.get(known)
    assert found is not None
    assert (found.archived_local, found.archived_remote) == (True, False)
    assert [untold in each for each in result.lost] == [True]


# What cannot be had.


class Moody:
    """A bucket that gives one object to nobody, and lets another change whenever it is read."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.archive = room.remote.archive
        self.snapshots = room.remote.snapshots
        self.scan = room.remote.scan
        self.scan_odd = room.remote.scan_odd
        self.look = room.remote.look
        self.checksum = room.remote.checksum
        self.changes_left = 0

    def read(self, path: str, expect: str) -> Content:
        if path == "refused":
            raise TemporaryError("not this one")
        if path == "restless" and self.changes_left:
            self.changes_left -= 1
            self._room.put_plainly(path, b"%d" % self.changes_left)
        return self._room.remote.read(path, expect)


def test_an_object_that_cannot_be_read_is_told_and_the_rest_goes_on(room: Room) -> None:
    for path in ("refused", "restless", "sound"):
        room.put_plainly(path, b"content")
    bucket = Moody(room)
    bucket.changes_left = 100

    result = room.rebuild(bucket).result

    assert set(room.synced()) == {"sound"}
    assert [each.partition(":")[0] for each in sorted(result.lost)] == ["refused", "restless"]


def test_an_object_that_changes_while_it_is_read_is_read_once_more(room: Room) -> None:
    room.put_plainly("restless", b"content")
    bucket = Moody(room)
    bucket.changes_left = 2

    room.rebuild(bucket)

    state = room.remote.stat("restless")
    assert state is not None
    found = room.synced()["restless"]
    assert (found.remote_token, found.sha256) == (state.token, sha256_of(b"0"))
