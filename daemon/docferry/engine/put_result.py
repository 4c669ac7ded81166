"""
Put results into their mirrors' folders, without ever taking the place of a person's file.

What is at the path is looked at first and held to: the write is conditional, so whoever
comes in between, a person or another job, is noticed, and all is decided anew.
"""

from __future__ import annotations

import mimetypes
import os
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from typing import TypeAlias

from docferry.core.places import result_path
from docferry.core.results import Way, is_by_path, way_for, why_unusable
from docferry.engine.sides import LocalSide
from docferry.errors import (
    BlockedPathError,
    DocferryError,
    PermanentError,
    StaleError,
    TemporaryError,
    UnreachableError,
)
from docferry.job import Intended, JobRow
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
    Ulid,
    Unknown,
    Written,
)
from docferry.storage.base import Arrival, Content
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

    folder: LocalSide
    mark: Callable[[Path, Origin | None], None]
    trouble: Callable[[], str | None] = lambda: None
    is_on_its_way: Callable[[Path], bool] = lambda path: False


@dataclass(frozen=True, slots=True)
class Result:
    """A result that is ready to be put to its place."""

    file: pathlib.Path
    sha256: Sha256
    size: int  #: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """
    A result, and the job whose it is.

    Args:
        release: The programs that made it, with their versions.
    """

    job: JobRow
    result: Result
    release: str


#: Notes in the ledger what is about to be put where: after a crash it is known for ours.
Intends: TypeAlias = Callable[[Sequence[Intended]], None]
#: Where a result is, or why it is not there.
PutEnd: TypeAlias = Path | DocferryError


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be written, over what."""

    put: Put
    path: Path
    target: Target
    found: FileState | None = None
    base: SyncedState | None = None  #: what both sides have agreed on, of what is displaced


