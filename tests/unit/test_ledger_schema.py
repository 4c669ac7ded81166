"""Opening a ledger: created, found, migrated, refused."""

from __future__ import annotations

import pathlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import NullPool, create_engine, inspect

from docferry.core.keys import Role
from docferry.core.places import result_path
from docferry.errors import PermanentError, UserError
from docferry.job import BreakerState, JobStage, JobState, Priority
from docferry.ledger import Ledger, upgrade
from docferry.ledger.database import Database
from docferry.ledger.lock import StateLock
from docferry.ledger.schema import METADATA
from docferry.model import HoldState, MirrorHealth, Mode, Origin, RequestKind, RequestState, Side

#: V1 was followed by V2, which was deleted; V3 is current. One deletion waits in a hold.
OF_BEFORE = """
INSERT INTO setting VALUES ('instance', '0123456789abcdef');
INSERT INTO alias VALUES ('docs', 'a/b', '%_~/a/b');
INSERT INTO version VALUES
  ('V1', 'docs', 'a', 's1', 1, NULL, 'local', NULL, 'e1', '2026-01-01T00:00:00.000000Z', 0, 1),
  ('V2', 'docs', 'a', 's2', 1, NULL, 'local', 'V1', 'e2', '2026-01-02T00:00:00.000000Z', 0, 1),
  ('V3', 'docs', 'b', 's3', 1, NULL, 'store', NULL, 'e3', '2026-01-02T00:00:00.000000Z', 0, 0);
INSERT INTO synced VALUES ('docs', 'b', 's3', '1-1-1', 'e3', 'V3', 1, 0);
INSERT INTO history (at, mirror, path, kind, version, moved_bytes, took_s, note) VALUES
  ('2026-01-02T00:00:00.000000Z', 'docs', 'a', 'upload', 'V2', 1, 0.1, NULL),
  ('2026-01-03T00:00:00.000000Z', 'docs', 'a', 'delete_remote', 'V2', 0, 0.1, NULL);
INSERT INTO hold (id, mirror, kind, reason, state, count, created_at) VALUES
  (7, 'docs', 'deletions', 'many', 'open', 1, '2026-01-04T00:00:00.000000Z');
INSERT INTO deletion (mirror, path, side, token, sha256, hold) VALUES
  ('docs', 'a', 'remote', 'e2', 's2', 7);
"""
#: A restore of an approved rewind, an erasure that waits, one that is done.
ASKED_BEFORE = """
INSERT INTO hold (id, mirror, kind, reason, state, count, created_at) VALUES
  (7, 'docs', 'rewind', 'back', 'approved', 1, '2026-01-04T00:00:00.000000Z');
INSERT INTO request (id, mirror, path, kind, version, hold, state, created_at, note) VALUES
  (3, 'docs', 'a', 'restore', 'V1', 7, 'open', '2026-01-04T00:00:00.000000Z', NULL),
  (4, 'docs', 'b', 'erase', NULL, NULL, 'open', '2026-01-05T00:00:00.000000Z', NULL),
  (5, 'docs', '', 'erase', NULL, NULL, 'done', '2026-01-05T00:00:00.000000Z', '{}');
"""
#: One conversion that is done, one that waits, one that was given up on.
CONVERTED_BEFORE = """
INSERT INTO job VALUES
  ('J1', 'text', 'docs', 'a.docx', 'V1', 's1', 'r', 'processed', '2026-01-01T00:00:00.000000Z',
   'done', 1, '2026-01-01T00:00:00.000000Z', NULL, '2026-01-02T00:00:00.000000Z', NULL, 'V1.md'),
  ('J2', 'text', 'docs', 'b.docx', 'V2', 's2', 'r', 'processed', '2026-01-01T00:00:00.000000Z',
   'queued', 2, '2026-01-03T00:00:00.000000Z', NULL, NULL, 'busy', NULL),
  ('J3', 'text', 'docs', 'c.docx', 'V3', 's3', 'r', 'processed', '2026-01-01T00:00:00.000000Z',
   'dead', 4, '2026-01-01T00:00:00.000000Z', NULL, '2026-01-02T00:00:00.000000Z', 'no', NULL);
"""


