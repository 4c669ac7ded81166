"""The `docferry` command in this process, on a configuration and a ledger of its own."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from docferry.cli import main
from docferry.config import Config, Source
from docferry.core.brake import Change
from docferry.ledger import Ledger
from docferry.model import DeleteRemote, Mode, Side
from ledger_rows import NOW, agreed, fresh_ledger, ulid_of

MIRROR = """
[mirror.{name}]
store = "main"
bucket = "documents"
prefix = "{name}/"
local = "{folder}/{name}"
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    text: str
    errors: str

    @property
    def words(self) -> str:
        """The answer as one line: where a terminal's width breaks it does not matter."""
        return " ".join(self.text.split())

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Desk:
    """Where a person asks."""

    def __init__(
        self,
        folder: pathlib.Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "docferry.toml"
        self._capsys = capsys
        self._patch = monkeypatch
        monkeypatch.setenv("COLUMNS", "200")
        self.configure()

    def configure(
        self, *mirrors: str, more: str = "", endpoint: str = "http://127.0.0.1:1"
    ) -> None:
        """Write the configuration anew, with *mirrors* ("docs" if none is named)."""
        text = f'state_dir = "{self.state}"\n[store.main]\nendpoint_url = "{endpoint}"\n'
        for name in mirrors or ("docs",):
            text += MIRROR.format(name=name, folder=self.folder)
        self.config.write_text(text + more)

    @property
    def loaded(self) -> Config:
        """The configuration, as it is read."""
        return Source(self.config, os.environ).read().config

    def ledger(self) -> Ledger:
        """Give the ledger that a daemon would have left, with the mirror's row in it."""
        self.state.mkdir(exist_ok=True)
        path = self.state / "ledger.sqlite3"
        ledger = Ledger.open(path) if path.exists() else fresh_ledger(path)
        ledger.mirrors.put(
            "docs",
            store="main",
            bucket="documents",
            prefix="docs/",
            local=f"{self.folder}/docs",
            mode=Mode.TWO_WAY,
        )
        return ledger

    def asks(self, *arguments: str) -> Said:
        self._patch.setattr(sys, "argv", ["docferry", "--config", str(self.config), *arguments])
        self._capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = self._capsys.readouterr()
        return Said(code, printed.out, printed.err)


def held(ledger: Ledger, *paths: str, reason: str = "too many") -> int:
    """Hold the deletions of *paths* from the bucket."""
    ledger.holds.park("docs", [(DeleteRemote(path, "etag"), agreed(path).sha256) for path in paths])
    hold = ledger.holds.hold("docs", reason, NOW)
    assert hold is not None
    return hold.id


def held_changes(ledger: Ledger, *paths: str) -> int:
    """Hold changes of *paths* that were made in the folder, as an encrypting program makes them."""
    why = "it looks encrypted, and did not before"
    changes = [
        Change(path, Side.LOCAL, f"token of {path}", path, agreed(path).version, why)
        for path in paths
    ]
    holds = [
        ledger.changes.hold("docs", change, ulid_of(f"displaced {change.path}"), NOW)[0]
        for change in changes
    ]
    return holds[-1].id
