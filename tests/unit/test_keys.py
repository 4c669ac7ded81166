"""API keys as values: their form, what each may do, and what is said of one presented."""

from __future__ import annotations

import pytest

from api_keys import PEPPER, kept, key_text, rotated
from docferry.core.keys import (
    NOTE_USE_EVERY,
    Accepted,
    ApiKey,
    Identity,
    KeyState,
    KeyText,
    Mirrors,
    Refused,
    Role,
    Verdict,
    Why,
    hash_of,
    is_name,
    is_use_new,
    judged,
    judged_again,
    keys_of_backup,
    made_id,
    made_key,
    mark_of,
    parsed,
    stamp_of,
)
from ledger_rows import MINUTE, NOW

OURS, NEW, OTHER = key_text(), key_text(secret=2), key_text(secret=3)
KEY = kept(OURS)


def why(verdict: Verdict) -> Why | None:
    return verdict.why if isinstance(verdict, Refused) else None


# What each may do.


@pytest.mark.parametrize(
    ("role", "enough_for"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.OPERATOR, {Role.VIEWER, Role.OPERATOR}),
        (Role.ADMIN, {Role.VIEWER, Role.OPERATOR, Role.ADMIN}),
    ],
)
def test_each_role_may_what_those_before_it_may(role: Role, enough_for: set[Role]) -> None:
    assert {needed for needed in Role if role.may(needed)} == enough_for


@pytest.mark.parametrize(
    ("role", "mirrors", "asked_role", "asked", "covers"),
    [
        (Role.ADMIN, None, Role.ADMIN, None, True),
        (Role.ADMIN, None, Role.VIEWER, ("docs",), True),
        (Role.OPERATOR, None, Role.ADMIN, None, False),
        (Role.ADMIN, ("docs",), Role.VIEWER, None, False),
        (Role.ADMIN, ("docs",), Role.ADMIN, ("docs",), True),
        (Role.ADMIN, ("docs",), Role.VIEWER, ("docs", "others"), False),
        (Role.ADMIN, ("docs", "others"), Role.VIEWER, ("others",), True),
    ],
)
def test_nobody_gives_more_than_they_have(
    role: Role, mirrors: Mirrors, asked_role: Role, asked: Mirrors, *, covers: bool
) -> None:
    assert Identity("x", "x", role, mirrors).covers(asked_role, asked) is covers


def test_a_key_for_some_mirrors_sees_no_other() -> None:
    some, every = (Identity("x", "x", Role.VIEWER, mirrors) for mirrors in (("docs",), None))

    assert [some.sees(name) for name in ("docs", "others", "")] == [True, False, False]
    assert every.sees("a later one")


def test_in_the_audit_no_key_passes_for_a_user_of_the_machine() -> None:
    assert Identity("x", "root", Role.VIEWER, None).actor == "key root"


# Its form.


def test_a_key_has_a_public_id_and_160_random_bits() -> None:
    least, most = (
        made_key(made_id(bytes(5)), bytes(20)),
        made_key(made_id(b"\xff" * 5), b"\xff" * 20),
    )

    assert least.text == "dfk_00000000_" + "0" * 32
    assert most.text == "dfk_zzzzzzzz_" + "z" * 32
    assert parsed(most.text) == most


def test_a_key_of_too_few_random_bytes_is_not_made() -> None:
    with pytest.raises(ValueError, match="20 random bytes are needed, not 16"):
        made_key(OURS.id, bytes(16))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dfk_",
        OURS.text[:-1],
        OURS.text + "0",
        OURS.text + "\n",
        " " + OURS.text,
        OURS.text.upper(),
        OURS.text.replace("dfk", "dfx"),
        OURS.text[:-1] + "o",  # which the alphabet leaves out
        OURS.text[:-1] + "\N{ARABIC-INDIC DIGIT ONE}",
        "Bearer " + OURS.text,
        "0" * 1_000_000,
    ],
)
def test_what_has_not_the_form_of_a_key_is_none_and_nothing_is_mended(text: str) -> None:
    assert parsed(text) is None