def change(path: pathlib.Path, sql: str) -> None:
    raw = sqlite3.connect(path)
    raw.execute(sql)
    raw.commit()
    raw.close()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """A ledger, closed."""
    path = tmp_path / "ledger.sqlite3"
    Ledger.open(path).close()
    return path


def test_a_ledger_keeps_its_instance(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with Ledger.open(path) as first, Ledger.open(path, read_only=True) as second:
        same = first.instance == second.instance
        with Ledger.open(tmp_path / "other.sqlite3") as other:
            another = other.instance != first.instance

    assert same
    assert another


def test_the_migrations_make_the_columns_that_the_code_knows(path: pathlib.Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    made = inspect(engine)

    columns = {
        table: [column["name"] for column in made.get_columns(table)]
        for table in made.get_table_names()
        if table != "alembic_version"
    }
    keys = {table: made.get_pk_constraint(table)["constrained_columns"] for table in columns}
    engine.dispose()

    known = METADATA.tables
    assert {name: sorted(found) for name, found in columns.items()} == {
        name: sorted(table.columns.keys()) for name, table in known.items()
    }
    assert keys == {name: table.primary_key.columns.keys() for name, table in known.items()}


def test_the_last_migration_is_the_one_the_code_asks_for() -> None:
    folder = pathlib.Path(upgrade.__file__).parent / "migrations" / "versions"

    assert max(found.name for found in folder.glob("*.py")).startswith(f"{upgrade.HEAD}_")


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("mirror", "mode", Mode),
        ("mirror", "health", MirrorHealth),
        ("version", "origin", Origin),
        ("hold", "state", HoldState),
        ("request", "kind", RequestKind),
        ("request", "state", RequestState),
        ("deletion", "side", Side),
        ("job", "state", JobState),
        ("job", "stage", JobStage),
        ("converter", "state", BreakerState),
        ("api_key", "role", Role),
    ],
)
def test_every_word_of_the_model_is_allowed_and_no_other(
    path: pathlib.Path, table: str, column: str, words: type[Mode]
) -> None:
    raw = sqlite3.connect(path)
    [[made]] = raw.execute("SELECT sql FROM sqlite_master WHERE name = ?", [table])
    raw.close()

    allowed = ", ".join(f"'{word.value}'" for word in words)
    assert f"CHECK ({column} IN ({allowed}))" in made


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused_and_left_alone(path: pathlib.Path, *, read_only: bool) -> None:
    change(path, "UPDATE alembic_version SET version_num = '0999'")
    before = path.read_bytes()

    with pytest.raises(UserError, match=r"newer docferry .schema 0999"):
        Ledger.open(path, read_only=read_only)

    assert path.read_bytes() == before


