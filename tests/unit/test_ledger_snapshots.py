"""Snapshots as files: what is in one, what never is, and what becomes of a bad one."""

from __future__ import annotations

import gzip
import hashlib
import pathlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from docferry.errors import PermanentError, UserError
from docferry.job import JobState
from docferry.ledger import Ledger, upgrade
from docferry.ledger.database import Database
from docferry.ledger.rebuilt import Rebuilt, is_waiting_in, profile_in
from docferry.ledger.requests import NewRequest
from docferry.ledger.snapshots import StoppedError, make, unpack
from docferry.model import NEVER_SEEN, DeleteRemote, Mode, RequestKind, SentPart, Side
from ledger_rows import MINUTE, NOW, agreed, fresh_ledger, new_job, uploaded, version

#: What the configuration says of conversions: by rule, where its results go.
TARGETS = {"to-markdown": "processed"}


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    """A ledger that has seen something of everything, in two mirrors."""
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        for mirror in ("docs", "others"):
            ledger.mirrors.put(
                mirror, store="s", bucket="b", prefix=f"{mirror}/", local="/l", mode=Mode.TWO_WAY
            )
            ledger.mirrors.put(mirror, profile={"conditional_create": mirror == "docs"})
        ledger.record("docs", [uploaded("a"), uploaded("tab%_09")], [new_job("a")], at=NOW)
        ledger.record("docs", [uploaded("a", "second")], at=NOW + MINUTE)
        ledger.versions.note_archived([agreed("a").version], Side.REMOTE)
        ledger.versions.note_archived([agreed("a").version], Side.LOCAL)
        ledger.versions.keep(agreed("a").version, NOW, is_held=True)
        ledger.aliases.add("docs", "a/b", "%_~/a/b")
        ledger.versions.add([version("secret", mirror="others")])
        yield ledger


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    made = tmp_path / "snapshot"
    made.mkdir()
    return made


@pytest.fixture
def packed(ledger: Ledger, folder: pathlib.Path) -> pathlib.Path:
    found, _ = make(ledger, "docs", folder)
    return found


def counted(file: pathlib.Path) -> dict[str, int]:
    """Count the rows of every table that has some."""
    with closing(sqlite3.connect(file)) as database:
        names = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        counts = {name: database.execute(f"SELECT count(*) FROM {name}") for name in names}
        return {name: count for name, found in counts.items() for (count,) in found if count}


