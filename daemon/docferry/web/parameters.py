"""Parameters that no route knows: refused, for a mistyped filter would give everything."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from docferry.web.asker import caller_of
from docferry.web.problems import ProblemError, shown

_MOST_TOLD = 20
_LONGEST = 100


async def refuse_unknown(request: Request) -> None:
    """
    Raises (as a problem): 422; before that whatever `caller_of` refuses: strangers are counted.
    """
    given = request.query_params.keys()
    if not given:
        return
    route: APIRoute = request.scope["route"]
    known = _names(route.dependant)
    unknown = [name for name in given if name not in known]
    if unknown:
        await run_in_threadpool(caller_of, request)
        raise _problem(unknown[:_MOST_TOLD], known)


def _names(dependant: Dependant) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*(_names(one) for one in dependant.dependencies))


def _problem(unknown: list[str], known: set[str]) -> ProblemError:
    names = [shown(name[:_LONGEST]) for name in unknown]
    there_are = f"there are: {', '.join(sorted(known))}" if known else "this takes none"
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid",
        f"unknown in the query: {', '.join(names)}; {there_are}",
        errors=[{"where": ["query", name], "what": "unknown"} for name in names],
    )
