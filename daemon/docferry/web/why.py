"""Why a file is what it is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from docferry.app import why
from docferry.ledger import HistoryRow
from docferry.model import Origin, VersionRow
from docferry.web.asker import Asker, Viewer
from docferry.web.conditional import ConditionalRoute
from docferry.web.problems import documented, shown
from docferry.web.values import MOST_PATH, Job, job_of

router = APIRouter(tags=["files"], route_class=ConditionalRoute)


class Happened(BaseModel):
    """Something that was done at the path."""

    at: datetime
    kind: str = Field(examples=["upload"])
    version: str | None
    moved_bytes: int
    took_s: float
    note: str | None


class ToldVersion(BaseModel):
    """A content, and since when."""

    id: str
    mirror: str
    path: str
    sha256: str
    size: int
    origin: Origin
    created_at: datetime
    left_at: datetime | None = Field(description="When its path ceased to hold it.")
    gone_at: datetime | None = Field(description="When retention let its bytes go.")


class ToldVerdict(BaseModel):
    """What a rule says about a version."""

    rule: str
    takes_it: bool
    has_job: bool
    paused: str | None = Field(description="Why its converter gets no documents.")
    why_not: str | None
    types: list[str]


class ToldConversion(BaseModel):
    """What was made of it."""

    job: Job
    result: ToldVersion | None


class ToldSource(BaseModel):
    """Of which document it was made."""

    rule: str | None = Field(description="null: of a mirror that you may not see.")
    converter: str | None
    source: str | None = Field(description="The ULID of the document.")
    is_claim: bool = Field(description="The bucket alone says so.")
    document: ToldVersion | None = Field(description="null: unknown, or none you may see.")


class ToldStory(BaseModel):
    """One content of the path."""

    version: ToldVersion
    made_from: ToldSource | None
    history: list[Happened]
    verdicts: list[ToldVerdict]
    conversions: list[ToldConversion]


class Told(BaseModel):
    """The whole chain of one path."""

    mirror: str
    path: str
    versions: list[ToldStory] = Field(description="The newest first.")
    history: list[Happened] = Field(description="That belongs to none of these versions.")


@router.get("/why", summary="Why is a file what it is?", responses=documented(404))
def get_why(
    asker: Viewer,
    mirror: Annotated[str, Query(max_length=200)],
    path: Annotated[str, Query(max_length=MOST_PATH)],
    limit: Annotated[int, Query(ge=1, le=100, description="So many versions.")] = 3,
) -> Told:
    """Seen when, decided how, converted by which rule, and from what."""
    name = asker.mirror(mirror).name
    told = why.why(asker.config, asker.ledger, path, name, limit)
    found = why.seen(asker.config, told, asker.sees)
    return Told(
        mirror=found.mirror,
        path=shown(found.path),
        versions=[_story(asker, one) for one in found.versions],
        history=[_happened(one) for one in found.history],
    )


def _story(asker: Asker, story: why.VersionStory) -> ToldStory:
    return ToldStory(
        version=_version(story.version),
        made_from=None if story.made_from is None else _source(story.made_from),
        history=[_happened(one) for one in story.history],
        verdicts=[
            ToldVerdict(
                rule=one.rule,
                takes_it=one.takes_it,
                has_job=one.has_job,
                paused=one.paused,
                why_not=one.why_not,
                types=list(one.types),
            )
            for one in story.verdicts
        ],
        conversions=[
            ToldConversion(
                job=job_of(asker, one.job),
                result=None if one.result is None else _version(one.result),
            )
            for one in story.conversions
        ],
    )


def _source(made_from: why.MadeFrom) -> ToldSource:
    how = made_from.how
    return ToldSource(
        rule=None if how is None else how.rule,
        converter=None if how is None else how.converter,
        source=None if how is None else how.source,
        is_claim=made_from.is_claim,
        document=None if made_from.source is None else _version(made_from.source),
    )


def _version(row: VersionRow) -> ToldVersion:
    return ToldVersion(
        id=row.id,
        mirror=row.mirror,
        path=shown(row.path),
        sha256=row.sha256,
        size=row.size,
        origin=row.origin,
        created_at=row.created_at,
        left_at=row.left_at,
        gone_at=row.gone_at,
    )


def _happened(row: HistoryRow) -> Happened:
    return Happened(
        at=row.at,
        kind=row.kind,
        version=row.version,
        moved_bytes=row.moved_bytes,
        took_s=row.took_s,
        note=row.note,
    )
