"""What is held stays in its hold, for as long as it is what was held."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from docferry.core.brake import Change, ChangeLimits
from docferry.core.merge import Difference
from docferry.core.plan import decide
from docferry.core.ulids import first_of
from docferry.engine.brake import MassChangeBrake
from docferry.engine.task import Task
from docferry.errors import HeldError
from docferry.model import Download, FileState, HoldState, KeepBoth, Outcome, Side, Token, Upload
from docferry.storage.memory import sha256_of
from ledger_rows import MINUTE, NOW
from unit.kept import Kept

PATH = "a.txt"
LOCKED = "a.txt.locked"
OTHER = {Side.LOCAL: Side.REMOTE, Side.REMOTE: Side.LOCAL}


def held(kept: Kept, side: Side) -> Token:
    """Let a change made on *side* be held; give its token."""
    state = kept.agree(PATH, b"words")
    token = kept.side(side).user_write(PATH, b"noise")
    change = Change(PATH, side, token, PATH, state.version, "it is no txt any more")
    kept.ledger.changes.hold("docs", change, kept.new_ulid(), NOW)
    return token


def looked_at_again(kept: Kept) -> list[HoldState]:
    """Let a full run, a minute later, look at it, both contents read; give what is held."""
    kept.now = NOW + MINUTE
    brake = brake_of(kept)
    seen = Difference(
        PATH,
        read(kept, Side.LOCAL),
        read(kept, Side.REMOTE),
        kept.ledger.synced.get("docs", [PATH])[PATH],
    )
    operation = decide(seen.path, seen.local, seen.remote, seen.synced)
    brake.run_begins()
    is_kept = brake.keeps(seen, operation)
    brake.run_ended(frozenset)
    assert not is_kept or isinstance(operation, Upload | Download | KeepBoth)
    states = (HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED)
    changes = kept.ledger.changes.held_paths("docs")
    return [
        hold.state for hold in kept.ledger.holds.all("docs", states) if hold.id in changes.values()
    ]


def brake_of(kept: Kept) -> MassChangeBrake:
    return MassChangeBrake(
        "docs",
        kept.ledger,
        kept.local,
        kept.remote,
        ChangeLimits(0),
        new_ulid=kept.new_ulid,
        now=kept.clock,
    )


def read(kept: Kept, side: Side) -> FileState | None:
    state = kept.side(side).stat(PATH)
    if state is None:
        return None
    return replace(state, sha256=sha256_of(kept.side(side).files[PATH].content))


@pytest.mark.parametrize("side", Side)
def test_what_is_held_stays_so_though_what_it_is_to_displace_was_touched(
    kept: Kept, side: Side
) -> None:
    held(kept, side)
    kept.side(OTHER[side]).user_write(PATH, b"words")

    assert looked_at_again(kept) == [HoldState.OPEN]


@pytest.mark.parametrize("side", Side)
def test_what_is_held_stays_so_though_what_it_is_to_displace_was_deleted(
    kept: Kept, side: Side
) -> None:
    """It would travel: an edit beats a deletion."""
    held(kept, side)
    kept.side(OTHER[side]).user_delete(PATH)

    assert looked_at_again(kept) == [HoldState.OPEN]


@pytest.mark.parametrize("side", Side)
def test_what_was_edited_on_both_sides_is_a_conflict_and_held_no_more(
    kept: Kept, side: Side
) -> None:
    held(kept, side)
    kept.side(OTHER[side]).user_write(PATH, b"other words")

    assert looked_at_again(kept) == []


@pytest.mark.parametrize("side", Side)
def test_what_was_refused_waits_for_the_refusal_though_the_other_side_was_edited(
    kept: Kept, side: Side
) -> None:
    """A conflict would keep it beside, on both sides."""
    held(kept, side)
    [hold] = kept.ledger.holds.all("docs")
    kept.ledger.holds.decide(hold.id, HoldState.DISCARDED, NOW)
    kept.side(OTHER[side]).user_write(PATH, b"other words")

    assert looked_at_again(kept) == [HoldState.DISCARDED]


def held_newcomer(kept: Kept) -> None:
    """Let one be held that is named after a file which was had back just now."""
    state = kept.agree(PATH, b"words")
    had_back = replace(state, version=first_of(NOW))
    source = FileState(state.local_token, state.sha256, state.size)
    kept.ledger.record("docs", [Outcome(Upload(PATH, source, None), had_back)], at=NOW)
    token = kept.local.user_write(LOCKED, random.Random(1).randbytes(500))
    change = Change(LOCKED, Side.LOCAL, token, PATH, state.version, "it looks encrypted")
    kept.ledger.changes.hold("docs", change, kept.new_ulid(), NOW)


def goes_up(kept: Kept, content: bytes) -> Token:
    """Let the brake look at *content* where the newcomer was; give its token."""
    token = kept.local.user_write(LOCKED, content)
    state = FileState(token, None, len(content))
    operation = Upload(LOCKED, state, expect_remote=None)
    task = Task(operation, Difference(LOCKED, state, None, None), kept.new_ulid())
    with kept.local.read(LOCKED, token) as opened:
        brake_of(kept).upload(task, opened)
    return token


def test_a_newcomer_that_is_held_is_held_anew_when_it_is_spoilt_again(kept: Kept) -> None:
    held_newcomer(kept)

    with pytest.raises(HeldError):
        goes_up(kept, random.Random(2).randbytes(500))

    standing = kept.ledger.changes.standing("docs", LOCKED)
    assert standing is not None
    assert standing.token == kept.local.files[LOCKED].token


def test_what_travels_from_where_a_newcomer_was_held_is_held_no_more(kept: Kept) -> None:
    held_newcomer(kept)

    goes_up(kept, b"words " * 99)

    assert kept.ledger.changes.held_paths("docs") == {}
    assert kept.ledger.holds.all("docs", (HoldState.OPEN,)) == []
