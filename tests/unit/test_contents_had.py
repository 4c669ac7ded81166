"""A version's content is had from wherever it is, and called lost only where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.errors import DocferryError, PermanentError, TemporaryError, UnreachableError
from docferry.model import Side, Ulid, VersionRow
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent, MemoryArchive
from unit.kept import Kept

Opens = Callable[[Kept, VersionRow], Content]


def opened(kept: Kept, row: VersionRow) -> Content:
    return kept.contents.open(row)


def opened_sound(kept: Kept, row: VersionRow) -> Content:
    return kept.contents.open_sound(row)


BOTH_WAYS = pytest.mark.parametrize("opens", [opened, opened_sound])
SIDES = pytest.mark.parametrize("side", list(Side))


class Failing(MemoryArchive):
    """An archive that answers each question with an error."""

    def __init__(self, error: DocferryError) -> None:
        super().__init__(keeps_references=True, step=lambda name: None)
        self._error = error

    def read(self, version: Ulid) -> Content:
        raise self._error


class Closing(BytesContent):
    """A content that tells whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Giving(MemoryArchive):
    def __init__(self, content: Content) -> None:
        super().__init__(keeps_references=True, step=lambda name: None)
        self._content = content

    def read(self, version: Ulid) -> Content:
        return self._content


def bytes_of(content: Content) -> bytes:
    return b"".join(content.parts())


@BOTH_WAYS
@SIDES
def test_where_one_archive_lacks_it_the_other_is_asked(
    kept: Kept, opens: Opens, side: Side
) -> None:
    row = kept.displace("a", b"once", side)

    with opens(kept, row) as content:
        assert bytes_of(content) == b"once"


@BOTH_WAYS
@SIDES
@pytest.mark.parametrize("error", [PermanentError("no right"), UnreachableError("gone")])
def test_where_one_archive_fails_the_other_is_asked(
    kept: Kept, opens: Opens, side: Side, error: DocferryError
) -> None:
    row = kept.displace("a", b"once", *Side)
    kept.side(side).archive = Failing(error)

    with opens(kept, row) as content:
        assert bytes_of(content) == b"once"


@BOTH_WAYS
def test_what_an_archive_that_does_not_answer_may_have_is_not_called_gone(
    kept: Kept, opens: Opens
) -> None:
    row = kept.displace("a", b"once", Side.REMOTE)
    kept.remote.archive = Failing(UnreachableError("nobody answers"))

    with pytest.raises(UnreachableError):
        opens(kept, row)


@BOTH_WAYS
def test_what_is_nowhere_is_called_so(kept: Kept, opens: Opens) -> None:
    row = kept.displace("a", b"once")

    with pytest.raises(PermanentError, match="on neither side, nor in an archive"):
        opens(kept, row)


@BOTH_WAYS
def test_what_was_let_go_is_called_so(kept: Kept, opens: Opens) -> None:
    row = replace(kept.displace("a", b"once"), gone_at=kept.now)

    with pytest.raises(PermanentError, match="were let go"):
        opens(kept, row)


def test_bytes_of_another_length_are_no_version(kept: Kept) -> None:
    row = kept.displace("a", b"once", *Side)
    kept.rot_archived(Side.LOCAL, row.id, b"cut")

    with opened(kept, row) as content:
        assert bytes_of(content) == b"once"


def test_sound_bytes_are_taken_before_rotten_ones(kept: Kept) -> None:
    row = kept.displace("a", b"once", *Side)
    kept.rot_archived(Side.LOCAL, row.id, b"0nce")

    with opened_sound(kept, row) as content:
        assert bytes_of(content) == b"once"


def test_what_is_rotten_wherever_it_is_is_called_damaged(kept: Kept) -> None:
    row = kept.displace("a", b"once", *Side)
    for side in Side:
        kept.rot_archived(side, row.id, b"0nce")

    with pytest.raises(PermanentError, match="are damaged"):
        opened_sound(kept, row)


def test_what_cannot_be_read_to_its_end_is_had_from_elsewhere(kept: Kept) -> None:
    class Breaking(BytesContent):
        def part(self, offset: int, size: int) -> bytes:
            raise TemporaryError("the line broke")

    row = kept.displace("a", b"once", *Side)
    kept.local.archive = Giving(Breaking(b"once"))

    with opened_sound(kept, row) as content:
        assert bytes_of(content) == b"once"


@BOTH_WAYS
def test_what_was_opened_in_vain_is_closed(kept: Kept, opens: Opens) -> None:
    row = kept.displace("a", b"once", *Side)
    other = Closing(b"another one")
    kept.local.archive = Giving(other)

    opens(kept, row).close()

    assert other.is_closed


def test_the_archive_that_is_known_to_have_it_is_asked_first(kept: Kept) -> None:
    there, here = kept.displace("a", b"once", Side.REMOTE), kept.displace("a", b"1", Side.LOCAL)
    asked: list[str] = []

    class Told(MemoryArchive):
        def __init__(self, name: str) -> None:
            super().__init__(keeps_references=True, step=lambda name: None)
            self._name = name

        def read(self, version: Ulid) -> Content:
            asked.append(self._name)
            raise UnreachableError("not now")

    kept.local.archive, kept.remote.archive = Told("here"), Told("there")
    for row in (there, here):
        with pytest.raises(UnreachableError):
            opened(kept, row)

    assert asked == ["there", "here", "here", "there"]


@BOTH_WAYS
def test_what_a_path_holds_by_now_is_never_given_for_what_it_held(kept: Kept, opens: Opens) -> None:
    row = kept.displace("a", b"once")
    kept.agree("a", b"4now")

    with pytest.raises(PermanentError):
        opens(kept, row)


@BOTH_WAYS
@pytest.mark.parametrize("where", ["another path", "another version", "its reference"])
def test_what_is_equal_will_do(kept: Kept, opens: Opens, where: str) -> None:
    row = kept.displace("a", b"once")
    if where == "another path":
        kept.agree("b", b"once")
    else:
        other = kept.displace("b", b"once", Side.LOCAL)
        if where == "its reference":
            row = replace(row, bytes_of=other.id)

    with opens(kept, row) as content:
        assert bytes_of(content) == b"once"


def test_what_a_path_had_and_lost_again_is_had_from_the_archive(kept: Kept) -> None:
    """Its row may be of before: then it says that the path holds it."""
    row = replace(kept.displace("a", b"once", Side.LOCAL), left_at=None)

    with opened(kept, row) as content:
        assert bytes_of(content) == b"once"


@pytest.mark.parametrize("here", ["rotten", "forbidden"])
def test_a_side_that_does_not_answer_may_have_sound_bytes(kept: Kept, here: str) -> None:
    """So it is no answer for good that those of the other side are of no use."""
    row = kept.displace("a", b"once", *Side)
    if here == "rotten":
        kept.rot_archived(Side.LOCAL, row.id, b"0nce")
    else:
        kept.local.archive = Failing(PermanentError("no right"))
    kept.remote.archive = Failing(UnreachableError("nobody answers"))

    with pytest.raises(UnreachableError):
        opened_sound(kept, row)
