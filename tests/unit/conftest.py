"""A mirror whose contents may rot, and a planner at its desk."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from docferry.config import MirrorConfig
from docferry.model import Mode
from ledger_rows import fresh_ledger
from unit.desk import Desk
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


@pytest.fixture
def new_desk(tmp_path: pathlib.Path) -> Iterator[Callable[..., Desk]]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        options = MirrorConfig(name="docs", store="s", bucket="b", local=tmp_path, settle_s=0.0)
        yield lambda **others: Desk(ledger, replace(options, **others))


@pytest.fixture
def desk(new_desk: Callable[..., Desk]) -> Desk:
    return new_desk()
