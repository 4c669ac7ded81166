"""
What the map between keys and local names promises, whatever a stranger calls an object.

EXAMPLES=100000 looks longer for a counterexample, KEYS=2000000 tries more of the cheap ones.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from docferry.core.paths import (
    alias_for,
    conflict_copy_path,
    is_alias,
    is_odd,
    is_reserved,
    key_of,
    path_of,
)

EXAMPLES = int(os.environ.get("EXAMPLES", "300"))
KEYS = int(os.environ.get("KEYS", "200000"))

# fmt: off
FRAGMENTS = [
    "/", "/", "/", "//", "a", "b", "A", ".", "..", "%", "_", "%_", "%_", "2", "5", "25", "25_",
    "_25", "2E", "00", "5C", "0A", "7F", "2F", "+", "~", "%_+", "%_+/", "%_~", "%_~/", "%_~~/",
    "/%_/", "%_25", "%_25_", "%_2E", "%_00", "%_5C", "%_0A", "%_1b", "\\", "\n", "\r", "\t", "\0",
    "\x7f", "\x80", " ", "e\u0301", "\u00e9", "\u3000", "\u2028", "\ufffe", "\U0001f4c4",
    ".docferry", ".docferry/",
]
LONG_FRAGMENTS = [
    "x" * 251, "x" * 252, "x" * 253, "x" * 255, "x" * 256, "\u00e9" * 127, "\u20ac" * 84, "%_" * 60,
    "\\" * 64, "\0" * 63, "x" * 249 + "%_00", "x" * 252 + "%_+/", "x" * 251 + "%_",
]
# fmt: on

keys = st.one_of(
    st.lists(st.sampled_from([*FRAGMENTS, *LONG_FRAGMENTS]), max_size=10).map("".join),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.text("%_25E0C/.+~\\\n\0a", max_size=16),
)


def is_local_name(path: str) -> bool:
    """Tell whether Linux takes *path* for a file below a folder. Says nothing about aliases."""
    return all(
        0 < len(name.encode()) <= 255 and name not in {".", ".."} and "\0" not in name
        for name in path.split("/")
    )


SPELLED_OUT = re.compile(r"%_(?:0[1-9A-F]|1[0-9A-F]|5C|7F)")
AWKWARD_FOR_STORES = re.compile(r"[\x01-\x1f\\\x7f]")

local_names = keys.filter(is_local_name)


@settings(max_examples=EXAMPLES, deadline=None)
@given(keys)
def test_every_key_has_a_local_name_of_its_own(key: str) -> None:
    path = path_of(key)

    assert key_of(path) == key  # so no two keys share a name
    assert is_local_name(path)
    assert not is_alias(path)
    assert is_odd(path) or path == key
    assert is_reserved(path) == (key.split("/")[0] == ".docferry")


@settings(max_examples=EXAMPLES, deadline=None)
@given(local_names)
def test_every_local_name_has_a_key_and_stands_for_it_unless_it_is_an_alias(path: str) -> None:
    plain = path_of(key_of(path))

    assert plain == re.sub(r"(?<![^/])%_~+/", "", path)
    assert (plain == path) is not is_alias(path)
    assert is_odd(path) or key_of(path) == path
    if SPELLED_OUT.search(path) is None:
        assert AWKWARD_FOR_STORES.search(key_of(path)) is None


@settings(max_examples=EXAMPLES, deadline=None)
@given(local_names)
def test_a_conflict_copy_can_stand_beside_its_file(path: str) -> None:
    copy_path = conflict_copy_path(path, "1f2e3d4c" + "0" * 56)

    assert is_local_name(copy_path)
    assert copy_path != path
    assert copy_path.rpartition("/")[0] == path.rpartition("/")[0]


class Folder:
    """A folder that knows names only: enough for names to stand in each other's way."""

    def __init__(self, files: list[str]) -> None:
        self.files: dict[str, str] = {}
        self._folders: set[str] = set()
        for file in files:
            if self.blocker(file) is None:
                self.put(file, "was there")

    def blocker(self, path: str) -> str | None:
        taken = (folder for folder in _folders_above(path) if folder in self.files)
        occupied = path if path in self.files or path in self._folders else None
        return next(taken, occupied)

    def put(self, path: str, content: str) -> None:
        self.files[path] = content
        self._folders.update(_folders_above(path))


def _folders_above(path: str) -> Iterator[str]:
    for at, char in enumerate(path):
        if char == "/":
            yield path[:at]


crowded = st.lists(
    st.sampled_from(["a", "/", "/", "b", "%_", "%_~", "%_~~", "~", "x" * 255]), max_size=8
)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(
    files=st.lists(crowded.map("".join).filter(is_local_name), max_size=6),
    keys=st.lists(crowded.map("".join), max_size=8, unique=True),
)
def test_every_key_finds_a_place_however_many_stand_in_its_way(
    files: list[str], keys: list[str]
) -> None:
    folder = Folder(files)

    for key in keys:
        path = path_of(key)
        while (blocked_by := folder.blocker(path)) is not None:
            path = alias_for(key, blocked_by=blocked_by)
            assert is_local_name(path)
            assert is_alias(path)
            assert key_of(path) == key
        folder.put(path, key)

    assert {key_of(path) for path in folder.files} >= set(keys)


def test_hundreds_of_thousands_of_keys_go_there_and_back() -> None:
    dice = random.Random(20261123)

    for _ in range(KEYS):
        key = "".join(dice.choices(FRAGMENTS, k=int(dice.random() * 8)))
        if dice.random() < 0.03:
            key += dice.choice(LONG_FRAGMENTS) + dice.choice(FRAGMENTS)
        path = path_of(key)
        assert key_of(path) == key, repr(key)
        assert is_local_name(path), repr(key)
        assert not is_alias(path), repr(key)
