"""Find a sound copy of a content, wherever the mirror has one: at a path or in an archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from docferry.engine.identity import Places
from docferry.engine.sight import Take, nothing
from docferry.errors import DocferryError, ThrottledError, UnreachableError
from docferry.ledger import Ledger
from docferry.model import Path, Sha256, Side, SyncedState, Ulid
from docferry.storage.base import Content


@dataclass(frozen=True, slots=True)
class AtPath:
    """A path of a side that should hold the content."""

    side: Side
    path: Path


@dataclass(frozen=True, slots=True)
class InArchive:
    """A version under which a side's archive may have the content."""

    side: Side
    version: Ulid


@dataclass(frozen=True, slots=True)
class SoundCopies:
    """Where one mirror may have the same content a second time."""

    mirror: str
    places: Places
    ledger: Ledger
    take: Take = nothing

    @contextmanager
    def found(self, sha256: Sha256, *but: AtPath | InArchive) -> Iterator[Content | None]:
        """
        Open the first copy whose bytes, read just now, are *sha256*. None: there is none.

        Args:
            but: What is known to be rotten.

        Raises:
            UnreachableError, ThrottledError: A side does not answer: there may be one.
        """
        for place, open_content in self._candidates(sha256):
            if place in but:
                continue
            content = self._opened(open_content, sha256)
            if content is not None:
                with content:
                    yield content
                return
        yield None

    def _candidates(
        self, sha256: Sha256
    ) -> Iterator[tuple[AtPath | InArchive, Callable[[], Content]]]:
        """Give the places, the cheapest to read first."""
        rows = self.ledger.versions.with_content(self.mirror, sha256)
        agreed = self.ledger.synced.get(self.mirror, [*{row.path for row in rows}])
        paths = [(path, state) for path, state in agreed.items() if state.sha256 == sha256]
        # Equal versions may share their bytes: each place is tried once.
        versions = [*dict.fromkeys(row.bytes_of or row.id for row in rows)]
        for side in Side:
            for path, state in paths:
                yield AtPath(side, path), self._reading(side, path, state)
            for version in versions:
                yield InArchive(side, version), self._reading_archived(side, version)

    def _reading(self, side: Side, path: Path, state: SyncedState) -> Callable[[], Content]:
        token = state.local_token if side is Side.LOCAL else state.remote_token
        return lambda: self.places.side(side).read(path, token)

    def _reading_archived(self, side: Side, version: Ulid) -> Callable[[], Content]:
        return lambda: self.places.side(side).archive.read(version)

    def _opened(self, open_content: Callable[[], Content], sha256: Sha256) -> Content | None:
        """Open a content and read it; None: it is not there, or not sound."""
        try:
            content = open_content()
        except (UnreachableError, ThrottledError):
            raise
        except DocferryError:
            return None
        try:
            if content.read_into(self.take) == sha256:
                return content
        except (UnreachableError, ThrottledError):
            content.close()
            raise
        except DocferryError:
            pass
        content.close()
        return None
