"""Rotten bytes are replaced by sound ones, and kept; what is sound or edited is not touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.errors import PermanentError, StaleError, TemporaryError
from docferry.model import Attributes, Origin, Path, RequestState, Side, Token, Written
from docferry.storage.base import Content
from docferry.storage.memory import sha256_of
from unit.kept import MTIME_NS, Frail, Kept

SIDES = pytest.mark.parametrize("side", list(Side))


@SIDES
def test_the_sound_bytes_take_the_place_of_the_rotten_ones(kept: Kept, side: Side) -> None:
    before = kept.agree("a", b"sound")
    kept.rot(side, "a", b"wrong")

    outcome = kept.heal(side, "a")

    after = kept.ledger.synced.get("docs", ["a"])["a"]
    assert outcome.answers is not None
    assert (outcome.answers.state, kept.requests()) == (RequestState.DONE, [])
    assert kept.local.contents == kept.remote.contents == {"a": b"sound"}
    assert (after.version, after.sha256) == (before.version, before.sha256)
    assert after.local_token == kept.local.files["a"].token
    assert after.remote_token == kept.remote.files["a"].token
    [current] = kept.ledger.versions.tree_at("docs", kept.now)
    assert current.id == before.version


@SIDES
def test_the_rotten_bytes_are_kept_as_evidence(kept: Kept, side: Side) -> None:
    state = kept.agree("a", b"sound")
    kept.rot(side, "a", b"wrong")

    kept.heal(side, "a")

    [row] = kept.evidence()
    assert (row.path, row.sha256, row.size) == ("a", sha256_of(b"wrong"), 5)
    assert (row.origin, row.parent, row.left_at) == (Origin.EVIDENCE, state.version, kept.now)
    assert (row.archived_local, row.archived_remote) == (side is Side.LOCAL, side is Side.REMOTE)
    with kept.side(side).archive.read(row.id) as content:
        assert b"".join(content.parts()) == b"wrong"


def test_a_healed_object_says_what_it_said_before(kept: Kept) -> None:
    state = kept.agree("a", b"sound")
    claims = kept.remote.files["a"].attributes
    kept.remote.files["a"] = replace(
        kept.remote.files["a"],
        content=b"wrong",
        attributes=replace(claims, parent="P", content_type="text/x-mine"),
    )

    kept.heal(Side.REMOTE, "a")

    said = kept.remote.files["a"].attributes
    assert (said.version, said.sha256) == (state.version, state.sha256)
    assert (said.parent, said.content_type, said.mtime_ns) == ("P", "text/x-mine", MTIME_NS)
    assert said.path is None


def test_a_healed_file_keeps_its_time(kept: Kept) -> None:
    kept.agree("a", b"sound")
    kept.rot(Side.LOCAL, "a", b"wrong")

    kept.heal(Side.LOCAL, "a")

    assert kept.local.files["a"].attributes.mtime_ns == MTIME_NS


@SIDES
def test_what_is_sound_is_not_touched(kept: Kept, side: Side) -> None:
    state = kept.agree("a", b"sound")
    before = dict(kept.local.files), dict(kept.remote.files)

    outcome = kept.heal(side, "a")

    assert outcome.answers is not None
    assert outcome.answers.state is RequestState.SKIPPED
    assert kept.ledger.synced.get("docs", ["a"])["a"] == state
    assert (kept.local.files, kept.remote.files) == before
    assert kept.evidence() == []


@SIDES
def test_an_edit_is_not_healed_away(kept: Kept, side: Side) -> None:
    kept.agree("a", b"sound")
    kept.side(side).user_write("a", b"edited")

    with pytest.raises(StaleError):
        kept.heal(side, "a")

    assert kept.side(side).contents == {"a": b"edited"}


@SIDES
def test_an_edit_of_the_same_size_is_not_healed_away(kept: Kept, side: Side) -> None:
    kept.agree("a", b"sound")
    kept.side(side).user_write("a", b"mixed")

    outcome = kept.heal(side, "a")

    assert outcome.answers is not None
    assert outcome.answers.state is RequestState.SKIPPED
    assert "changed since" in (outcome.answers.note or "")
    assert kept.side(side).contents == {"a": b"mixed"}


@SIDES
def test_a_heal_whose_note_was_lost_is_done(kept: Kept, side: Side) -> None:
    """The token has moved with the healing, as with any edit; only the content tells."""
    state = kept.agree("a", b"sound")
    kept.rot(side, "a", b"wrong")
    about = kept.side(side).files["a"].attributes
    token = kept.side(side).user_write("a", b"sound", about)  # and then the machine went off

    outcome = kept.heal(side, "a")

    assert outcome.answers is not None
    assert outcome.answers.state is RequestState.DONE
    assert kept.side(side).files["a"].token == token
    assert kept.ledger.synced.get("docs", ["a"])["a"] == state  # the loop sees to that
    assert kept.evidence() == []


class Edited(Frail):
    """Somebody saves the file in the moment before it is replaced."""

    def write(
        self,
        path: Path,
        content: Content,
        attributes: Attributes,
        *,
        expect: Token | None,
        archive: Attributes | None = None,
    ) -> Written:
        self.user_write(path, b"edited")
        return super().write(path, content, attributes, expect=expect, archive=archive)


def test_an_edit_in_the_last_moment_is_not_healed_away(kept: Kept) -> None:
    kept.local = Edited(keeps_references=False)
    kept.agree("a", b"sound")
    kept.rot(Side.LOCAL, "a", b"wrong")

    with pytest.raises(StaleError):
        kept.heal(Side.LOCAL, "a")

    assert kept.local.contents == {"a": b"edited"}


def test_rot_never_takes_the_place_of_rot(kept: Kept) -> None:
    kept.agree("a", b"sound")
    for side in Side:
        kept.rot(side, "a", b"wrong")
    before = dict(kept.local.files), dict(kept.remote.files)

    for side in Side:
        with pytest.raises(PermanentError, match="no sound copy is left"):
            kept.heal(side, "a")

    assert (kept.local.files, kept.remote.files) == before


@pytest.mark.parametrize("where", ["archive", "another path"])
def test_a_sound_copy_is_taken_from_wherever_there_is_one(kept: Kept, where: str) -> None:
    if where == "archive":
        kept.displace("b", b"sound", Side.REMOTE)
    else:
        kept.agree("b", b"sound")
    kept.agree("a", b"sound")
    for side in Side:
        kept.rot(side, "a", b"wrong")

    for side in Side:
        kept.heal(side, "a")

    assert kept.local.contents["a"] == kept.remote.contents["a"] == b"sound"
    assert len(kept.evidence()) == 2


def test_an_object_that_can_be_neither_given_nor_copied_is_overwritten(kept: Kept) -> None:
    kept.agree("a", b"sound")
    kept.rot(Side.REMOTE, "a", b"wrong")
    kept.remote.broken.add("a")

    kept.heal(Side.REMOTE, "a")

    assert kept.remote.contents == {"a": b"sound"}
    assert kept.evidence() == []
    synced = kept.ledger.synced.get("docs", ["a"])["a"]
    assert synced.remote_token == kept.remote.files["a"].token


def test_what_can_be_read_is_never_overwritten_without_being_kept(kept: Kept) -> None:
    class Full(Frail):
        def write(
            self,
            path: Path,
            content: Content,
            attributes: Attributes,
            *,
            expect: Token | None,
            archive: Attributes | None = None,
        ) -> Written:
            raise TemporaryError("the store is full")

    kept.remote = Full(keeps_references=True)
    kept.agree("a", b"sound")
    kept.rot(Side.REMOTE, "a", b"wrong")

    with pytest.raises(TemporaryError):
        kept.heal(Side.REMOTE, "a")

    assert kept.remote.contents == {"a": b"wrong"}