def test_no_secret_and_no_hash_shows_in_what_a_log_or_a_traceback_prints() -> None:
    key = rotated(KEY, NEW, NOW)
    told = f"{OURS} {OURS!r} {key} {key!r}"

    assert OURS.id in told
    assert not any(one in told for one in (OURS.secret, key.hash, KEY.hash))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *(("a", True), ("scanner-2_b", True), ("9", True), ("x" * 63, True)),
        *(("", False), ("-a", False), ("_a", False), ("A", False), ("x" * 64, False)),
        *(("a b", False), ("a\n", False), ("ä", False), ("a/b", False)),
    ],
)
def test_a_name_is_of_those_letters_that_names_have_everywhere(name: str, *, is_one: bool) -> None:
    assert is_name(name) is is_one


# What is said of one presented.


SPENT = kept(OURS, expires_at=NOW, revoked_at=NOW)
VERDICTS = [
    pytest.param(None, None, Why.UNREADABLE, id="no key"),
    pytest.param(OURS, None, Why.UNKNOWN, id="of nobody"),
    pytest.param(OURS, KEY, None, id="sound"),
    pytest.param(OTHER, KEY, Why.WRONG, id="another secret"),
    pytest.param(OURS, kept(OURS, expires_at=NOW + MINUTE), None, id="not yet expired"),
    pytest.param(OURS, kept(OURS, expires_at=NOW), Why.EXPIRED, id="expired"),
    pytest.param(OURS, kept(OURS, revoked_at=NOW), Why.REVOKED, id="revoked"),
    pytest.param(OURS, SPENT, Why.REVOKED, id="both"),
    pytest.param(OTHER, SPENT, Why.WRONG, id="only its holder is told that it is spent"),
    pytest.param(NEW, rotated(KEY, NEW, NOW), None, id="the new secret"),
    pytest.param(OURS, rotated(KEY, NEW, NOW + MINUTE), None, id="the old one in the overlap"),
    pytest.param(OURS, rotated(KEY, NEW, NOW), Why.REPLACED, id="the old one after it"),
    pytest.param(OTHER, rotated(KEY, NEW, NOW + MINUTE), Why.WRONG, id="neither"),
    pytest.param(
        OURS,
        rotated(kept(OURS, expires_at=NOW), NEW, NOW + MINUTE),
        Why.EXPIRED,
        id="no overlap is longer than the key",
    ),
    pytest.param(OURS, kept(OURS, pepper=PEPPER), Why.OTHER_PEPPER, id="of another pepper"),
    pytest.param(
        OURS, kept(OURS, pepper=PEPPER, hash=KEY.hash), Why.OTHER_PEPPER, id="a planted hash"
    ),
]


@pytest.mark.parametrize(("presented", "key", "expected"), VERDICTS)
def test_a_presented_key_is_judged(
    presented: KeyText | None, key: ApiKey | None, expected: Why | None
) -> None:
    assert why(judged(presented, key, None, NOW)) is expected


def test_who_is_accepted_is_told_by_name_role_and_mirrors() -> None:
    key = kept(OURS, role=Role.VIEWER, mirrors=("docs",))

    verdict = judged(OURS, key, None, NOW)

    identity = Identity(OURS.id, "scanner", Role.VIEWER, ("docs",))
    assert verdict == Accepted(identity, stamp_of(key.hash))


def test_with_a_pepper_a_hash_that_was_made_without_it_is_of_no_use() -> None:
    """Who may write to the ledger alone cannot make a key."""
    forged = kept(OURS)
    with_mark = kept(OURS, hash=forged.hash, pepper=PEPPER)

    assert why(judged(OURS, forged, PEPPER, NOW)) is Why.OTHER_PEPPER
    assert why(judged(OURS, with_mark, PEPPER, NOW)) is Why.WRONG
    assert why(judged(OURS, kept(OURS, pepper=PEPPER), PEPPER, NOW)) is None


