"""Versions for people and programs: which there are, their bytes, and how to have them back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from docferry.app.mirrors import mirror_named
from docferry.config import Config
from docferry.core.asked import NOTHING
from docferry.core.paths import is_plain, is_reserved
from docferry.core.rewind import PutBack, Step, rewind
from docferry.core.when import FORMS, moment
from docferry.errors import ConflictError, NotFoundError, UserError
from docferry.ledger import HoldRow, Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import Mode, Path, RequestKind, Ulid, VersionRow

_ULID_CHARS = 26


@dataclass(frozen=True, slots=True)
class PathVersions:
    """All versions of one path, the newest first."""

    mirror: str
    path: Path
    versions: tuple[VersionRow, ...]


@dataclass(frozen=True, slots=True)
class Rewind:
    """
    What a rewind would do.

    hold: where it waits for a person; None: there is nothing to do.
    lost: paths whose content of then cannot be had back: retention let its bytes go.
    """

    mirror: str
    below: Path
    at: datetime
    steps: tuple[Step, ...]
    lost: tuple[VersionRow, ...]
    hold: HoldRow | None


@dataclass(frozen=True, slots=True)
class Undelete:
    """
    What was asked for of what was deleted: each request, with the version it is about.

    lost: paths whose last content cannot be had back: retention let its bytes go.
    before: requests of those that were open already.
    """

    asked: dict[int, VersionRow]
    lost: tuple[VersionRow, ...]
    before: frozenset[int] = frozenset()


# Which one is meant.


def mirror_of(config: Config, ledger: Ledger, path: Path, mirror: str | None) -> str:
    """
    Name the mirror that *path* is in, now or once.

    Raises:
        UserError: Nothing is known of it, or several mirrors have or had it.
    """
    if mirror is not None:
        return mirror_named(config, mirror).name
    found = [name for name in sorted(config.mirrors) if ledger.versions.has(name, path)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{path} is in several mirrors: --mirror one of {', '.join(found)}")
    raise UserError(f"no mirror has a version of {path!r}; docferry ls MIRROR tells what there is")


def version_named(
    ledger: Ledger, version: Ulid, visible: Collection[str] | None = None
) -> VersionRow:
    """
    Args:
        visible: The mirrors of which whoever asks may know; None: of all.

    Raises:
        NotFoundError: There is no such version, or none that may be seen: in the same words.
    """
    row = ledger.versions.get(version.upper())
    if row is not None and (visible is None or row.mirror in visible):
        return row
    erased_at = ledger.erasures.when(version.upper(), visible) if row is None else None
    if erased_at is not None:
        raise NotFoundError(f"version {version} was erased on {erased_at:%Y-%m-%d %H:%M} UTC")
    raise NotFoundError(f"there is no version {version}")


def versions(config: Config, ledger: Ledger, path: Path, mirror: str | None) -> PathVersions:
    """
    Give all versions of *path*.

    Raises:
        UserError: There is none, or it is not clear in which mirror.
    """
    name = mirror_of(config, ledger, path, mirror)
    return PathVersions(name, path, tuple(_versions_of(ledger, name, path)))


def resolve(
    config: Config, ledger: Ledger, what: str, mirror: str | None, at: datetime | None = None
) -> VersionRow:
    """
    Give the version that is meant by *what*, a version or a path.

    Of a path: what it held at *at*; without a time what it holds, or held last.

    Raises:
        UserError: There is none, or it is not clear which.
    """
    if looks_like_version(what):
        if at is not None:
            raise UserError(f"a time goes with a path, and {what} is a version")
        return _of_mirror(version_named(ledger, what), mirror)
    name = mirror_of(config, ledger, what, mirror)
    if at is not None:
        return _held_at(ledger, name, what, at)
    rows = _versions_of(ledger, name, what)
    return next((row for row in rows if row.is_current), rows[0])


def _of_mirror(row: VersionRow, mirror: str | None) -> VersionRow:
    if mirror not in (None, row.mirror):
        raise UserError(f"version {row.id} is of the mirror {row.mirror}")
    return row


def _versions_of(ledger: Ledger, mirror: str, path: Path) -> list[VersionRow]:
    rows = ledger.versions.of(mirror, path)
    if not rows:
        raise NotFoundError(f"{mirror} has no version of {path!r}")
    return rows


def looks_like_version(what: str) -> bool:
    return len(what) == _ULID_CHARS and what.isascii() and what.isalnum()


def time_named(text: str) -> datetime:
    """
    Raises:
        UserError: It is no time, or yet to come.
    """
    now = datetime.now(UTC)
    found = moment(text, now)
    if found is None:
        raise UserError(f"{text!r} is no time: {FORMS}")
    if found > now:
        raise UserError(f"{text!r} is yet to come: {_local(found)}")
    return found


def _held_at(ledger: Ledger, mirror: str, path: Path, at: datetime) -> VersionRow:
    rows = ledger.versions.of(mirror, path)
    then = [row for row in rows if row.created_at <= at and not (row.left_at and row.left_at <= at)]
    if then:  # what both sides held, else what one of them did
        return next((row for row in then if row.agreed), then[0])
    if rows and at < rows[-1].created_at:
        raise UserError(f"{path} came to {mirror} later, at {_local(rows[-1].created_at)}")
    raise UserError(f"{mirror} had no {path} at {_local(at)}")


# To be had back.


def ask_restore(
    config: Config, ledger: Ledger, row: VersionRow, to: Path | None, at: datetime
) -> tuple[int, bool]:
    """
    Ask the daemon to put a version back, to its path or to *to*.

    Returns:
        The request, and whether it is a new one: else the same is asked for already.

    Raises:
        UserError: It cannot be done in that mirror.
    """
    refuse_what_travels_not(config, row.mirror)
    if row.gone_at is not None:
        raise let_go(row)
    path = _a_path(to) if to is not None else row.path
    wanted = NewRequest(row.mirror, path, RequestKind.RESTORE, version=row.id)
    [found] = ledger.requests.add_once([wanted], at)
    return found


def let_go(row: VersionRow) -> ConflictError:
    """Say that the bytes of a version were let go, and when."""
    assert row.gone_at is not None
    return ConflictError(f"the bytes of version {row.id} were let go at {_local(row.gone_at)}")


def before_now(ledger: Ledger, mirror: str, path: Path) -> VersionRow:
    """
    Give the version to have back where nobody says which: the one before what is there.

    Raises:
        UserError: There is none.
    """
    rows = ledger.versions.of(mirror, path)
    current = next((row for row in rows if row.is_current), None)
    older = [
        row
        for row in rows
        if not row.is_current
        and row.origin != "evidence"
        and (current is None or row.sha256 != current.sha256)
    ]
    if not older:
        raise UserError(f"{mirror} has no other version of {path}")
    return older[0]


def ask_undelete(
    config: Config, ledger: Ledger, mirror: str, below: Path, at: datetime
) -> Undelete:
    """Ask for the last version of every path at or below *below* that holds nothing now."""
    refuse_what_travels_not(config, mirror)
    found = ledger.versions.left_paths(mirror, below)
    rows = [row for row in found if row.gone_at is None]
    wanted = [
        NewRequest(mirror, row.path, RequestKind.RESTORE, version=row.id, expect=NOTHING)
        for row in rows
    ]
    asked = ledger.requests.add_once(wanted, at)
    return Undelete(
        {number: row for (number, _), row in zip(asked, rows, strict=True)},
        tuple(row for row in found if row.gone_at is not None),
        frozenset(number for number, is_new in asked if not is_new),
    )


def ask_rewind(
    config: Config, ledger: Ledger, mirror: str, below: Path, then: datetime, at: datetime
) -> Rewind:
    """
    Lay ready what brings a tree back to what it was at *then*, as a hold for a person.

    Raises:
        UserError: It is before the first version, or nothing was ever there, or it cannot
            be done in that mirror.
    """
    refuse_what_travels_not(config, mirror)
    if below and not ledger.versions.has_below(mirror, below):
        raise UserError(
            f"nothing was ever at or below {_place(mirror, below)}: docferry ls {mirror}"
        )
    first = ledger.versions.first_at(mirror)
    if first is None or then < first:
        raise UserError(
            f"{_local(then)} is before the first version of {mirror}"
            + ("" if first is None else f", which is of {_local(first)}")
        )
    last = ledger.versions.last()  # the daemon's clock may be ahead of this one
    now = at if last is None else max(at, last[1])
    found = [
        *rewind(
            ledger.versions.tree_at(mirror, then, below),
            ledger.versions.tree_at(mirror, now, below),
        )
    ]
    lost = [step.version for step in found if isinstance(step, PutBack) and step.version.gone_at]
    steps = [step for step in found if not (isinstance(step, PutBack) and step.version.gone_at)]
    hold = None
    if steps:
        reason = f"rewind of {_place(mirror, below)} to {_local(then)}: {_sums(steps)}"
        wanted = [_request(mirror, step) for step in steps]
        hold = ledger.holds.hold_rewind(mirror, reason, wanted, at)
    return Rewind(mirror, below, then, tuple(steps), tuple(lost), hold)


def _request(mirror: str, step: Step) -> NewRequest:
    if isinstance(step, PutBack):
        expect = step.instead_of or NOTHING
        return NewRequest(mirror, step.path, RequestKind.RESTORE, step.version.id, expect)
    return NewRequest(mirror, step.path, RequestKind.REMOVE, expect=step.version)


def _sums(steps: Sequence[Step]) -> str:
    back = sum(isinstance(step, PutBack) for step in steps)
    return f"{back} to be put back, {len(steps) - back} to be taken away"


def refuse_what_travels_not(config: Config, mirror: str) -> None:
    """
    Raises:
        UserError: What is put into the mirror's folder stays there.
    """
    if mirror_named(config, mirror).mode is Mode.PULL:
        raise UserError(
            f"{mirror} only pulls: what is put into its folder would not go up. Take the bytes "
            "with `docferry cat` and put them into the bucket"
        )


def _a_path(path: str) -> Path:
    if is_reserved(path):
        raise UserError(f"{path!r} belongs to docferry itself")
    if not is_plain(path):
        raise UserError(f"{path!r} is no path inside a mirror: such as reports/2026.docx")
    return path


def _place(mirror: str, below: Path) -> str:
    return f"{mirror}/{below}" if below else mirror


def _local(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
