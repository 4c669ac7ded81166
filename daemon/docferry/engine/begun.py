"""Uploads that were cut off: the next try of the very same goes on under their version."""

from __future__ import annotations

from dataclasses import dataclass, replace

from docferry.engine.sides import KnownContents, RemoteSide
from docferry.engine.task import Task
from docferry.model import Attributes
from docferry.storage.base import PART_BYTES, Content


@dataclass(frozen=True, slots=True)
class Begun:
    """Knows what was begun in the bucket of one mirror."""

    mirror: str
    known: KnownContents
    remote: RemoteSide

    def go_on(
        self, task: Task, content: Content, attributes: Attributes
    ) -> tuple[Task, Attributes]:
        """
        Let a large content go up as the version that it was begun as, if it was, and intend it.

        The store has taken that version with the object's metadata, before its first part.
        One that is not the path's newest any more is left: history has one order.
        """
        if content.size <= PART_BYTES:
            return task, attributes
        path = task.operation.path
        attributes = replace(attributes, sha256=attributes.sha256 or content.sha256())
        version = self.remote.begun_as(path, attributes)
        if version is None or version < (self.known.newest(self.mirror, path) or ""):
            return task, attributes
        self.known.intend(self.mirror, path, version)
        return replace(task, version=version), replace(attributes, version=version)
