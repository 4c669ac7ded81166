"""Whether docferry lives, and is ready: for whoever balances or restarts, without a key."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from docferry.web.desk import Desk

router = APIRouter(tags=["health"])

# Not in the threads of the others: those may all be waiting for a store.


class Health(BaseModel):
    """Whether the loops of all mirrors go round."""

    alive: bool


class Readiness(BaseModel):
    """Whether every mirror has finished its first full run, and its canaries come through."""

    ready: bool


@router.head("/healthz", include_in_schema=False)
@router.get(
    "/healthz",
    summary="Is the daemon alive?",
    responses={503: {"model": Health, "description": "A loop is stuck: restart it"}},
)
async def healthz(request: Request, response: Response) -> Health:
    beat = _desk(request).beat
    is_alive = beat is not None and beat.is_alive
    response.status_code = HTTPStatus.OK if is_alive else HTTPStatus.SERVICE_UNAVAILABLE
    return Health(alive=is_alive)


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="Is every mirror ready?",
    responses={503: {"model": Readiness, "description": "Not yet, or a canary is late"}},
)
async def readyz(request: Request, response: Response) -> Readiness:
    beat = _desk(request).beat
    is_ready = beat is not None and all(one.is_ready for one in beat.mirrors.values())
    response.status_code = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(ready=is_ready)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk
