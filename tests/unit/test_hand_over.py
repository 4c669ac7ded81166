"""A dropped file of another user's: nobody can tell whether it is still being written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from docferry.model import FileState
from docferry.storage.hand_over import HandOver
from docferry.storage.local import LocalStorage
from unit.folder import everything

pytestmark = pytest.mark.root
NOBODY = 65534


@pytest.fixture
def root() -> Iterator[Path]:
    """Give a folder with a file of root's, and be nobody in it: no lease is to be had."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o777)
        (root / "scan.pdf").write_bytes(b"page 1\n")
        os.seteuid(NOBODY)
        try:
            yield root
        finally:
            os.seteuid(0)


def take_away(root: Path) -> None:
    state = LocalStorage(root).stat("scan.pdf")
    assert isinstance(state, FileState)
    HandOver(root, root).remove("scan.pdf", state.token)


def test_what_is_written_through_an_open_descriptor_comes_back(root: Path) -> None:
    os.seteuid(0)
    with (root / "scan.pdf").open("ab") as scanner:
        os.seteuid(NOBODY)
        take_away(root)
        is_away = not (root / "scan.pdf").exists()
        scanner.write(b"page 2\n")

    HandOver(root, root).recover()

    assert is_away
    assert (root / "scan.pdf").read_bytes() == b"page 1\npage 2\n"


def test_it_is_unlinked_once_it_has_stayed_the_same_for_long_enough(root: Path) -> None:
    take_away(root)

    HandOver(root, root).recover()
    after_a_moment = everything(root)
    HandOver(root, root, unsure_s=0.0).recover()

    assert after_a_moment == [b"page 1\n"]
    assert everything(root) == []