def test_a_ledger_of_before_is_brought_up_to_date_with_all_that_it_holds(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0001")
    database.close()
    raw = sqlite3.connect(path)
    raw.executescript(OF_BEFORE)
    raw.close()

    with Ledger.open(path) as ledger:
        assert ledger.aliases.all("docs") == {"a/b": "%_~/a/b"}
        assert ledger.instance == "0123456789abcdef"
        assert ledger.uploads.unfinished("docs", "documents") == []
        assert ledger.conflicts.begun("docs") == []
        [hold] = ledger.holds.all("docs", tuple(HoldState))
        assert [each.path for each in ledger.holds.items(hold.id)] == ["a"]
        left = {row.id: row.left_at for row in ledger.versions.of("docs", "a")}
        assert left == {
            "V1": datetime(2026, 1, 2, tzinfo=UTC),
            "V2": datetime(2026, 1, 3, tzinfo=UTC),
        }
        [current] = ledger.versions.of("docs", "b")
        assert current.is_current


def test_what_was_asked_for_of_an_older_ledger_is_kept_and_an_erasure_counts_as_begun(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0003")
    database.close()
    raw = sqlite3.connect(path)
    raw.executescript(ASKED_BEFORE)
    raw.close()

    with Ledger.open(path) as ledger:
        restore, erase, done = (ledger.requests.get(number) for number in (3, 4, 5))

    assert restore is not None
    assert (restore.version, restore.hold, restore.begun_at) == ("V1", 7, None)
    assert erase is not None
    assert erase.begun_at == datetime(2026, 1, 5, tzinfo=UTC)
    assert done is not None
    assert (done.state, done.note, done.begun_at) == (RequestState.DONE, "{}", None)


def test_the_conversions_of_an_older_ledger_are_kept_as_they_are(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = Database(path)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0004")
    database.close()
    raw = sqlite3.connect(path)
    raw.executescript(CONVERTED_BEFORE)
    raw.close()

    with Ledger.open(path) as ledger:
        done, queued, dead = (ledger.jobs.get(name) for name in ("J1", "J2", "J3"))
        claimed = ledger.jobs.claim(
            datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC), rules=["text"]
        )

    assert done is not None
    assert (done.state, done.result_path, done.result_sha256) == (JobState.DONE, "V1.md", None)
    assert result_path(done.place, done.version, done.sha256) == done.result_path
    assert queued is not None
    assert (queued.attempts, queued.priority, queued.is_forced) == (2, Priority.ARRIVAL, False)
    assert dead is not None
    assert (dead.state, dead.last_error, dead.converter) == (JobState.DEAD, "no", "markdown")
    assert claimed is not None
    assert (claimed.id, claimed.attempts) == ("J2", 3)


def test_an_older_schema_is_not_read_as_if_it_were_ours(path: pathlib.Path) -> None:
    change(path, "UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(UserError, match="older than this docferry; start `docferry run`"):
        Ledger.open(path, read_only=True)


def test_the_daemon_may_make_the_ledger_under_its_own_lock(tmp_path: pathlib.Path) -> None:
    with StateLock(tmp_path), Ledger.open(tmp_path / "ledger.sqlite3") as ledger:
        assert ledger.synced.count("docs") == (0, 0)


def test_a_ledger_that_is_not_there_is_not_made_by_looking(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"

    with pytest.raises(UserError, match="there is no ledger"):
        Ledger.open(path, read_only=True)

    assert not path.exists()


def test_several_ledgers_can_be_made_at_once(tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / f"{number}.sqlite3" for number in range(4)]
    all_begin = threading.Barrier(len(paths))

    def make(path: pathlib.Path) -> set[str]:
        all_begin.wait()
        with Ledger.open(path):
            return set(
                inspect(create_engine(f"sqlite:///{path}", poolclass=NullPool)).get_table_names()
            )

    with ThreadPoolExecutor(len(paths)) as pool:
        made = [*pool.map(make, paths)]

    assert all(tables >= set(METADATA.tables) for tables in made)


def test_another_database_is_not_turned_into_a_ledger(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    change(path, "CREATE TABLE recipe (name TEXT)")

    with pytest.raises(UserError, match="not a ledger"):
        Ledger.open(path)


def test_a_damaged_file_is_named_with_its_remedy(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"this is no database, whatever its name may say" * 100)

    with pytest.raises(PermanentError, match=r"damaged .* docferry rebuild"):
        Ledger.open(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PermanentError, match="check that its folder exists"):
        Ledger.open(tmp_path / "missing" / "ledger.sqlite3")


def test_a_reading_ledger_does_not_write(path: pathlib.Path) -> None:
    with (
        Ledger.open(path, read_only=True) as ledger,
        pytest.raises(PermanentError, match="readonly"),
    ):
        ledger.aliases.add("docs", "a", "b")
