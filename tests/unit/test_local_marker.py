"""A folder that must be marked as the mirror's, and a mount point that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from docferry.errors import UnreachableError
from docferry.storage.local import LocalStorage
from unit.folder import OLD, token


def test_in_a_folder_without_its_marker_nothing_is_read_and_nothing_is_absent(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").write_bytes(OLD)
    storage = LocalStorage(tmp_path, needs_marker=True)
    expect = token(storage, "a")

    with pytest.raises(UnreachableError, match="not mounted"):
        storage.read("a", expect)
    with pytest.raises(UnreachableError, match="not mounted"):
        storage.stat("b/c")

    assert storage.read_marker() is None
    storage.write_marker(b"marker")
    assert storage.stat("b/c") is None
    with storage.read("a", expect) as content:
        assert content.part(0, content.size) == OLD
