"""Where healing would do harm it does nothing, and it says no more than it knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.errors import PermanentError, StaleError, TemporaryError, UnreachableError
from docferry.model import Attributes, Path, Side, Token, Written
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent
from unit.kept import MTIME_NS, Frail, Kept

SIDES = pytest.mark.parametrize("side", list(Side))


class Odd(Frail):
    """A side whose file is read, and written, in ways of its own."""

    def __init__(self, *, keeps_references: bool) -> None:
        super().__init__(keeps_references=keeps_references)
        self.on_read: Callable[[], Content | None] = lambda: None
        self.on_write: Callable[[], object] = lambda: None

    def read(self, path: Path, expect: Token) -> Content:
        return self.on_read() or super().read(path, expect)

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        self.on_write()
        return super().write(path, content, attributes, expect=expect, archive=archive)


def failing(error: Exception) -> Callable[[], Content | None]:
    def fail() -> Content | None:
        raise error

    return fail


@pytest.fixture
def odd(kept: Kept) -> Kept:
    kept.local, kept.remote = Odd(keeps_references=False), Odd(keeps_references=True)
    return kept


def odd_side(kept: Kept, side: Side) -> Odd:
    found = kept.side(side)
    assert isinstance(found, Odd)
    return found


def test_what_somebody_has_open_for_writing_is_not_healed(kept: Kept) -> None:
    kept.agree("a", b"sound")
    kept.rot(Side.LOCAL, "a", b"half saved")
    kept.local.open_for_writing.add("a")

    with pytest.raises(StaleError):
        kept.heal(Side.LOCAL, "a")

    assert kept.local.contents == {"a": b"half saved"}


@SIDES
def test_what_docferry_may_not_read_is_not_healed(odd: Kept, side: Side) -> None:
    odd.agree("a", b"sound")
    odd_side(odd, side).on_read = failing(PermanentError("no right"))
    before = dict(odd.side(side).files)

    with pytest.raises(PermanentError, match="no right"):
        odd.heal(side, "a")

    assert odd.side(side).files == before


def test_a_bucket_that_does_not_answer_is_not_written_to_in_another_way(odd: Kept) -> None:
    odd.agree("a", b"sound")
    remote = odd_side(odd, Side.REMOTE)
    remote.on_read = failing(TemporaryError("trouble"))
    remote.on_write = failing(UnreachableError("nobody answers"))
    before = dict(remote.files)

    with pytest.raises(UnreachableError):
        odd.heal(Side.REMOTE, "a")

    assert remote.files == before


def test_a_file_that_can_be_neither_read_nor_displaced_changes_nothing_in_the_bucket(
    kept: Kept,
) -> None:
    kept.agree("a", b"sound")
    kept.local.broken.add("a")
    before = dict(kept.remote.files)

    with pytest.raises(TemporaryError):
        kept.heal(Side.LOCAL, "a")

    assert kept.remote.files == before


@SIDES
def test_what_only_the_way_here_has_spoilt_is_no_evidence(odd: Kept, side: Side) -> None:
    odd.agree("a", b"sound")
    odd_side(odd, side).on_read = lambda: BytesContent(b"wrong")

    outcome = odd.heal(side, "a")

    assert outcome.answers is not None
    assert outcome.answers.note is None
    assert (odd.evidence(), dict(odd.side(side).archive)) == ([], {})


def test_what_nobody_can_read_has_no_version(odd: Kept) -> None:
    odd.agree("a", b"sound")
    remote = odd_side(odd, Side.REMOTE)
    remote.on_read = failing(TemporaryError("trouble"))

    def lose(name: str) -> None:
        if name == "after write":
            remote.archive.clear()

    remote.step = lose
    outcome = odd.heal(Side.REMOTE, "a")

    assert (outcome.displaced, odd.evidence()) == (None, [])
    assert remote.contents == {"a": b"sound"}


def test_a_healed_file_has_the_time_that_it_had_here(kept: Kept) -> None:
    kept.agree("a", b"sound")
    rotten = kept.local.files["a"]
    kept.local.files["a"] = replace(rotten, content=b"wrong", attributes=Attributes(mtime_ns=7))

    kept.heal(Side.LOCAL, "a")

    assert kept.local.files["a"].attributes.mtime_ns == 7


def test_a_healed_file_that_could_not_be_read_has_the_time_of_the_sound_copy(odd: Kept) -> None:
    odd.agree("a", b"sound")
    odd_side(odd, Side.LOCAL).on_read = failing(TemporaryError("trouble"))

    odd.heal(Side.LOCAL, "a")

    assert odd.local.files["a"].attributes.mtime_ns == MTIME_NS
