"""Mirrors: how they are; let them rest, go on, look now; what a run would do."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from docferry.app import mirror_orders, report
from docferry.app.report import MirrorReport
from docferry.engine.dry_run import DryRun
from docferry.engine.tell import kind_of
from docferry.errors import NotFoundError
from docferry.ledger.orders import RunOrder
from docferry.model import MirrorHealth, Mode, OrderedRun, Pause, Way
from docferry.web.asker import Asker, Operator, Viewer
from docferry.web.problems import documented, shown
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import FOLLOWED, follow, sent

router = APIRouter(prefix="/mirrors", tags=["mirrors"], route_class=RepeatableRoute)

MOST_PROBLEMS = 100
MOST_STEPS = 1000  #: of a plan, of each kind
_RETRY_S = 2
_PROBLEMS = (401, 403, 404, 422, 429, 503)
_Name = Annotated[str, Path(description="The mirror's name.", max_length=64, examples=["docs"])]


class TellsPause(BaseModel):
    """That a mirror is paused."""

    model_config = ConfigDict(from_attributes=True)

    mirror: str = Field(examples=["docs"])
    since: datetime
    actor: str = Field(description="Who has paused it.", examples=["key operations"])
    reason: str | None = Field(examples=["new disks"])


class TellsRun(BaseModel):
    """A run that was ordered."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    mirror: str = Field(examples=["docs"])
    run: OrderedRun
    asked_at: datetime
    begun_at: datetime | None
    answered_at: datetime | None = Field(
        description="When a run that began after it was done; what differed is then on its way."
    )
    answered_by: OrderedRun | None
    waits: str | None = Field(default=None, description="Why it is not answered yet.")


class Trouble(BaseModel):
    """What is wrong with a path, or with the mirror."""

    model_config = ConfigDict(from_attributes=True)

    path: str = Field(description='"": the mirror itself.')
    kind: str
    message: str
    since: datetime
    attempts: int
    retry_at: datetime | None


class TellsTransfer(BaseModel):
    """A large content on its way."""

    model_config = ConfigDict(from_attributes=True)

    path: str
    way: Way = Field(description="up: into the bucket; down: into the folder.")
    done: int = Field(description="Bytes that have arrived, or had before it was cut off.")
    size: int = Field(description="Bytes of the whole.")
    since: datetime = Field(description="When this try began.")


class Mirror(BaseModel):
    """How a mirror is."""

    name: str = Field(examples=["docs"])
    local: str = Field(examples=["/srv/documents"])
    remote: str = Field(examples=["s3://documents/office/"])
    mode: Mode
    health: MirrorHealth | None = Field(description="As it last said; null: it has never run.")
    reason: str | None = Field(description="Why it is not in step, for a person.")
    since: datetime | None = Field(description="When it came into this health.")
    paused: TellsPause | None
    files: int = Field(description="That both sides agreed on.")
    size_bytes: int
    dirty: int = Field(description="Paths that wait to be looked at or carried over.")
    oldest_dirty_at: datetime | None
    lag_s: float = Field(description="Age of the oldest of those; 0: none waits.")
    progress: str | None
    transfers: list[TellsTransfer] = Field(
        description="Large contents (over 16 MiB) on their way, as of a second ago."
    )
    last_poll_at: datetime | None
    last_scan_at: datetime | None
    last_full_at: datetime | None
    holds: list[int] = Field(description="Open ones.")
    held: int = Field(description="Files whose deletion or change they hold.")
    conflicts: int
    problems: int
    requests: int = Field(description="Open ones: restores, erasures ...")
    ordered: list[TellsRun] = Field(description="Runs that are not answered yet.")
    snapshot_at: datetime | None
    updated_at: datetime | None


class MirrorInDetail(Mirror):
    """How a mirror is, with the first of its problems."""

    troubles: list[Trouble]


class Mirrors(BaseModel):
    items: list[Mirror]


class PauseWanted(BaseModel):
    """What a pause is for."""

    model_config = sent(reason="new disks")

    reason: str | None = Field(
        default=None,
        max_length=mirror_orders.MOST_REASON,
        description="Shown while it is paused; the audit does not keep it, for it may name a "
        "document that is to be erased.",
        examples=["new disks"],
    )