class PutResults:
    """
    Puts the results of jobs where they belong. Thread-safe: it keeps no state.

    Args:
        targets: By mirror's name.
    """

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target]) -> None:
        self._ledger = ledger
        self._targets = targets

    def put(self, puts: Sequence[Put], intend: Intends) -> list[PutEnd]:
        """
        Put each result to the place of its job, unless it is there already. All are one mirror's.

        Together, for to make one file last takes a disk about as long as to make many.

        Returns:
            The path of each, or what stands against it: `InTheWayError` until a person acts;
            `OutdatedError`, the document has a newer version, whose result belongs there;
            `UnreachableError`, the mirror takes nothing for now; `TemporaryError`.
        """
        ends: dict[Ulid, PutEnd] = {}
        looks: Counter[Ulid] = Counter()
        while left := [put for put in puts if put.job.id not in ends]:
            self._put_some(left, ends, looks, intend)
        return [ends[put.job.id] for put in puts]

    def _put_some(
        self,
        puts: Sequence[Put],
        ends: dict[Ulid, PutEnd],
        looks: Counter[Ulid],
        intend: Intends,
    ) -> None:
        """Put those that nobody comes in between, one to a path; the others are left for later."""
        plans: dict[Path, _Plan] = {}
        for put in puts:
            path = result_path_of(put.job)
            if path in plans:
                continue
            looks[put.job.id] += 1
            found = self._planned(put, path)
            if isinstance(found, _Plan):
                plans[path] = found
            elif found is not None:
                ends[put.job.id] = found
        for put, end in self._written([*plans.values()], intend):
            if end is not None:
                ends[put.job.id] = end
        for put in puts:
            if put.job.id not in ends and looks[put.job.id] >= _LOOKS:
                ends[put.job.id] = _keeps_changing(put.job)

    def _planned(self, put: Put, path: Path) -> _Plan | PutEnd | None:
        """Say what is to be done, or how it has ended; None: somebody came in between."""
        try:
            return self._plan(put, path)
        except OutdatedError as error:
            return error
        except StaleError:
            return None
        except BlockedPathError as error:
            return _blocked(path, error)
        except DocferryError as error:
            return error

    def _plan(self, put: Put, path: Path) -> _Plan | Path:
        job, wanted = put.job, put.result.sha256
        target = self._target_of(job)
        if (why := why_unusable(path)) is not None:
            raise InTheWayError(
                f"the result of {job.path} would go to {path!r}: {why}; change the rule's template"
            )
        found = target.folder.stat(path)  # first: a newer result that comes from here on is noticed
        self.refuse_outdated(job)
        if isinstance(found, Unknown):
            raise InTheWayError(_in_the_way(path, found.reason))
        sha256 = None if found is None else _hash_at(target.folder, path, found)
        is_on_its_way = target.is_on_its_way(path)  # first: then the ledger tells what came of it
        ours = self._ledger.jobs.results_at(job.target_mirror, path) if sha256 else ()
        way = way_for(sha256, wanted, ours)
        # Where a ledger was lost, what comes down, or is compared, may be an earlier result.
        if is_on_its_way and way in (Way.WRITE, Way.REFUSE):
            raise TemporaryError(f"{path} in mirror {job.target_mirror} is being carried over")
        match way:
            case Way.LEAVE:
                self._tell_of(job.target_mirror, target, path, wanted)
                return path
            case Way.REFUSE:
                raise InTheWayError(_in_the_way(path, "no conversion has put it there"))
            case Way.WRITE:
                return _Plan(put, path, target)
            case Way.REPLACE:
                assert found is not None
                assert sha256 is not None
                self._refuse_anothers(job, path, sha256)
                base = self._agreed(job.target_mirror, path, sha256)
                return _Plan(put, path, target, found, base)

    def _target_of(self, job: JobRow) -> Target:
        target = self._targets.get(job.target_mirror)
        if target is None:
            raise InTheWayError(f"there is no mirror {job.target_mirror!r} in the configuration")
        if (trouble := target.trouble()) is not None:
            raise UnreachableError(f"mirror {job.target_mirror} takes no results now: {trouble}")
        return target

    def refuse_outdated(self, job: JobRow) -> None:
        """
        Let no result go where that of a newer version belongs, or none any more.

        Where each version has a result of its own, that of an older one is called for too.

        Raises:
            OutdatedError: The path of the document, which decides the place, holds another
                content by now, or none.
        """
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
                # Without its name: it may be of a mirror that who sees this document does not.
                f"cannot put the result to {path}: that of another document is there; give the "
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

    # Writing.

    def _written(
        self, plans: Sequence[_Plan], intend: Intends
    ) -> Iterator[tuple[Put, PutEnd | None]]:
        """Write what is planned; None: somebody came in between."""
        if not plans:
            return
        try:
            intend([_intended(plan) for plan in plans])
        except DocferryError as error:
            yield from ((plan.put, error) for plan in plans)
            return
        ends = self._write(plans[0].target, plans)
        yield from ((plan.put, _end_of(plan, end)) for plan, end in zip(plans, ends, strict=True))

    def _write(self, target: Target, plans: Sequence[_Plan]) -> list[Written | DocferryError]:
        with ExitStack() as opened:
            arrivals = [self._arrival(plan, opened) for plan in plans]
            written: Iterator[Written | DocferryError] = iter(())
            for plan in plans:  # before the watcher can take it for a person's
                target.mark(plan.path, Origin.CONVERSION)
            try:
                able = [one for one in arrivals if isinstance(one, Arrival)]
                written = iter(target.folder.write_all(able) if able else ())
            except DocferryError as error:
                written = repeat(error)
            ends = [next(written) if isinstance(one, Arrival) else one for one in arrivals]
        for plan, end in zip(plans, ends, strict=True):
            # What is there, if anything, is not ours where it failed.
            target.mark(plan.path, Origin.LOCAL if isinstance(end, DocferryError) else None)
        try:
            self._note_displaced(plans, ends)
        except DocferryError as error:  # tried again, it is there; a patrol finds what is archived
            return [
                error if plan.base and isinstance(end, Written) else end
                for plan, end in zip(plans, ends, strict=True)
            ]
        return ends

    def _note_displaced(
        self, plans: Sequence[_Plan], ends: Sequence[Written | DocferryError]
    ) -> None:
        displaced = [
            plan.base.version
            for plan, end in zip(plans, ends, strict=True)
            if plan.base is not None and isinstance(end, Written)
        ]
        if displaced:
            self._ledger.versions.note_archived(displaced, Side.LOCAL)

    def _arrival(self, plan: _Plan, opened: ExitStack) -> Arrival | DocferryError:
        path, result, base = plan.path, plan.put.result, plan.base
        try:
            content = opened.enter_context(open_file(result.file))
            archive = None if base is None else self._archive_of(path, base)
        except DocferryError as error:
            return error
        attributes = Attributes(sha256=result.sha256, content_type=mimetypes.guess_type(path)[0])
        expect = None if plan.found is None else plan.found.token
        return Arrival(path, content, attributes, expect, archive)

    def _tell_of(self, mirror: str, target: Target, path: Path, sha256: Sha256) -> None:
        """Let the loop know where a result came from that it has not carried up yet."""
        agreed = self._ledger.synced.get(mirror, [path]).get(path)
        if agreed is None or agreed.sha256 != sha256:
            target.mark(path, Origin.CONVERSION)
            target.mark(path, None)

    def _archive_of(self, path: Path, base: SyncedState) -> Attributes:
        parent = self._ledger.versions.parent_of(base.version)
        return Attributes(version=base.version, sha256=base.sha256, path=path, parent=parent)


def result_path_of(job: JobRow) -> Path:
    """Say where the result of *job* goes in its target mirror."""
    return result_path(job.place, job.version, job.sha256)


def _intended(plan: _Plan) -> Intended:
    return Intended(plan.put.job, plan.path, plan.put.result.sha256, plan.put.release)


def _end_of(plan: _Plan, end: Written | DocferryError) -> PutEnd | None:
    match end:
        case StaleError():
            return None
        case BlockedPathError():
            return _blocked(plan.path, end)
        case DocferryError():
            return end
        case _:
            return plan.path


def _blocked(path: Path, error: BlockedPathError) -> InTheWayError:
    return InTheWayError(
        f"cannot put the result to {path}: {error.blocked_by} is in the way; move it away, "
        "then replay the job"
    )


def _keeps_changing(job: JobRow) -> TemporaryError:
    return TemporaryError(f"{result_path_of(job)} in mirror {job.target_mirror} keeps changing")


def result_in(file: pathlib.Path) -> Result:
    """
    Take *file* for a result.

    Raises:
        TemporaryError: It cannot be read.
    """
    with open_file(file) as content:
        return Result(file, content.sha256(), content.size)


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


def _hash_at(folder: LocalSide, path: Path, found: FileState) -> Sha256:
    with folder.read(path, found.token) as content:
        digest = content.sha256()
        content.confirm()
    return digest


def _in_the_way(path: Path, why: str) -> str:
    return (
        f"cannot put the result to {path}: something else is there ({why}); move it away, "
        "then replay the job"
    )
