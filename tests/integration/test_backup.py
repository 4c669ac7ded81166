"""A ledger that is put away and comes back: what is in it, what not, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pathlib
import sqlite3
import stat
import tarfile
import zlib
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from commands import Desk, held
from docferry.errors import UserError
from docferry.ledger import Ledger, upgrade
from docferry.ledger.database import Database
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import NewRequest
from docferry.ledger.sessions import SessionRow
from docferry.ledger.snapshots import make
from docferry.model import NEVER_SEEN, HoldState, RequestKind, RequestState, Side
from ledger_rows import MINUTE, NOW, agreed, new_job, uploaded

LEDGER = "ledger.sqlite3"


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    with desk.ledger() as ledger:
        ledger.mirrors.put("docs", marker_id="M")
        ledger.record("docs", [uploaded("a")], [new_job("a")], at=NOW)
    return desk


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "put-away"


def ledger_of(desk: Desk) -> pathlib.Path:
    return desk.state / "ledger.sqlite3"


def packed(facts: dict[str, object], ledger: bytes) -> bytes:
    """Make a backup as somebody else would."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in (("backup.json", json.dumps(facts).encode()), (LEDGER, ledger)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def acting(facts: dict[str, object], ledger: bytes) -> dict[str, Any]:
    """Let the ledger undo by itself what restoring does to it."""
    database = sqlite3.connect(":memory:")
    database.deserialize(ledger[:18] + b"\1\1" + ledger[20:])  # not in WAL mode: it has no file
    database.execute(
        "CREATE TRIGGER undo AFTER UPDATE ON synced BEGIN UPDATE synced"
        " SET local_token = old.local_token WHERE path = old.path; END"
    )
    whole = database.serialize()
    sha256 = hashlib.sha256(whole).hexdigest()
    return {"facts": {**facts, "sha256": sha256, "size": len(whole)}, "ledger": whole}


# Putting away.


def test_a_backup_holds_what_is_written_down_while_others_write(
    desk: Desk, file: pathlib.Path
) -> None:
    with StateLock(desk.state), desk.ledger() as ledger:  # as a daemon that runs
        ledger.record("docs", [uploaded("b")], at=NOW)
        said = desk.asks("backup", str(file))
        ledger.record("docs", [uploaded("c")], at=NOW)

    assert said.code == 0
    desk.asks("restore-state", str(file), "--yes")
    with desk.ledger() as ledger:
        assert ledger.synced.count("docs") == (2, 20)


def test_a_backup_is_for_its_owner_alone_and_leaves_nothing_beside_it(
    desk: Desk, file: pathlib.Path
) -> None:
    before = set(file.parent.iterdir())

    desk.asks("backup", str(file))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(file.parent.iterdir()) - before == {file}


def test_a_backup_takes_the_place_of_nothing(desk: Desk, file: pathlib.Path) -> None:
    file.write_text("another one")

    said = desk.asks("backup", str(file))

    assert said.code == 2
    assert "exists" in said.errors
    assert file.read_text() == "another one"


def test_there_is_no_backup_of_a_damaged_ledger(desk: Desk, file: pathlib.Path) -> None:
    whole = ledger_of(desk).read_bytes()
    ledger_of(desk).write_bytes(whole[:4096] + b"x" * 8192 + whole[12288:])

    said = desk.asks("backup", str(file))

    assert said.code != 0
    assert not file.exists()


