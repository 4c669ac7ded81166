"""One mirror's loop and what is gone, or seems so, on both sides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from docferry.engine.runs import Run
from docferry.model import Forget, HoldState, Outcome
from looped_mirror import Mirror
from processes import wait_for


def test_what_a_refused_deletion_brings_back_under_another_name_has_left_its_own(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    (mirror.root / "f").write_bytes(b"a file")
    (mirror.root / "b").write_bytes(b"b")
    mirror.start()
    (mirror.root / "f").unlink()
    (mirror.root / "f").mkdir()
    (mirror.root / "f/g").write_bytes(b"in a folder of its name")
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")

    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)
    wait_for(lambda: "%_~/f" in mirror.files)
    mirror.settle()

    assert [row.is_current for row in mirror.ledger.versions.of("docs", "%_~/f")] == [True]
    assert [row.is_current for row in mirror.ledger.versions.of("docs", "f")] == [False]


@pytest.mark.parametrize("is_up", [True, False], ids=["up", "down"])
def test_what_does_not_come_back_as_both_sides_have_deleted_it_has_left(
    new_mirror: Callable[..., Mirror], *, is_up: bool
) -> None:
    mirror = new_mirror(delete_limit=0)
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    (mirror.root / "a").unlink()
    mirror.run()
    [hold] = mirror.ledger.holds.all("docs")
    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.remote.user_delete("a")
    if is_up:
        mirror.loop.request(Run.HOLDS)
    else:
        mirror.restart()  # killed as soon as the decision was carried out
        forgotten = Outcome(Forget("a", stays=True), synced=None)
        mirror.ledger.record("docs", [forgotten], at=datetime.now(UTC))
        mirror.ledger.unagreed.look_again("docs")
        mirror.start()

    def are_current() -> list[bool]:
        return [row.is_current for row in mirror.ledger.versions.of("docs", "a")]

    wait_for(lambda: are_current() == [False])


def test_a_deletion_travels_though_a_listing_lacked_the_object_as_well(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    for name in ("a", "b"):
        (mirror.root / name).write_bytes(name.encode())
    mirror.start()
    mirror.stop()
    (mirror.root / "a").unlink()
    mirror.remote.lacks = {"a"}
    mirror.restart()

    mirror.start()

    wait_for(lambda: mirror.remote.contents == {"b": b"b"})
    assert mirror.files == {"b": b"b"}