def test_a_hash_is_of_no_use_under_another_id() -> None:
    moved = key_text(number=2)

    assert why(judged(moved, kept(moved, hash=KEY.hash), None, NOW)) is Why.WRONG


def test_the_mark_of_a_pepper_tells_it_from_others_and_is_not_of_it() -> None:
    marks = {mark_of(one) for one in (None, "a", "b", PEPPER)}

    assert len(marks) == 4
    assert mark_of(None) == ""
    assert hash_of(OURS, "a") != hash_of(OURS, "b") != hash_of(OURS, None)


# A session that began with a key.


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(KEY, None, id="as it was"),
        pytest.param(None, Why.UNKNOWN, id="gone"),
        pytest.param(kept(OURS, revoked_at=NOW), Why.REVOKED, id="revoked"),
        pytest.param(kept(OURS, expires_at=NOW), Why.EXPIRED, id="expired"),
        pytest.param(rotated(KEY, NEW, NOW + MINUTE), None, id="rotated, in the overlap"),
        pytest.param(rotated(KEY, NEW, NOW), Why.REPLACED, id="rotated, as it was stolen"),
        pytest.param(kept(OTHER), Why.WRONG, id="of another secret"),
        pytest.param(kept(OURS, pepper=PEPPER), Why.OTHER_PEPPER, id="another pepper"),
    ],
)
def test_a_session_is_over_with_the_secret_that_it_began_with(
    key: ApiKey | None, expected: Why | None
) -> None:
    begun = judged(OURS, KEY, None, NOW)
    assert isinstance(begun, Accepted)

    assert why(judged_again(OURS.id, begun.stamp, key, None, NOW)) is expected


@pytest.mark.parametrize("stamp", ["", "ä", stamp_of("0" * 64), KEY.hash])
def test_no_made_up_stamp_lets_anybody_in(stamp: str) -> None:
    assert why(judged_again(OURS.id, stamp, KEY, None, NOW)) is Why.WRONG


def test_the_stamp_of_no_previous_secret_is_nobodys() -> None:
    assert why(judged_again(OURS.id, stamp_of("0" * 64), KEY, None, NOW)) is Why.WRONG


# How it stands, and whether a use is written down.


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY, KeyState.VALID),
        (kept(OURS, expires_at=NOW), KeyState.EXPIRED),
        (kept(OURS, expires_at=NOW + MINUTE), KeyState.VALID),
        (SPENT, KeyState.REVOKED),
        (kept(OURS, pepper=PEPPER), KeyState.UNUSABLE),
        (kept(OURS, pepper=PEPPER, expires_at=NOW), KeyState.EXPIRED),
    ],
)
def test_a_key_says_what_it_is_worth(key: ApiKey, expected: KeyState) -> None:
    assert key.state("", NOW) is expected


def test_a_use_is_new_once_a_minute_also_after_the_clock_was_put_back() -> None:
    assert is_use_new(None, NOW)
    assert not is_use_new(NOW, NOW)
    assert not is_use_new(NOW, NOW + NOTE_USE_EVERY - MINUTE / 60)
    assert is_use_new(NOW, NOW + NOTE_USE_EVERY)
    assert not is_use_new(NOW + MINUTE / 60, NOW)  # of two at once, the later was quicker
    assert is_use_new(NOW + MINUTE, NOW)


# After a backup.


def test_of_a_backup_no_key_counts_that_may_have_been_revoked_since() -> None:
    before = kept(key_text(2), "gone", revoked_at=NOW - MINUTE)

    then = keys_of_backup([KEY, before], NOW, is_trusted=False)

    assert [key.revoked_at for key in then.keys] == [NOW, NOW - MINUTE]
    assert (then.revoked, then.are_lost) == (1, True)


def test_who_says_that_none_was_revoked_since_keeps_the_keys_of_a_backup() -> None:
    then = keys_of_backup([KEY], NOW, is_trusted=True)

    assert (then.keys, then.revoked, then.are_lost) == ((KEY,), 0, False)
