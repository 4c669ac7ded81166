"""The first page: whether all is in step, what waits for a person, what travelled lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from docferry.app.report import MirrorReport, Status, status
from docferry.core.words import counted
from docferry.model import HoldState, MirrorHealth, Path
from docferry.web.pages.chart import Chart, chart
from docferry.web.pages.files import newest
from docferry.web.pages.visit import Viewer, Visitor
from docferry.web.pages.words import lasted, number, short_size
from docferry.web.pulse import Point, Pulse

router = APIRouter()

_MOST, _NEWEST = 8, 6  # of each list


class Range(StrEnum):
    """What the charts show."""

    HOUR = "hour"
    DAY = "day"


_SPANS = {Range.HOUR: (timedelta(minutes=1), 60), Range.DAY: (timedelta(minutes=15), 96)}


@dataclass(frozen=True, slots=True)
class Headline:
    """The whole state in a sentence; *mark* is its sign: ok, busy, warn or bad."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Failing:
    """
    Something that fails.

    path: "": the mirror itself.
    at: since when; of a conversion, when it was given up.
    rule: of a conversion that was given up; None: it is tried again, or a person must mend it.
    """

    mirror: str
    path: Path
    message: str
    at: datetime
    attempts: int
    rule: str | None = None


@router.get("/")
def overview(
    visitor: Viewer, shown: Annotated[Range, Query(alias="range")] = Range.HOUR
) -> Response:
    report = seen(status(visitor.asker.config, visitor.asker.ledger), visitor)
    pulse: Pulse = visitor.request.app.state.pulse
    span, parts = _SPANS[shown]
    points = pulse.points(visitor.asker.mirrors, span, parts)
    holds = [one for each in report.mirrors for one in each.holds if one.state == HoldState.OPEN]
    conflicts = [one for each in report.mirrors for one in each.conflicts]
    return visitor.page(
        "overview.html",
        report=report,
        headline=headline(report, _decisions(report, holds, conflicts)),
        mirrors=[
            (each, mark_of(each, is_running=report.pid is not None)) for each in report.mirrors
        ],
        holds=holds,
        letters=report.dead_letters,
        conflicts=conflicts,
        webhooks=[one for one in report.webhooks if not one.is_well],
        errors=errors(report),
        arrived=newest(visitor, _NEWEST),
        charts=charts(points, span),
        range=shown,
        most=_MOST,
    )


def _decisions(report: Status, holds: Sequence[object], conflicts: Sequence[object]) -> int:
    troubled = sum(not one.is_well for one in report.webhooks)
    return len(holds) + len(report.dead_letters) + len(conflicts) + troubled


def mark_of(mirror: MirrorReport, *, is_running: bool) -> str:
    """Give the sign of a mirror's health: it never stands for more than its word says."""
    if mirror.row is None or not is_running:
        return "idle"
    if mirror.pause is not None:
        return "paused"
    return {
        MirrorHealth.IN_STEP: "ok",
        MirrorHealth.WORKING: "busy",
        MirrorHealth.STARTING: "busy",
        MirrorHealth.WAITING: "warn",
        MirrorHealth.PAUSED: "paused",
    }.get(mirror.row.health, "bad")


def headline(report: Status, decisions: int) -> Headline:
    """Say how all of it is."""
    if report.pid is None:
        return Headline("bad", "docferry is not running: nothing travels")
    troubled = [one for one in report.mirrors if mark_of(one, is_running=True) == "bad"]
    if decisions:
        verb = "waits" if decisions == 1 else "wait"
        return Headline("warn", f"{counted(decisions, 'decision')} {verb} for you")
    if troubled:
        verb = "is" if len(troubled) == 1 else "are"
        return Headline("bad", f"{counted(len(troubled), 'mirror')} {verb} out of step")
    if report.is_in_step:
        if len(report.mirrors) == 1:
            return Headline("ok", "Everything is in step")
        return Headline("ok", f"All {len(report.mirrors)} mirrors are in step")
    if any(one.row and one.row.health is MirrorHealth.WORKING for one in report.mirrors):
        return Headline("busy", "Documents are travelling")
    if report.converting:
        return Headline("busy", "Documents are being converted")
    return Headline("warn", "Not everything is in step")


def charts(points: Sequence[Point], span: timedelta) -> list[Chart]:
    each = "minute" if span == timedelta(minutes=1) else lasted(span)
    return [_operations(points, each), _waits(points, each)]


def _operations(points: Sequence[Point], each: str) -> Chart:
    values = [one.operations for one in points]
    known = [one for one in values if one is not None]
    moved = short_size(sum(one.moved_bytes for one in points))
    return chart(
        f"Operations, each {each}",
        values,
        [
            f"{one.at:%H:%M} UTC: "
            + ("not known" if one.operations is None else f"{one.operations}, {_moved(one)}")
            for one in points
        ],
        number(max(known, default=0)),
        f"{number(sum(known))} {'operation' if sum(known) == 1 else 'operations'}, {moved} moved"
        + _as_far_as_known(values),
        points[0].at,
    )


def _moved(point: Point) -> str:
    return f"{short_size(point.moved_bytes)} moved"


def _waits(points: Sequence[Point], each: str) -> Chart:
    values = [one.lag_s for one in points]
    worst_s = max((one for one in values if one is not None), default=0.0)
    worst = lasted(timedelta(seconds=worst_s))
    return chart(
        f"Longest wait, each {each}",
        values,
        [
            f"{one.at:%H:%M} UTC: "
            + ("not known" if one.lag_s is None else lasted(timedelta(seconds=one.lag_s)))
            for one in points
        ],
        worst if worst_s else "0",
        (f"a change waited {worst} at the most" if worst_s else "nothing waited")
        + _as_far_as_known(values),
        points[0].at,
    )


def _as_far_as_known(values: Sequence[float | None]) -> str:
    """Say what a chart leaves out: after a restart of the page nobody knows what waited before."""
    return ", as far back as is known" if None in values else ""


def seen(report: Status, visitor: Visitor) -> Status:
    """Leave out what they may not see."""
    asker = visitor.asker
    return report if asker.caller.mirrors is None else report.of(asker.mirrors)


def errors(report: Status) -> list[Failing]:
    """Give what fails, or was given up, the newest first."""
    problems = (
        Failing(one.mirror, one.path, one.message, one.since, one.attempts)
        for each in report.mirrors
        for one in each.problems
    )
    letters = (
        Failing(
            one.mirror,
            one.path,
            one.last_error or "no reason is known",
            one.finished_at or one.created_at,
            one.attempts,
            rule=one.rule,
        )
        for one in report.dead_letters
    )
    found = sorted((*problems, *letters), key=lambda one: one.at, reverse=True)
    return found[:_MOST]
