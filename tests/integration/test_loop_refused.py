"""What was deleted beside held changes comes back with their refusal, though nobody saw it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from docferry.model import HoldState, MirrorHealth, Side
from looped_mirror import Mirror
from processes import wait_for
from spoilt_mirror import FILES, archived, decide, encrypt, held, objects, with_documents


@pytest.fixture
def mirror(new_mirror: Callable[..., Mirror]) -> Mirror:
    return with_documents(new_mirror)


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("side", Side)
def test_what_was_deleted_beside_held_changes_comes_back_though_nobody_saw_it_at_the_refusal(
    mirror: Mirror, side: Side, *, is_killed: bool
) -> None:
    locked = [f"{path}.locked" for path in FILES]
    noise = encrypt(mirror, side, locked)
    for path in FILES:
        if side is Side.LOCAL:
            (mirror.root / path).unlink()
        else:
            mirror.remote.user_delete(path)
    for path in locked:  # and nobody tells the loop of the deletions
        mirror.loop.mark(path)
    hold = held(mirror, 6)
    assert mirror.ledger.holds.items(hold.id) == []
    if is_killed:
        mirror.stop()
        mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
        mirror.loop = mirror.new_loop()
        mirror.start()
    else:
        decide(mirror, HoldState.DISCARDED)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs") == []
    assert noise <= archived(mirror)


@pytest.mark.parametrize("side", Side)
def test_what_was_spoilt_and_then_deleted_is_as_it_was_before_both(
    mirror: Mirror, side: Side
) -> None:
    encrypt(mirror, side)
    mirror.run()
    held(mirror, 6)
    for path in FILES:  # and nobody tells the loop
        if side is Side.LOCAL:
            (mirror.root / path).unlink()
        else:
            mirror.remote.user_delete(path)

    decide(mirror, HoldState.DISCARDED)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs") == []
