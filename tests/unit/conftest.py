"""A mirror whose contents may rot."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from docferry.config import MirrorConfig
from docferry.model import Mode
from ledger_rows import fresh_ledger
from unit.kept import Kept, KeptWith


@pytest.fixture
def new_kept(tmp_path: pathlib.Path) -> Iterator[KeptWith]:
    with fresh_ledger(tmp_path / "kept.sqlite3") as ledger:

        def make(*, mode: Mode = Mode.TWO_WAY, patrol_s: float = 1000.0) -> Kept:
            options = MirrorConfig(
                "docs", "s", "b", tmp_path / "docs", mode=mode, patrol_s=patrol_s
            )
            return Kept(ledger, options)

        yield make


@pytest.fixture
def kept(new_kept: KeptWith) -> Kept:
    return new_kept()
