"""
What a path holds although no agreement says so: both sides were joined anew, or kept a file.

Taken for a new version, the old one would be archived: a second row for what never left.
"""

from __future__ import annotations

from dataclasses import dataclass

from docferry.engine.sides import KnownContents
from docferry.engine.task import Task
from docferry.model import Sha256, Ulid
from docferry.storage.base import Content


@dataclass(frozen=True, slots=True)
class Held:
    """Knows the versions that paths of one mirror hold without an agreement."""

    mirror: str
    known: KnownContents

    def version(self, task: Task, sha256: Sha256) -> Ulid | None:
        """Give the version that the task's path holds; None: none, or another content."""
        found = self._found(task)
        return found[0] if found is not None and found[1] == sha256 else None

    def to_upload(self, task: Task, content: Content) -> tuple[Ulid, Sha256] | None:
        """Give the version of what goes up again, and its hash, and intend it."""
        found = self._found(task)
        if found is None or content.sha256() != found[1]:
            return None
        self.known.intend(self.mirror, task.operation.path, found[0])
        return found

    def _found(self, task: Task) -> tuple[Ulid, Sha256] | None:
        return None if task.seen.synced else self.known.unagreed(self.mirror, task.seen.path)
