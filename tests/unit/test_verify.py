"""What a difference between the ledger and a side is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docferry.cli.verify import TO_DO
from docferry.core.verify import (
    ABSENT,
    DAMAGE,
    NOT_ASKED,
    Finding,
    Held,
    Kind,
    Moving,
    Sight,
    Unreadable,
    by_version,
    of_path,
    of_unknown,
    of_unseen,
    of_version,
)
from docferry.model import Side, SyncedState, VersionRow
from ledger_rows import NOW, version

SHA, OTHER = "1" * 64, "2" * 64
SYNCED = SyncedState(SHA, "l", "r", "V", 10)
LOCAL = Held("l", 10, SHA)
REMOTE = Held("r", 10)  # the listing tells no hash

ROW = replace(version("a"), sha256=SHA, size=10, left_at=NOW)
ARCHIVED = Held("", 10, SHA)
LISTED = Held("", 10)


@pytest.mark.parametrize(
    ("local", "remote"),
    [
        (LOCAL, REMOTE),
        (LOCAL, Held("r", 10, SHA)),
        (Held("touched", 10, SHA), REMOTE),
        (LOCAL, Held("sent again", 10, SHA, claims_agreed=True)),
        (NOT_ASKED, REMOTE),
        (LOCAL, NOT_ASKED),
    ],
)
def test_what_is_as_agreed_is_no_finding(local: Sight, remote: Sight) -> None:
    assert of_path("a", local, remote, SYNCED) == []


@pytest.mark.parametrize(
    ("local", "remote", "kind", "side"),
    [
        (ABSENT, ABSENT, Kind.MISSING, None),
        (ABSENT, REMOTE, Kind.NOT_SYNCED, Side.LOCAL),
        (LOCAL, ABSENT, Kind.NOT_SYNCED, Side.REMOTE),
        (ABSENT, NOT_ASKED, Kind.NOT_SYNCED, Side.LOCAL),
        (Held("l", 10, OTHER), REMOTE, Kind.CONTENT, Side.LOCAL),
        (LOCAL, Held("r", 10, OTHER), Kind.CONTENT, Side.REMOTE),
        (LOCAL, Held("r", 9), Kind.SIZE, Side.REMOTE),
        (LOCAL, Held("r", 9, OTHER), Kind.SIZE, Side.REMOTE),
        (Held("edited", 10, OTHER), REMOTE, Kind.NOT_SYNCED, Side.LOCAL),
        (Held("edited", 11), REMOTE, Kind.NOT_SYNCED, Side.LOCAL),
        (LOCAL, Held("edited", 10), Kind.NOT_SYNCED, Side.REMOTE),
        # It says that it is the agreed version, and is not: nobody has edited it.
        (LOCAL, Held("new", 10, OTHER, claims_agreed=True), Kind.CONTENT, Side.REMOTE),
        (LOCAL, Held("new", 10, claims_agreed=True), Kind.NOT_SYNCED, Side.REMOTE),
        (Moving("saved"), REMOTE, Kind.NOT_SYNCED, Side.LOCAL),
        (Unreadable("no right"), REMOTE, Kind.UNREADABLE, Side.LOCAL),
        (LOCAL, Unreadable("trouble", is_rot=True), Kind.UNREADABLE, Side.REMOTE),
    ],
)
def test_a_difference_at_a_path_has_one_kind(
    local: Sight, remote: Sight, kind: Kind, side: Side | None
) -> None:
    [finding] = of_path("a", local, remote, SYNCED)

    assert (finding.kind, finding.side, finding.path, finding.version) == (kind, side, "a", "V")
    assert SHA in finding.expected


def test_a_file_that_was_never_brought_here_is_not_called_deleted() -> None:
    [finding] = of_path("a", ABSENT, REMOTE, replace(SYNCED, local_token=""))

    assert (finding.kind, finding.found) == (Kind.NOT_SYNCED, "not brought here yet")


@pytest.mark.parametrize(
    ("local", "remote", "sides"),
    [
        (LOCAL, ABSENT, [Side.LOCAL]),
        (NOT_ASKED, REMOTE, [Side.REMOTE]),
        (LOCAL, REMOTE, [Side.LOCAL, Side.REMOTE]),
        (Unreadable("a socket"), ABSENT, [Side.LOCAL]),
        (ABSENT, ABSENT, []),
    ],
)
def test_what_was_never_agreed_on_is_not_synced(
    local: Sight, remote: Sight, sides: list[Side]
) -> None:
    findings = of_path("a", local, remote, None)

    assert [(one.kind, one.side) for one in findings] == [(Kind.NOT_SYNCED, side) for side in sides]


BOTH = replace(ROW, archived_local=True, archived_remote=True)
HERE = replace(ROW, archived_local=True)
NOWHERE = ROW


@pytest.mark.parametrize(
    ("row", "local", "remote"),
    [
        (BOTH, ARCHIVED, LISTED),
        (HERE, ARCHIVED, ABSENT),
        (NOWHERE, ARCHIVED, ABSENT),  # the note was lost, the bytes were not
        (NOWHERE, ABSENT, LISTED),
        (NOWHERE, ABSENT, NOT_ASKED),
        (BOTH, NOT_ASKED, LISTED),
    ],
)
def test_one_archive_that_has_the_bytes_is_enough(
    row: VersionRow, local: Sight, remote: Sight
) -> None:
    assert of_version(row, local, remote) == []


@pytest.mark.parametrize(
    ("row", "local", "remote", "found"),
    [
        (BOTH, ARCHIVED, ABSENT, [(Kind.ARCHIVE_MISSING, Side.REMOTE)]),
        (HERE, ABSENT, LISTED, [(Kind.ARCHIVE_MISSING, Side.LOCAL)]),
        (
            BOTH,
            ABSENT,
            ABSENT,
            [(Kind.ARCHIVE_MISSING, Side.LOCAL), (Kind.ARCHIVE_MISSING, Side.REMOTE)],
        ),
        (BOTH, Held("", 10, OTHER), LISTED, [(Kind.ARCHIVE_CONTENT, Side.LOCAL)]),
        (BOTH, ARCHIVED, Held("", 0), [(Kind.ARCHIVE_CONTENT, Side.REMOTE)]),
        (BOTH, Unreadable("trouble"), LISTED, [(Kind.UNREADABLE, Side.LOCAL)]),
        (NOWHERE, ABSENT, ABSENT, [(Kind.NOT_KEPT, None)]),
    ],
)
def test_what_is_wrong_in_an_archive_has_a_kind_of_its_own(
    row: VersionRow, local: Sight, remote: Sight, found: list[tuple[Kind, Side | None]]
) -> None:
    findings = of_version(row, local, remote)

    assert [(one.kind, one.side) for one in findings] == found
    assert all((one.path, one.version) == ("a", ROW.id) for one in findings)


def test_only_what_is_lost_or_spoilt_is_damage() -> None:
    no_damage = {Kind.NOT_SYNCED, Kind.NOT_KEPT, Kind.UNKNOWN_ARCHIVED}

    assert {*Kind} - no_damage == DAMAGE
    assert not of_unknown(Side.LOCAL, "V", 3).is_trouble
    assert of_unseen(Side.LOCAL, "a", "no right", is_agreed=True).is_damage
    news = of_unseen(Side.LOCAL, "a", "a socket", is_agreed=False)
    assert (news.is_damage, news.is_trouble) == (False, True)


@pytest.mark.parametrize("kind", sorted(DAMAGE))
def test_what_is_lost_or_spoilt_is_trouble(kind: Kind) -> None:
    finding = Finding(kind, Side.LOCAL, "a", "V", "10 bytes", "none")

    assert finding.is_trouble


def test_what_cannot_be_looked_at_is_called_agreed_on_only_if_it_was() -> None:
    was = of_unseen(Side.LOCAL, "a", "no right", is_agreed=True)
    never_was = of_unseen(Side.LOCAL, "a", "a socket", is_agreed=False)

    assert (was.expected, never_was.expected) == ("as agreed", "no such file")


def test_a_file_that_both_sides_had_is_called_deleted() -> None:
    [here] = of_path("a", ABSENT, REMOTE, SYNCED)
    [there] = of_path("a", LOCAL, ABSENT, SYNCED)

    assert (here.found, there.found) == ("deleted", "deleted")


def test_rows_and_archives_are_read_side_by_side() -> None:
    rows = [replace(ROW, id=name) for name in "ACD"]

    found = [
        (one.version, one.row is not None, one.local, one.remote)
        for one in by_version(rows, [("A", 1), ("B", 2)], [("A", 3), ("D", 4)])
    ]

    assert found == [
        ("A", True, 1, 3),
        ("B", False, 2, None),
        ("C", True, None, None),
        ("D", True, None, 4),
    ]


def test_a_person_is_told_what_to_do_about_every_kind_of_finding() -> None:
    assert TO_DO.keys() == {kind.value for kind in Kind}