#: An absent body.
_NO_REASON = PauseWanted()


class Paused(BaseModel):
    pause: TellsPause
    is_new: bool = Field(description="false: it was paused before, and that pause stays.")


class Resumed(BaseModel):
    was_paused: TellsPause | None = Field(description="null: it was not.")


class Step(BaseModel):
    kind: str = Field(examples=["upload"])
    path: str


class Remark(BaseModel):
    path: str
    why: str


class Counts(BaseModel):
    """How many there are."""

    operations: int
    held_back: int
    waiting: int
    left_alone: int


class Plan(BaseModel):
    """What a run would do now."""

    mirror: str
    is_ready: bool = Field(description="false: it is still being made; ask again.")
    counts: Counts | None = Field(default=None, description="Of each list here the first 1000.")
    operations: list[Step] = []
    refused: str | None = Field(default=None, description="Why nothing would travel at all.")
    held_back: list[Step] = []
    hold_reason: str | None = None
    waiting: list[Remark] = []
    left_alone: list[Remark] = []


_NOT_YET: dict[int | str, dict[str, Any]] = {
    202: {
        "model": Plan,
        "description": "It is still being made: ask again",
        "headers": {
            "Retry-After": {
                "description": "Seconds until it may be made.",
                "required": True,
                "schema": {"type": "integer"},
            }
        },
    }
}


@router.get("", summary="List the mirrors", responses=documented(401, 403, 429, 503))
def list_mirrors(asker: Viewer) -> Mirrors:
    return Mirrors(items=[_told(asker, _report(asker, name)) for name in asker.mirrors])


@router.get("/{mirror}", summary="How is a mirror?", responses=documented(*_PROBLEMS))
def get_mirror(asker: Viewer, mirror: _Name) -> MirrorInDetail:
    found = _report(asker, mirror)
    troubles = [Trouble.model_validate(one) for one in found.problems[:MOST_PROBLEMS]]
    return MirrorInDetail(**dict(_told(asker, found)), troubles=troubles)


@router.post("/{mirror}/pause", summary="Let a mirror rest", responses=documented(*_PROBLEMS))
def pause_mirror(asker: Operator, mirror: _Name, wanted: PauseWanted = _NO_REASON) -> Paused:
    """Nothing travels and nothing is deleted until it is resumed; what is under way ends."""
    name, now = asker.mirror(mirror).name, asker.desk.now()
    found, is_new = mirror_orders.pause(asker.ledger, asker.config, name, now, wanted.reason)
    asker.desk.wake_daemon()
    return Paused(pause=_pause(found), is_new=is_new)


@router.post("/{mirror}/resume", summary="Let a mirror go on", responses=documented(*_PROBLEMS))
def resume_mirror(asker: Operator, mirror: _Name) -> Resumed:
    name = asker.mirror(mirror).name
    over = mirror_orders.resume(asker.ledger, asker.config, name, asker.desk.now())
    asker.desk.wake_daemon()
    return Resumed(was_paused=None if over is None else _pause(over))


@router.post(
    "/{mirror}/poll",
    status_code=HTTPStatus.ACCEPTED,
    summary="List a mirror's bucket now",
    responses=documented(*_PROBLEMS) | FOLLOWED,
)
def poll_mirror(asker: Operator, response: Response, mirror: _Name) -> TellsRun:
    """Ask for its answer at /mirrors/{mirror}/runs/{id}."""
    return _order(asker, response, mirror, OrderedRun.POLL)


@router.post(
    "/{mirror}/rescan",
    status_code=HTTPStatus.ACCEPTED,
    summary="Walk a mirror's folder now",
    responses=documented(*_PROBLEMS) | FOLLOWED,
)
def rescan_mirror(asker: Operator, response: Response, mirror: _Name) -> TellsRun:
    """Ask for its answer at /mirrors/{mirror}/runs/{id}."""
    return _order(asker, response, mirror, OrderedRun.RESCAN)


@router.get(
    "/{mirror}/runs/{run}", summary="A run that was ordered", responses=documented(*_PROBLEMS)
)
def get_run(asker: Viewer, mirror: _Name, run: Annotated[int, Path(ge=1, le=2**53)]) -> TellsRun:
    """Answers are kept for a day."""
    name, found = asker.mirror(mirror).name, asker.ledger.orders.get(run)
    if found is None or found.mirror != name:
        raise NotFoundError(f"mirror {name} has no run {run}, or it was answered long ago")
    return _run(asker, found)


