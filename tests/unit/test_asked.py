"""How a request is answered: a table of what the trees hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.core.asked import CHANGED_SINCE, NOTHING, Decision, Request, answer
from docferry.core.merge import Difference
from docferry.model import (
    Answer,
    Erase,
    FileState,
    Heal,
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
