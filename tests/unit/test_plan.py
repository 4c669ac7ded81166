"""The decision, one row a case: reads like the table in DESIGN section 4."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.core.paths import conflict_copy_path
from docferry.core.plan import allows, decide
from docferry.model import (
    NEVER_SEEN,
    TOKEN_LOST,
    DeleteLocal,
    DeleteRemote,
    Download,
    FileState,
    Forget,
    KeepBoth,
    MarkSynced,
    Mode,
    Operation,
    ReadLocal,
    ReadRemote,
    SyncedState,
    Upload,
)

OLD, NEW, OTHER = "0" * 64, "1" * 64, "2" * 64
SYNCED = SyncedState(OLD, "l0", "r0", "01", 3)
ADOPTED = SyncedState(OLD, TOKEN_LOST, "r0", "01", 3)  # our upload, found again; local not yet
REBUILT = SyncedState(OLD, NEVER_SEEN, "r0", "01", 3)  # from the bucket alone; local never seen

# A side as agreed, touched (another token, the old content), edited, and edited but not read.
# A content whose token is as agreed need not have been read.
L_SAME, R_SAME = FileState("l0", None, 3), FileState("r0", None, 3)
L_TOUCH, R_TOUCH = FileState("l1", OLD, 3), FileState("r1", OLD, 3)
L_EDIT, R_EDIT = FileState("l1", NEW, 4), FileState("r1", OTHER, 5)
L_UNREAD, R_UNREAD = FileState("l1", None, 4), FileState("r1", None, 5)
R_SAME_EDIT = FileState("r1", NEW, 4)
R_EQUAL_SIZE = FileState("r1", OTHER, 4)

BOTH = KeepBoth("p", conflict_copy_path("p", NEW), L_EDIT, R_EDIT)
BOTH_EQUAL_SIZE = replace(BOTH, remote=R_EQUAL_SIZE)
BOTH_REBUILT = replace(BOTH, remote=replace(R_SAME, sha256=OLD))
BOTH_TOUCHED = replace(BOTH, remote=R_TOUCH)


def mark(
    sha256: str, size: int, local: str, remote: str, *, is_new_content: bool = False
) -> MarkSynced:
    return MarkSynced("p", sha256, size, local, remote, is_new_content)


def row(
    name: str,
    local: FileState | None,
    remote: FileState | None,
    synced: SyncedState | None,
    expected: Operation | None,
) -> object:
    return pytest.param(local, remote, synced, expected, id=name)


@pytest.mark.parametrize(
    ("local", "remote", "synced", "expected"),
    [
        # Local as agreed.
        row("nothing changed", L_SAME, R_SAME, SYNCED, None),
        row("edited there", L_SAME, R_EDIT, SYNCED, Download("p", R_EDIT, "l0")),
        row("edited there, unread", L_SAME, R_UNREAD, SYNCED, Download("p", R_UNREAD, "l0")),
        row("deleted there", L_SAME, None, SYNCED, DeleteLocal("p", "l0")),
        row("touched there", L_SAME, R_TOUCH, SYNCED, mark(OLD, 3, "l0", "r1")),
        # Local touched: as agreed, under another token.
        row("touched here", L_TOUCH, R_SAME, SYNCED, mark(OLD, 3, "l1", "r0")),
        row("touched on both sides", L_TOUCH, R_TOUCH, SYNCED, mark(OLD, 3, "l1", "r1")),
        row("touched here, edited there", L_TOUCH, R_EDIT, SYNCED, Download("p", R_EDIT, "l1")),
        row("touched here, deleted there", L_TOUCH, None, SYNCED, DeleteLocal("p", "l1")),
        # Local edited.
        row("edited here", L_EDIT, R_SAME, SYNCED, Upload("p", L_EDIT, "r0")),
        row("edited here, touched there", L_EDIT, R_TOUCH, SYNCED, Upload("p", L_EDIT, "r1")),
        row("a conflict", L_EDIT, R_EDIT, SYNCED, BOTH),
        row("a conflict of equal sizes", L_EDIT, R_EQUAL_SIZE, SYNCED, BOTH_EQUAL_SIZE),
        row(
            "the same edit on both sides",
            L_EDIT,
            R_SAME_EDIT,
            SYNCED,
            mark(NEW, 4, "l1", "r1", is_new_content=True),
        ),
        row("both edited, there unread", L_EDIT, R_UNREAD, SYNCED, ReadRemote("p", "r1")),
        row("an edit here beats a deletion", L_EDIT, None, SYNCED, Upload("p", L_EDIT, None)),
        # Local changed in some way that only reading it can tell.
        row("changed here, unread", L_UNREAD, R_SAME, SYNCED, ReadLocal("p", "l1")),
        row("changed on both sides, unread", L_UNREAD, R_UNREAD, SYNCED, ReadLocal("p", "l1")),
        row("changed here, deleted there", L_UNREAD, None, SYNCED, ReadLocal("p", "l1")),
        # Local deleted.
        row("deleted here", None, R_SAME, SYNCED, DeleteRemote("p", "r0")),
        row("deleted here, touched there", None, R_TOUCH, SYNCED, DeleteRemote("p", "r1")),
        row("an edit there beats a deletion", None, R_EDIT, SYNCED, Download("p", R_EDIT, None)),
        row("the same, unread", None, R_UNREAD, SYNCED, Download("p", R_UNREAD, None)),
        row("deleted on both sides", None, None, SYNCED, Forget("p")),
        # Never agreed.
        row("nothing anywhere", None, None, None, None),
        row("new there", None, R_EDIT, None, Download("p", R_EDIT, None)),
        row("new there, unread", None, R_UNREAD, None, Download("p", R_UNREAD, None)),
        row("new here", L_EDIT, None, None, Upload("p", L_EDIT, None)),
        row("new here, unread", L_UNREAD, None, None, Upload("p", L_UNREAD, None)),
        row("new on both sides", L_EDIT, R_EDIT, None, BOTH),
        row("new on both sides, here unread", L_UNREAD, R_EDIT, None, ReadLocal("p", "l1")),
        row("new on both sides, there unread", L_EDIT, R_UNREAD, None, ReadRemote("p", "r1")),
        row(
            "new and equal on both sides",
            L_EDIT,
            R_SAME_EDIT,
            None,
            mark(NEW, 4, "l1", "r1", is_new_content=True),
        ),
        # Our own upload, found again: the local side may hold that content or a newer one.
        row("adopted, local unread", L_UNREAD, R_SAME, ADOPTED, ReadLocal("p", "l1")),
        row("adopted, local as it went up", L_TOUCH, R_SAME, ADOPTED, mark(OLD, 3, "l1", "r0")),
        row("adopted, edited since", L_EDIT, R_SAME, ADOPTED, Upload("p", L_EDIT, "r0")),
        row("adopted, deleted since", None, R_SAME, ADOPTED, DeleteRemote("p", "r0")),
        row("adopted, edited on both sides since", L_EDIT, R_EDIT, ADOPTED, BOTH),
        row("adopted, gone there", L_TOUCH, None, ADOPTED, DeleteLocal("p", "l1")),
        # Known from the bucket alone: what is absent here was not deleted, what differs not edited.
        row("rebuilt, absent here", None, R_SAME, REBUILT, Download("p", R_SAME, None)),
        row("rebuilt, absent, touched there", None, R_TOUCH, REBUILT, Download("p", R_TOUCH, None)),
        row("rebuilt, absent, edited there", None, R_EDIT, REBUILT, Download("p", R_EDIT, None)),
        row("rebuilt, absent on both sides", None, None, REBUILT, Forget("p")),
        row("rebuilt, local unread", L_UNREAD, R_SAME, REBUILT, ReadLocal("p", "l1")),
        row("rebuilt, equal here", L_TOUCH, R_SAME, REBUILT, mark(OLD, 3, "l1", "r0")),
        row("rebuilt, equal, touched there", L_TOUCH, R_TOUCH, REBUILT, mark(OLD, 3, "l1", "r1")),
        row("rebuilt, equal, edited there", L_TOUCH, R_EDIT, REBUILT, Download("p", R_EDIT, "l1")),
        row("rebuilt, another content here", L_EDIT, R_SAME, REBUILT, BOTH_REBUILT),
        row("rebuilt, other contents, touched", L_EDIT, R_TOUCH, REBUILT, BOTH_TOUCHED),
        row("rebuilt, other contents on both", L_EDIT, R_EDIT, REBUILT, BOTH),
        row("rebuilt, gone there, equal here", L_TOUCH, None, REBUILT, DeleteLocal("p", "l1")),
        row("rebuilt, gone there, another here", L_EDIT, None, REBUILT, Upload("p", L_EDIT, None)),
    ],
)
def test_decide(
    local: FileState | None,
    remote: FileState | None,
    synced: SyncedState | None,
    expected: Operation | None,
) -> None:
    assert decide("p", local, remote, synced) == expected


def test_contents_of_other_sizes_are_read_all_the_same() -> None:
    """It may be our own upload whose answer was lost: only a look at it tells."""
    remote = FileState("r1", None, L_EDIT.size + 1000)

    assert decide("p", L_EDIT, remote, SYNCED) == ReadRemote("p", "r1")


READS = (ReadLocal("p", "l1"), ReadRemote("p", "r1"))
NOTES = (mark(OLD, 3, "l1", "r0"), Forget("p"))
UP = (Upload("p", L_EDIT, None), DeleteRemote("p", "r0"))
DOWN = (Download("p", R_EDIT, None), DeleteLocal("p", "l0"))


@pytest.mark.parametrize(
    ("mode", "allowed", "refused"),
    [
        (Mode.TWO_WAY, (*UP, *DOWN, BOTH, *READS, *NOTES), ()),
        (Mode.PUSH, (*UP, *READS, *NOTES), (*DOWN, BOTH)),
        (Mode.PULL, (*DOWN, BOTH, *READS, *NOTES), UP),
    ],
    ids=lambda value: value if isinstance(value, Mode) else "",
)
def test_a_mode_lets_changes_travel_its_way_only(
    mode: Mode, allowed: tuple[Operation, ...], refused: tuple[Operation, ...]
) -> None:
    assert [one for one in allowed if not allows(mode, one)] == []
    assert [one for one in refused if allows(mode, one)] == []
