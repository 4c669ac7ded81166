"""What a folder tells of files that somebody may still be writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docferry.errors import StaleError
from docferry.model import FileState
from docferry.storage.local import LocalStorage


def state_of(storage: LocalStorage, path: str) -> FileState:
    found = storage.stat(path)
    assert isinstance(found, FileState)
    return found


def test_a_walk_and_a_look_tell_of_an_mtime_that_was_set_back(tmp_path: Path) -> None:
    """As `cp -p` and unpacking do at the end: only ctime says that it was just now."""
    storage = LocalStorage(tmp_path)
    file = tmp_path / "p"
    file.write_bytes(b"new")
    os.utime(file, ns=(1, 1))

    expected = file.stat().st_ctime_ns

    assert state_of(storage, "p").changed_ns == expected
    assert [entry[1].changed_ns for entry in storage.scan() if isinstance(entry, tuple)] == [
        expected
    ]


def test_a_file_is_not_read_while_somebody_has_it_open_for_writing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    with (tmp_path / "p").open("wb") as writer:
        writer.write(b"half")
        writer.flush()
        token = state_of(storage, "p").token
        with pytest.raises(StaleError, match="open for writing"):
            storage.read("p", token)

    with storage.read("p", token) as content:
        assert b"".join(content.parts()) == b"half"
