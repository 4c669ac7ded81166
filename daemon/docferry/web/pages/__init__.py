"""The page for people: an application of its own beside the API's, for all that is not /api."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Mount
from starlette.types import Scope

from docferry.errors import DocferryError
from docferry.web.desk import Desk
from docferry.web.pages import (
    assets,
    audit,
    conflicts,
    content,
    file,
    files,
    holds,
    jobs,
    keys,
    letters,
    live,
    login,
    mirrors,
    overview,
    reference,
    render,
    webhooks,
)
from docferry.web.pages.visit import LoginNeededError, Visitor, login_address, theme_of
from docferry.web.problems import ProblemError, problem_of
from docferry.web.pulse import Pulse
from docferry.web.sessions import Sessions

_ROUTERS: tuple[APIRouter, ...] = (
    assets.router,
    login.router,
    overview.router,
    files.router,
    file.router,
    content.router,
    jobs.router,
    letters.router,
    holds.router,
    conflicts.router,
    mirrors.router,
    webhooks.router,
    keys.router,
    audit.router,
    live.router,
    reference.router,
)
#: What programs ask: answered by the API, also where there is nothing of that name.
_OF_PROGRAMS = ("/api", "/healthz", "/readyz")


def mount_pages(app: FastAPI, desk: Desk) -> None:
    """Have *app* answer people, too; what it has no route for by then is theirs."""
    pages = make_pages(desk)
    pages.state.api = app
    app.state.pages = pages
    app.router.routes.append(_BesideTheApi("/", pages))


def make_pages(desk: Desk) -> FastAPI:
    """Give the application of the pages, and begin to look for what they show live."""
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    pages.state.desk = desk
    pages.state.sessions = Sessions(desk.ledger, lambda: desk.now(), lambda: desk.pepper)
    pages.state.pulse = Pulse(desk)
    for router in _ROUTERS:
        pages.include_router(router)
    pages.add_exception_handler(LoginNeededError, _ask_for_a_key)
    for kind in (ProblemError, DocferryError, RequestValidationError, HTTPException, Exception):
        pages.add_exception_handler(kind, _tell)
    pages.state.pulse.start()
    return pages


class _BesideTheApi(Mount):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope["path"]
        if any(path == one or path.startswith(f"{one}/") for one in _OF_PROGRAMS):
            return Match.NONE, {}
        return super().matches(scope)


def _ask_for_a_key(request: Request, error: Exception) -> Response:
    return RedirectResponse(login_address(request), HTTPStatus.SEE_OTHER, render.HEADERS)


def _tell(request: Request, error: Exception) -> Response:
    """Answer whatever goes wrong with a page that says so."""
    found = problem_of(request, error)
    answer = render.page(
        "problem.html",
        found.problem.status,
        visitor=_visitor(request, found.problem.status),
        notice=None,
        here=request.url.path,
        theme=theme_of(request),
        problem=found.problem,
    )
    answer.headers.update(found.headers)
    return answer


def _visitor(request: Request, status: int) -> Visitor | None:
    """Give who looks, where it is known, and the ledger is well enough to make their menu."""
    is_ours = status < HTTPStatus.INTERNAL_SERVER_ERROR
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    return visitor if is_ours else None
