"""API keys in the ledger: only hashes are kept, and each act is in the audit once."""

from __future__ import annotations

import json
import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from api_keys import kept, key_text
from docferry.core.keys import Role, hash_of
from docferry.errors import PermanentError, UserError
from docferry.ledger import Ledger
from docferry.ledger.rebuilt import Rebuilt
from docferry.ledger.snapshots import make, unpack
from docferry.model import Mode
from ledger_rows import MINUTE, NOW, fresh_ledger

OURS, NEW = key_text(), key_text(secret=2)
KEY = kept(OURS, role=Role.VIEWER, mirrors=("docs", "others"), expires_at=NOW + 9 * MINUTE)


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    fresh_ledger(tmp_path / "ledger.sqlite3").close()
    with Ledger.open(tmp_path / "ledger.sqlite3", actor="anna") as ledger:
        yield ledger


def told(ledger: Ledger) -> list[tuple[str, str, object]]:
    return [(row.actor, row.action, json.loads(row.facts)) for row in ledger.audit.rows()]


def test_a_key_comes_back_as_it_was_kept(ledger: Ledger) -> None:
    everything = kept(key_text(2), "everything")
    ledger.keys.add(KEY)
    ledger.keys.add(everything)

    assert ledger.keys.get(OURS.id) == KEY
    assert ledger.keys.named("scanner") == ledger.keys.named(OURS.id) == KEY
    assert ledger.keys.all() == [everything, KEY]
    assert ledger.keys.get("nobodys0") is None


def test_each_act_is_one_row_of_the_audit_and_tells_no_hash(ledger: Ledger) -> None:
    ledger.keys.add(KEY)
    ledger.keys.rotate(OURS.id, hash_of(NEW, None), "", previous_until=NOW + MINUTE, at=NOW)
    ledger.keys.revoke(OURS.id, NOW)
    ledger.acting_as("unknown").keys.note_refused(NOW, {"address": "::1", "why": "wrong"})
    ledger.keys.note_use(OURS.id, NOW)

    this = {"key": OURS.id, "name": "scanner"}
    of_new = {"role": "viewer", "mirrors": ["docs", "others"]}
    assert told(ledger) == [
        ("anna", "key.created", this | of_new | {"expires_at": "2026-11-23T12:09:00.000000Z"}),
        ("anna", "key.rotated", this | {"previous_until": "2026-11-23T12:01:00.000000Z"}),
        ("anna", "key.revoked", this),
        ("unknown", "key.refused", {"address": "::1", "why": "wrong"}),
    ]
    assert not any(KEY.hash in row.facts for row in ledger.audit.rows())


def test_no_secret_is_anywhere_in_the_files_of_the_ledger(ledger: Ledger) -> None:
    ledger.keys.add(KEY)
    ledger.keys.rotate(OURS.id, hash_of(NEW, None), "", previous_until=NOW + MINUTE, at=NOW)

    written = b"".join(one.read_bytes() for one in ledger.path.parent.glob("ledger.sqlite3*"))

    assert OURS.id.encode() in written
    assert not any(one.secret.encode() in written for one in (OURS, NEW))


def test_a_name_is_of_one_key_alone_until_that_is_revoked(ledger: Ledger) -> None:
    again = kept(key_text(2))
    ledger.keys.add(KEY)

    with pytest.raises(UserError, match="there is a key scanner already"):
        ledger.keys.add(again)
    ledger.keys.revoke(OURS.id, NOW)
    ledger.keys.add(again)

    assert ledger.keys.named("scanner") == again
    assert ledger.keys.named(OURS.id).revoked_at == NOW
    assert [row[1] for row in told(ledger)] == ["key.created", "key.revoked", "key.created"]


