"""The whole picture, and the rules by which documents are converted."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from docferry.app import report
from docferry.app.queues import ConverterReport
from docferry.app.store_report import StoreReport
from docferry.config import ConvertConfig
from docferry.job import JobState
from docferry.model import MirrorHealth
from docferry.web.asker import Viewer
from docferry.web.conditional import ConditionalRoute
from docferry.web.problems import documented

router = APIRouter(route_class=ConditionalRoute)


class InShort(BaseModel):
    """A mirror in two words."""

    name: str = Field(examples=["docs"])
    health: MirrorHealth | None = Field(description="null: it has never run.")
    reason: str | None


class Converter(BaseModel):
    """A converter, or a chain of them, that rules name."""

    name: str = Field(examples=["markdown"])
    rules: list[str]
    queued: int
    running: int
    dead: int = Field(description="Dead letters of it.")
    down: str | None = Field(description="Why it gets no documents; null: it does.")


class Conversions(BaseModel):
    """Conversions of all mirrors together."""

    jobs: dict[JobState, int]
    converters: list[Converter]
    dead_letters: int = Field(description="Of documents that are still there.")


class Store(BaseModel):
    """What the daemon has asked a store for lately; the API's own process is not counted in."""

    name: str = Field(examples=["main"])
    at: datetime | None = Field(description="As of when; null: it has not been used yet.")
    since: datetime | None = Field(description="An hour before, or when the daemon began.")
    requests: dict[str, int] = Field(
        description="Since then, by kind.", examples=[{"list": 240, "get": 122}]
    )
    budget_per_hour: float | None = Field(description="null: none is configured.")
    poll_stretch: float = Field(
        description="How many times as far apart polls are as configured, to keep to the budget."
    )
    is_over_budget: bool = Field(description="Even so: documents do not wait for a budget.")
    at_a_time: int = Field(description="Transfers.")
    most_at_a_time: int = Field(
        description="More than `at_a_time`: the store asked for less, or became slow."
    )


class Status(BaseModel):
    """How docferry is."""

    at: datetime
    is_running: bool
    is_in_step: bool = Field(
        description="Nobody has to act, and nothing waits: every mirror is in step, no hold or "
        "conflict is open, no conversion waits, runs or was given up, nothing is asked for."
    )
    trouble: str | None = Field(description="Why the rest may be out of date.")
    refused_config: str | None = Field(description="Why a newer configuration is not in force.")
    mirrors: list[InShort]
    stores: list[Store] | None = Field(
        description="null: for an API key that is limited to some mirrors."
    )
    conversions: Conversions | None = Field(
        description="null: for an API key that is limited to some mirrors."
    )


class Rule(BaseModel):
    """Which documents of a mirror are converted, how, and where the results go."""

    name: str = Field(examples=["text"])
    from_mirror: str = Field(examples=["docs"])
    patterns: list[str] = Field(examples=[["*.pdf"]])
    types: list[str] = Field(description="Of which a content must be one; []: any.")
    to_mirror: str = Field(examples=["processed"])
    template: str = Field(examples=["{ulid}.{ext}"])
    converters: list[str] = Field(description="One after the other.", examples=[["markdown"]])
    smallest_bytes: int
    largest_bytes: int | None = Field(description="null: any size.")
    attempts: int


class Rules(BaseModel):
    items: list[Rule]


@router.get(
    "/status",
    tags=["status"],
    summary="How is all of it?",
    responses=documented(401, 403, 429, 503),
)
def status(asker: Viewer) -> Status:
    """
    For an API key that is limited to some mirrors, of these alone.

    `at` is the moment of the answer, so that no two are the same.
    """
    found = report.status(asker.config, asker.ledger)
    is_whole = asker.caller.mirrors is None
    if not is_whole:
        found = found.of(asker.mirrors)
    return Status(
        at=found.at,
        is_running=found.pid is not None,
        is_in_step=found.is_in_step,
        trouble=found.trouble,
        refused_config=None if found.refused_config is None else found.refused_config.reason,
        mirrors=[_in_short(mirror) for mirror in found.mirrors],
        stores=[_store(one) for one in found.stores] if is_whole else None,
        conversions=_conversions(found) if is_whole else None,
    )


@router.get(
    "/rules", tags=["conversions"], summary="List the rules", responses=documented(401, 403, 429)
)
def rules(asker: Viewer) -> Rules:
    """Those whose two mirrors the caller may see."""
    seen = asker.mirrors
    return Rules(
        items=[
            _rule(one)
            for one in asker.config.converts
            if one.from_mirror in seen and one.to_mirror in seen
        ]
    )


def _store(found: StoreReport) -> Store:
    row = found.row
    return Store(
        name=found.name,
        at=None if row is None else row.at,
        since=None if row is None else row.since,
        requests={} if row is None else dict(row.requests),
        budget_per_hour=found.budget,
        poll_stretch=1.0 if row is None else row.stretch,
        is_over_budget=row is not None and row.is_over,
        at_a_time=0 if row is None else row.at_a_time,
        most_at_a_time=0 if row is None else row.most,
    )


def _conversions(found: report.Status) -> Conversions:
    return Conversions(
        jobs=found.jobs,
        converters=[_converter(one) for one in found.converters],
        dead_letters=len(found.dead_letters),
    )


def _in_short(mirror: report.MirrorReport) -> InShort:
    row = mirror.row
    reason = mirror.why_paused or (None if row is None else row.reason)
    return InShort(name=mirror.name, health=None if row is None else row.health, reason=reason)


def _converter(one: ConverterReport) -> Converter:
    return Converter(
        name=one.name,
        rules=list(one.rules),
        queued=one.queued,
        running=one.running,
        dead=one.dead,
        down=None if one.down is None else one.down.reason,
    )


def _rule(one: ConvertConfig) -> Rule:
    return Rule(
        name=one.name,
        from_mirror=one.from_mirror,
        patterns=list(one.patterns),
        types=list(one.types),
        to_mirror=one.to_mirror,
        template=one.template,
        converters=list(one.chain),
        smallest_bytes=one.smallest,
        largest_bytes=one.largest,
        attempts=one.attempts,
    )
