"""Find a sound copy of a content, wherever the mirror has one: at a path or in an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from docferry.engine.contents import Contents
from docferry.engine.sight import Take, nothing
from docferry.errors import DocferryError, ThrottledError, UnreachableError
from docferry.model import Origin, Path, Sha256, SyncedState, VersionRow
from docferry.storage.base import Content


@dataclass(frozen=True, slots=True)
class SoundCopies:
    """Where one mirror has the same content a second time; *take* is handed what is read."""

    contents: Contents
    take: Take = nothing

    @contextmanager
    def found(self, version: VersionRow) -> Iterator[Content | None]:
        """
        Open the first copy whose bytes, read just now, are the version's. None: there is none.

        What is rotten itself, or cannot be read, is passed over.

        Raises:
            UnreachableError, ThrottledError: A side does not answer: there may be one.
        """
        for open_content in self.contents.openers(version):
            content = self._opened(open_content, version.sha256)
            if content is not None:
                with content:
                    yield content
                return
        yield None

    def _opened(self, open_content: Callable[[], Content], sha256: Sha256) -> Content | None:
        """Open a content and read it; None: it is not there, or not sound."""
        content = None
        try:
            content = open_content()
            if content.read_into(self.take) == sha256:
                sound, content = content, None
                return sound
        except (UnreachableError, ThrottledError):
            raise
        except DocferryError:  # it is rotten, too, or gone: the next place may have it
            return None
        finally:
            if content is not None:
                content.close()
        return None


def version_agreed_on(mirror: str, path: Path, synced: SyncedState) -> VersionRow:
    """Give an agreement as the version that it is about, to ask for its content."""
    return VersionRow(
        id=synced.version,
        mirror=mirror,
        path=path,
        sha256=synced.sha256,
        size=synced.size,
        mtime_ns=None,
        origin=Origin.LOCAL,
        parent=None,
        etag=None,
        created_at=datetime.min.replace(tzinfo=UTC),
    )