def test_of_two_that_create_the_same_at_once_the_database_lets_one(ledger: Ledger) -> None:
    ledger.keys.add(KEY)

    with closing(sqlite3.connect(ledger.path)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute(
            "INSERT INTO api_key SELECT 'other', name, role, mirrors, hash, pepper, created_at,"
            " expires_at, previous_hash, previous_until, revoked_at, last_used_at FROM api_key"
        )


def test_where_a_name_is_the_id_of_another_key_nobody_guesses(ledger: Ledger) -> None:
    ledger.keys.add(KEY)
    ledger.keys.add(kept(key_text(2), name=OURS.id))

    with pytest.raises(UserError, match="is the name of one key and the id of another"):
        ledger.keys.named(OURS.id)


def test_what_is_not_there_or_is_over_is_told(ledger: Ledger) -> None:
    ledger.keys.add(KEY)
    late = KEY.expires_at
    assert late is not None
    with pytest.raises(UserError, match="has expired"):
        ledger.keys.rotate(OURS.id, "h", "", previous_until=late, at=late)
    ledger.keys.revoke(OURS.id, NOW)

    with pytest.raises(UserError, match="is revoked already"):
        ledger.keys.revoke(OURS.id, NOW + MINUTE)
    with pytest.raises(UserError, match="is revoked already"):
        ledger.keys.rotate(OURS.id, "h", "", previous_until=NOW, at=NOW)
    with pytest.raises(UserError, match="there is no key"):
        ledger.keys.revoke("nobodys0", NOW)
    with pytest.raises(UserError, match="there is no key nobody that counts"):
        ledger.keys.named("nobody")

    assert [row[1] for row in told(ledger)] == ["key.created", "key.revoked"]


def test_a_previous_secret_without_an_end_is_refused_by_the_database(ledger: Ledger) -> None:
    ledger.keys.add(KEY)

    with closing(sqlite3.connect(ledger.path)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE api_key SET previous_hash = hash")
    with closing(sqlite3.connect(ledger.path)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE api_key SET role = 'root'")


def test_a_ledger_that_is_only_read_lets_nobody_create_a_key(ledger: Ledger) -> None:
    with Ledger.open(ledger.path, read_only=True) as reading, pytest.raises(PermanentError):
        reading.keys.add(KEY)


# Whether keys are needed.


def test_what_was_closed_by_a_key_does_not_open_when_the_last_one_is_revoked(
    ledger: Ledger,
) -> None:
    at_first = ledger.keys.are_needed()
    ledger.keys.add(KEY)
    ledger.keys.revoke(OURS.id, NOW)

    assert (at_first, ledger.keys.are_needed()) == (False, True)


def test_nor_when_the_ledger_that_had_it_is_lost(ledger: Ledger) -> None:
    ledger.keys.note_lost(NOW)
    ledger.keys.note_lost(NOW + MINUTE)

    assert ledger.keys.are_needed()
    assert ledger.keys.all() == []


# Snapshots.


def test_no_key_is_in_a_snapshot(ledger: Ledger, tmp_path: pathlib.Path) -> None:
    ledger.keys.add(KEY)
    ledger.keys.put_pepper("mark")
    (tmp_path / "folder").mkdir()

    packed, made = make(ledger, "docs", tmp_path / "folder")

    unpack(packed, tmp_path / "plain", sha256=made.sha256)
    with Ledger.open(tmp_path / "plain") as copy:
        assert (copy.keys.all(), copy.keys.pepper()) == ([], None)
    assert KEY.hash.encode() not in (tmp_path / "plain").read_bytes()


def test_who_can_write_to_the_bucket_makes_no_key_by_a_snapshot(tmp_path: pathlib.Path) -> None:
    with fresh_ledger(tmp_path / "planted") as planted:
        planted.mirrors.put(
            "docs", store="s", bucket="b", prefix="docs/", local="/l", mode=Mode.TWO_WAY
        )
        planted.keys.add(KEY)

    with Rebuilt.open(tmp_path / "rebuilt") as rebuilt:
        rebuilt.take_over(tmp_path / "planted", "docs", {})

        assert rebuilt.keys.all() == []
