"""Documents processed on request: one, some, or all that is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from docferry.app import process
from docferry.app.bulk import MOST_AT_ONCE
from docferry.app.process import IdentifierType
from docferry.job import JobRow
from docferry.web.asker import Asker, Operator
from docferry.web.problems import documented
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import (
    FOLLOWED,
    MOST_CURSOR,
    MOST_PATH,
    Job,
    Strict,
    follow,
    jobs_of,
    sent,
)

router = APIRouter(tags=["processing"], route_class=RepeatableRoute)

_Identifier = Annotated[
    str,
    Path(
        max_length=MOST_PATH,
        description="The ULID of a version; or a path in a mirror (one without a folder begins "
        "with /), or a file's name if only one has it.",
        examples=["01KAT6X9V1Q4M2Z7B8C3D5E6F0"],
    ),
]
_Rule = Annotated[str | None, Field(max_length=200, description="null: all that take it.")]
_Mirror = Annotated[str | None, Field(max_length=200, description="null: whichever has it.")]
_Force = Annotated[bool, Field(description="Also what is done already.")]


class ProcessWanted(Strict):
    """How a document is to be processed."""

    model_config = sent(identifier_type="id", rule="to-markdown")

    identifier_type: IdentifierType | None = Field(
        default=None,
        description="id: the ULID of a version. path: the whole path in a mirror. filename: the "
        "last part of it, and 409 with all of them if several have it; or a path, if it has a / "
        "in it. null: id or filename, whichever the identifier looks like.",
    )
    mirror: _Mirror = None
    rule: _Rule = None
    force: _Force = False


class ProcessSomeWanted(ProcessWanted):
    """How several documents are to be processed."""

    model_config = sent(
        identifiers=["01KAT6X9V1Q4M2Z7B8C3D5E6F0", "offers/2026/q3.docx"], mirror="docs"
    )

    identifiers: list[Annotated[str, Field(max_length=MOST_PATH)]] = Field(
        min_length=1, max_length=MOST_AT_ONCE
    )


class ProcessNewWanted(Strict):
    """How all that is new is to be processed."""

    model_config = sent(mirror="docs")

    mirror: _Mirror = None
    rule: _Rule = None
    cursor: str | None = Field(
        default=None,
        max_length=MOST_CURSOR,
        description="`next` of the answer before; null: begin.",
    )


#: An absent body.
_AS_USUAL = ProcessWanted()
_ALL_NEW = ProcessNewWanted()


class Processing(BaseModel):
    """What was asked for: the jobs are to be done, or were done before."""

    mirror: str = Field(examples=["docs"])
    path: str = Field(examples=["offers/2026/q3.docx"])
    version: str = Field(examples=["01KAT6X9V1Q4M2Z7B8C3D5E6F0"])
    jobs: list[Job]
    refused: Mapping[str, str] = Field(description="Rules that do not take it, with the reason.")


class ProcessedItem(BaseModel):
    """What came of one."""

    identifier: str
    done: bool = Field(description="Whether it was asked for.")
    why_not: str | None
    jobs: list[str] = Field(description="Their ULIDs.")


class ProcessingSome(BaseModel):
    """What came of each."""

    items: list[ProcessedItem]


class ProcessingNew(BaseModel):
    """What was queued of all that is new, as far as one call goes."""

    files: int = Field(description="That were looked at.")
    jobs: list[str] = Field(description="The ULIDs of what was queued.")
    paused: Mapping[str, str] = Field(description="Rules that can do nothing, with the reason.")
    next: str | None = Field(description="The `cursor` to go on with; null: that was all.")


@router.post(
    "/files/{identifier:path}/process",
    status_code=HTTPStatus.ACCEPTED,
    summary="Have a document processed",
    responses=documented(404, 409) | FOLLOWED,
)
def process_file(
    asker: Operator,
    response: Response,
    identifier: _Identifier,
    order: ProcessWanted = _AS_USUAL,
) -> Processing:
    """
    Before all others. `GET /jobs/{job}` tells how far each job is; of one alone the answer says
    so by its `Location`.
    """
    version = process.document(
        asker.ledger, _among(asker, order.mirror), identifier, order.identifier_type
    )
    done = process.process(
        asker.config,
        asker.ledger,
        version,
        order.rule,
        asker.desk.now(),
        is_forced=order.force,
        visible=asker.mirrors,
    )
    asker.desk.wake_daemon()
    jobs = _seen(asker, done.jobs)
    if len(jobs) == 1:
        follow(response, f"/jobs/{jobs[0].id}")
    return Processing(
        mirror=version.mirror,
        path=version.path,
        version=version.id,
        jobs=jobs_of(asker, jobs),
        refused=done.refused,
    )


@router.post(
    "/files/process",
    status_code=HTTPStatus.ACCEPTED,
    summary="Have several documents processed",
    responses=documented(404),
)
def process_files(asker: Operator, orders: ProcessSomeWanted) -> ProcessingSome:
    """Each is answered by itself; the audit has one row."""
    items = process.process_some(
        asker.config,
        asker.ledger,
        _among(asker, orders.mirror),
        orders.identifiers,
        orders.rule,
        asker.desk.now(),
        by=orders.identifier_type,
        is_forced=orders.force,
        visible=asker.mirrors,
    )
    asker.desk.wake_daemon()
    return ProcessingSome(
        items=[
            ProcessedItem(
                identifier=one.id,
                done=one.why_not is None,
                why_not=one.why_not,
                jobs=[row.id for row in _seen(asker, one.jobs)],
            )
            for one in items
        ]
    )


@router.post(
    "/process",
    status_code=HTTPStatus.ACCEPTED,
    summary="Have all processed that is new",
    responses=documented(404),
)
def process_new(asker: Operator, order: ProcessNewWanted = _ALL_NEW) -> ProcessingNew:
    """
    What rules call for and nobody has begun. docferry does so by itself in time.

    One call goes so far; `next` goes on. What was given up on is replayed instead.
    """
    found = process.process_new(
        asker.config,
        asker.ledger,
        _among(asker, order.mirror),
        order.rule,
        asker.desk.now(),
        order.cursor,
        visible=asker.mirrors,
    )
    asker.desk.wake_daemon()
    return ProcessingNew(
        files=found.files,
        jobs=[row.id for row in found.jobs],
        paused=found.paused,
        next=found.cursor,
    )


def _among(asker: Asker, mirror: str | None) -> list[str]:
    return asker.mirrors if mirror is None else [asker.mirror(mirror).name]


def _seen(asker: Asker, jobs: Sequence[JobRow]) -> list[JobRow]:
    """Leave out what a document of another mirror with the same content has called for first."""
    return [row for row in jobs if asker.sees(row.mirror)]
