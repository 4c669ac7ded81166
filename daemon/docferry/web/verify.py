"""Verifications: begun by one call, and looked at by others."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from docferry.app.verify_runs import RunState, VerifyRun, Wanted
from docferry.model import Side
from docferry.web.asker import Operator, Viewer
from docferry.web.problems import documented, shown
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import FOLLOWED, Strict, follow, sent

if TYPE_CHECKING:
    from docferry.app.verify import Report

router = APIRouter(prefix="/verify", tags=["verify"], route_class=RepeatableRoute)

_MOST_FINDINGS = 1000


class Verification(Strict):
    """What is to be verified."""

    model_config = sent(mirrors=["docs"], side="local", read=False)

    mirrors: list[Annotated[str, Field(max_length=200)]] | None = Field(
        default=None, max_length=1000, description="null: all that you may see."
    )
    side: Side | None = Field(default=None, description="null: both.")
    read: bool = Field(default=False, description="Fetch and hash everything, archives too.")


#: An absent body.
_EVERYTHING = Verification()


class Finding(BaseModel):
    """A difference."""

    kind: str = Field(examples=["missing"])
    side: Side | None = Field(description="null: both.")
    path: str | None
    version: str | None
    expected: str
    found: str


class Verified(BaseModel):
    """What a mirror came to."""

    mirror: str
    is_well: bool = Field(description="All was looked at, and is as the ledger says.")
    refused: str | None = Field(description="Why it was not looked at, or not to the end.")
    files: int
    versions: int = Field(description="Displaced versions that were looked at.")
    read_bytes: int
    counts: dict[str, int] = Field(description="Findings, by kind.")
    findings: list[Finding] = Field(description=f"The first {_MOST_FINDINGS}.")


class Run(BaseModel):
    """A verification, and how far it is."""

    id: str
    state: RunState
    began_at: datetime
    mirrors: list[str]
    looked_at: dict[str, int] = Field(description="Entries so far, by mirror.")
    waits_for: str | None = Field(description="What did not answer for a while.")
    why: str | None = Field(description="It failed; or webhooks were not told.")
    reports: list[Verified] | None = Field(description="Of one that is done.")


class Runs(BaseModel):
    items: list[Run]


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    summary="Hold ledger, folders and buckets against each other",
    responses=documented(404, 409) | FOLLOWED,
)
def start_verification(
    asker: Operator, response: Response, wanted: Verification = _EVERYTHING
) -> Run:
    """
    One at a time; nothing is changed. `GET /verify/{run}` tells how far it is.

    What was found is kept in memory, of the last 20: after a restart it is to be asked for again.
    Those of `docferry verify` are told on its terminal, and are not listed here. Webhooks are told
    of it, by numbers: `verify.found`.
    """
    mirrors = (
        asker.mirrors
        if wanted.mirrors is None
        else [asker.mirror(name).name for name in dict.fromkeys(wanted.mirrors)]
    )
    run = asker.desk.verify_runs.start(
        asker.config,
        asker.ledger,
        Wanted(tuple(mirrors), wanted.side, wanted.read),
        asker.desk.now,
    )
    follow(response, f"/verify/{run.id}")
    return _told(run)


@router.get("", summary="List the last verifications")
def list_verifications(asker: Viewer) -> Runs:
    return Runs(items=[_told(one) for one in asker.desk.verify_runs.all(asker.caller.mirrors)])


@router.get("/{run}", summary="How far is a verification?", responses=documented(404))
def get_verification(asker: Viewer, run: Annotated[str, Path(max_length=64)]) -> Run:
    return _told(asker.desk.verify_runs.get(run, asker.caller.mirrors))


def _told(run: VerifyRun) -> Run:
    state = run.state  # first: what it has is whole then
    return Run(
        id=run.id,
        state=state,
        began_at=run.began_at,
        mirrors=list(run.wanted.mirrors),
        looked_at=dict(run.looked_at),
        waits_for=run.waits_for or None,
        why=shown(run.why) or None,
        reports=[_verified(one) for one in run.reports] if state is RunState.DONE else None,
    )


def _verified(report: Report) -> Verified:
    return Verified(
        mirror=report.mirror,
        is_well=report.is_well,
        refused=None if report.refused is None else shown(report.refused),
        files=report.files,
        versions=report.versions,
        read_bytes=report.read_bytes,
        counts={kind.value: count for kind, count in report.counts.items()},
        findings=[
            Finding(
                kind=one.kind.value,
                side=one.side,
                path=None if one.path is None else shown(one.path),
                version=one.version,
                expected=shown(one.expected),
                found=shown(one.found),
            )
            for one in report.findings[:_MOST_FINDINGS]
        ],
    )
