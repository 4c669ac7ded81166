"""Documents processed on request: one, some, or all that no rule has converted yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from docferry.app.bulk import MOST_AT_ONCE, Item, require_few
from docferry.app.convert_again import Callers, Wanted
from docferry.app.versions import let_go, looks_like_version, version_named
from docferry.config import Config
from docferry.core.cursors import cursor_of, key_in
from docferry.core.rules import Rule, jobs_for
from docferry.core.words import counted
from docferry.errors import ConflictError, DocferryError, NotFoundError, UserError
from docferry.job import JobRow, NewJob, Priority
from docferry.ledger import Ledger
from docferry.ledger.files import FileRow
from docferry.model import Path, Ulid, VersionRow

#: Files that one call for all that is new looks at: some tenths of a second.
MOST_LOOKED_AT = 10_000
_CHUNK = 500  # files read at a time
_MOST_NAMED = 10  # files that may be meant


class IdentifierType(StrEnum):
    """What names a document."""

    ID = "id"  # the ULID of a version
    PATH = "path"  # its path in a mirror, from the top: "/" before it is left out
    #: The last part of its path, if only one file has it; with a "/" in it the whole path.
    FILENAME = "filename"


@dataclass(frozen=True, slots=True)
class Processed:
    """
    What was asked for.

    version: None: of several documents.
    jobs: that are to be done, or were done before, as they were right after.
    refused: by rule, why it takes none of the documents.
    """

    version: VersionRow | None
    jobs: tuple[JobRow, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class New:
    """
    What was queued of all that is new.

    files: that were looked at.
    paused: by rule, why nothing was queued of it.
    cursor: where to go on; None: all was looked at.
    """

    jobs: tuple[JobRow, ...]
    files: int
    paused: Mapping[str, str]
    cursor: str | None


def document(
    ledger: Ledger, mirrors: Collection[str], identifier: str, by: IdentifierType | None = None
) -> VersionRow:
    """
    Give the one that is meant.

    Args:
        mirrors: Whose documents may be meant.
        by: None: whichever *identifier* looks like.

    Raises:
        NotFoundError: There is none.
        ConflictError: There are several: it names them.
    """
    if by is None:
        by = IdentifierType.ID if looks_like_version(identifier) else IdentifierType.FILENAME
    if by is not IdentifierType.ID:
        return _called(ledger, mirrors, identifier, is_path=by is IdentifierType.PATH)
    version = version_named(ledger, identifier, mirrors)
    if version.gone_at is not None:
        raise let_go(version)
    return version


def process(
    config: Config,
    ledger: Ledger,
    version: VersionRow,
    rule: str | None,
    at: datetime,
    *,
    is_forced: bool,
    visible: Collection[str] | None = None,
) -> Processed:
    """
    Have a document converted, before all others: by *rule*, or by all that take it.

    Args:
        is_forced: Also what is done already.
        visible: The mirrors of whose rules whoever asks may know; None: of all.

    Raises:
        NotFoundError: There is no such rule.
        UserError: No rule takes it, with the reason of each.
    """
    found = Callers(config, rule, visible).wanted([version], at, is_meant=rule is not None)
    if not found.jobs:
        raise UserError(f"no rule converts {version.path!r}: {_reasons(found)}")
    ids = ledger.jobs.ask_all(found.jobs, at, is_forced=is_forced)
    return Processed(version, tuple(ledger.job_pages.some(ids)), found.refused)


def process_some(
    config: Config,
    ledger: Ledger,
    mirrors: Collection[str],
    identifiers: Sequence[str],
    rule: str | None,
    at: datetime,
    *,
    by: IdentifierType | None = None,
    is_forced: bool,
    visible: Collection[str] | None = None,
) -> tuple[Item, ...]:
    """
    Do the same for several, and say of each what came of it: one order, in one row of the audit.

    Args:
        visible: As `process`.

    Raises:
        NotFoundError: There is no such rule.
        UserError: They are more than `MOST_AT_ONCE`.
    """
    require_few(identifiers)
    versions, why_not = _documents(ledger, mirrors, identifiers, by)
    meant: dict[str, tuple[NewJob, ...]] = {}
    if versions or rule is not None:  # who names no document of theirs is told that alone
        callers = Callers(config, rule, visible)
        for identifier, version in versions.items():
            found = callers.wanted([version], at, is_meant=rule is not None)
            meant[identifier] = found.jobs
            if not found.jobs:
                why_not[identifier] = f"no rule converts it: {_reasons(found)}"
    wanted = [job for jobs in meant.values() for job in jobs]
    rows = iter(_asked(ledger, wanted, at, is_forced=is_forced))
    given = {one: tuple(next(rows) for _ in jobs) for one, jobs in meant.items()}
    return tuple(
        Item(one, why_not.get(one), given.get(one, ())) for one in dict.fromkeys(identifiers)
    )


def process_new(
    config: Config,
    ledger: Ledger,
    mirrors: Collection[str],
    rule: str | None,
    at: datetime,
    cursor: str | None = None,
    *,
    visible: Collection[str] | None = None,
) -> New:
    """
    Have all converted that rules call for and nobody has begun: a part of it, of a bounded size.

    docferry does so by itself in time, behind what arrives; this is before that, and now. What
    was given up on is no part of it: that is replayed.

    Args:
        cursor: Where the part before ended.
        visible: As `process`.

    Raises:
        NotFoundError: There is no such rule.
        UserError: The cursor is none.
    """
    callers = Callers(config, rule, visible)
    rules = [one for one in callers.rules if one.from_mirror in mirrors]
    listed = ("new", rule, sorted(mirrors))
    start = ("", "") if cursor is None else _place_in(key_in(cursor, listed, 2))
    new = list[NewJob]()
    looked_at, end = 0, None
    for end, versions in _files(ledger, rules, start):
        looked_at += len(versions)
        jobs = [replace(one, created_at=at) for one in _called_for(rules, end[0], versions)]
        new += ledger.backlog.missing(jobs)
        if len(new) >= MOST_AT_ONCE or looked_at >= MOST_LOOKED_AT:
            break
    else:
        end = None
    rows = _asked(ledger, new, at, is_forced=False)
    return New(
        tuple(dict.fromkeys(rows)),
        looked_at,
        callers.paused,
        None if end is None else cursor_of(listed, end),
    )


def _documents(
    ledger: Ledger,
    mirrors: Collection[str],
    identifiers: Sequence[str],
    by: IdentifierType | None,
) -> tuple[dict[str, VersionRow], dict[str, str]]:
    """Give those that are meant; and why others are none, or not clear."""
    versions: dict[str, VersionRow] = {}
    why_not: dict[str, str] = {}
    for identifier in dict.fromkeys(identifiers):
        try:
            versions[identifier] = document(ledger, mirrors, identifier, by)
        except DocferryError as error:
            why_not[identifier] = str(error)
    return versions, why_not


def _called(ledger: Ledger, mirrors: Collection[str], name: Path, *, is_path: bool) -> VersionRow:
    path, among = name.strip("/"), sorted(mirrors)
    found: list[FileRow] = []
    if among and path:
        # A path at the top reads as a name, and must not hide another file that is called so.
        is_name = "/" not in path and not is_path and not name.startswith("/")
        found = _with_name(ledger, among, path) if is_name else _at(ledger, among, path)
    if not found:
        raise NotFoundError(f"no mirror has {name!r} now; docferry ls MIRROR tells what there is")
    if len(found) > 1:
        top = any(one.path == name for one in found) and any(one.path != name for one in found)
        hint = f"; /{name} is the one at the top" if top else ""
        raise ConflictError(f"{counted(len(found), 'file')} may be meant: {_named(found)}{hint}")
    [row] = found
    if row.version is None:
        raise NotFoundError(f"{row.mirror} has no {row.path!r} any more")
    return replace(row.version, path=row.path)


def _with_name(ledger: Ledger, mirrors: Sequence[str], name: str) -> list[FileRow]:
    return ledger.files.named(mirrors, name, _MOST_NAMED + 1)


def _at(ledger: Ledger, mirrors: Sequence[str], path: Path) -> list[FileRow]:
    at_path = ledger.files.at([(mirror, path) for mirror in mirrors])
    return [one for one in at_path if one.agreed is not None]


def _named(found: Sequence[FileRow]) -> str:
    shown = ", ".join(f"{one.mirror}: {one.path}" for one in found[:_MOST_NAMED])
    return f"{shown} and more" if len(found) > _MOST_NAMED else shown


def _reasons(found: Wanted) -> str:
    return "; ".join(f"{rule}: {reason}" for rule, reason in found.refused.items())


def _asked(ledger: Ledger, new: Sequence[NewJob], at: datetime, *, is_forced: bool) -> list[JobRow]:
    ids: list[Ulid] = ledger.jobs.ask_all(new, at, is_forced=is_forced)
    rows = {row.id: row for row in ledger.job_pages.some([*dict.fromkeys(ids)])}
    return [rows[one] for one in ids]


def _place_in(key: tuple[str, ...]) -> tuple[str, Path]:
    mirror, path = key
    return mirror, path


def _files(
    ledger: Ledger, rules: Sequence[Rule], start: tuple[str, Path]
) -> Iterator[tuple[tuple[str, Path], list[VersionRow]]]:
    """Yield the files of all mirrors of *rules*, some at a time, each with where it ends."""
    for mirror in sorted({rule.from_mirror for rule in rules}):
        if mirror < start[0]:
            continue
        after = start[1] if mirror == start[0] else ""
        while chunk := ledger.backlog.files(mirror, after, _CHUNK):
            after = chunk[-1].path
            yield (mirror, after), chunk


def _called_for(
    rules: Sequence[Rule], mirror: str, versions: Sequence[VersionRow]
) -> Iterator[NewJob]:
    ours = [rule for rule in rules if rule.from_mirror == mirror]
    for version in versions:
        yield from jobs_for(version, ours, Priority.ASKED)
