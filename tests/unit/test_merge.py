"""Three trees read side by side: what differs, and what nothing may be said about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from docferry.core.merge import Difference, Seen, Unseen, changed, gone, merge
from docferry.errors import TemporaryError
from docferry.model import Entry, FileState, Path, Side, SyncedState, Unknown

LOCAL, REMOTE = FileState("l", None, 1), FileState("r", None, 1)
EDITED = FileState("new", None, 2)
SYNCED = SyncedState("0" * 64, "l", "r", "01", 1)
# Bytes order these so; a walk that sorts folder by folder puts "a/b" before "a-b".
NAMES = ["a", "a-b", "a.b", "a/b", "a/c/d", "a0", "é", "\ue000", "\U0001f4c4"]


def local(*paths: Path) -> list[Entry]:
    return [(path, LOCAL) for path in paths]


def remote(*paths: Path) -> list[Entry]:
    return [(path, REMOTE) for path in paths]


def agreed(*paths: Path) -> list[tuple[Path, SyncedState]]:
    return [(path, SYNCED) for path in paths]


def paths_of(seen: Iterable[Seen]) -> list[Path]:
    return [one.path for one in seen if isinstance(one, Difference)]


def unseen_of(seen: Iterable[Seen]) -> list[tuple[Side, Path]]:
    return [(one.side, one.what.path) for one in seen if isinstance(one, Unseen)]


# merge


def test_what_is_as_agreed_is_not_mentioned() -> None:
    assert list(merge(local(*NAMES), remote(*NAMES), agreed(*NAMES))) == []


def test_nothing_anywhere_is_no_difference() -> None:
    assert list(merge([], [], [])) == []


@pytest.mark.parametrize(
    ("here", "there", "base"),
    [
        (LOCAL, None, None),
        (None, REMOTE, None),
        (LOCAL, REMOTE, None),
        (LOCAL, None, SYNCED),
        (None, REMOTE, SYNCED),
        (None, None, SYNCED),
        (EDITED, REMOTE, SYNCED),
        (LOCAL, EDITED, SYNCED),
    ],
)
def test_what_differs_comes_with_its_three_states(
    here: FileState | None, there: FileState | None, base: SyncedState | None
) -> None:
    seen = merge(
        [("p", here)] if here else [],
        [("p", there)] if there else [],
        [("p", base)] if base else [],
    )

    assert list(seen) == [Difference("p", here, there, base)]


@pytest.mark.parametrize("missing_from", ["local", "remote", "synced"])
def test_names_that_sort_oddly_are_matched_across_the_trees(missing_from: str) -> None:
    every_other = NAMES[::2]

    seen = merge(
        local(*(every_other if missing_from == "local" else NAMES)),
        remote(*(every_other if missing_from == "remote" else NAMES)),
        agreed(*(every_other if missing_from == "synced" else NAMES)),
    )

    assert paths_of(seen) == NAMES[1::2]


def test_the_answer_comes_while_the_trees_are_read() -> None:
    def endless() -> Iterable[Entry]:
        number = 0
        while True:
            yield f"{number:09}", LOCAL
            number += 1

    first = next(merge(endless(), [], []))

    assert first == Difference("000000000", LOCAL, None, None)


@pytest.mark.parametrize("side", Side)
def test_nothing_is_said_about_a_path_that_a_side_could_not_look_at(side: Side) -> None:
    gap: list[Entry] = [Unknown("a", "locked")]

    seen = list(
        merge(
            gap if side is Side.LOCAL else local("a", "b"),
            gap if side is Side.REMOTE else remote("a", "b"),
            agreed("a", "b"),
        )
    )

    assert unseen_of(seen) == [(side, "a")]
    assert paths_of(seen) == ["b"]


@pytest.mark.parametrize("side", Side)
def test_nothing_is_said_about_what_is_below_a_folder_that_could_not_be_read(side: Side) -> None:
    around = ("a", "a-b", "a.b", "a0")
    below = ("a/b", "a/c/d")
    gap: list[Entry] = [Unknown("a", "unreadable", below=True)]

    seen = list(
        merge(
            gap if side is Side.LOCAL else local(*below),
            gap if side is Side.REMOTE else remote(*below),
            agreed(*around[:3], *below, *around[3:]),
        )
    )

    assert unseen_of(seen) == [(side, "a")]
    assert paths_of(seen) == list(around)


def test_folders_unseen_on_each_side_are_both_left_alone() -> None:
    paths = ("a/b/c", "a/d", "e/f", "g")

    seen = list(
        merge(
            [Unknown("a", "?", below=True), ("e/f", EDITED), ("g", EDITED)],
            [Unknown("a/b", "?", below=True), ("a/d", EDITED), Unknown("e", "?", below=True)],
            agreed(*paths),
        )
    )

    assert unseen_of(seen) == [(Side.LOCAL, "a"), (Side.REMOTE, "a/b"), (Side.REMOTE, "e")]
    assert paths_of(seen) == ["g"]


def test_a_folder_unseen_on_both_sides_is_reported_for_both() -> None:
    gap = [Unknown("a", "?", below=True)]

    seen = list(merge(gap, gap, agreed("a/b")))

    assert unseen_of(seen) == [(Side.LOCAL, "a"), (Side.REMOTE, "a")]
    assert paths_of(seen) == []


def test_a_larger_unseen_folder_outlasts_a_smaller_one_in_it() -> None:
    seen = merge(
        [Unknown("a", "?", below=True)],
        [Unknown("a/b", "?", below=True)],
        agreed("a/b/c", "a/z"),
    )

    assert paths_of(seen) == []


def _run_merge(side: str, entries: Sequence[Path]) -> None:
    paths: dict[str, Sequence[Path]] = {"local": ["a"], "remote": ["a"], "synced": ["a"]}
    paths[side] = entries
    list(merge(local(*paths["local"]), remote(*paths["remote"]), agreed(*paths["synced"])))


def _run_changed(side: str, entries: Sequence[Path]) -> None:
    found, base = (["a"], entries) if side == "synced" else (entries, ["a"])
    list(changed(Side.LOCAL, local(*found), agreed(*base)))


@pytest.mark.parametrize("run", [_run_merge, _run_changed], ids=["merge", "changed"])
@pytest.mark.parametrize("side", ["local", "remote", "synced"])
@pytest.mark.parametrize(
    "entries",
    [("b", "a"), ("a", "a"), ("a", "a/b", "a-b")],
    ids=["backwards", "twice", "folder by folder"],
)
def test_a_tree_out_of_order_is_refused(
    run: Callable[[str, Sequence[Path]], None], side: str, entries: tuple[Path, ...]
) -> None:
    """A path skipped because it came late would look deleted."""
    with pytest.raises(TemporaryError, match="out of order"):
        run(side, entries)


def test_a_tree_that_breaks_off_ends_the_merge() -> None:
    def broken() -> Iterable[Entry]:
        yield "a", LOCAL
        raise TemporaryError("the listing broke off")

    found: list[Seen] = []
    with pytest.raises(TemporaryError, match="broke off"):
        found.extend(merge(broken(), remote("a", "b", "c"), agreed("a", "b", "c")))

    assert found == []


# changed


@pytest.mark.parametrize("side", Side)
def test_one_side_as_agreed_is_not_mentioned(side: Side) -> None:
    entries = local(*NAMES) if side is Side.LOCAL else remote(*NAMES)

    assert list(changed(side, entries, agreed(*NAMES))) == []


def test_what_was_added_edited_or_deleted_on_one_side_is_named() -> None:
    found = changed(
        Side.LOCAL,
        [("added", LOCAL), ("edited", EDITED), ("same", LOCAL)],
        agreed("deleted", "edited", "same"),
    )

    assert list(found) == ["added", "deleted", "edited"]


@pytest.mark.parametrize("side", Side)
def test_each_side_is_compared_with_its_own_token(side: Side) -> None:
    found = changed(side, [("a", LOCAL), ("b", REMOTE)], agreed("a", "b"))

    assert list(found) == (["b"] if side is Side.LOCAL else ["a"])


def test_what_one_side_could_not_see_is_not_gone() -> None:
    gaps: list[Entry] = [Unknown("a", "?", below=True), Unknown("b", "?"), Unknown("c", "?")]

    found = changed(Side.LOCAL, gaps, agreed("a", "a-b", "a/b", "a/c/d", "a0", "c"))

    assert list(found) == ["a", "a-b", gaps[0], "a0", gaps[1], gaps[2]]


def test_what_one_side_has_no_more_is_named_and_nothing_that_it_could_not_see() -> None:
    there: list[Entry] = [
        *local("a"),
        Unknown("b", "busy"),
        Unknown("c", "unreadable", below=True),
        *local("e", "new"),
    ]

    found = gone(Side.LOCAL, there, agreed("a", "b", "c/d", "c/e/f", "d", "e", "z"))

    assert list(found) == ["d", "z"]
