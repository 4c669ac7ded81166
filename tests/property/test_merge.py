"""
What the streamed merge says is what comparing three dicts path by path would say.

The trees are random, with gaps of both kinds: paths and whole subtrees that a side
could not be asked about. Few names, so that the trees meet often; odd ones, so that
the order of bytes and the order of folders differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from docferry.core.merge import Difference, Unseen, changed, merge
from docferry.model import Entry, FileState, Path, Side, SyncedState, Unknown

SEGMENTS = st.sampled_from(["a", "b", "a-b", "a.b", "a0", "a!", "é", "\ue000", "\U0001f4c4"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
TOKENS = st.sampled_from(["1", "2", "3"])
STATES = TOKENS.map(lambda token: FileState(token, None, 1))
AGREEMENTS = st.builds(
    lambda here, there: SyncedState("0" * 64, here, there, "01", 1), TOKENS, TOKENS
)


@dataclass(frozen=True)
class Tree:
    """One side: what it holds, and where it could not be looked at."""

    files: dict[Path, FileState]
    gaps: frozenset[Path]  # single paths
    unread: frozenset[Path]  # folders

    def is_unknown(self, path: Path) -> bool:
        return path in self.gaps or self.is_below_unread(path)

    def is_below_unread(self, path: Path) -> bool:
        return any(path.startswith(f"{folder}/") for folder in self.unread)

    def entries(self) -> Iterator[Entry]:
        """Give what a walk would: nothing from below a folder that cannot be read."""
        placed: dict[str, Entry] = {
            path: (path, state) for path, state in self.files.items() if not self.is_unknown(path)
        }
        for path in self.gaps:
            placed[path] = Unknown(path, "?")
        for path in self.unread:
            placed[f"{path}/"] = Unknown(path, "?", below=True)
        for place in sorted(placed, key=str.encode):
            if not self.is_below_unread(place.removesuffix("/")):
                yield placed[place]


SETS_OF_PATHS = st.frozensets(PATHS, max_size=3)
TREES = st.builds(Tree, st.dictionaries(PATHS, STATES, max_size=8), SETS_OF_PATHS, SETS_OF_PATHS)
LEDGERS = st.dictionaries(PATHS, AGREEMENTS, max_size=8)


@given(local=TREES, remote=TREES, synced=LEDGERS)
def test_the_merge_says_what_comparing_path_by_path_would_say(
    local: Tree, remote: Tree, synced: dict[Path, SyncedState]
) -> None:
    seen = list(merge(local.entries(), remote.entries(), sorted(synced.items())))

    differences = [one for one in seen if isinstance(one, Difference)]
    assert differences == naive_differences(local, remote, synced)
    gaps = [(one.side, one.what) for one in seen if isinstance(one, Unseen)]
    for side, tree in ((Side.LOCAL, local), (Side.REMOTE, remote)):
        expected = [entry for entry in tree.entries() if isinstance(entry, Unknown)]
        assert [what for where, what in gaps if where is side] == expected


def naive_differences(
    local: Tree, remote: Tree, synced: dict[Path, SyncedState]
) -> list[Difference]:
    found = []
    for path in sorted({*local.files, *remote.files, *synced}):
        if local.is_unknown(path) or remote.is_unknown(path):
            continue
        here, there, base = local.files.get(path), remote.files.get(path), synced.get(path)
        tokens = (here and here.token, there and there.token)
        if base is None or tokens != (base.local_token, base.remote_token):
            found.append(Difference(path, here, there, base))
    return found


@given(side=st.sampled_from(Side), tree=TREES, synced=LEDGERS)
def test_what_changed_on_one_side_is_what_comparing_path_by_path_would_find(
    side: Side, tree: Tree, synced: dict[Path, SyncedState]
) -> None:
    found = list(changed(side, tree.entries(), sorted(synced.items())))

    paths = [one for one in found if not isinstance(one, Unknown)]
    assert paths == naive_changes(side, tree, synced)
    gaps = [one for one in found if isinstance(one, Unknown)]
    assert gaps == [entry for entry in tree.entries() if isinstance(entry, Unknown)]


def naive_changes(side: Side, tree: Tree, synced: dict[Path, SyncedState]) -> list[Path]:
    found = []
    for path in sorted({*tree.files, *synced}):
        if tree.is_unknown(path):
            continue
        state, base = tree.files.get(path), synced.get(path)
        agreed = base and (base.local_token if side is Side.LOCAL else base.remote_token)
        if state is None or state.token != agreed:
            found.append(path)
    return found


@given(local=TREES, remote=TREES, synced=LEDGERS)
def test_what_no_side_names_as_changed_is_no_difference(
    local: Tree, remote: Tree, synced: dict[Path, SyncedState]
) -> None:
    """A poll and a rescan together find what a full run finds."""
    agreed = sorted(synced.items())
    hints = {*changed(Side.LOCAL, local.entries(), agreed)}
    hints |= {*changed(Side.REMOTE, remote.entries(), agreed)}

    seen = merge(local.entries(), remote.entries(), agreed)

    assert {one.path for one in seen if isinstance(one, Difference)} <= hints
