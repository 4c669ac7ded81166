"""
Erase a document: every version of it, wherever it is, and what is written down about it.

What it held when it was asked for goes; what somebody has put there since stays, for it
is a new document. The rows go last: until then a crash is made good by doing all again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

from docferry.core.paths import is_reserved, key_of
from docferry.engine.archived import BucketVersions, look, on_bytes_of, require_proven
from docferry.engine.contents import Contents
from docferry.engine.identity import Places
from docferry.engine.rehome import Lost, Rehoming
from docferry.engine.rot import RotProblems, archived_path
from docferry.engine.snapshot import MISSED
from docferry.engine.sound import SoundCopies
from docferry.errors import PermanentError, StaleError, TemporaryError
from docferry.job import JobRow
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest, RequestRow
from docferry.logs import get_logger
from docferry.model import (
    Attributes,
    Origin,
    Path,
    RequestKind,
    RequestState,
    Sha256,
    Side,
    SyncedState,
    Ulid,
    VersionRow,
)
from docferry.storage.base import Storage

log = get_logger(__name__)

_MOST_OPEN = 10_000


class Searchable(Storage, Protocol):
    """A side that can be searched for what is left of a document."""

    def traces(self, path: Path, versions: Collection[Ulid]) -> Iterator[str]: ...


class ErasableFolder(Searchable, Protocol):
    """A folder, which has places on the way to its archive."""

    def drop_staged(self, versions: Collection[Ulid]) -> None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What was erased, and what a search has found afterwards."""

    versions: tuple[Ulid, ...]
    searched: tuple[str, ...]  #: where was looked for what is left
    left: tuple[str, ...]  #: what was found; (): nothing
    newer: tuple[str, ...]  #: what came to the path since it was asked for, and stays
    copies: tuple[Path, ...]  #: other files that have one of its contents now, and stay
    results: tuple[int, ...]  #: requests to erase what conversions made of it
    no_results: tuple[str, ...]  #: "MIRROR/PATH" that a job calls its result and none made: stays

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left, and nothing new there."""
        return not self.left and not self.newer


def state_of(note: str) -> RequestState:
    """Say how a request ended, by its report."""
    facts = json.loads(note)
    if facts["left"]:
        return RequestState.FAILED
    is_some_left = facts["newer"] or facts.get("no_results")
    return RequestState.CONFLICT if is_some_left else RequestState.DONE


def is_result(ledger: Ledger, mirror: str, path: Path) -> bool:
    """
    Say whether a conversion made what *path* holds, or held last.

    A job alone does not prove it: it may have come out of a bucket, where others write.
    """
    rows = ledger.versions.of(mirror, path)
    newest = next((row for row in rows if row.is_current), rows[0] if rows else None)
    return newest is not None and newest.origin is Origin.CONVERSION


class Erasure:
    """
    Carries out requests to erase a path. While it does, nobody else may work on that path.

    Args:
        bucket_versions: What the bucket itself keeps; None: it keeps nothing.
        is_history_missed: Says whether the snapshots in the bucket tell of a past that the
            ledger does not know: it could not erase what it does not know either.
        renew_snapshots: Makes a new snapshot of the ledger in the bucket, and removes all
            older ones; called once the rows are gone. A crash may let it be called again.
        alone: Keeps the mirror's chores waiting: one that copies a version up would bring
            back what was just removed.
    """

    def __init__(
        self,
        mirror: str,
        local: ErasableFolder,
        remote: Searchable,
        places: Places,
        ledger: Ledger,
        *,
        bucket_versions: Callable[[], BucketVersions | None],
        is_history_missed: Callable[[], bool],
        renew_snapshots: Callable[[], None],
        alone: Callable[[], AbstractContextManager[object]],
        now: Callable[[], datetime],
    ) -> None:
        self._mirror = mirror
        self._local = local
        self._remote = remote
        self._places = places
        self._ledger = ledger
        contents = Contents(mirror, places, ledger.versions, ledger.synced)
        self._rehoming = Rehoming(places, ledger, SoundCopies(contents))
        self._problems = RotProblems(mirror, ledger, now)
        self._bucket_versions = bucket_versions
        self._is_history_missed = is_history_missed
        self._renew_snapshots = renew_snapshots
        self._alone = alone
        self._now = now

    def run(self, request: RequestRow) -> None:
        """
        Erase what *request* is about, and write down what came of it: a `Report`, as JSON.

        Raises:
            StaleError: Somebody changed the file: it is to be looked at first, then again. Or
                it was cancelled before anything was removed.
            TemporaryError: Again later; what was removed by then is removed.
            PermanentError: A version is held, or the ledger lacks the bucket's history:
                nothing was removed.
        """
        began_s = time.monotonic()
        if request.path:
            require_proven(self._mirror, self._places, self._ledger)
            with self._alone():
                report = self._erase(request)
            note = json.dumps(asdict(report), ensure_ascii=False)
            self._ledger.erasures.note(request.id, note, is_erased=report.is_complete)
        else:  # a crash came after its path was taken out of the ledger
            note = request.note or ""
        self._ledger.erasures.wipe()
        self._ledger.erasures.finish(request.id, state_of(note), self._now())
        took_s = round(time.monotonic() - began_s, 3)
        log.info("document.erased", mirror=self._mirror, request=request.id, took_s=took_s)

    def _erase(self, request: RequestRow) -> Report:
        path, goes = request.path, self._what_goes(request)
        contents = sorted({*goes.values()})
        self._refuse_too_early(goes, contents)
        if not self._ledger.erasures.begin(request.id, self._now()):
            raise StaleError("nobody asks for it any more: it was cancelled")
        agreed = self._ledger.synced.get(self._mirror, [path]).get(path)
        if agreed is not None and agreed.version in goes:
            self._remove_current(path, agreed)
        self._local.drop_staged([*goes])
        newer = self._newer(path, goes)
        self._remove_archived(goes)
        self._remove_kept_by_bucket(path, goes)
        self._places.remote.sweep_uploads(  # what is still there, the ledger tells of
            lambda other, size, begun_at: other != path and not is_reserved(other)
        )
        jobs = self._ledger.erasures.jobs_of(contents, goes)
        results, no_results = self._erase_results(jobs)
        copies = self._ledger.erasures.copies(self._mirror, path, contents)
        self._forget(request, goes, is_all=not newer)
        left = self._search(request, goes, is_all=not newer)
        searched = self._searched(is_all=not newer)
        return Report(
            (*goes,), searched, (*left,), (*newer,), (*copies,), (*results,), (*no_results,)
        )

    # What it is about.

    def _what_goes(self, request: RequestRow) -> dict[Ulid, Sha256]:
        """Give the versions of the path that were there when it was asked for."""
        rows = self._ledger.versions.of(self._mirror, request.path)
        goes = {row.id: row.sha256 for row in rows if row.created_at <= request.created_at}
        for begun in self._ledger.conflicts.begun(self._mirror):
            displaced = begun.displaced
            if displaced.path == request.path and displaced.created_at <= request.created_at:
                goes.setdefault(displaced.id, displaced.sha256)
        return goes | self._unknown_archived(request.path)

    def _unknown_archived(self, path: Path) -> dict[Ulid, Sha256]:
        """Find what the bucket's archive has of the path, and no row tells of."""
        archive = self._remote.archive
        archived = [one.version for one in archive.scan()]
        known = self._ledger.versions.known(archived)
        found = {}
        for version in archived:
            about = archive.describe(version) if version not in known else None
            if about is not None and about.path == path:
                found[version] = about.sha256 or ""
        return found

    def _refuse_too_early(self, goes: Collection[Ulid], contents: list[Sha256]) -> None:
        held = [version for version in goes if (row := self._row(version)) and row.held]
        if held:
            raise PermanentError(f"nothing was erased: {', '.join(held)} is held")
        if self._is_history_missed():
            raise PermanentError(f"nothing was erased: {MISSED}. Then ask again")
        if self._ledger.erasures.are_running(contents):
            raise TemporaryError("a conversion of it runs: it is erased once that has ended")

    def _newer(self, path: Path, goes: Collection[Ulid]) -> list[str]:
        rows = self._ledger.versions.of(self._mirror, path)
        newer = [f"version {row.id}" for row in rows if row.id not in goes]
        for side in Side:
            if look(self._places.side(side), path) is not None:
                newer.append(f"a file on the {side} side")
        return newer

    # Removing.

    def _remove_current(self, path: Path, agreed: SyncedState) -> None:
        """Take the current content away, the bucket's first: nothing brings it down again."""
        sides = ((self._remote, agreed.remote_token), (self._local, agreed.local_token))
        found = [(side, look(side, path), token) for side, token in sides]
        if any(there not in (None, token) for _, there, token in found):
            raise StaleError("somebody has changed it: it is looked at first")
        archive = Attributes(version=agreed.version, sha256=agreed.sha256, path=path)
        for side, there, _ in found:
            if there is not None:
                side.delete(path, expect=there, archive=archive)

    def _remove_archived(self, goes: Collection[Ulid]) -> None:
        for version in goes:
            row = self._row(version)
            if row is not None:
                others = on_bytes_of(row, self._places, self._ledger, goes)
                self._tell_of_lost(self._rehoming.run(row, others))
            for side in Side:
                self._places.side(side).archive.remove(version)

    def _tell_of_lost(self, lost: Lost | None) -> None:
        """Show what the patrol will find as well: it may come here in a month only."""
        if lost is None:
            return
        version = lost.version
        more = f" (shared by {lost.more} more)" if lost.more else ""
        self._problems.show(
            archived_path(version.id),
            f"version {version.id} of {version.path} has lost its bytes{more}: they had rotted, "
            "and no sound copy is left",
        )

    def _remove_kept_by_bucket(self, path: Path, goes: Collection[Ulid]) -> None:
        """Remove what the bucket itself keeps, but for what came to the path since."""
        bucket = self._bucket_versions()
        if bucket is None:
            return
        rows = self._ledger.versions.of(self._mirror, path)
        newer = [row for row in rows if row.id not in goes]
        tokens, names = {row.etag for row in newer}, {row.store_version for row in newer}
        for kept in reversed(bucket.of(path)):  # the oldest first: the marker hides them all
            is_there = kept.is_latest and not kept.is_delete_marker
            if not is_there and kept.token not in tokens and kept.version_id not in names:
                bucket.remove(path, kept.version_id)

    def _erase_results(self, jobs: list[JobRow]) -> tuple[list[int], list[str]]:
        """
        Ask for what conversions made of it to be erased in its own mirror, once each.

        Returns:
            The requests, and what stays as no conversion made it.
        """
        numbers, stays = list[int](), list[str]()
        for job in jobs:
            if job.result_path is None:
                continue
            if not is_result(self._ledger, job.target_mirror, job.result_path):
                stays.append(f"{job.target_mirror}/{job.result_path}")
                continue
            new = NewRequest(job.target_mirror, job.result_path, RequestKind.ERASE)
            open_ones = self._ledger.requests.open(new.mirror, _MOST_OPEN)
            asked = [one.id for one in open_ones if (one.path, one.kind) == (new.path, new.kind)]
            numbers += asked[:1] or self._ledger.requests.add([new], self._now())
        return numbers, stays

    def _forget(self, request: RequestRow, goes: dict[Ulid, Sha256], *, is_all: bool) -> None:
        self._ledger.erasures.forget(
            self._mirror, request.path, goes, self._now(), request_id=request.id, is_all=is_all
        )
        self._renew_snapshots()

    # Afterwards.

    def _search(self, request: RequestRow, goes: Collection[Ulid], *, is_all: bool) -> list[str]:
        """Look everywhere for what is left: at the path, of the versions, in the ledger."""
        path = request.path
        where = path if is_all else ""
        left = [f"{Side.LOCAL}: {one}" for one in self._local.traces(where, goes)]
        left += [f"{Side.REMOTE}: {one}" for one in self._remote.traces(where, goes)]
        if is_all:
            row = self._ledger.mirrors.get(self._mirror)
            prefix = "" if row is None else row.prefix
            names = {path, key_of(path), prefix + key_of(path)}
            found = self._ledger.erasures.traces(self._mirror, names, request.id)
            left += [f"ledger: {one}" for one in found]
        return left

    def _searched(self, *, is_all: bool) -> tuple[str, ...]:
        kept = "" if self._bucket_versions() is None else ", with all that the bucket itself keeps"
        ledger = ("every table of the ledger",) if is_all else ()
        return (self._places.local_name, self._places.remote_name + kept, *ledger)

    def _row(self, version: Ulid) -> VersionRow | None:
        return self._ledger.versions.get(version)
