"""
Put results into their mirrors' folders, without ever taking the place of a person's file.

What is at the path is looked at first and held to: the write is conditional, so whoever
comes in between, a person or another job, is noticed, and all is decided anew.
"""

from __future__ import annotations

import mimetypes
import os
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from docferry.core.places import result_path
from docferry.core.results import Way, is_by_path, way_for, why_unusable
from docferry.errors import (
    BlockedPathError,
    DocferryError,
    PermanentError,
    StaleError,
    TemporaryError,
    UnreachableError,
)
from docferry.job import JobRow
from docferry.ledger import Ledger
from docferry.model import (
    Attributes,
    FileState,
    Origin,
    Path,
    Provenance,
    Sha256,
    Side,
    SyncedState,
    Unknown,
)
from docferry.storage.base import Content, Storage
from docferry.storage.local_content import LocalContent, token_of

_LOOKS = 5  #: at a path that somebody keeps changing


class InTheWayError(PermanentError):
    """The result cannot go where it belongs until a person acts."""


class OutdatedError(StaleError):
    """The document is not what its path holds any more: the newer one has a job of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    A mirror that results go to.

    Args:
        folder: Its local side.
        mark: Tells its loop that something changed, and where it came from.
        trouble: Says why nothing may be put there for now; None: it may.
        is_on_its_way: Says whether its loop is busy with a path.
    """

    folder: Storage
    mark: Callable[[Path, Origin | None], None]
    trouble: Callable[[], str | None] = lambda: None
    is_on_its_way: Callable[[Path], bool] = lambda path: False


@dataclass(frozen=True, slots=True)
class Result:
    """A result that is ready to be put to its place."""

    file: pathlib.Path
    sha256: Sha256