@router.get(
    "/{mirror}/plan",
    summary="What would a run do now?",
    responses=_NOT_YET | documented(409, *_PROBLEMS),
)
async def plan_mirror(
    asker: Operator,
    response: Response,
    mirror: _Name,
    wait_s: Annotated[float, Query(ge=0, le=20, description="So long is waited for it.")] = 10.0,
) -> Plan:
    """It reads the folder and lists the bucket, and does nothing. One is made at a time."""
    name = asker.mirror(mirror).name
    found = await asker.desk.plans.get(asker.config, name, wait_s)
    if found is None:
        response.status_code = HTTPStatus.ACCEPTED
        response.headers["Retry-After"] = str(_RETRY_S)
        return Plan(mirror=name, is_ready=False)
    return _plan(name, found)


def _report(asker: Asker, mirror: str) -> MirrorReport:
    return report.mirror_report(asker.mirror(mirror), asker.ledger)


def _order(asker: Asker, response: Response, mirror: str, run: OrderedRun) -> TellsRun:
    name = asker.mirror(mirror).name
    order, _ = mirror_orders.run_now(asker.ledger, asker.config, name, run, asker.desk.now())
    asker.desk.wake_daemon()
    follow(response, f"/mirrors/{name}/runs/{order.id}")
    return _run(asker, order)


def _run(asker: Asker, order: RunOrder) -> TellsRun:
    told = TellsRun.model_validate(order)
    if order.answered_at is None:
        told.waits = mirror_orders.why_it_waits(asker.ledger, asker.config, order.mirror)
    return told


def _pause(found: Pause) -> TellsPause:
    return TellsPause.model_validate(found)


def _told(asker: Asker, found: MirrorReport) -> Mirror:
    row, now = found.row, asker.desk.now()
    oldest_at = None if row is None else row.oldest_dirty_at
    return Mirror(
        name=found.name,
        local=found.local,
        remote=found.remote,
        mode=asker.config.mirrors[found.name].mode,
        health=None if row is None else row.health,
        reason=found.why_paused or (None if row is None else row.reason),
        since=None if row is None else row.since,
        paused=None if found.pause is None else _pause(found.pause),
        files=found.files,
        size_bytes=found.size_bytes,
        dirty=0 if row is None else row.dirty,
        oldest_dirty_at=oldest_at,
        lag_s=0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds()),
        progress=None if row is None else row.progress,
        transfers=[TellsTransfer.model_validate(one) for one in found.transfers],
        last_poll_at=None if row is None else row.last_poll_at,
        last_scan_at=None if row is None else row.last_scan_at,
        last_full_at=None if row is None else row.last_full_at,
        holds=[hold.id for hold in found.holds if hold.state == "open"],
        held=found.held,
        conflicts=len(found.conflicts),
        problems=len(found.problems),
        requests=found.asked,
        ordered=[_run(asker, order) for order in found.ordered],
        snapshot_at=found.snapshot_at,
        updated_at=None if row is None else row.updated_at,
    )


def _plan(mirror: str, found: DryRun) -> Plan:
    deletions = [Step(kind=kind_of(one), path=shown(one.path)) for one in found.held_back]
    changes = [Step(kind=one.kind, path=shown(one.path)) for one in found.held_changes]
    held, first = deletions + changes, slice(MOST_STEPS)
    return Plan(
        mirror=mirror,
        is_ready=True,
        counts=Counts(
            operations=len(found.operations),
            held_back=len(held),
            waiting=len(found.waiting),
            left_alone=len(found.left_alone),
        ),
        operations=[Step(kind=one.kind, path=shown(one.path)) for one in found.operations[first]],
        refused=found.refused,
        held_back=held[first],
        hold_reason=found.hold_reason,
        waiting=[Remark(path=shown(path), why=shown(why)) for path, why in found.waiting[first]],
        left_alone=[
            Remark(path=shown(path), why=shown(why)) for path, why in found.left_alone[first]
        ],
    )
