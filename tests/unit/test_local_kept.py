"""What was displaced while it may have been open for writing: looked at again, then let go."""

from __future__ import annotations

import pathlib

import pytest

from docferry.model import Attributes
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent

VERSION = "1" * 26


@pytest.fixture
def storage(tmp_path: pathlib.Path) -> LocalStorage:
    storage = LocalStorage(tmp_path)
    storage.write_marker(b"{}")
    return storage


@pytest.fixture
def kept(storage: LocalStorage, tmp_path: pathlib.Path) -> pathlib.Path:
    """A file that was displaced, and of which nobody can tell whether it is open for writing."""
    token = storage.write("a.txt", BytesContent(b"old"), Attributes(), expect=None).token
    folder = tmp_path / ".docferry" / "kept"
    folder.mkdir()
    file = folder / f"0.{VERSION}.none.{token}.a.txt"
    (tmp_path / "a.txt").rename(file)
    return file


def test_an_edit_that_came_after_all_is_given_back(
    storage: LocalStorage, kept: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    kept.write_bytes(b"and more")

    [given_back] = storage.look_at_kept()

    assert (tmp_path / given_back).read_bytes() == b"and more"
    assert not kept.exists()


def test_what_nobody_has_written_to_goes_after_a_while(
    storage: LocalStorage, kept: pathlib.Path
) -> None:
    lately = storage.look_at_kept(), kept.exists()

    later = storage.look_at_kept(unsure_s=0.0), kept.exists()

    assert (lately, later) == (([], True), ([], False))


def test_a_content_whose_arrival_breaks_off_by_a_bug_leaves_nothing(
    storage: LocalStorage, tmp_path: pathlib.Path
) -> None:
    class Buggy(BytesContent):
        def part(self, offset: int, size: int) -> bytes:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        storage.write("b", Buggy(b"bytes"), Attributes(), expect=None)

    assert not any((tmp_path / ".docferry" / "staging").iterdir())
