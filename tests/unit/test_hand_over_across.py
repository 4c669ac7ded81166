"""A file that is to go to another file system: it cannot be renamed, and nothing is touched."""

from __future__ import annotations

import tempfile
from pathlib import Path

from docferry.model import FileState
from docferry.storage.hand_over import HandOver
from docferry.storage.local import LocalStorage


def test_an_empty_folder_of_a_persons_stays_and_one_of_ours_does_not(tmp_path: Path) -> None:
    LocalStorage(tmp_path).write_marker(b"{}")
    (tmp_path / "theirs").mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        source = Path(name)
        (source / "a").write_bytes(b"a")
        state = LocalStorage(source).stat("a")
        assert isinstance(state, FileState)
        hand_over = HandOver(source, tmp_path)

        moved = [
            hand_over.rename("a", state.token, path) for path in ("theirs/ours/a", "ours/too/a")
        ]

        assert moved == [False, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".docferry", "theirs"]
    assert list((tmp_path / "theirs").iterdir()) == []