def test_a_snapshot_holds_the_past_and_nothing_of_other_mirrors(
    ledger: Ledger, packed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    plain = tmp_path / "plain"

    unpack(packed, plain, sha256=hashlib.sha256(packed.read_bytes()).hexdigest())

    kept = {"mirror": 1, "synced": 2, "version": 3, "alias": 1, "history": 4, "job": 1}
    assert counted(plain) == kept | {"alembic_version": 1, "setting": 1}
    with Ledger.open(plain) as copy:
        assert copy.instance == ledger.instance
        assert copy.versions.of("docs", "a") == ledger.versions.of("docs", "a")
        assert copy.history.of("docs", "a") == ledger.history.of("docs", "a")
        assert copy.synced.scan_odd("docs") == ledger.synced.scan_odd("docs")
    assert b"secret" not in plain.read_bytes()


def test_what_waits_or_is_under_way_is_in_no_snapshot(
    ledger: Ledger, folder: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """It is about both sides as they were: carried out on a later world it would do harm."""
    ledger.intents.add("docs", [("p", "1" * 26)])
    ledger.uploads.begun("docs", "b", "p", "upload")
    ledger.uploads.sent("docs", "b", "p", "upload", SentPart(1, "e", "s"))
    ledger.problems.put("docs", "p", kind="upload", message="no", at=NOW, retry_at=None)
    ledger.holds.park("docs", [(DeleteRemote("a", "etag"), agreed("a").sha256)])
    ledger.holds.hold("docs", "too many", NOW)
    ledger.conflicts.begin(version("p"), "p.conflict")
    ledger.requests.add([NewRequest("docs", "a", RequestKind.REMOVE)], NOW)

    packed, _ = make(ledger, "docs", folder)

    unpack(packed, tmp_path / "plain", sha256=None)
    waiting = {"intent", "upload", "upload_part", "problem", "hold", "deletion", "request"}
    waiting.add("begun_conflict")
    assert not waiting & counted(tmp_path / "plain").keys()
    assert waiting <= counted(ledger.path).keys()


def test_a_snapshot_says_how_far_it_goes_and_what_its_file_is(
    ledger: Ledger, folder: pathlib.Path
) -> None:
    packed, made = make(ledger, "docs", folder)

    assert made.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert made.size == packed.stat().st_size
    assert made.last_history == ledger.history.of("docs", "a")[0].id
    assert ledger.snapshots.changes("docs", made.last_history)[0] is None


def test_a_daemon_that_stops_does_not_wait_for_its_snapshot(
    ledger: Ledger, folder: pathlib.Path
) -> None:
    with pytest.raises(StoppedError):
        make(ledger, "docs", folder, is_stopping=lambda: True)


# A bad one.


@pytest.mark.parametrize(
    "made_so",
    [
        "UPDATE version SET id = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ' WHERE path = 'tab%_09'",
        "UPDATE version SET id = 'mine' WHERE path = 'tab%_09'",
        "UPDATE version SET bytes_of = '../../mirror.json'",
        "UPDATE version SET created_at = 'yesterday'",
        "UPDATE version SET left_at = '2026-02-31T00:00:00.000000Z'",
        "UPDATE history SET at = '9999-12-31T23:59:59.999999Z'",
        "UPDATE version SET size = 'large'",
        "UPDATE mirror SET profile = '{'",
        "UPDATE job SET id = '../../../home/jane'",
        "UPDATE job SET version = '../../mirror.json'",
        "UPDATE job SET priority = 7",
        "UPDATE job SET priority = 'high'",
        "UPDATE job SET failure = 'bad luck'",
        "UPDATE job SET expires_at = 'never'",
        "CREATE VIEW more AS SELECT * FROM version",
        "CREATE TRIGGER more AFTER UPDATE ON version BEGIN SELECT 1; END",
    ],
)
def test_a_snapshot_in_which_somebody_wrote_what_no_docferry_writes_is_refused(
    packed: pathlib.Path, tmp_path: pathlib.Path, made_so: str
) -> None:
    written = tmp_path / "written"
    written.write_bytes(gzip.decompress(packed.read_bytes()))
    with closing(sqlite3.connect(written)) as database, database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        assert database.execute(made_so).rowcount
    packed.write_bytes(gzip.compress(written.read_bytes()))

    with pytest.raises(PermanentError, match="no snapshot"):
        unpack(packed, tmp_path / "plain", sha256=None)


def cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]


def turned(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def of_another_kind(content: bytes) -> bytes:
    return gzip.compress(b"no database at all" * 1000)


def rotten_inside(content: bytes) -> bytes:
    """Damage that was there before it was packed, so that gzip has nothing to say."""
    plain = bytearray(gzip.decompress(content))
    for start in range(4096, len(plain), 8192):
        plain[start : start + 64] = b"\xff" * 64
    return gzip.compress(bytes(plain))


def rotten_in_one_letter(content: bytes) -> bytes:
    """An index and its table do not say the same any more: nothing but a full check sees it."""
    plain = gzip.decompress(content)
    place = plain.rfind(agreed("a", "second").sha256.encode())
    return gzip.compress(plain[:place] + b"!" + plain[place + 1 :])


def without_end(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content) + bytes(96 << 20))


@pytest.mark.parametrize(
    "spoil", [cut_off, turned, of_another_kind, rotten_inside, rotten_in_one_letter, without_end]
)
def test_a_damaged_snapshot_is_not_taken_whoever_vouches_for_it(
    packed: pathlib.Path, tmp_path: pathlib.Path, spoil: Callable[[bytes], bytes]
) -> None:
    spoilt = spoil(packed.read_bytes())
    packed.write_bytes(spoilt)

    for sha256 in (None, hashlib.sha256(spoilt).hexdigest()):
        with pytest.raises(PermanentError, match=r"damaged|no snapshot"):
            unpack(packed, tmp_path / "plain", sha256=sha256)


def test_a_snapshot_that_is_not_what_it_says_is_not_taken(
    packed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(PermanentError, match="damaged: its SHA-256 is"):
        unpack(packed, tmp_path / "plain", sha256="0" * 64)


def test_a_snapshot_of_a_newer_docferry_is_refused_as_such(
    packed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    newer = tmp_path / "newer"
    newer.write_bytes(gzip.decompress(packed.read_bytes()))
    with closing(sqlite3.connect(newer)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0999'")
    packed.write_bytes(gzip.compress(newer.read_bytes()))

    with pytest.raises(UserError, match=r"newer docferry .schema 0999"):
        unpack(packed, tmp_path / "plain", sha256=None)


def test_a_snapshot_of_an_older_docferry_is_brought_up_to_date(tmp_path: pathlib.Path) -> None:
    older = tmp_path / "older"
    database = Database(older)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0001")
    database.close()
    with closing(sqlite3.connect(older)) as raw, raw:
        raw.execute(
            "INSERT INTO synced VALUES"
            " ('docs', 'b', 'x', 'l', 'r', '01KXXXXXXXXXXXXXXXXXXXXXV1', 1, 0)"
        )
        raw.execute(
            "INSERT INTO version VALUES ('01KXXXXXXXXXXXXXXXXXXXXXV1', 'docs', 'b', 'x', 1, 1,"
            " 'local', NULL, 'r', '2026-01-01T00:00:00.000000Z', 0, 0)"
        )
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(older.read_bytes()))

    unpack(packed, tmp_path / "plain", sha256=None)

    with Ledger.open(tmp_path / "plain") as ledger:
        assert [row.id for row in ledger.versions.of("docs", "b")] == ["01KXXXXXXXXXXXXXXXXXXXXXV1"]


def test_the_conversions_in_a_snapshot_of_an_older_docferry_are_taken_over(
    rebuilt: Rebuilt, tmp_path: pathlib.Path
) -> None:
    older = tmp_path / "older"
    database = Database(older)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0004")
    database.close()
    with closing(sqlite3.connect(older)) as raw, raw:
        raw.execute(
            "INSERT INTO job VALUES ('01KXXXXXXXXXXXXXXXXXXXXXJ1', 'to-markdown', 'docs', 'b.docx',"
            " '01KXXXXXXXXXXXXXXXXXXXXXV1', 'x', 'r', 'processed', '2026-01-01T00:00:00.000000Z',"
            " 'done', 1, '2026-01-01T00:00:00.000000Z', NULL, '2026-01-02T00:00:00.000000Z', NULL,"
            " '01KXXXXXXXXXXXXXXXXXXXXXV1.md')"
        )
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(older.read_bytes()))

    unpack(packed, tmp_path / "plain", sha256=None)
    rebuilt.take_over(tmp_path / "plain", "docs", TARGETS)

    [found] = rebuilt.jobs.all()
    assert (found.id, found.state) == ("01KXXXXXXXXXXXXXXXXXXXXXJ1", JobState.DONE)
    assert found.place == "processed/{ulid}.md"
    assert rebuilt.jobs.of_result("processed", f"{found.version}.md") == found


# Taken over.


@pytest.fixture
def plain(packed: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    unpack(packed, tmp_path / "plain", sha256=None)
    return tmp_path / "plain"


@pytest.fixture
def rebuilt(tmp_path: pathlib.Path) -> Iterator[Rebuilt]:
    with Rebuilt.open(tmp_path / "rebuilt") as rebuilt:
        yield rebuilt


def test_what_is_taken_over_says_nothing_of_the_folder_nor_of_the_archives(
    ledger: Ledger, rebuilt: Rebuilt, plain: pathlib.Path
) -> None:
    rebuilt.take_over(plain, "docs", TARGETS)

    of_before = [(path, state) for path, state in ledger.synced.scan("docs")]
    blank = [(path, replace(state, local_token=NEVER_SEEN)) for path, state in of_before]
    assert list(rebuilt.synced.scan("docs")) == blank
    for row, was in zip(
        rebuilt.versions.of("docs", "a"), ledger.versions.of("docs", "a"), strict=True
    ):
        assert row == replace(was, archived_local=False, archived_remote=False)
    assert rebuilt.jobs.counts()[JobState.QUEUED] == 1
    assert rebuilt.aliases.all("docs") == {"a/b": "%_~/a/b"}
    assert profile_in(plain) == {"conditional_create": True}
    assert rebuilt.instance != ledger.instance


def test_that_held_versions_may_be_forgotten_goes_along_whatever_the_mirror_is_called(
    ledger: Ledger, plain: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Else a second rebuild would let go what the first one had made wait."""
    ledger.waits.begin("docs", NOW)
    found = {}

    for mirror in ("docs", "others"):
        (tmp_path / mirror).mkdir()
        packed, _ = make(ledger, mirror, tmp_path / mirror)
        unpack(packed, tmp_path / mirror / "plain", sha256=None)
        found[mirror] = is_waiting_in(tmp_path / mirror / "plain")

    assert found == {"docs": True, "others": False}
    assert not is_waiting_in(plain)  # made before


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        ("target_mirror", "people"),
        ("rule", "nobody's"),
        ("result_path", "../people/jane.docx"),
        ("result_path", "/etc/passwd"),
        ("result_path", ""),
        ("result_path", ".docferry/mirror.json"),
        ("result_path", "contracts/jane.md"),  # not of that place
        ("place", "people/{ulid}.md"),
        ("place", "processed/../people/{ulid}.md"),
        ("place", "processed/{nobody}"),
        ("place", "processed/{ulid:>3000}.md"),
    ],
)
def test_a_job_that_no_configured_conversion_can_have_left_is_not_taken_over(
    rebuilt: Rebuilt, plain: pathlib.Path, column: str, odd: str
) -> None:
    """Who writes to a bucket could else have a document of another mirror erased."""
    with closing(sqlite3.connect(plain)) as raw, raw:
        raw.execute(f"UPDATE job SET {column} = ?", [odd])

    rebuilt.take_over(plain, "docs", TARGETS)
    rebuilt.take_past(plain, "docs", TARGETS, NOW)

    assert rebuilt.jobs.all() == []


def test_a_mirror_may_have_another_name_on_the_new_machine(
    rebuilt: Rebuilt, plain: pathlib.Path
) -> None:
    rebuilt.take_over(plain, "renamed", TARGETS)

    assert [path for path, _ in rebuilt.synced.scan("renamed")] == ["a"]
    assert len(rebuilt.versions.of("renamed", "a")) == 2
    assert len(rebuilt.history.of("renamed", "a")) == 3


def test_the_lines_of_two_mirrors_do_not_take_each_others_numbers(
    ledger: Ledger, rebuilt: Rebuilt, plain: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    ledger.record("others", [uploaded("b")], at=NOW)
    folder = tmp_path / "again"
    folder.mkdir()
    packed, _ = make(ledger, "others", folder)
    unpack(packed, tmp_path / "other", sha256=None)

    rebuilt.take_over(plain, "docs", TARGETS)
    rebuilt.take_over(tmp_path / "other", "others", TARGETS)

    assert len(rebuilt.history.of("docs", "a")) == 3
    assert len(rebuilt.history.of("others", "b")) == 1


def test_an_older_ledger_adds_what_it_knew_and_makes_nothing_current(
    ledger: Ledger, rebuilt: Rebuilt, plain: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """A fresh ledger had begun in front of the bucket before anybody thought of rebuilding."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    taken_at = NOW + timedelta(days=1)
    with fresh_ledger(fresh / "ledger.sqlite3") as other:
        other.record("docs", [uploaded("a", "third")], at=taken_at)
        packed, _ = make(other, "docs", fresh)
    unpack(packed, fresh / "plain", sha256=None)

    rebuilt.take_over(fresh / "plain", "docs", TARGETS)
    rebuilt.take_past(plain, "docs", TARGETS, taken_at)
    rebuilt.take_past(plain, "docs", TARGETS, taken_at)

    assert [path for path, _ in rebuilt.synced.scan("docs")] == ["a"]
    versions = rebuilt.versions.of("docs", "a")
    assert {row.id for row in versions} == {
        agreed("a", content).version for content in ("", "second", "third")
    }
    assert [row.id for row in versions if row.is_current] == [agreed("a", "third").version]
    assert len(rebuilt.history.of("docs", "a")) == 4


@pytest.mark.parametrize("microsecond", [0, 999_499, 999_500, 999_999])
def test_a_time_is_one_to_its_last_microsecond(
    ledger: Ledger, tmp_path: pathlib.Path, microsecond: int
) -> None:
    """Of the many times in a ledger some are a hair before the next second."""
    ledger.record("docs", [uploaded("b")], at=NOW.replace(second=59, microsecond=microsecond))
    (tmp_path / "late").mkdir()
    packed, _ = make(ledger, "docs", tmp_path / "late")

    unpack(packed, tmp_path / "late" / "plain", sha256=None)

    assert (tmp_path / "late" / "plain").exists()