def test_before_the_first_run_there_is_nothing_to_put_away(
    tmp_path: pathlib.Path,
    file: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = Desk(tmp_path, capsys, monkeypatch).asks("backup", str(file))

    assert (said.code, file.exists()) == (2, False)
    assert "there is no ledger" in said.errors


# Taking back.


def test_the_ledger_that_was_there_is_set_aside_whole(desk: Desk, file: pathlib.Path) -> None:
    desk.asks("backup", str(file))
    with desk.ledger() as ledger:
        ledger.record("docs", [uploaded("later")], at=NOW)

    said = desk.asks("restore-state", str(file), "--yes", "--json")

    with desk.ledger() as ledger:
        assert ledger.synced.count("docs") == (1, 10)
    with Ledger.open(pathlib.Path(said.json["set_aside"])) as aside:
        assert aside.synced.count("docs") == (2, 20)


def test_what_waited_is_not_carried_out_on_a_later_world(desk: Desk, file: pathlib.Path) -> None:
    with desk.ledger() as ledger:
        [asked] = ledger.requests.add([NewRequest("docs", "a", RequestKind.REMOVE)], NOW)
        hold = held(ledger, "a")
        ledger.holds.decide(hold, HoldState.APPROVED, NOW)
        ledger.intents.add("docs", [("a", "1" * 26)])
        ledger.problems.put("docs", "a", kind="upload", message="no", at=NOW, retry_at=None)
    desk.asks("backup", str(file))

    desk.asks("restore-state", str(file), "--yes")

    with desk.ledger() as ledger:
        request = ledger.requests.get(asked)
        assert request is not None
        assert (request.state, "backup" in str(request.note)) == (RequestState.CANCELLED, True)
        assert ledger.holds.get(hold).state is HoldState.DONE
        assert list(ledger.holds.items(hold)) == []
        assert ledger.intents.paths("docs") == frozenset()
        assert ledger.problems.all() == []


def test_of_the_folder_an_old_ledger_says_nothing_and_of_the_past_everything(
    desk: Desk, file: pathlib.Path
) -> None:
    with desk.ledger() as ledger:
        ledger.versions.note_archived([agreed("a").version], Side.REMOTE)
        before = ledger.versions.of("docs", "a"), ledger.history.of("docs", "a")
        jobs = ledger.jobs.all()
    desk.asks("backup", str(file))

    desk.asks("restore-state", str(file), "--yes")

    with desk.ledger() as ledger:
        synced = ledger.synced.get("docs", ["a"])["a"]
        assert (synced.local_token, synced.remote_token) == (NEVER_SEEN, agreed("a").remote_token)
        assert (ledger.versions.of("docs", "a"), ledger.history.of("docs", "a")) == before
        assert ledger.jobs.all() == jobs


def test_snapshots_that_know_more_are_not_the_restored_ledgers_own(
    desk: Desk, file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """It would remove them, once it has taken three of its own."""
    with desk.ledger() as ledger:
        was = ledger.instance
        made = tmp_path / "snapshot"
        made.mkdir()
        make(ledger, "docs", made)
    desk.asks("backup", str(file))

    desk.asks("restore-state", str(file), "--yes")

    with desk.ledger() as ledger:
        assert ledger.instance != was
        assert ledger.snapshots.last("docs") is None


def test_what_was_held_since_is_not_let_go_before_a_person_says_so(
    desk: Desk, file: pathlib.Path
) -> None:
    desk.asks("backup", str(file))
    with desk.ledger() as ledger:
        ledger.versions.keep(agreed("a").version, NOW + MINUTE, is_held=True)

    desk.asks("restore-state", str(file), "--yes")

    with desk.ledger() as ledger:
        assert ledger.waits.since("docs") is not None


def test_api_keys_are_those_of_now_and_no_revoked_one_comes_to_life(
    desk: Desk, file: pathlib.Path
) -> None:
    for name in ("stolen", "staying"):
        desk.asks("keys", "create", name, "--role", "viewer")
    desk.asks("backup", str(file))
    desk.asks("keys", "revoke", "stolen")
    desk.asks("keys", "create", "later", "--role", "admin")
    with desk.ledger() as ledger:
        before = ledger.keys.all()

    said = desk.asks("restore-state", str(file), "--yes", "--json")

    with desk.ledger() as ledger:
        assert ledger.keys.all() == before
    assert said.json["keys_revoked"] == 0


def test_a_ledger_of_a_backup_logs_nobody_in(desk: Desk, file: pathlib.Path) -> None:
    row = SessionRow("digest", "key", "stamp", NOW)
    with desk.ledger() as ledger:
        ledger.sessions.put(row, over_before=NOW - MINUTE, most=1)
    desk.asks("backup", str(file))

    desk.asks("restore-state", str(file), "--yes")

    with desk.ledger() as ledger:
        assert ledger.sessions.get(row.digest) is None


@pytest.mark.parametrize("harm", ["lost", "damaged", "another docferry's"])
def test_where_no_ledger_tells_of_the_api_keys_since_none_counts_and_that_is_said(
    desk: Desk, file: pathlib.Path, harm: str
) -> None:
    desk.asks("keys", "create", "scanner", "--role", "viewer")
    desk.asks("backup", str(file))
    harmed(ledger_of(desk), harm)

    said = desk.asks("restore-state", str(file), "--yes")

    assert (said.code, "1 API key revoked" in said.words) == (0, True)
    with desk.ledger() as ledger:
        assert [key.revoked_at is None for key in ledger.keys.all()] == [False]
        assert ledger.keys.are_needed()
        [restored] = [row for row in ledger.audit.rows() if row.action == "ledger.restored"]
    assert json.loads(restored.facts) == {"keys_revoked": 1}


def test_who_says_that_no_key_was_revoked_since_keeps_them(desk: Desk, file: pathlib.Path) -> None:
    desk.asks("keys", "create", "scanner", "--role", "viewer")
    desk.asks("backup", str(file))
    harmed(ledger_of(desk), "lost")

    said = desk.asks("restore-state", str(file), "--yes", "--keep-keys")

    assert (said.code, "revoked" in said.words) == (0, False)
    with desk.ledger() as ledger:
        assert [key.revoked_at for key in ledger.keys.all()] == [None]


def test_an_api_without_keys_stays_as_it_is(desk: Desk, file: pathlib.Path) -> None:
    desk.asks("backup", str(file))

    desk.asks("restore-state", str(file), "--yes")

    with desk.ledger() as ledger:
        assert not ledger.keys.are_needed()


def harmed(ledger: pathlib.Path, harm: str) -> None:
    if harm == "lost":
        for one in ledger.parent.glob(f"{LEDGER}*"):
            one.unlink()
    elif harm == "damaged":
        whole = ledger.read_bytes()
        ledger.write_bytes(whole[:4096] + b"x" * 8192 + whole[12288:])
    else:
        with closing(sqlite3.connect(ledger)) as raw, raw:
            raw.execute("UPDATE alembic_version SET version_num = '0999'")


def test_where_the_audits_file_cannot_be_set_aside_the_ledger_stays_in_its_place(
    desk: Desk, file: pathlib.Path
) -> None:
    audit = file.parent / ("a" * 250)  # with what is added to its name it is too long
    audit.touch()
    desk.configure(more=f'[audit]\nfile = "{audit}"\n')
    desk.asks("backup", str(file))
    before = ledger_of(desk).read_bytes()

    said = desk.asks("restore-state", str(file), "--yes")

    assert (said.code, "cannot rename the audit's file" in said.errors) == (1, True)
    assert ledger_of(desk).read_bytes() == before


def test_while_docferry_runs_nothing_takes_the_place_of_its_ledger(
    desk: Desk, file: pathlib.Path
) -> None:
    desk.asks("backup", str(file))
    before = ledger_of(desk).read_bytes()

    with StateLock(desk.state):
        said = desk.asks("restore-state", str(file), "--yes")

    assert (said.code, "already runs" in said.errors) == (2, True)
    assert ledger_of(desk).read_bytes() == before


def test_a_backup_of_a_newer_docferry_is_refused(desk: Desk, file: pathlib.Path) -> None:
    with closing(sqlite3.connect(ledger_of(desk))) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    whole = ledger_of(desk).read_bytes()
    facts = {"format": 1, "taken_at": "", "docferry": "9", "schema": "0999", "size": len(whole)}
    file.write_bytes(packed({**facts, "sha256": hashlib.sha256(whole).hexdigest()}, whole))

    said = desk.asks("restore-state", str(file), "--yes")

    assert said.code == 2
    assert "newer docferry (schema 0999" in said.errors
    assert ledger_of(desk).read_bytes() == whole


def is_other(whole: bytes, changed: bytes) -> bool:
    """Say whether it unpacks to something else: of zeros a copy from elsewhere is the same."""
    try:
        return gzip.decompress(changed) != gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return True


@pytest.mark.parametrize(
    "harm",
    [
        "cut",
        "flipped",
        "flipped at the end",
        "no tar",
        "another ledger",
        "strange names",
        "a trigger",
    ],
)
def test_a_damaged_backup_changes_nothing(desk: Desk, file: pathlib.Path, harm: str) -> None:
    desk.asks("backup", str(file))
    with tarfile.open(file) as tar:
        facts, ledger = (
            opened.read() for name in tar.getnames() if (opened := tar.extractfile(name))
        )
    whole = file.read_bytes()

    def flip(at: int) -> bytes:
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    harmed = {
        "cut": lambda: whole[: len(whole) // 2],
        "flipped": lambda: next(filter(partial(is_other, whole), map(flip, range(900, 2000)))),
        "flipped at the end": lambda: whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:],  # its CRC
        "no tar": lambda: gzip.compress(b"a letter"),
        # A sound one: SQLite asks nobody what stands there (application ID).
        "another ledger": lambda: packed(json.loads(facts), ledger[:68] + b"else" + ledger[72:]),
        "strange names": lambda: packed({"format": 1}, ledger),
        "a trigger": lambda: packed(**acting(json.loads(facts), ledger)),
    }
    file.write_bytes(harmed[harm]())
    before = {one: one.read_bytes() for one in desk.state.iterdir()}

    said = desk.asks("restore-state", str(file), "--yes")

    assert said.code == 1
    assert "damaged" in said.errors
    assert {one: one.read_bytes() for one in desk.state.iterdir() if one.name != "lock"} == before


def test_a_backup_of_an_older_docferry_is_brought_up_to_date(
    desk: Desk, file: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    older_ledger(old / LEDGER)
    config = desk.config.read_text()
    desk.config.write_text(config.replace(str(desk.state), str(old)))
    said = desk.asks("backup", str(file), "--json")
    desk.config.write_text(config)

    restored = desk.asks("restore-state", str(file), "--yes")

    assert (said.json["schema"], restored.code) == ("0005", 0)
    with desk.ledger() as ledger:
        assert ledger.synced.count("docs") == (0, 0)


def older_ledger(path: pathlib.Path) -> None:
    database = Database(path)
    with database.writing() as tx:
        upgrade.migrate(tx.connection, "0005")
    database.close()


def test_a_crash_between_two_ledgers_leaves_no_room_for_an_empty_one(
    desk: Desk, file: pathlib.Path
) -> None:
    desk.asks("backup", str(file))
    ledger_of(desk).rename(desk.state / f"{LEDGER}.replaced-20261127T000000.000000Z")

    with pytest.raises(UserError, match="set aside"):
        Ledger.open(ledger_of(desk))
    again = desk.asks("restore-state", str(file), "--yes")

    assert again.code == 0
    assert ledger_of(desk).stat().st_mode & 0o007 == 0
