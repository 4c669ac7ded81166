"""Which versions call for which conversions, and what to do when one fails."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from docferry.core.filters import Filter
from docferry.core.retry import delay_s
from docferry.errors import DocferryError, UnreachableError, UserError
from docferry.model import NewJob, Origin, VersionRow


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[convert]]` of the configuration."""

    name: str
    from_mirror: str
    patterns: Filter  #: over the mirror's paths
    to_mirror: str
    recipe: str  #: `recipe_for` its converter and its target

    def calls_for(self, version: VersionRow) -> bool:
        return version.mirror == self.from_mirror and self.patterns.takes(version.path)


def recipe_for(converter_recipe: str, to_mirror: str) -> str:
    """
    Hash how a result is made together with where it goes.

    Jobs are unique by (sha256, recipe): without the target, of two rules that
    convert the same content for two mirrors only one would ever run.
    """
    return hashlib.sha256(f"{converter_recipe} {to_mirror}".encode()).hexdigest()


def jobs_for(version: VersionRow, rules: Sequence[Rule]) -> tuple[NewJob, ...]:
    """
    Give the jobs that *version* calls for, one for each rule.

    What a conversion made calls for none: two rules could otherwise feed each other for ever.
    """
    if version.origin is Origin.CONVERSION:
        return ()
    return tuple(
        NewJob(
            rule=rule.name,
            mirror=version.mirror,
            path=version.path,
            version=version.id,
            sha256=version.sha256,
            recipe=rule.recipe,
            target_mirror=rule.to_mirror,
            created_at=version.created_at,
        )
        for rule in rules
        if rule.calls_for(version)
    )


@dataclass(frozen=True, slots=True)
class Again:
    """Queue the job again."""

    run_at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The job is dead until a person looks at it."""

    reason: str


AfterFailure: TypeAlias = Again | GiveUp


def after_failure(
    error: DocferryError, *, attempts: int, max_attempts: int, now: datetime, jitter: float
) -> AfterFailure:
    """
    Decide what becomes of a job that failed.

    Trouble that is not the document's (a store that does not answer, a converter that
    is not installed) never uses up its attempts.

    Args:
        attempts: How often it was tried, this time included.
        jitter: In [0, 1), spreads the retries.
    """
    is_outage = isinstance(error, UnreachableError | UserError)
    if attempts >= max_attempts and not is_outage:
        return GiveUp(reason=str(error))
    return Again(run_at=now + timedelta(seconds=delay_s(attempts, jitter=jitter)))
