"""Find the content of a version, wherever it is by now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from docferry.engine.identity import Places
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    ThrottledError,
    UnreachableError,
)
from docferry.model import FileState, Path, Sha256, SyncedState, Ulid, VersionRow
from docferry.storage.base import Content, Storage


class LostError(PermanentError):
    """The bytes of a version are nowhere: every place was asked, and answered."""


class KnownVersions(Protocol):
    """What is asked of the ledger's versions."""

    def with_content(
        self, mirror: str, sha256: Sha256, *, is_archived: bool = False
    ) -> Iterator[VersionRow]: ...


class KnownAgreements(Protocol):
    """What is asked of the ledger's synced tree."""

    def find_sha256(self, mirror: str, sha256: Sha256) -> tuple[Path, SyncedState] | None: ...

    def get(self, mirror: str, paths: list[Path]) -> dict[Path, SyncedState]: ...

    def with_sha256(self, mirror: str, sha256: Sha256) -> Iterator[tuple[Path, SyncedState]]: ...


class Contents:
    """
    The contents of one mirror's versions. Thread-safe.

    Where the bytes are the ledger claims and the sides know: after a crash an archive may
    hold what no row says. So each place is asked, the likely and near ones first.
    """

    def __init__(
        self, mirror: str, places: Places, versions: KnownVersions, synced: KnownAgreements
    ) -> None:
        self._mirror = mirror
        self._places = places
        self._versions = versions
        self._synced = synced

    def open(self, version: VersionRow) -> Content:
        """
        Open the bytes of *version* where they are found first. Their hash is not checked.

        Raises:
            LostError: They are nowhere.
            PermanentError: They may not be read.
            UnreachableError, TemporaryError: The place where they may be does not answer.
        """
        failure: DocferryError | None = None
        for opener in self.openers(version):
            try:
                content = opener()
            except StaleError:
                continue
            except DocferryError as error:  # perhaps the next place answers
                failure = _weightier(failure, error)
                continue
            if content.size == version.size:
                return content
            content.close()
        raise failure or gone(version)

    def open_sound(self, version: VersionRow) -> Content:
        """
        Open the bytes of *version* where they are found sound: each place is read as a whole.

        Raises:
            PermanentError: They are nowhere, or damaged wherever they are.
            UnreachableError, TemporaryError: The place where they may be does not answer.
        """
        failure: DocferryError | None = None
        for opener in self.openers(version):
            try:
                content = opener()
            except StaleError:
                continue
            except DocferryError as error:
                failure = _weightier(failure, error)
                continue
            try:
                if content.sha256() == version.sha256:
                    return content
                damage = PermanentError(f"the bytes of version {version.id} are damaged")
                failure = _weightier(failure, damage)
            except DocferryError as error:
                failure = _weightier(failure, error)
            content.close()
        raise failure or gone(version)

    def openers(self, version: VersionRow) -> Iterator[Callable[[], Content]]:
        """Yield what opens each place that may hold the content; StaleError: it does not."""
        if not version.is_current:  # first: then nobody need be asked what is there now
            yield from self._archived(version)
        agreed = self._synced.get(self._mirror, [version.path]).get(version.path)
        if agreed is not None and agreed.sha256 == version.sha256:
            yield from self._current(version.path, agreed)
        if version.is_current:  # it may have been displaced since
            yield from self._archived(version)
        elsewhere = self._synced.find_sha256(self._mirror, version.sha256)
        if elsewhere is not None and elsewhere[0] != version.path:
            yield from self._current(*elsewhere)
        yield from self._equal_ones(version)
        # Not as agreed, and still that content: touched, or without an agreement.
        for side in (self._places.local, self._places.remote):
            yield partial(_as_it_is, side, version)

    def _equal_ones(self, version: VersionRow) -> Iterator[Callable[[], Content]]:
        """
        Yield what opens the places of equal versions: thousands may be equal.

        First those that are said to have bytes; then any, which a crash may have left there.
        """
        asked = {version.id, version.bytes_of}
        known = partial(self._versions.with_content, self._mirror, version.sha256)
        for other in known(is_archived=True):
            yield from self._archived(other, asked)
            asked.add(other.id)
        for path, state in self._synced.with_sha256(self._mirror, version.sha256):
            yield from self._current(path, state)
        for other in known():
            yield from self._archived(other, asked)
            asked.update((other.id, other.bytes_of))

    def _current(self, path: Path, agreed: SyncedState) -> Iterator[Callable[[], Content]]:
        if agreed.local_token:
            yield partial(self._places.local.read, path, agreed.local_token)
        yield partial(self._places.remote.read, path, agreed.remote_token)

    def _archived(
        self, version: VersionRow, asked: Collection[Ulid | None] = ()
    ) -> Iterator[Callable[[], Content]]:
        names = [one for one in (version.id, version.bytes_of) if one and one not in asked]
        sides = [self._places.local, self._places.remote]
        if version.archived_remote and not version.archived_local:
            sides.reverse()  # as the row claims; but a claim is none for sure
        for side in sides:
            for name in names:
                yield partial(side.read_archived, name)


def _as_it_is(side: Storage, version: VersionRow) -> Content:
    """
    Open what is at the path of *version* now, if it is that content: it is read as a whole.

    Raises:
        StaleError: It is not.
    """
    found = side.stat(version.path)
    if not isinstance(found, FileState) or found.size != version.size:
        raise StaleError(f"{version.path} holds another content by now")
    with ExitStack() as on_failure:
        content = on_failure.enter_context(side.read(version.path, found.token))
        if content.sha256() != version.sha256:
            raise StaleError(f"{version.path} holds another content by now")
        on_failure.pop_all()
    return content


def _weightier(first: DocferryError | None, other: DocferryError) -> DocferryError:
    """Give the failure that counts: where nobody answers there may be sound bytes."""
    if first is None or isinstance(other, UnreachableError | ThrottledError):
        return other
    return first


def gone(version: VersionRow) -> LostError:
    """Say that the bytes of *version* are nowhere."""
    if version.gone_at is not None:
        return LostError(
            f"the bytes of version {version.id} were let go {version.gone_at:%Y-%m-%d %H:%M} UTC"
        )
    return LostError(
        f"the bytes of version {version.id} ({version.path}) are on neither side, nor in an archive"
    )
