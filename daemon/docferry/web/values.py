"""Values that several answers tell of, and what several requests take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonValue

from docferry.app.unseen import unseen, veiled
from docferry.job import Failure, JobRow, JobStage, JobState, Priority
from docferry.model import Ulid
from docferry.web.asker import Asker
from docferry.web.problems import shown

#: Of the address of every route but those for balancers.
PREFIX = "/api/v1"

Limit = Annotated[int, Query(ge=1, le=1000, description="So many at the most.")]
#: The longest path, as a cursor has it. Much more would not fit into the head of a request, of
#: which the server takes 64 KiB: there it would answer in another way.
MOST_CURSOR = 4400
#: No key of an object is longer, in bytes.
MOST_PATH = 1024
#: Of a path, in characters, that is searched for.
MOST_PART = 250
Cursor = Annotated[
    str | None, Query(max_length=MOST_CURSOR, description="`next` of the page before; none: begin.")
]

#: As the configuration has it: what is none of these is no mirror.
MirrorName = Annotated[str, Field(max_length=63, pattern="^[a-z0-9_-]+$")]

#: The number of a row.
Number = Annotated[int, Path(ge=1, le=2**53)]

_ULID = "01KAT6X9V1Q4M2Z7B8C3D5E6F0"


class Job(BaseModel):
    """A conversion: what is to be done, how far it is, what came of it."""

    id: str = Field(examples=[_ULID])
    state: JobState
    stage: JobStage | None = Field(description="Of one that runs.")
    rule: str = Field(examples=["to-markdown"])
    converter: str = Field(description="Of a chain, all of them, joined by +.")
    mirror: str = Field(examples=["docs"])
    path: str = Field(examples=["offers/2026/q3.docx"])
    version: str = Field(
        description="The ULID of the document; of equal ones, of that which called for it.",
        examples=[_ULID],
    )
    sha256: str
    priority: str = Field(description="asked, arrival or backlog: who goes first.")
    attempts: int = Field(description="Those that count.")
    created_at: datetime
    run_at: datetime = Field(description="Of one that is queued: not before.")
    claimed_at: datetime | None
    converting_at: datetime | None
    storing_at: datetime | None
    finished_at: datetime | None = Field(description="When the last attempt ended.")
    failure: Failure | None = Field(description="Of the last attempt that failed.")
    error: str | None
    note: str | None
    result_mirror: str | None = Field(
        description="null, as what is of the result: none that you may see.",
        examples=["processed"],
    )
    result_path: str | None
    result_sha256: str | None
    shared_with: str | None = Field(description="The job whose result it has, if you may see it.")


def sent(**example: JsonValue) -> ConfigDict:
    """Say of a body an example that may be sent as it is."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class Strict(BaseModel):
    """What is sent: anything that is not known is refused, for it would be ignored."""

    model_config = ConfigDict(extra="forbid")


def jobs_of(asker: Asker, jobs: Sequence[JobRow]) -> list[Job]:
    """Tell of jobs what *asker* may see of them."""
    rows = [veiled(job, asker.sees) for job in jobs]
    shared = [row.shared_with for row in rows if row.shared_with is not None]
    is_limited = asker.caller.mirrors is not None
    hidden = unseen(asker.ledger, shared, asker.sees) if is_limited else frozenset()
    return [
        _job(asker, row, None if row.shared_with in hidden else row.shared_with) for row in rows
    ]


#: For the OpenAPI document: what `follow` says, of answers 202.
FOLLOWED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Location": {
                "description": "Where what comes of it can be seen, if it is one thing.",
                "schema": {"type": "string"},
            }
        }
    }
}


def follow(response: Response, path: str) -> None:
    """Say where it can be seen what comes of a call: *path* begins below `PREFIX`."""
    response.headers["Location"] = f"{PREFIX}{path}"


def job_of(asker: Asker, job: JobRow) -> Job:
    """Tell of a job what *asker* may see of it."""
    [told] = jobs_of(asker, [job])
    return told


def _job(asker: Asker, row: JobRow, shared_with: Ulid | None) -> Job:
    return Job(
        id=row.id,
        state=row.state,
        stage=row.stage,
        rule=row.rule,
        converter=row.converter,
        mirror=row.mirror,
        path=shown(row.path),
        version=row.version,
        sha256=row.sha256,
        priority=Priority(row.priority).name.lower(),
        attempts=row.attempts,
        created_at=row.created_at,
        run_at=row.run_at,
        claimed_at=row.claimed_at,
        converting_at=row.converting_at,
        storing_at=row.storing_at,
        finished_at=row.finished_at,
        failure=row.failure,
        error=row.last_error,
        note=row.note,
        result_mirror=row.target_mirror if asker.sees(row.target_mirror) else None,
        result_path=row.result_path,
        result_sha256=row.result_sha256,
        shared_with=shared_with,
    )
