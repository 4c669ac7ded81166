"""Conversions that somebody asks for: of a file, of a version, of all below a folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from docferry.app.chains import chains_of
from docferry.app.mirrors import mirror_named
from docferry.app.rules_told import shapes_of
from docferry.app.versions import let_go, looks_like_version, resolve
from docferry.config import Config
from docferry.core.rules import Rule, jobs_for
from docferry.core.verdict import why_not
from docferry.engine import backlog
from docferry.errors import NotFoundError, UserError
from docferry.job import NewJob, Priority
from docferry.ledger import Ledger
from docferry.model import Path, Ulid, VersionRow

_CHUNK = 500  # files read at a time


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is to be converted.

    refused: by rule, why it takes none of the documents; where it takes some, it is not here.
    """

    documents: int
    jobs: tuple[NewJob, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Counted:
    """
    What a rule finds in its mirror.

    trouble: why its converter cannot be had; then nobody knows what it has converted.
    """

    rule: str
    files: int  #: that it takes
    missing: int | None  #: of those: the ones without a conversion
    trouble: str | None = None


class Callers:
    """
    The rules that are asked: one, or all there are.

    Args:
        visible: The mirrors of whose rules whoever asks may know; None: of all.

    Raises:
        NotFoundError: There is no such rule.
    """

    def __init__(
        self, config: Config, rule: str | None, visible: Collection[str] | None = None
    ) -> None:
        self._chains = chains_of(config)
        self._shapes = _shapes(config, rule, visible)
        self._rules = {one.name: one for one in self._chains.rules}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those of them whose converters can be had."""
        return tuple(self._rules[one.name] for one in self._shapes if one.name in self._rules)

    @property
    def paused(self) -> Mapping[str, str]:
        """The others, with the reason."""
        paused = self._chains.paused
        return {one.name: paused[one.name] for one in self._shapes if one.name in paused}

    def wanted(self, versions: Iterable[VersionRow], at: datetime, *, is_meant: bool) -> Wanted:
        """
        Say which conversions of *versions* there are to be.

        Args:
            is_meant: These very ones are asked for, also where one is a result itself.
        """
        documents, jobs = 0, list[NewJob]()
        refused: dict[str, str] = {}
        for version in versions:
            documents += 1
            for shape in self._shapes:
                reason = why_not(shape, version, is_meant=is_meant)
                reason = reason or self._chains.paused.get(shape.name)
                if reason is not None:
                    refused.setdefault(shape.name, reason)
                    continue
                rule = self._rules[shape.name]
                new = jobs_for(version, [rule], Priority.ASKED, is_meant=is_meant)
                jobs += [replace(one, created_at=at, expires_at=None) for one in new]
        taken = {job.rule for job in jobs}
        left = {name: reason for name, reason in refused.items() if name not in taken}
        return Wanted(documents, tuple(jobs), left)


def wanted(
    config: Config, ledger: Ledger, what: str, mirror: str | None, rule: str | None, at: datetime
) -> Wanted:
    """
    Say which conversions *what* is about: a version, a file, a folder or a mirror.

    Raises:
        UserError: There is no such thing, or no such rule.
    """
    found = _documents(config, ledger, what, mirror)
    is_meant = rule is not None and isinstance(found, tuple)
    return Callers(config, rule).wanted(found, at, is_meant=is_meant)


def ask(ledger: Ledger, jobs: Sequence[NewJob], at: datetime) -> list[Ulid]:
    """Have *jobs* done before all others, also those that were done before; give their ids."""
    return ledger.jobs.ask_all(jobs, at)


def count(config: Config, ledger: Ledger, rule: str | None = None) -> list[Counted]:
    """
    Say of each rule, or of one, how many files it would convert that are there already.

    Raises:
        UserError: There is no such rule.
    """
    chains = chains_of(config)
    rules = {one.name: one for one in chains.rules}
    return [
        _count(ledger, rules.get(shape.name), shape, chains.paused.get(shape.name))
        for shape in _shapes(config, rule)
    ]


def _shapes(config: Config, rule: str | None, visible: Collection[str] | None = None) -> list[Rule]:
    known_ones = [one for one in shapes_of(config) if visible is None or one.from_mirror in visible]
    shapes = [one for one in known_ones if rule in (None, one.name)]
    if not shapes:
        known = ", ".join(one.name for one in known_ones) or "none"
        raise NotFoundError(
            "there is no rule in the configuration"
            + ("" if visible is None else f" for files of {', '.join(sorted(visible))}")
            if rule is None
            else f"there is no rule {rule!r}; there is: {known}"
        )
    return shapes


def _count(ledger: Ledger, rule: Rule | None, shape: Rule, trouble: str | None) -> Counted:
    found = backlog.count(ledger, rule or shape)
    return Counted(shape.name, found.files, None if rule is None else found.missing, trouble)


def _documents(
    config: Config, ledger: Ledger, what: str, mirror: str | None
) -> tuple[VersionRow, ...] | Iterator[VersionRow]:
    """Give the one that *what* names, or else all that are below it."""
    if looks_like_version(what) and ledger.versions.knows(what.upper()):
        version = resolve(config, ledger, what, mirror)
        if version.gone_at is not None:
            raise let_go(version)
        return (version,)
    name, path = _place(config, ledger, what, mirror)
    state = ledger.synced.get(name, [path]).get(path) if path else None
    if state is not None:
        found = ledger.versions.get(state.version)
        return () if found is None else (replace(found, path=path),)
    return _below(ledger, name, path)


def _place(config: Config, ledger: Ledger, what: str, mirror: str | None) -> tuple[str, Path]:
    """Tell a mirror from a file or a folder in one, as files are there now."""
    path = what.strip("/")
    if mirror is not None:
        return mirror_named(config, mirror).name, path
    found = [name for name in sorted(config.mirrors) if _has(ledger, name, path)]
    if len(found) == 1:
        return found[0], path
    if found:
        raise UserError(f"{path} is in several mirrors: --mirror one of {', '.join(found)}")
    if path in config.mirrors:
        return path, ""
    raise UserError(f"no mirror has {what!r} now; docferry ls MIRROR tells what there is")


def _has(ledger: Ledger, mirror: str, path: Path) -> bool:
    if path in ledger.synced.get(mirror, [path]):
        return True
    after = ledger.synced.following(mirror, f"{path}/", 1)
    return bool(after) and after[0][0].startswith(f"{path}/")


def _below(ledger: Ledger, mirror: str, folder: Path) -> Iterator[VersionRow]:
    start = f"{folder}/" if folder else ""
    after = start
    while chunk := ledger.backlog.files(mirror, after, _CHUNK):
        for version in chunk:
            if not version.path.startswith(start):
                return
            yield version
        after = chunk[-1].path
