"""Who asks, by a key or a session: answered as the ledger is, and written down now and then."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from api_keys import PEPPER
from docferry.app.authenticate import Authenticator
from docferry.app.keys import LONGEST, NewKey, create, listed, revoke, rotate
from docferry.config import Config, MirrorConfig, SecretStr
from docferry.core.keys import Accepted, Identity, KeyState, Mirrors, Refused, Role, Verdict, Why
from docferry.errors import NotFoundError, UserError
from docferry.ledger import Ledger
from events import logged
from ledger_rows import MINUTE, NOW, fresh_ledger

HERE, THERE = "192.0.2.1", "192.0.2.2"
SECOND = timedelta(seconds=1)
MIRRORS = {
    name: MirrorConfig(name, "main", "documents", pathlib.Path("/srv") / name)
    for name in ("docs", "others")
}
CONFIG = Config(mirrors=MIRRORS)
PEPPERED = replace(CONFIG, api_pepper=SecretStr(PEPPER))


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    fresh_ledger(tmp_path / "ledger.sqlite3").close()
    with Ledger.open(tmp_path / "ledger.sqlite3", actor="anna") as ledger:
        yield ledger


@pytest.fixture
def door(ledger: Ledger) -> Authenticator:
    return Authenticator(ledger, None)


def made(
    ledger: Ledger, name: str = "scanner", role: Role = Role.OPERATOR, mirrors: Mirrors = None
) -> NewKey:
    return create(ledger, CONFIG, name, role, NOW, mirrors=mirrors)


def why(verdict: Verdict) -> Why | None:
    return verdict.why if isinstance(verdict, Refused) else None


def refusals(ledger: Ledger) -> list[dict[str, object]]:
    rows = [row for row in ledger.audit.rows() if row.action == "key.refused"]
    assert {row.actor for row in rows} <= {"unknown"}
    return [json.loads(row.facts) for row in rows]


def used_at(ledger: Ledger, key: NewKey) -> datetime | None:
    found = ledger.keys.get(key.key.id)
    assert found is not None
    return found.last_used_at


# Who it is.


def test_who_presents_a_key_is_who_it_was_created_for(ledger: Ledger, door: Authenticator) -> None:
    new = made(ledger, mirrors=("docs",))

    verdict = door.authenticate(new.text, HERE, NOW)

    assert isinstance(verdict, Accepted)
    assert verdict.identity == Identity(new.key.id, "scanner", Role.OPERATOR, ("docs",))


def test_a_revoked_key_counts_no_more_from_that_moment_on(
    ledger: Ledger, door: Authenticator
) -> None:
    new = made(ledger)
    before = door.authenticate(new.text, HERE, NOW)

    with Ledger.open(ledger.path, actor="bob") as by_another_process:
        revoke(by_another_process, CONFIG, "scanner", NOW)

    assert (why(before), why(door.authenticate(new.text, HERE, NOW))) == (None, Why.REVOKED)


def test_after_a_rotation_both_secrets_count_until_the_overlap_is_over(
    ledger: Ledger, door: Authenticator
) -> None:
    old = made(ledger)
    new = rotate(ledger, CONFIG, "scanner", NOW, overlap=MINUTE)

    during = [why(door.authenticate(one.text, HERE, NOW)) for one in (old, new)]
    after = [why(door.authenticate(one.text, HERE, NOW + MINUTE)) for one in (old, new)]

    assert (during, after) == ([None, None], [Why.REPLACED, None])
    assert new.key == replace(old.key, previous_until=NOW + MINUTE)


def test_a_second_rotation_ends_what_was_before_the_first_at_once(
    ledger: Ledger, door: Authenticator
) -> None:
    oldest = made(ledger)
    rotate(ledger, CONFIG, "scanner", NOW, overlap=MINUTE)
    rotate(ledger, CONFIG, "scanner", NOW, overlap=MINUTE)

    assert why(door.authenticate(oldest.text, HERE, NOW)) is Why.WRONG


def test_a_session_ends_with_the_secret_that_began_it(ledger: Ledger, door: Authenticator) -> None:
    new = made(ledger)
    begun = door.authenticate(new.text, HERE, NOW)
    assert isinstance(begun, Accepted)

    as_it_was = door.still(new.key.id, begun.stamp, HERE, NOW)
    rotate(ledger, CONFIG, "scanner", NOW, overlap=timedelta())
    after = door.still(new.key.id, begun.stamp, HERE, NOW)

    assert (as_it_was, why(after)) == (begun, Why.REPLACED)


# The pepper.


def test_with_a_pepper_only_keys_that_were_made_with_it_count(ledger: Ledger) -> None:
    plain = made(ledger, "plain")
    door = Authenticator(ledger, PEPPERED.api_pepper)
    salted = create(ledger, PEPPERED, "salted", Role.ADMIN, NOW)

    found = [why(door.authenticate(one.text, HERE, NOW)) for one in (plain, salted)]

    assert found == [Why.OTHER_PEPPER, None]
    states = {one.name: one.state for one in listed(ledger, PEPPERED, NOW)}
    assert states == {"plain": KeyState.UNUSABLE, "salted": KeyState.VALID}


def test_a_rotation_lets_a_key_of_another_pepper_count_again(ledger: Ledger) -> None:
    made(ledger)
    door = Authenticator(ledger, PEPPERED.api_pepper)

    new = rotate(ledger, PEPPERED, "scanner", NOW, overlap=timedelta())

    assert why(door.authenticate(new.text, HERE, NOW)) is None


def test_who_cannot_read_the_pepper_lists_keys_as_the_api_sees_them_and_creates_none(
    ledger: Ledger,
) -> None:
    """A key that the API would not know helps nobody."""
    Authenticator(ledger, PEPPERED.api_pepper)
    create(ledger, PEPPERED, "salted", Role.ADMIN, NOW)

    with pytest.raises(UserError, match=r"api\.pepper .* ask as root"):
        made(ledger)
    with pytest.raises(UserError, match=r"api\.pepper"):
        rotate(ledger, CONFIG, "salted", NOW, overlap=MINUTE)

    [key] = listed(ledger, CONFIG, NOW)
    assert (key.name, key.state) == ("salted", KeyState.VALID)
    assert revoke(ledger, CONFIG, "salted", NOW).state is KeyState.REVOKED


def test_the_pepper_itself_is_nowhere_in_the_ledger(ledger: Ledger) -> None:
    Authenticator(ledger, PEPPERED.api_pepper)
    create(ledger, PEPPERED, "salted", Role.ADMIN, NOW)

    files = ledger.path.parent.glob("ledger.sqlite3*")

    assert not any(PEPPER.encode() in one.read_bytes() for one in files)


# What cannot be.


@pytest.mark.parametrize(
    ("name", "mirrors", "expires_at", "said"),
    [
        ("Anna B", None, None, "no name for a key"),
        ("a", ("nope",), None, "there is no mirror 'nope'; there are docs, others"),
        ("a", (), None, "a key for no mirror"),
        ("a", None, NOW, "is over already"),
        ("a", None, NOW + LONGEST + SECOND, "a hundred years"),
        ("a", None, datetime(9999, 12, 31, 23, 59, tzinfo=UTC), "a hundred years"),
    ],
)
def test_a_key_that_cannot_be_is_refused_and_leaves_no_trace(
    ledger: Ledger, name: str, mirrors: Mirrors, expires_at: datetime | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        create(ledger, CONFIG, name, Role.VIEWER, NOW, mirrors=mirrors, expires_at=expires_at)

    assert (ledger.keys.all(), list(ledger.audit.rows())) == ([], [])


@pytest.mark.parametrize("overlap", [-SECOND, LONGEST + SECOND, timedelta.max])
def test_an_overlap_without_an_end_is_none(ledger: Ledger, overlap: timedelta) -> None:
    made(ledger)

    with pytest.raises(UserError, match="overlap"):
        rotate(ledger, CONFIG, "scanner", NOW, overlap=overlap)


def test_by_a_key_nobody_gets_hold_of_more_than_it_may(ledger: Ledger) -> None:
    """A new secret of a key is that key."""
    made(ledger, "root", Role.ADMIN)
    made(ledger, "own", Role.VIEWER, ("docs",))
    of_docs = Identity("id", "of-docs", Role.ADMIN, ("docs",))

    with pytest.raises(UserError, match="may less than the role viewer for all mirrors"):
        create(ledger, CONFIG, "new", Role.VIEWER, NOW, by=of_docs)
    with pytest.raises(NotFoundError, match="no key root"):
        rotate(ledger, CONFIG, "root", NOW, overlap=MINUTE, by=of_docs)
    with pytest.raises(NotFoundError, match="no key root"):
        revoke(ledger, CONFIG, "root", NOW, by=of_docs)
    create(ledger, CONFIG, "new", Role.VIEWER, NOW, mirrors=("docs",), by=of_docs)
    revoke(ledger, CONFIG, "own", NOW, by=of_docs)

    assert [key.name for key in listed(ledger, CONFIG, NOW, by=of_docs)] == ["new", "own"]


# What is written down.


def test_the_last_use_is_written_down_once_a_minute(ledger: Ledger, door: Authenticator) -> None:
    new = made(ledger)
    moments = [NOW, NOW + SECOND, NOW + 59 * SECOND, NOW + MINUTE, NOW + MINUTE + SECOND]

    found = []
    for at in moments:
        door.authenticate(new.text, HERE, at)
        found.append(used_at(ledger, new))

    assert found == [NOW, NOW, NOW, NOW + MINUTE, NOW + MINUTE]


def test_who_is_refused_is_not_written_down_as_a_use(ledger: Ledger, door: Authenticator) -> None:
    new = made(ledger)
    wrong = new.text[:-1] + ("1" if new.text[-1] == "0" else "0")

    door.authenticate(wrong, HERE, NOW)

    assert used_at(ledger, new) is None


def test_a_flood_of_refused_attempts_is_a_row_a_minute_and_one_line_of_the_log(
    ledger: Ledger, door: Authenticator
) -> None:
    new = made(ledger)
    revoke(ledger, CONFIG, "scanner", NOW)

    with logged() as events:
        for number in range(100):
            door.authenticate(new.text, HERE, NOW + number * SECOND / 10)
        door.authenticate("sesame", THERE, NOW)
        door.authenticate(new.text, HERE, NOW + MINUTE)

    of_key = {"address": HERE, "why": "revoked", "key": new.key.id, "name": "scanner"}
    expected = [of_key, {"address": THERE, "why": "unreadable"}, of_key | {"attempts": 100}]
    assert refusals(ledger) == expected
    assert [event["event"] for event in events] == ["key.refused"] * 3


def test_nothing_that_was_presented_is_in_the_audit_or_the_log(
    ledger: Ledger, door: Authenticator
) -> None:
    new = made(ledger)
    revoke(ledger, CONFIG, "scanner", NOW)
    secret = new.text.rpartition("_")[2]

    with logged() as events:
        door.authenticate(new.text, HERE, NOW)
        door.authenticate("hunter2\n<script>", THERE, NOW)

    told = f"{events} {[row.facts for row in ledger.audit.rows()]}"
    assert not any(one in told for one in (secret, "hunter2", "script"))


def test_an_address_that_is_as_long_as_somebody_likes_is_cut(
    ledger: Ledger, door: Authenticator
) -> None:
    door.authenticate("", "x" * 10_000, NOW)

    assert refusals(ledger) == [{"address": "x" * 64, "why": "unreadable"}]


def test_where_nothing_can_be_written_who_may_look_still_may(ledger: Ledger) -> None:
    """A full disk is just what somebody has to look at."""
    new = made(ledger)

    with Ledger.open(ledger.path, read_only=True) as reading, logged() as events:
        stuck = Authenticator(reading, None)
        found = [why(stuck.authenticate(text, HERE, NOW)) for text in (new.text, new.text, "no")]

    assert found == [None, None, Why.UNREADABLE]
    # Which pepper; a use, which is tried again in a minute; who was refused.
    failed = [event for event in events if event["event"] == "ledger.failed"]
    assert len(failed) == 3


def test_many_that_come_at_once_with_one_key_write_its_use_once(
    ledger: Ledger, door: Authenticator
) -> None:
    new = made(ledger)
    begin = Barrier(8)
    found: list[Why | None] = []
    seen: set[datetime | None] = set()

    def come(at: datetime) -> None:
        begin.wait()
        found.append(why(door.authenticate(new.text, HERE, at)))
        seen.add(used_at(ledger, new))

    threads = [Thread(target=come, args=(NOW + number * SECOND,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [None] * 8
    assert len((seen | {used_at(ledger, new)}) - {None}) == 1
