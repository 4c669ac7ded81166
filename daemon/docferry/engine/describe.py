"""What is said about a content that goes up: its version, its hash, and what it was made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

from docferry.engine.sides import KnownContents
from docferry.engine.task import Task
from docferry.model import Attributes, Origin, Sha256, Ulid
from docferry.storage.base import Content


@dataclass(frozen=True, slots=True)
class Describe:
    """Describes the contents of one mirror, as *writer*, the instance that sends them."""

    mirror: str
    known: KnownContents
    writer: str

    def __call__(
        self, task: Task, content: Content, sha256: Sha256 | None, parent: Ulid | None
    ) -> tuple[Task, Attributes]:
        """
        Describe *content*, and correct where the task says that it comes from.

        That a conversion made it is known by its content: after a crash nobody else remembers.
        """
        made_from = self.known.made_at(
            self.mirror, task.operation.path, lambda: sha256 or content.sha256()
        )
        if made_from is not None and task.origin is Origin.LOCAL:
            task = replace(task, origin=Origin.CONVERSION)
        attributes = Attributes(
            version=task.version,
            sha256=sha256,
            mtime_ns=content.attributes.mtime_ns,
            parent=parent,
            writer=self.writer,
            content_type=content.attributes.content_type,
            made_from=made_from,
        )
        return task, attributes
