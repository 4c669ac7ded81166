"""How a request is answered: a table of what the trees hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docferry.core.asked import CHANGED_SINCE, NOTHING, Decision, Request, answer
from docferry.core.merge import Difference
from docferry.model import (
    TOKEN_LOST,
    Answer,
    Erase,
    FileState,
    Heal,
    PutBack,
    Remove,
    RequestKind,
    RequestState,
    Restore,
    Side,
    SyncedState,
)
from ledger_rows import NOW, version

OLD = version("a", "old")
BASE = SyncedState("sha-now", "l1", "r1", "V-NOW", 3)
LOCAL, REMOTE = FileState("l1", None, 3), FileState("r1", None, 3)
EDITED, OVERWRITTEN = FileState("l2", None, 4), FileState("r2", None, 4)

RESTORE = Request(7, RequestKind.RESTORE, wanted=OLD)
REMOVE = Request(7, RequestKind.REMOVE, expect="V-NOW")


def seen(
    local: FileState | None = None,
    remote: FileState | None = None,
    synced: SyncedState | None = None,
) -> Difference:
    return Difference("a", local, remote, synced)


AS_AGREED = seen(LOCAL, REMOTE, BASE)
SKIPPED = Answer(7, RequestState.SKIPPED, CHANGED_SINCE)


@pytest.mark.parametrize(
    ("request_", "trees", "expected"),
    [
        (RESTORE, AS_AGREED, Restore("a", 7, OLD, expect_local="l1")),
        (RESTORE, seen(), Restore("a", 7, OLD, expect_local=None)),
        (RESTORE, seen(EDITED, REMOTE, BASE), Restore("a", 7, OLD, expect_local="l2")),
        (RESTORE, seen(EDITED), Restore("a", 7, OLD, expect_local="l2")),
        (
            replace(RESTORE, expect="V-NOW"),
            AS_AGREED,
            Restore("a", 7, OLD, expect_local="l1"),
        ),
        (replace(RESTORE, expect="V-OTHER"), AS_AGREED, SKIPPED),
        (replace(RESTORE, barred="why"), AS_AGREED, Answer(7, RequestState.FAILED, "why")),
        (replace(REMOVE, barred="why"), AS_AGREED, Answer(7, RequestState.FAILED, "why")),
        (replace(RESTORE, expect=NOTHING), AS_AGREED, SKIPPED),
        (replace(RESTORE, expect=NOTHING), seen(), Restore("a", 7, OLD, expect_local=None)),
        (replace(RESTORE, placed="l2"), seen(EDITED, REMOTE, BASE), None),
        (REMOVE, AS_AGREED, Remove("a", 7, expect_local="l1", expect_remote="r1")),
        (REMOVE, seen(LOCAL, None, BASE), Remove("a", 7, expect_local="l1", expect_remote=None)),
        (REMOVE, seen(None, REMOTE, BASE), Remove("a", 7, expect_local=None, expect_remote="r1")),
        (REMOVE, seen(EDITED, REMOTE, BASE), SKIPPED),
        (REMOVE, seen(LOCAL, OVERWRITTEN, BASE), SKIPPED),
        (replace(REMOVE, expect="V-OTHER"), AS_AGREED, SKIPPED),
        (REMOVE, seen(), Answer(7, RequestState.DONE)),
        (REMOVE, seen(LOCAL, None, None), SKIPPED),
        (REMOVE, seen(None, REMOTE, None), SKIPPED),
        (
            Request(7, RequestKind.HEAL_LOCAL),
            AS_AGREED,
            Heal("a", 7, Side.LOCAL, expect="l1"),
        ),
        (
            Request(7, RequestKind.HEAL_REMOTE),
            AS_AGREED,
            Heal("a", 7, Side.REMOTE, expect="r1"),
        ),
        (Request(7, RequestKind.HEAL_LOCAL), seen(EDITED, REMOTE, BASE), SKIPPED),
        (Request(7, RequestKind.HEAL_LOCAL, expect="V-OTHER"), AS_AGREED, SKIPPED),
        (Request(7, RequestKind.HEAL_REMOTE), seen(LOCAL, None, BASE), SKIPPED),
        (Request(7, RequestKind.ERASE), seen(), Erase("a", 7)),
        (Request(7, RequestKind.ERASE, barred="why"), seen(), Erase("a", 7)),
        (
            Request(7, RequestKind.HEAL_REMOTE, barred="why"),
            AS_AGREED,
            Heal("a", 7, Side.REMOTE, expect="r1"),
        ),
    ],
)
def test_what_the_trees_hold_decides(
    request_: Request, trees: Difference, expected: Decision
) -> None:
    assert answer(request_, trees) == expected


def test_what_is_there_already_is_not_put_there_again() -> None:
    wanted = replace(OLD, sha256=BASE.sha256)

    found = answer(replace(RESTORE, wanted=wanted), AS_AGREED)

    assert isinstance(found, Answer)
    assert found.state is RequestState.DONE


@pytest.mark.parametrize("local", [EDITED, None])
def test_what_was_agreed_on_and_is_not_there_any_more_is_put_back(local: FileState | None) -> None:
    wanted = replace(OLD, sha256=BASE.sha256)

    found = answer(replace(RESTORE, wanted=wanted), seen(local, REMOTE, BASE))

    expect = None if local is None else local.token
    assert found == Restore("a", 7, wanted, expect_local=expect)


def test_what_was_put_there_and_changed_at_once_is_not_put_there_again() -> None:
    found = answer(replace(RESTORE, placed="l3"), seen(EDITED, REMOTE, BASE))

    assert isinstance(found, Answer)
    assert found.state is RequestState.DONE


@pytest.mark.parametrize(
    ("wanted", "why"), [(None, "no such version"), (replace(OLD, gone_at=NOW), "were let go")]
)
def test_what_cannot_be_had_back_is_refused_with_its_reason(wanted: None, why: str) -> None:
    found = answer(replace(RESTORE, wanted=wanted), AS_AGREED)

    assert isinstance(found, Answer)
    assert found.state is RequestState.FAILED
    assert why in (found.note or "")


# What a person has refused.

HELD = "token of what was refused"
REFUSED = Request(
    7, RequestKind.RESTORE, wanted=OLD, expect=HELD, displaces="V-HELD", agreed="V-NOW"
)
REFUSED_NEWCOMER = replace(REFUSED, kind=RequestKind.REMOVE, wanted=None, agreed=NOTHING)
REFUSED_AGAIN = replace(REFUSED_NEWCOMER, agreed="V-NOW")
SPOILT_HERE, SPOILT_THERE = FileState(HELD, None, 4), FileState(HELD, None, 4)
#: Both sides agreed on something else since.
LATER = SyncedState("sha-later", "l3", "r3", "V-LATER", 5)
#: Both sides agreed on what was refused.
CAME = SyncedState("sha-held", "l2", HELD, "V-CAME", 4)
REMOVED = Remove("a", 7, "l2", HELD)
#: What was refused was called agreed on, as its file here was gone.
GIVEN_WAY = SyncedState("sha-held", TOKEN_LOST, HELD, "V-HELD", 4)


def put_back(side: Side, token: str = HELD) -> PutBack:
    return PutBack("a", 7, side, token, "V-HELD", HELD)


@pytest.mark.parametrize(
    ("request_", "trees", "expected"),
    [
        (REFUSED, seen(SPOILT_HERE, REMOTE, BASE), Restore("a", 7, OLD, HELD, "V-HELD", HELD)),
        (REFUSED, seen(LOCAL, SPOILT_THERE, BASE), put_back(Side.REMOTE)),
        (REFUSED, seen(EDITED, SPOILT_THERE, BASE), put_back(Side.REMOTE)),
        (REFUSED, seen(LOCAL, OVERWRITTEN, BASE), put_back(Side.REMOTE, "r2")),
        (REFUSED, AS_AGREED, Restore("a", 7, OLD, "l1", "V-HELD", HELD)),
        # Gone since, or before that and not seen yet: by the burst perhaps.
        (REFUSED, seen(None, REMOTE, BASE), Restore("a", 7, OLD, None, "V-HELD", HELD)),
        (REFUSED, seen(), Restore("a", 7, OLD, None, "V-HELD", HELD)),
        (
            REFUSED,
            seen(None, SPOILT_THERE, GIVEN_WAY),
            Restore("a", 7, OLD, None, "V-HELD", HELD),
        ),
        # It was on its way when it was refused.
        (REFUSED, seen(EDITED, SPOILT_THERE, CAME), Restore("a", 7, OLD, "l2", "V-HELD", HELD)),
        (REFUSED_NEWCOMER, seen(SPOILT_HERE), put_back(Side.LOCAL)),
        (REFUSED_NEWCOMER, seen(None, SPOILT_THERE), put_back(Side.REMOTE)),
        # One that had travelled, and was overwritten by what was refused.
        (REFUSED_AGAIN, seen(SPOILT_HERE, REMOTE, BASE), put_back(Side.LOCAL)),
        (REFUSED_AGAIN, seen(LOCAL, SPOILT_THERE, BASE), put_back(Side.REMOTE)),
        (REFUSED_AGAIN, AS_AGREED, Remove("a", 7, "l1", "r1")),
        (replace(REFUSED_AGAIN, expect="l1"), AS_AGREED, Remove("a", 7, "l1", "r1")),
        (replace(REFUSED_AGAIN, expect="r1"), AS_AGREED, Remove("a", 7, "l1", "r1")),
        (REFUSED_NEWCOMER, seen(FileState("l2", None, 4), SPOILT_THERE), put_back(Side.REMOTE)),
        (REFUSED_NEWCOMER, seen(SPOILT_HERE, FileState("r2", None, 4)), put_back(Side.LOCAL)),
        (REFUSED_NEWCOMER, seen(FileState("l2", None, 4), SPOILT_THERE, CAME), REMOVED),
        (REFUSED_AGAIN, seen(None, REMOTE, BASE), Remove("a", 7, None, "r1")),
        (REFUSED_AGAIN, seen(EDITED, REMOTE, BASE), SKIPPED),
        (REFUSED_AGAIN, seen(None, SPOILT_THERE, GIVEN_WAY), Remove("a", 7, None, HELD)),
    ],
)
def test_what_was_refused_makes_room_for_what_was_there(
    request_: Request, trees: Difference, expected: Decision
) -> None:
    assert answer(replace(request_, is_told=True), trees) == expected


STATES = st.none() | st.sampled_from([LATER.local_token, LATER.remote_token, "l2", "r2", HELD]).map(
    lambda token: FileState(token, None, 5)
)


@given(
    refused=st.sampled_from([REFUSED, REFUSED_NEWCOMER, REFUSED_AGAIN]),
    is_told=st.booleans(),
    local=STATES,
    remote=STATES,
)
def test_what_both_sides_agreed_on_since_a_refusal_is_left_as_it_is(
    refused: Request, *, is_told: bool, local: FileState | None, remote: FileState | None
) -> None:
    found = answer(replace(refused, is_told=is_told), seen(local, remote, LATER))

    if not is_told:  # what was archived before a crash is noted all the same
        assert isinstance(found, PutBack)
        assert found.expect is None
        found = found.ends
    assert found == SKIPPED