class PutResults:
    """
    Puts the results of jobs where they belong. Thread-safe: it keeps no state.

    Args:
        targets: By mirror's name.
    """

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target]) -> None:
        self._ledger = ledger
        self._targets = targets

    def put(self, job: JobRow, result: Result, intend: Callable[[Path, Sha256], None]) -> Path:
        """
        Put *result* to the place of *job*, unless it is there already; give its path.

        Args:
            intend: Notes in the ledger which content is about to be put to which path: after
                a crash it is known for ours.

        Raises:
            InTheWayError: It cannot go there until a person acts.
            OutdatedError: The document has a newer version, whose result belongs there.
            UnreachableError: The mirror takes nothing for now.
            TemporaryError: Something else came in between.
        """
        target = self._targets.get(job.target_mirror)
        if target is None:
            raise InTheWayError(f"there is no mirror {job.target_mirror!r} in the configuration")
        if (trouble := target.trouble()) is not None:
            raise UnreachableError(f"mirror {job.target_mirror} takes no results now: {trouble}")
        path = self._path(job)
        for _ in range(_LOOKS):
            try:
                self._put_once(job, target, path, result, intend)
            except StaleError as error:
                if isinstance(error, OutdatedError):
                    raise
                continue  # somebody came in between
            except BlockedPathError as error:
                raise InTheWayError(
                    f"cannot put the result to {path}: {error.blocked_by} is in the way; move it "
                    "away, then replay the job"
                ) from error
            return path
        raise TemporaryError(f"{path} in mirror {job.target_mirror} keeps changing")

    def _path(self, job: JobRow) -> Path:
        path = result_path(job.place, job.version, job.sha256)
        if (why := why_unusable(path)) is not None:
            raise InTheWayError(
                f"the result of {job.path} would go to {path!r}: {why}; change the rule's template"
            )
        return path

    def _put_once(
        self,
        job: JobRow,
        target: Target,
        path: Path,
        result: Result,
        intend: Callable[[Path, Sha256], None],
    ) -> None:
        found = target.folder.stat(path)  # first: a newer result that comes from here on is noticed
        self._refuse_outdated(job)
        if isinstance(found, Unknown):
            raise InTheWayError(_in_the_way(path, found.reason))
        sha256 = None if found is None else _hash_at(target.folder, path, found)
        is_on_its_way = target.is_on_its_way(path)  # first: then the ledger tells what came of it
        ours = self._ledger.jobs.results_at(job.target_mirror, path) if sha256 else ()
        way = way_for(sha256, result.sha256, ours)
        # Where a ledger was lost, what comes down, or is compared, may be an earlier result.
        if is_on_its_way and way in (Way.WRITE, Way.REFUSE):
            raise TemporaryError(f"{path} in mirror {job.target_mirror} is being carried over")
        match way:
            case Way.LEAVE:
                self._tell_of(job.target_mirror, target, path, result.sha256)
            case Way.REFUSE:
                raise InTheWayError(_in_the_way(path, "no conversion has put it there"))
            case Way.WRITE:
                intend(path, result.sha256)
                self._write(target, path, result, None, None)
            case Way.REPLACE:
                assert found is not None
                assert sha256 is not None
                self._refuse_anothers(job, path, sha256)
                base = self._agreed(job.target_mirror, path, sha256)
                intend(path, result.sha256)
                self._write(target, path, result, found, base)
                self._ledger.versions.note_archived([base.version], Side.LOCAL)

    def _refuse_outdated(self, job: JobRow) -> None:
        if not is_by_path(job.place):
            return
        present = self._ledger.synced.get(job.mirror, [job.path]).get(job.path)
        if present is None or present.sha256 != job.sha256:
            raise OutdatedError(f"{job.path} does not hold version {job.version} any more")

    def _refuse_anothers(self, job: JobRow, path: Path, sha256: Sha256) -> None:
        """Leave the result of another document that is there still: both want the same name."""
        made_from = self._ledger.results.at(job.target_mirror, path).get(sha256)
        if made_from is None:
            return
        source = self._ledger.versions.get(made_from.source)
        if source is None:
            self._refuse_unknown(job, path, made_from)
            return
        if (source.mirror, source.path) == (job.mirror, job.path):
            return
        if source.path in self._ledger.synced.get(source.mirror, [source.path]):
            raise InTheWayError(
                f"cannot put the result to {path}: that of {source.path} is there; give the "
                "rule a template that tells them apart, such as one with {path}"
            )

    def _refuse_unknown(self, job: JobRow, path: Path, made_from: Provenance) -> None:
        """Leave what was made of nobody knows what: others may have written that it is a result."""
        held = self._ledger.versions.of(job.mirror, job.path)
        if all(row.sha256 != made_from.source_sha256 for row in held):
            why = f"it was made of version {made_from.source}, and nothing is known of that"
            raise InTheWayError(_in_the_way(path, why))

    def _agreed(self, mirror: str, path: Path, found: Sha256 | None) -> SyncedState:
        """Give the agreement about what is to be displaced: it is archived by its name."""
        base = self._ledger.synced.get(mirror, [path]).get(path)
        if base is None or base.sha256 != found:
            raise TemporaryError(f"the result before at {path} has not been carried up yet")
        return base

    def _write(
        self,
        target: Target,
        path: Path,
        result: Result,
        found: FileState | None,
        base: SyncedState | None,
    ) -> None:
        attributes = Attributes(sha256=result.sha256, content_type=mimetypes.guess_type(path)[0])
        archive = None if base is None else self._archive_of(path, base)
        expect = None if found is None else found.token
        target.mark(path, Origin.CONVERSION)  # before the watcher can take it for a person's
        try:
            with open_file(result.file) as content:
                target.folder.write(path, content, attributes, expect=expect, archive=archive)
        except DocferryError:
            target.mark(path, Origin.LOCAL)  # what is there, if anything, is not ours
            raise
        target.mark(path, None)

    def _tell_of(self, mirror: str, target: Target, path: Path, sha256: Sha256) -> None:
        """Let the loop know where a result came from that it has not carried up yet."""
        agreed = self._ledger.synced.get(mirror, [path]).get(path)
        if agreed is None or agreed.sha256 != sha256:
            target.mark(path, Origin.CONVERSION)
            target.mark(path, None)

    def _archive_of(self, path: Path, base: SyncedState) -> Attributes:
        parent = self._ledger.versions.parent_of(base.version)
        return Attributes(version=base.version, sha256=base.sha256, path=path, parent=parent)


def open_file(path: pathlib.Path) -> Content:
    """
    Open a file of ours as a content.

    Raises:
        TemporaryError: It cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise TemporaryError(f"cannot read {path}: {error.strerror}") from error
    return LocalContent(fd, path.name, token_of(os.fstat(fd)) or "", path.lstat)


def _hash_at(folder: Storage, path: Path, found: FileState) -> Sha256:
    with folder.read(path, found.token) as content:
        digest = content.sha256()
        content.confirm()
    return digest


def _in_the_way(path: Path, why: str) -> str:
    return (
        f"cannot put the result to {path}: something else is there ({why}); move it away, "
        "then replay the job"
    )
