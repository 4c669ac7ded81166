"""A desk at whose mirror documents have come, whose bytes are in the folder's archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from commands import Desk
from docferry.core.guards import marker
from docferry.ledger import Ledger
from docferry.model import Attributes, Ulid
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent, sha256_of
from ledger_rows import NOW, uploaded


class Documents(Desk):
    def open_folder(self) -> None:
        self.storage = LocalStorage(self.folder / "docs")
        self.storage.root.mkdir()
        self.storage.write_marker(marker("M"))

    def put(self, ledger: Ledger, path: str, content: bytes, at: datetime = NOW) -> Ulid:
        """Let a document have come to *path*; give its version."""
        outcome = uploaded(path, content.decode("latin1"))
        assert outcome.version is not None
        assert outcome.synced is not None
        sha256, size = sha256_of(content), len(content)
        row = replace(outcome.version, sha256=sha256, size=size, created_at=at)
        synced = replace(outcome.synced, sha256=sha256, size=size)
        ledger.record("docs", [replace(outcome, version=row, synced=synced)], at=at)
        self.storage.archive.put(row.id, BytesContent(content), Attributes(sha256=row.sha256))
        return row.id
