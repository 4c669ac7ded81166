"""
Let the bucket have every displaced version, each content once: the bucket is enough.

What was displaced in the folder is in the folder's archive alone until it is copied up.
Of equal contents one keeps the bytes, and the others say whose they are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from docferry.engine.archived import about
from docferry.engine.contents import Contents
from docferry.errors import (
    DocferryError,
    PermanentError,
    StaleError,
    ThrottledError,
    UnreachableError,
)
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Side, Ulid, VersionRow
from docferry.storage.base import Storage

log = get_logger(__name__)

AT_ONCE = 200


class BringUp:
    """The chore for one mirror."""

    name = "bring-up"

    def __init__(
        self,
        mirror: str,
        local: Storage,
        remote: Storage,
        ledger: Ledger,
        contents: Contents,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        """
        Args:
            at_once: Rows in memory at a time.
        """
        self._mirror = mirror
        self._local = local
        self._remote = remote
        self._versions = ledger.versions
        self._sharing = ledger.sharing
        self._contents = contents
        self._at_once = at_once
        self._lost: set[Ulid] = set()  # told of already
        self._failure: DocferryError | None = None  # the first one of this round
        self._looked_through_to: datetime | None = None  # equal ones that left before

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """
        Copy up what the bucket lacks, then see to it that equal contents are there once.

        Raises:
            UnreachableError, ThrottledError: A side does not answer, or asks for less.
            DocferryError: Some versions could not be copied up; all others were.
        """
        self._failure = None
        self._copy_up(is_stopping)
        self._keep_once(is_stopping)
        if self._failure is not None:
            raise self._failure

    def _copy_up(self, is_stopping: Callable[[], bool]) -> None:
        after = ""
        while rows := self._versions.to_bring_up(self._mirror, self._at_once, after):
            for row in rows:
                if is_stopping():
                    return
                if row.id not in self._lost:
                    self._try(partial(self._bring, row))
            after = rows[-1].id

    def _try(self, bring: Callable[[], object]) -> None:
        try:
            bring()
        except (UnreachableError, ThrottledError):
            raise
        except DocferryError as error:  # one version: the others must not wait for it
            self._failure = self._failure or error

    def _bring(self, row: VersionRow) -> None:
        if self._is_there(row) or self._refer_to_equal(row):
            return
        try:
            with self._contents.open_sound(row) as content:
                self._remote.archive.put(row.id, content, about(row))
        except StaleError as error:
            raise PermanentError(
                f"the bucket's archive holds something else as version {row.id} of {row.path}: "
                "docferry verify"
            ) from error
        except PermanentError as error:
            # Both sides had been overwritten before docferry could see it, for instance.
            self._lost.add(row.id)
            log.warning("version.lost", mirror=self._mirror, path=row.path, reason=str(error))
            return
        self._versions.note_archived([row.id], Side.REMOTE)
        log.debug("version.copied", mirror=self._mirror, path=row.path, version=row.id)

    def _is_there(self, row: VersionRow) -> bool:
        """Note it where a crash came between a displacement in the bucket and its note."""
        found = self._remote.archive.describe(row.id)
        if found is None or found.size != row.size or found.sha256 not in (None, row.sha256):
            return False
        if found.bytes_of is not None:
            if not self._has_bytes_of(row, found.bytes_of):
                return False
            self._versions.note_bytes_of(row.id, found.bytes_of)
        self._versions.note_archived([row.id], Side.REMOTE)
        return True

    def _has_bytes_of(self, row: VersionRow, to: Ulid) -> bool:
        """Say whether a reference leads somewhere: a crash may have left one that does not."""
        found = self._remote.archive.describe(to)
        if found is None or found.bytes_of is not None:
            return False
        return (found.size, found.sha256) == (row.size, row.sha256)

    def _refer_to_equal(self, row: VersionRow) -> bool:
        if not row.size:
            return False  # a reference is an object as well, and saves no byte
        home = self._sharing.home_of(self._mirror, row.sha256, but_for=row.id)
        return home is not None and self._refer(row, home)

    def _refer(self, row: VersionRow, twin: VersionRow) -> bool:
        if self._sharing.lends(row.id):
            return False  # others refer to it: theirs would be a reference to a reference
        # The note first: while it stands no retention takes the twin's bytes.
        self._versions.note_bytes_of(row.id, twin.id)
        try:
            self._remote.archive.refer(row.id, twin.id, about(row))
        except StaleError as error:
            self._versions.note_bytes_of(row.id, None)
            log.debug("version.unshared", mirror=self._mirror, version=row.id, reason=str(error))
            return False
        if not row.archived_remote:
            self._versions.note_archived([row.id], Side.REMOTE)
        self._keep_once_here(row, twin)
        return True

    def _keep_once_here(self, row: VersionRow, twin: VersionRow) -> None:
        """Likewise in the folder, where one of them may be."""
        try:
            self._local.archive.refer(row.id, twin.id, about(row))
        except StaleError as error:  # one of them is damaged: the patrol finds it
            log.debug("version.unshared", mirror=self._mirror, version=row.id, reason=str(error))
            return
        if not twin.archived_local and self._local.archive.describe(twin.id) is not None:
            self._versions.note_archived([twin.id], Side.LOCAL)

    def _keep_once(self, is_stopping: Callable[[], bool]) -> None:
        since, newest = self._looked_through_to, self._looked_through_to
        for sha256, left_at in self._sharing.kept_twice(self._mirror, since):
            home = self._sharing.home_of(self._mirror, sha256)
            if home is not None:
                self._refer_all(home, is_stopping)
            if is_stopping():
                return
            newest = left_at if newest is None else max(newest, left_at)
        self._looked_through_to = newest

    def _refer_all(self, home: VersionRow, is_stopping: Callable[[], bool]) -> None:
        after = ""
        while rows := self._sharing.equal_to(home, self._at_once, after):
            for row in rows:
                if is_stopping():
                    return
                self._try(partial(self._refer, row, home))
            if len(rows) < self._at_once:
                return
            after = rows[-1].id
