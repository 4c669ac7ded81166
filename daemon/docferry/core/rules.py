"""Rules: which versions call for which conversions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from docferry.core.filters import Filter
from docferry.core.places import DEFAULT_TEMPLATE, may_be_result, place_of, result_path
from docferry.job import JobRow, NewJob, Priority
from docferry.model import Origin, Path, Provenance, VersionRow


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[convert]]` of the configuration."""

    name: str
    from_mirror: str
    patterns: Filter  #: over the mirror's paths
    to_mirror: str
    converter: str  #: its name; of a chain, all of them, joined by "+"
    extension: str  #: of its results, with the dot
    recipe: str  #: `recipe_for` its converters
    template: str = DEFAULT_TEMPLATE  #: names of results in the target mirror; see `places`
    smallest: int = 0  #: bytes
    largest: int | None = None  #: bytes; None: any size
    waits_s: float | None = None  #: how long a document may wait for its turn; None: for ever
    #: Which a document must be one of, told by its content; "image/*" is all of a kind. (): any.
    types: tuple[str, ...] = ()

    def calls_for(self, version: VersionRow) -> bool:
        return (
            version.mirror == self.from_mirror
            and version.size >= self.smallest
            and (self.largest is None or version.size <= self.largest)
            and self.patterns.takes(version.path)
        )

    def place_for(self, path: Path) -> str:
        """Say where the result of the file at *path* goes, as far as paths decide it."""
        return place_of(self.to_mirror, self.template, path, self.extension, self.name)

    def why_outdated(self, job: JobRow) -> str | None:
        """Say why *job*, which is the rule's, is not what it calls for now; None: it is."""
        if job.recipe != self.recipe:
            return f"its rule {self.name!r} converts in another way now"
        if job.place != self.place_for(job.path):
            return f"by its rule {self.name!r} its result belongs elsewhere now"
        return None

    def puts(self, made_from: Provenance, path: Path, source: VersionRow | None) -> bool:
        """
        Say whether the rule puts what it makes of a document to *path*.

        Args:
            source: The document; None: nobody knows of it any more, so it may have been
                any one whose result goes there.
        """
        if source is None:
            return may_be_result(
                path,
                self.template,
                made_from.source,
                made_from.source_sha256,
                self.extension,
                self.name,
            )
        is_it = (source.mirror, source.sha256) == (self.from_mirror, made_from.source_sha256)
        place = self.place_for(source.path)
        return is_it and result_path(place, made_from.source, made_from.source_sha256) == path


def recipe_for(recipes: Sequence[str]) -> str:
    """Hash how a result is made by a chain of converters, each with its own recipe."""
    return hashlib.sha256(" ".join(recipes).encode()).hexdigest()


def jobs_for(
    version: VersionRow,
    rules: Sequence[Rule],
    priority: Priority = Priority.ARRIVAL,
    *,
    is_meant: bool = False,
) -> tuple[NewJob, ...]:
    """
    Give the jobs that *version* calls for, one for each rule.

    What a conversion made calls for none: two rules could otherwise feed each other for ever.
    What is done of a backlog may wait as long as that takes.

    Args:
        is_meant: A person asks for a result to be converted: nothing else does for what
            only says of itself that it is one.
    """
    if version.origin is Origin.CONVERSION and not is_meant:
        return ()
    return tuple(
        NewJob(
            rule=rule.name,
            converter=rule.converter,
            mirror=version.mirror,
            path=version.path,
            version=version.id,
            sha256=version.sha256,
            recipe=rule.recipe,
            target_mirror=rule.to_mirror,
            place=rule.place_for(version.path),
            created_at=version.created_at,
            priority=priority,
            expires_at=_expiry(version.created_at, rule.waits_s, priority),
        )
        for rule in rules
        if rule.calls_for(version)
    )


def _expiry(created_at: datetime, waits_s: float | None, priority: Priority) -> datetime | None:
    if waits_s is None or priority is Priority.BACKLOG:
        return None
    return created_at + timedelta(seconds=waits_s)
