"""Odd names in a folder that cannot be looked into."""

from __future__ import annotations

from pathlib import Path

from docferry.core.merge import Unseen, merge
from docferry.model import SyncedState
from docferry.storage.local import LocalStorage


def test_odd_names_below_what_cannot_be_entered_are_not_taken_for_deleted(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/x").symlink_to(tmp_path / "elsewhere")
    storage = LocalStorage(tmp_path / "mirror")
    list(storage.scan())
    agreed = SyncedState("0" * 64, "local", "remote", "0" * 26, 1)

    found = list(merge(storage.scan_odd(), [], [("x/odd\nname", agreed)]))

    assert [isinstance(each, Unseen) for each in found] == [True]
