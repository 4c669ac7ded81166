"""Folders that docferry makes for itself: that they outlive a power cut."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from docferry.folders import make_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which folders were brought to the disk, in their order; the kernel's own call is asked."""
    seen: list[str] = []
    fsync = os.fsync

    def note(fd: int) -> None:
        seen.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    return seen


def test_each_folder_that_is_made_has_its_name_on_the_disk(
    tmp_path: Path, synced: list[str]
) -> None:
    make_folder(tmp_path / "a" / "b" / "c")

    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [str(tmp_path / "a/b"), str(tmp_path / "a"), str(tmp_path)]


def test_one_that_is_there_may_have_been_made_a_moment_ago(
    tmp_path: Path, synced: list[str]
) -> None:
    (tmp_path / "a").mkdir()

    make_folder(tmp_path / "a")

    assert synced == [str(tmp_path)]


def test_the_mode_is_that_of_the_folder_itself(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b", 0o700)

    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")
