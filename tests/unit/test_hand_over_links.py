"""Links that somebody puts into a drop folder, where docferry keeps what it takes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from docferry.model import RESERVED
from docferry.storage.hand_over import HandOver
from unit.folder import VERSION

_TOKEN = "3-1-1"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Give a folder of another program's, with what looks like something taken away."""
    folder = tmp_path / "elsewhere"
    (folder / _TOKEN / VERSION).mkdir(parents=True)
    (folder / _TOKEN / VERSION / "a").write_bytes(b"theirs")
    return folder


@pytest.mark.parametrize("linked", [RESERVED, f"{RESERVED}/taken", f"{RESERVED}/taken/{_TOKEN}"])
def test_nothing_is_looked_for_behind_a_link(linked: str, elsewhere: Path, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    (drop / linked).parent.mkdir(parents=True)
    depth = linked.count("/")
    (elsewhere / "taken").symlink_to(elsewhere)  # so that it has all of it at each depth
    (drop / linked).symlink_to(elsewhere / _TOKEN if depth == 2 else elsewhere)
    before = sorted(elsewhere.rglob("*"))

    HandOver(drop, tmp_path).recover()

    assert sorted(elsewhere.rglob("*")) == before
    assert [path.relative_to(drop).as_posix() for path in drop.rglob("*") if path.is_file()] == []


def test_a_file_where_docferrys_folder_would_be_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / RESERVED).mkdir()
    (tmp_path / RESERVED / "taken").write_bytes(b"no folder")

    HandOver(tmp_path, tmp_path).recover()

    assert (tmp_path / RESERVED / "taken").read_bytes() == b"no folder"
