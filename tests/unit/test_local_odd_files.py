"""Files with a second name, with bits that grant rights, and where docferry keeps what it moves."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from docferry.model import Attributes, FileState
from docferry.storage.hand_over import HandOver
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from unit.folder import ARCHIVE, NEW, OLD, archived, replace, token

_ALL_BITS = 0o7777


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    root = tmp_path / "mirror"
    root.mkdir()
    storage = LocalStorage(root)
    storage.write_marker(b"{}")
    (root / "a").write_bytes(OLD)
    return storage


def replace_by_intake(storage: LocalStorage, path: str, expect: str) -> None:
    with storage.intake() as intake:
        intake.write(NEW)
        intake.put(path, expect=expect, archive=ARCHIVE)


@pytest.mark.parametrize("change", [replace, replace_by_intake])
@pytest.mark.parametrize("other", ["../elsewhere", "b"], ids=["elsewhere", "in the mirror"])
def test_what_replaces_a_file_does_not_go_into_its_other_name(
    change: Callable[[LocalStorage, str, str], None], other: str, storage: LocalStorage
) -> None:
    name = storage.root / other
    name.hardlink_to(storage.root / "a")
    name.chmod(0o640)

    change(storage, "a", token(storage, "a"))

    found = name.stat()
    assert (storage.root / "a").read_bytes() == NEW
    assert (name.read_bytes(), archived(storage.root)) == (OLD, OLD)
    assert (stat.S_IMODE(found.st_mode), found.st_nlink) == (0o640, 1)


def test_two_paths_of_one_file_are_two_documents(storage: LocalStorage) -> None:
    (storage.root / "b").hardlink_to(storage.root / "a")
    entries = [entry for entry in storage.scan() if isinstance(entry, tuple)]

    storage.delete("b", expect=token(storage, "b"), archive=ARCHIVE)

    assert [path for path, _ in entries] == ["a", "b"]
    assert (storage.root / "a").read_bytes() == OLD
    assert archived(storage.root) == OLD


@pytest.mark.parametrize("change", [replace, replace_by_intake])
def test_no_content_that_docferry_writes_can_be_run_as_somebody_else(
    change: Callable[[LocalStorage, str, str], None], storage: LocalStorage
) -> None:
    (storage.root / "a").chmod(_ALL_BITS)

    change(storage, "a", token(storage, "a"))
    storage.write("new", BytesContent(NEW), Attributes(), expect=None)

    assert stat.S_IMODE((storage.root / "a").stat().st_mode) == 0o777
    assert not (storage.root / "new").stat().st_mode & 0o7111


def test_what_was_displaced_with_such_bits_is_kept_where_nobody_else_comes(
    storage: LocalStorage,
) -> None:
    (storage.root / "a").chmod(_ALL_BITS)
    storage.delete("a", expect=token(storage, "a"), archive=ARCHIVE)

    with storage.archive.read(ARCHIVE.version or "") as content:
        storage.write("a", content, Attributes(), expect=None)

    assert stat.S_IMODE((storage.root / ".docferry").stat().st_mode) == 0o700
    assert not (storage.root / "a").stat().st_mode & 0o7111


def test_what_is_put_aside_in_a_drop_folder_is_for_docferrys_user_alone(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "theirs/a").write_bytes(OLD)
    state = LocalStorage(tmp_path).stat("theirs/a")
    assert isinstance(state, FileState)
    modes: list[int] = []

    def look(step: str) -> None:
        folders = [path for path in (tmp_path / ".docferry").rglob("*") if path.is_dir()]
        found = (tmp_path / ".docferry", *folders)
        modes.extend(stat.S_IMODE(os.lstat(path).st_mode) for path in found)

    HandOver(tmp_path, tmp_path, step=look).remove("theirs/a", state.token)

    assert modes
    assert set(modes) == {0o700}
