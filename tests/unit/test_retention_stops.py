"""A round of retention that is stopped ends at once, and the next one does the rest."""

from __future__ import annotations

import pathlib

from docferry.core.retention import Policy
from docferry.engine.retention import Retention
from ledger_rows import NOW, fresh_ledger
from unit.archived_mirror import ArchivedMirror


def test_a_round_that_is_stopped_removes_no_more_bytes(tmp_path: pathlib.Path) -> None:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        mirror = ArchivedMirror(ledger)
        for days in range(1, 5):
            mirror.displaced("a", f"{days}", days)
        retention = Retention(
            "docs",
            Policy(last=1),
            mirror.places,
            ledger,
            bucket_versions=lambda: None,
            now=lambda: NOW,
        )

        first = retention.round(lambda: len(mirror.local.archive) < 4)
        rest = retention.round(lambda: False)

        assert (first.let_go, first.removed) == (3, 1)
        assert (rest.let_go, rest.removed) == (0, 2)
        assert len(mirror.local.archive) == len(mirror.remote.archive) == 1
