"""Archived bytes under patrol: healed from wherever they are sound, never given up in silence."""

from __future__ import annotations

import pytest

from docferry.ledger.patrols import PatrolRow
from docferry.model import Attributes, Side, VersionRow
from docferry.storage.memory import sha256_of
from unit.kept import Kept


def cycle(kept: Kept) -> PatrolRow:
    row = kept.patrol().run_cycle()
    assert row is not None
    return row


def forget(kept: Kept, row: VersionRow) -> None:
    """Let a version be gone as an erasure leaves it, but for those who refer to it."""
    kept.ledger.erasures.forget(
        "docs", row.path, {row.id: row.sha256}, kept.now, request_id=0, is_all=True
    )
    for side in Side:
        kept.side(side).archive.remove(row.id)


@pytest.mark.parametrize("side", list(Side))
def test_rot_in_an_archive_is_healed_from_the_other_and_kept(kept: Kept, side: Side) -> None:
    row = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    kept.rot_archived(side, row.id, b"spoilt")

    found = cycle(kept).found

    [evidence] = kept.evidence()
    with kept.side(side).archive.read(row.id) as healed:
        assert b"".join(healed.parts()) == b"once"
    with kept.side(side).archive.read(evidence.id) as spoilt:
        assert b"".join(spoilt.parts()) == b"spoilt"
    assert (found, kept.problems()) == (1, {})
    assert (evidence.parent, evidence.path) == (row.id, "a")


@pytest.mark.parametrize("source", ["current", "another version"])
def test_lost_archived_bytes_come_back_from_wherever_they_are(kept: Kept, source: str) -> None:
    row = kept.displace("a", b"once", Side.LOCAL)
    if source == "current":
        kept.agree("b", b"once")
    else:
        kept.displace("b", b"once", Side.REMOTE)
    kept.local.archive.remove(row.id)

    cycle(kept)

    with kept.local.archive.read(row.id) as healed:
        assert b"".join(healed.parts()) == b"once"


def test_archived_bytes_that_are_sound_nowhere_are_a_problem_and_stay(kept: Kept) -> None:
    row = kept.displace("a", b"once", Side.LOCAL)
    kept.rot_archived(Side.LOCAL, row.id, b"spoilt")

    cycle(kept)

    assert kept.problems() == {f".docferry/versions/{row.id}": "rot"}
    assert kept.local.archive[row.id].content == b"spoilt"

    kept.rot_archived(Side.LOCAL, row.id, b"once")
    cycle(kept)

    assert kept.problems() == {}


def test_a_problem_ends_with_the_version_it_is_about(kept: Kept) -> None:
    row = kept.displace("a", b"once", Side.LOCAL)
    kept.local.archive.remove(row.id)
    cycle(kept)
    kept.ledger.versions.let_go([row.id], kept.now)

    cycle(kept)

    assert kept.problems() == {}


def test_what_no_archive_ever_had_is_no_problem(kept: Kept) -> None:
    kept.displace("a", b"replaced on both sides")

    row = cycle(kept)

    assert (row.found, kept.problems()) == (0, {})


def test_a_lost_note_about_archived_bytes_is_written_again(kept: Kept) -> None:
    row = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    kept.ledger.versions.note_not_archived(row.id, Side.REMOTE)

    cycle(kept)

    found = kept.ledger.versions.get(row.id)
    assert found is not None
    assert found.archived_remote


def test_shared_bytes_are_healed_where_they_are(kept: Kept) -> None:
    first = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    second = kept.displace("b", b"once", Side.LOCAL, Side.REMOTE, bytes_of=first.id)
    kept.ledger.versions.let_go([first.id], kept.now)
    kept.rot_archived(Side.REMOTE, first.id, b"spoilt")

    cycle(kept)

    with kept.remote.archive.read(second.id) as healed:
        assert b"".join(healed.parts()) == b"once"
    assert kept.remote.archive[first.id].content == b"once"


def test_a_lost_reference_is_put_again(kept: Kept) -> None:
    first = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    second = kept.displace("b", b"once", Side.LOCAL, Side.REMOTE, bytes_of=first.id)
    kept.remote.archive.remove(second.id)

    row = cycle(kept)

    assert row.found == 1
    described = kept.remote.archive.describe(second.id)
    assert described is not None
    assert described.bytes_of == first.id


def test_a_reference_to_what_is_gone_is_put_right(kept: Kept) -> None:
    gone = kept.displace("x", b"once", Side.REMOTE)
    second = kept.displace("b", b"once", Side.REMOTE, bytes_of=gone.id)
    first = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    kept.ledger.versions.note_bytes_of(second.id, first.id)
    forget(kept, gone)

    row = cycle(kept)

    assert row.found == 1
    with kept.remote.archive.read(second.id) as healed:
        assert b"".join(healed.parts()) == b"once"


def test_shared_bytes_that_are_a_reference_to_what_is_gone_are_lost(kept: Kept) -> None:
    gone = kept.displace("x", b"once", Side.REMOTE)
    first = kept.displace("a", b"once", Side.REMOTE, bytes_of=gone.id)
    second = kept.displace("b", b"once", Side.REMOTE, bytes_of=gone.id)
    kept.ledger.versions.note_bytes_of(second.id, first.id)
    forget(kept, gone)

    cycle(kept)

    assert kept.problems() == {f".docferry/versions/{first.id}": "rot"}

    kept.agree("c", b"once")
    cycle(kept)

    assert kept.problems() == {}
    for row in (first, second):
        with kept.remote.archive.read(row.id) as healed:
            assert b"".join(healed.parts()) == b"once"
        found = kept.ledger.versions.get(row.id)
        assert found is not None
        assert found.bytes_of in (None, first.id)


def test_a_problem_about_shared_bytes_outlasts_who_refers_to_them(kept: Kept) -> None:
    gone = kept.displace("x", b"once", Side.REMOTE)
    first = kept.displace("a", b"once", Side.REMOTE)
    second = kept.displace("b", b"once", Side.REMOTE, bytes_of=first.id)
    about = Attributes(sha256=first.sha256, size=first.size)
    kept.remote.archive.refer(first.id, gone.id, about)
    forget(kept, gone)

    cycle(kept)

    assert kept.problems() == {f".docferry/versions/{first.id}": "rot"}
    assert kept.remote.archive[second.id].attributes.bytes_of == first.id


def test_a_rotten_file_beside_the_bytes_of_its_equal_is_put_aside(kept: Kept) -> None:
    first = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    second = kept.displace("b", b"once", Side.LOCAL, Side.REMOTE)
    kept.rot_archived(Side.LOCAL, second.id, b"spoilt")
    kept.ledger.versions.note_bytes_of(second.id, first.id)

    row = cycle(kept)

    [evidence] = kept.evidence()
    assert (row.found, evidence.sha256) == (1, sha256_of(b"spoilt"))
    assert second.id not in kept.local.archive
    assert kept.local.archive[first.id].content == b"once"
