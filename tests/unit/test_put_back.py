"""What a person asked for, carried out over sides in memory: nothing unseen is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from docferry.core.asked import NOTHING, Request, answer, left_as_it_is
from docferry.core.merge import Difference
from docferry.core.paths import conflict_copy_path
from docferry.core.plan import decide
from docferry.engine.on_request import OnRequest
from docferry.engine.put_back import PutsBack, archive_of
from docferry.engine.task import Task
from docferry.errors import StaleError
from docferry.model import (
    Attributes,
    DeleteRemote,
    Download,
    Heal,
    Operation,
    Outcome,
    PutBack,
    Remove,
    RequestKind,
    RequestState,
    Restore,
    Side,
    SyncedState,
    Token,
    Upload,
    VersionRow,
)
from docferry.storage.memory import BytesContent, sha256_of
from ledger_rows import NOW
from unit.kept import Kept

OTHER = {Side.LOCAL: Side.REMOTE, Side.REMOTE: Side.LOCAL}


def no_heal(operation: Heal, synced: SyncedState) -> Outcome:
    raise AssertionError("nobody has asked for it")


def carried_out(kept: Kept, operation: Restore | Remove | PutBack) -> Outcome:
    on_request = OnRequest(
        kept.local,
        kept.remote,
        kept.contents,
        kept.ledger.versions.get,
        no_heal,
        PutsBack("docs", kept.local, kept.remote, kept.clock),
    )
    task = Task(operation, seen_at(kept, operation.path), kept.new_ulid())
    return on_request.execute(task, operation)


def seen_at(kept: Kept, path: str) -> Difference:
    agreed = kept.ledger.synced.get("docs", [path]).get(path)
    return Difference(path, kept.local.stat(path), kept.remote.stat(path), agreed)


def restore(kept: Kept, version: VersionRow) -> Outcome:
    """Have a version back at "a", whatever is there now."""
    there = kept.local.files.get("a")
    expect = None if there is None else there.token
    return carried_out(kept, Restore("a", 7, version, expect_local=expect))


def archived_here(kept: Kept) -> dict[str, bytes]:
    return {version: held.content for version, held in kept.local.archive.items()}


@pytest.fixture
def old(kept: Kept) -> VersionRow:
    return kept.displace("a", b"old", Side.REMOTE)


def test_what_was_agreed_on_is_archived_under_its_own_version(kept: Kept, old: VersionRow) -> None:
    state = kept.agree("a", b"now")

    outcome = restore(kept, old)

    assert kept.local.contents == {"a": b"old"}
    assert archived_here(kept) == {state.version: b"now"}
    assert outcome.archived == (state.version, Side.LOCAL)
    assert outcome.placed == kept.local.files["a"].token


def edited(kept: Kept) -> None:
    kept.agree("a", b"now")
    kept.local.user_write("a", b"mine")


def new_here(kept: Kept) -> None:
    kept.local.user_write("a", b"mine")


@pytest.mark.parametrize("put", [edited, new_here])
def test_what_docferry_has_not_seen_stays_and_the_version_comes_beside_it(
    kept: Kept, old: VersionRow, put: Callable[[Kept], None]
) -> None:
    put(kept)
    token = kept.local.files["a"].token

    outcome = restore(kept, old)

    copy = conflict_copy_path("a", old.sha256)
    assert kept.local.contents == {"a": b"mine", copy: b"old"}
    assert archived_here(kept) == {}
    assert outcome.answers is not None
    assert outcome.answers.state is RequestState.CONFLICT
    assert ("a", token) in kept.local.made_to_last


def touched(kept: Kept) -> None:
    kept.agree("a", b"now")
    kept.local.user_write("a", b"now")


def test_a_touched_file_is_on_the_disk_before_it_is_archived(kept: Kept, old: VersionRow) -> None:
    touched(kept)
    token = kept.local.files["a"].token
    was_lasting: list[bool] = []
    kept.local.step = lambda name: was_lasting.append(("a", token) in kept.local.made_to_last)

    restore(kept, old)

    assert kept.local.contents == {"a": b"old"}
    assert all(was_lasting)
    assert [*archived_here(kept).values()] == [b"now"]


@pytest.mark.parametrize("is_agreed", [True, False])
def test_what_an_earlier_try_has_put_there_is_not_put_beside_itself(
    kept: Kept, old: VersionRow, *, is_agreed: bool
) -> None:
    if is_agreed:
        kept.agree("a", b"now")
    token = kept.local.user_write("a", b"old")

    outcome = restore(kept, old)

    assert kept.local.contents == {"a": b"old"}
    assert (outcome.placed, outcome.answers) == (token, None)
    assert ("a", token) in kept.local.made_to_last


def test_a_version_that_has_rotted_in_one_archive_is_had_back_from_the_other(kept: Kept) -> None:
    row = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    kept.rot_archived(Side.LOCAL, row.id, b"0nce")

    restore(kept, row)

    assert kept.local.contents == {"a": b"once"}


def test_a_version_that_comes_beside_an_edit_is_a_sound_one(kept: Kept) -> None:
    row = kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    kept.rot_archived(Side.LOCAL, row.id, b"0nce")
    new_here(kept)

    restore(kept, row)

    assert kept.local.contents[conflict_copy_path("a", row.sha256)] == b"once"


# Taking away.


def remove(kept: Kept, state: SyncedState, *sides: Side) -> Outcome:
    return carried_out(
        kept,
        Remove(
            "a",
            7,
            expect_local=state.local_token if Side.LOCAL in sides else None,
            expect_remote=state.remote_token if Side.REMOTE in sides else None,
        ),
    )


@pytest.mark.parametrize("sides", [{Side.LOCAL}, {Side.REMOTE}, {*Side}])
def test_what_is_taken_away_is_in_an_archive_that_the_outcome_names(
    kept: Kept, sides: set[Side]
) -> None:
    state = kept.agree("a", b"now")
    for side in {*Side} - sides:
        kept.side(side).user_delete("a")

    outcome = remove(kept, state, *sides)

    assert (kept.local.contents, kept.remote.contents) == ({}, {})
    assert outcome.archived is not None
    version, side = outcome.archived
    assert version == state.version
    assert kept.side(side).archive[version].content == b"now"


def test_what_is_edited_here_while_it_is_taken_away_stays(kept: Kept) -> None:
    state = kept.agree("a", b"now")

    def edit(name: str) -> None:
        if name == "after delete":
            kept.local.user_write("a", b"mine")

    kept.remote.step = edit
    with pytest.raises(StaleError):
        remove(kept, state, *Side)

    assert kept.local.contents == {"a": b"mine"}


def test_what_is_taken_away_says_in_the_archive_what_it_was(kept: Kept) -> None:
    state = kept.agree("a", b"now")

    remove(kept, state, *Side)

    for side in Side:
        said: Attributes = kept.side(side).archive[state.version].attributes
        assert (said.version, said.sha256, said.path) == (state.version, state.sha256, "a")


# What was refused in the bucket.


def refuse(kept: Kept) -> tuple[Token, PutBack]:
    """Let somebody spoil the object, and a person refuse that."""
    token = kept.remote.user_write("a", b"spoilt")
    displaces = kept.new_ulid()
    return token, PutBack("a", 7, Side.REMOTE, token, displaces, token)


@pytest.mark.parametrize("is_touched", [False, True])
def test_what_was_refused_gives_way_to_what_was_agreed_on_touched_or_not(
    kept: Kept, *, is_touched: bool
) -> None:
    state = kept.agree("a", b"now")
    _, operation = refuse(kept)
    if is_touched:
        kept.local.user_write("a", b"now")
    token = kept.local.files["a"].token

    outcome = carried_out(kept, operation)

    assert kept.remote.contents == {"a": b"now"}
    assert kept.remote.archive[operation.displaces].content == b"spoilt"
    assert outcome.synced == replace(
        state, local_token=token, remote_token=kept.remote.files["a"].token
    )
    assert outcome.archived == (operation.displaces, Side.REMOTE)
    assert not is_touched or ("a", token) in kept.local.made_to_last


def test_an_edit_made_here_meanwhile_displaces_what_was_refused(kept: Kept) -> None:
    kept.agree("a", b"now")
    token, operation = refuse(kept)
    kept.local.user_write("a", b"mine")

    outcome = carried_out(kept, operation)
    then = noted_and_planned(kept, outcome)

    assert outcome.answers == left_as_it_is(7)
    assert (kept.local.contents, kept.remote.contents) == ({"a": b"mine"}, {"a": b"spoilt"})
    assert isinstance(then, Upload)
    assert then.expect_remote == token
    row = kept.ledger.versions.get(operation.displaces)
    assert row is not None
    assert row.sha256 == sha256_of(b"spoilt")


def test_what_was_refused_is_said_to_be_what_its_path_holds_until_something_displaces_it(
    kept: Kept,
) -> None:
    kept.agree("a", b"now")
    token, operation = refuse(kept)
    kept.local.user_write("a", b"mine")

    kept.ledger.record("docs", [carried_out(kept, operation)], at=NOW)

    agreed = kept.ledger.synced.get("docs", ["a"])["a"]
    assert [row.id for row in kept.ledger.versions.of("docs", "a") if row.is_current] == [
        agreed.version
    ]
    gone = Outcome(DeleteRemote("a", expect_remote=token), synced=None)
    kept.ledger.record("docs", [gone], at=NOW)
    assert not [row for row in kept.ledger.versions.of("docs", "a") if row.is_current]


def test_a_deletion_made_here_meanwhile_takes_what_was_refused(kept: Kept) -> None:
    kept.agree("a", b"now")
    token, operation = refuse(kept)
    kept.local.user_delete("a")

    outcome = carried_out(kept, operation)
    then = noted_and_planned(kept, outcome)

    assert outcome.answers is None
    assert then == DeleteRemote("a", expect_remote=token)


@pytest.mark.parametrize("side", Side)
def test_what_came_in_the_place_of_what_was_refused_stays_and_what_was_archived_is_noted(
    kept: Kept, old: VersionRow, side: Side
) -> None:
    """A crash has lost the note of the first try; then somebody came."""
    kept.agree("a", b"now")
    displaces = kept.new_ulid()
    mine = kept.side(side)
    refused = mine.user_write("a", b"spoilt")
    archive = Attributes(version=displaces, path="a")
    mine.write("a", BytesContent(b"old"), Attributes(), expect=refused, archive=archive)
    token = mine.user_write("a", b"mine")
    operation: Restore | PutBack = PutBack("a", 7, side, token, displaces, refused)
    if side is Side.LOCAL:
        operation = Restore("a", 7, old, token, displaces, refused)

    outcome = carried_out(kept, operation)

    assert outcome.answers == left_as_it_is(7)
    assert (mine.contents, kept.side(OTHER[side]).contents) == ({"a": b"mine"}, {"a": b"now"})
    assert outcome.displaced is not None
    assert outcome.displaced.sha256 == sha256_of(b"spoilt")
    assert outcome.archived == (displaces, side)


def test_what_was_refused_here_gives_way_to_an_edit_of_the_other_side(kept: Kept) -> None:
    kept.agree("a", b"now")
    refused, displaces = kept.local.user_write("a", b"spoilt"), kept.new_ulid()
    kept.remote.user_write("a", b"first")  # so that the tokens of both sides differ
    token = kept.remote.user_write("a", b"mine")

    outcome = carried_out(kept, PutBack("a", 7, Side.REMOTE, token, displaces, refused))
    then = noted_and_planned(kept, outcome)

    assert outcome.answers == left_as_it_is(7)
    assert (kept.local.contents, kept.remote.contents) == ({"a": b"spoilt"}, {"a": b"mine"})
    assert isinstance(then, Download)
    assert then.expect_local == refused
    assert ("a", refused) in kept.local.made_to_last
    row = kept.ledger.versions.get(displaces)
    assert row is not None
    assert row.sha256 == sha256_of(b"spoilt")


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("side", Side)
def test_what_was_on_its_way_as_it_was_refused_goes_on_both_sides(
    kept: Kept, side: Side, *, is_new: bool
) -> None:
    """A crash has lost the note that it had come."""
    other = kept.side(OTHER[side])
    other.user_write("b", b"so that the tokens of both sides differ")
    if not is_new:
        kept.agree("a", b"now")
    kind = RequestKind.REMOVE if is_new else RequestKind.RESTORE
    version = None if is_new else kept.ledger.versions.of("docs", "a")[0]
    refused, displaces = kept.side(side).user_write("a", b"spoilt"), kept.new_ulid()
    archive = None if version is None else archive_of(version)
    expect = None if version is None else other.files["a"].token
    other.write("a", BytesContent(b"spoilt"), Attributes(), expect=expect, archive=archive)
    agreed = NOTHING if version is None else version.id
    request = Request(7, kind, version, refused, displaces=displaces, agreed=agreed)

    first = answer(request, seen_at(kept, "a"))
    assert isinstance(first, PutBack)
    kept.ledger.record("docs", [carried_out(kept, first)], at=NOW)
    current = [row for row in kept.ledger.versions.of("docs", "a") if row.is_current]
    assert [(row.id, row.agreed) for row in current] == [(displaces, True)]
    then = answer(replace(request, is_told=True), seen_at(kept, "a"))

    assert isinstance(then, Remove if is_new else Restore)
    kept.ledger.record("docs", [carried_out(kept, then)], at=NOW)
    assert b"spoilt" not in kept.local.contents.values()
    archived = kept.side(Side.REMOTE if is_new else Side.LOCAL).archive
    assert archived[displaces].content == b"spoilt"


def test_what_a_newcomer_had_become_goes_and_leaves_the_rest_to_the_request(kept: Kept) -> None:
    kept.agree("a", b"noise")
    token, displaces = kept.local.user_write("a", b"noise again"), kept.new_ulid()

    outcome = carried_out(kept, PutBack("a", 7, Side.LOCAL, token, displaces, token))

    assert (kept.local.contents, kept.remote.contents) == ({}, {"a": b"noise"})
    assert kept.local.archive[displaces].content == b"noise again"
    assert ("a", token) in kept.local.made_to_last
    assert outcome.answers is None
    assert outcome.archived == (displaces, Side.LOCAL)


def noted_and_planned(kept: Kept, outcome: Outcome) -> Operation | None:
    """Write *outcome* down, and say what is done next where nothing is asked for."""
    kept.ledger.record("docs", [outcome], at=NOW)
    seen, held = seen_at(kept, "a"), kept.local.files.get("a")
    local = seen.local
    if local is not None and held is not None:
        local = replace(local, sha256=sha256_of(held.content))
    return decide("a", local, seen.remote, seen.synced)
