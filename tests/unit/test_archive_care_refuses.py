"""What the patrol leaves alone in an archive, and what it does not say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.engine.archive_care import ArchiveCare
from docferry.engine.rot import RotProblems
from docferry.engine.sight import nothing
from docferry.engine.sound import SoundCopies
from docferry.errors import UnreachableError
from docferry.model import Attributes, Mode, Side, Ulid, VersionRow
from docferry.storage.memory import BytesContent, Held
from unit.kept import Kept

Both = dict[Side, dict[Ulid, Held]]


def proven(side: Side) -> None:
    """Each side is itself."""


def unproven(side: Side) -> None:
    raise UnreachableError(f"the {side} side is another one")


def care(kept: Kept, *, mode: Mode = Mode.TWO_WAY, is_proven: bool = True) -> ArchiveCare:
    return ArchiveCare(
        "docs",
        mode,
        kept.places,
        kept.ledger,
        RotProblems("docs", kept.ledger, kept.clock),
        SoundCopies(kept.contents),
        proven if is_proven else unproven,
        nothing,
        kept.new_ulid,
        kept.clock,
    )


def archives(kept: Kept) -> Both:
    return {side: dict(kept.side(side).archive) for side in Side}


def row_of(kept: Kept, version: Ulid) -> VersionRow:
    found = kept.ledger.versions.get(version)
    assert found is not None
    return found


@pytest.mark.parametrize("is_known", [True, False])
def test_what_was_let_go_or_erased_meanwhile_is_not_brought_back(
    kept: Kept, *, is_known: bool
) -> None:
    row = kept.displace("a", b"once", *Side)
    if is_known:
        kept.ledger.versions.let_go([row.id], kept.now)
    else:
        row = replace(row, id=kept.new_ulid())
    for side in Side:
        kept.side(side).archive.clear()

    found = care(kept).check(row)

    assert found == 0
    assert archives(kept) == {Side.LOCAL: {}, Side.REMOTE: {}}
    assert kept.problems() == {}


def test_nothing_is_mended_on_a_side_that_is_not_itself(kept: Kept) -> None:
    row = kept.displace("a", b"once", *Side)
    kept.rot_archived(Side.LOCAL, row.id, b"0nce")
    before = archives(kept)

    with pytest.raises(UnreachableError):
        care(kept, is_proven=False).check(row)

    assert archives(kept) == before


def test_no_reference_is_put_on_a_side_that_is_not_itself(kept: Kept) -> None:
    first = kept.displace("a", b"once", *Side)
    second = kept.displace("b", b"once", *Side, bytes_of=first.id)
    kept.remote.archive.remove(second.id)

    with pytest.raises(UnreachableError):
        care(kept, is_proven=False).check(second)

    assert second.id not in kept.remote.archive


def test_rotten_bytes_are_not_called_archived(kept: Kept) -> None:
    row = kept.displace("a", b"once")
    about = Attributes(path="a")
    kept.remote.archive.put(row.id, BytesContent(b"0nce"), about)

    care(kept).check(row)

    assert not row_of(kept, row.id).archived_remote


def test_bytes_that_were_mended_are_called_archived(kept: Kept) -> None:
    row = kept.displace("a", b"once", Side.LOCAL)
    kept.remote.archive.put(row.id, BytesContent(b"0nce"), Attributes(path="a"))

    care(kept).check(row)

    assert row_of(kept, row.id).archived_remote
    with kept.remote.archive.read(row.id) as content:
        assert b"".join(content.parts()) == b"once"


def test_what_shares_the_bytes_of_another_is_not_called_archived_by_itself(kept: Kept) -> None:
    first = kept.displace("a", b"once", *Side)
    second = kept.displace("b", b"once", Side.REMOTE, bytes_of=first.id)

    care(kept).check(second)

    assert not row_of(kept, second.id).archived_local


def test_what_never_was_in_the_bucket_gets_no_reference_there(kept: Kept) -> None:
    first = kept.displace("a", b"once", *Side)
    second = kept.displace("b", b"once", Side.LOCAL, bytes_of=first.id)

    found = care(kept).check(second)

    assert found == 0
    assert second.id not in kept.remote.archive


def test_no_reference_is_put_to_bytes_that_are_lost(kept: Kept) -> None:
    first = kept.displace("a", b"once", *Side)
    second = kept.displace("b", b"once", *Side, bytes_of=first.id)
    kept.remote.archive.clear()

    care(kept).check(second)

    assert second.id not in kept.remote.archive


@pytest.mark.parametrize(("mode", "side"), [(Mode.PUSH, Side.LOCAL), (Mode.PULL, Side.REMOTE)])
def test_an_archive_where_the_mode_writes_nothing_is_left_as_it_is(
    kept: Kept, mode: Mode, side: Side
) -> None:
    row = kept.displace("a", b"once", *Side)
    kept.rot_archived(side, row.id, b"0nce")
    before = archives(kept)

    found = care(kept, mode=mode).check(row)

    assert found == 1
    assert archives(kept) == before


def test_a_bucket_where_the_mode_writes_nothing_gets_no_reference(kept: Kept) -> None:
    first = kept.displace("a", b"once", *Side)
    second = kept.displace("b", b"once", *Side, bytes_of=first.id)
    kept.remote.archive.remove(second.id)

    care(kept, mode=Mode.PULL).check(second)

    assert second.id not in kept.remote.archive


@pytest.mark.parametrize(
    ("content", "mode"), [(b"once", Mode.TWO_WAY), (b"0nce", Mode.PUSH)], ids=["sound", "push"]
)
def test_a_file_beside_the_bytes_of_its_equal_stays(kept: Kept, content: bytes, mode: Mode) -> None:
    first = kept.displace("a", b"once", *Side)
    second = kept.displace("b", b"once", *Side)
    kept.rot_archived(Side.LOCAL, second.id, content)
    kept.ledger.versions.note_bytes_of(second.id, first.id)

    found = care(kept, mode=mode).check(row_of(kept, second.id))

    assert found == 0
    assert kept.local.archive[second.id].content == content
    assert kept.evidence() == []


@pytest.mark.parametrize(("mode", "side"), [(Mode.PUSH, Side.LOCAL), (Mode.PULL, Side.REMOTE)])
def test_what_the_mode_leaves_rotten_is_shown_and_not_called_mended(
    kept: Kept, mode: Mode, side: Side
) -> None:
    row = kept.displace("a", b"once", *Side)
    kept.rot_archived(side, row.id, b"0nce")

    care(kept, mode=mode).check(row)

    [problem] = kept.ledger.problems.all("docs")
    assert problem.message.endswith(f"mode {mode} leaves it so")
