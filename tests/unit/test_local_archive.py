"""An archive that nobody can change from outside, through a link or an open descriptor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docferry.storage.local import LocalStorage
from unit.folder import ARCHIVE, NEW, OLD, THEIRS, archived, everything, replace, staged, token

NOBODY = 65534


def delete(storage: LocalStorage, path: str, expect: str) -> None:
    storage.delete(path, expect=expect, archive=ARCHIVE)


@pytest.fixture
def anothers() -> Iterator[Path]:
    """Give a folder with a file of root's, and be nobody in it: no lease is to be had."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / ".docferry").mkdir()
        for folder in (root, root / ".docferry"):
            folder.chmod(0o777)
        (root / "a.txt").write_bytes(OLD)
        os.seteuid(NOBODY)
        try:
            yield root
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("change", [replace, delete])
def test_what_is_archived_is_not_changed_through_another_hard_link(
    tmp_path: Path, change: Callable[[LocalStorage, str, str], None]
) -> None:
    root = tmp_path / "mirror"
    (root / ".docferry").mkdir(parents=True)
    (root / "a.txt").write_bytes(OLD)
    os.utime(root / "a.txt", ns=(1, 1))
    (tmp_path / "link").hardlink_to(root / "a.txt")
    storage = LocalStorage(root)

    change(storage, "a.txt", token(storage, "a.txt"))
    (tmp_path / "link").write_bytes(THEIRS)

    assert archived(root) == OLD
    assert (root / ".docferry/versions" / str(ARCHIVE.version)).stat().st_mtime_ns == 1
    assert staged(root) == []


@pytest.mark.root
@pytest.mark.parametrize("change", [replace, delete])
def test_what_is_written_into_a_displaced_file_is_given_back(
    anothers: Path, change: Callable[[LocalStorage, str, str], None]
) -> None:
    storage = LocalStorage(anothers)
    expect = token(storage, "a.txt")
    os.seteuid(0)
    with (anothers / "a.txt").open("ab") as program:
        os.seteuid(NOBODY)
        change(storage, "a.txt", expect)
        program.write(b", and more")

    [recovered] = storage.sweep_staging()

    assert archived(anothers) == OLD
    assert recovered.startswith("a.conflict-")
    assert (anothers / recovered).read_bytes() == OLD + b", and more"


@pytest.mark.root
def test_a_displaced_file_that_nobody_changes_is_not_kept_for_ever(anothers: Path) -> None:
    storage = LocalStorage(anothers)
    replace(storage, "a.txt", token(storage, "a.txt"))
    at_first = sorted(everything(anothers))
    for kept in (anothers / ".docferry/kept").iterdir():
        assert kept.read_bytes() == OLD

    storage.sweep_staging(unsure_s=0.0)

    assert at_first == [NEW, OLD, OLD]
    assert sorted(everything(anothers)) == [NEW, OLD]
