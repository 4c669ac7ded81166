"""Mirrors: how each is, in full; let it rest, go on, or look now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from docferry.app import mirror_orders
from docferry.app.report import status
from docferry.app.requests import asked
from docferry.core.patrol import coverage
from docferry.model import OrderedRun
from docferry.web.pages.overview import mark_of, seen
from docferry.web.pages.visit import SendingOperator, Viewer

router = APIRouter()

_MOST = 50
_RUNS = {
    OrderedRun.POLL: "its bucket is listed",
    OrderedRun.RESCAN: "its folder is walked",
    OrderedRun.FULL: "both sides are compared with the ledger",
}


@router.get("/mirrors")
def mirrors(visitor: Viewer) -> Response:
    asker = visitor.asker
    report = seen(status(asker.config, asker.ledger), visitor)
    is_running = report.pid is not None
    return visitor.page(
        "mirrors.html",
        mirrors=[(one, mark_of(one, is_running=is_running)) for one in report.mirrors],
        is_running=is_running,
        stores=report.stores,
        coverage=coverage,
        requests={
            one.name: asked(asker.ledger, asker.config, [one.name], is_all=False, most=_MOST)
            for one in report.mirrors
            if one.asked
        },
        most=_MOST,
        runs=OrderedRun,
    )


@router.post("/mirrors/{mirror}/pause")
def pause(
    visitor: SendingOperator, mirror: str, reason: Annotated[str, Form(max_length=1000)] = ""
) -> Response:
    asker = visitor.asker
    name = asker.mirror(mirror).name
    now = visitor.desk.now()
    mirror_orders.pause(asker.ledger, asker.config, name, now, reason.strip() or None)
    visitor.desk.wake_daemon()
    return visitor.back("/mirrors", f"{name} rests: what is under way is finished, nothing begins")


@router.post("/mirrors/{mirror}/resume")
def resume(visitor: SendingOperator, mirror: str) -> Response:
    asker = visitor.asker
    name = asker.mirror(mirror).name
    over = mirror_orders.resume(asker.ledger, asker.config, name, visitor.desk.now())
    visitor.desk.wake_daemon()
    return visitor.back("/mirrors", f"{name} goes on" if over else f"{name} was not paused")


@router.post("/mirrors/{mirror}/run")
def run(visitor: SendingOperator, mirror: str, what: Annotated[OrderedRun, Form()]) -> Response:
    asker = visitor.asker
    name = asker.mirror(mirror).name
    mirror_orders.run_now(asker.ledger, asker.config, name, what, visitor.desk.now())
    visitor.desk.wake_daemon()
    return visitor.back("/mirrors", f"{name}: {_RUNS[what]}, as soon as it can be")
