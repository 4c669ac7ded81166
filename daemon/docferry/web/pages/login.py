"""Log in with an API key, and out again."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from docferry.core.keys import Accepted
from docferry.web.pages import render
from docferry.web.pages.visit import (
    SendingViewer,
    cookie_name,
    desk_of,
    is_tls,
    refuse_strange_forms,
    sessions_of,
    theme_of,
)
from docferry.web.sessions import LASTS

router = APIRouter()

_Next = Annotated[str, Query(alias="next", max_length=8000)]


@router.get("/login")
def show_login(request: Request, then: _Next = "/") -> Response:
    return _page(request, _local(then))


@router.post("/login")
def log_in(
    request: Request,
    key: Annotated[str, Form(max_length=200)],
    then: Annotated[str, Form(alias="next", max_length=8000)] = "/",
) -> Response:
    refuse_strange_forms(request)
    desk = desk_of(request)
    address = request.client.host if request.client else ""
    verdict = desk.authenticator.authenticate(key.strip(), address, desk.now())
    if not isinstance(verdict, Accepted):
        desk.limits.require_patience(address)
        desk.limits.count_failure(address)
        fault = "This API key does not count: it is unknown, revoked, expired or mistyped."
        return _page(request, _local(then), fault, HTTPStatus.UNAUTHORIZED)
    desk.limits.count(verdict.identity.id)  # as each request with this key
    word = sessions_of(request).begin(verdict)
    answer = RedirectResponse(_local(then), HTTPStatus.SEE_OTHER, render.HEADERS)
    answer.set_cookie(
        cookie_name(request),
        word,
        max_age=int(LASTS.total_seconds()),
        path="/",
        secure=is_tls(request),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout")
def log_out(visitor: SendingViewer) -> Response:
    if visitor.session is not None:
        visitor.sessions.end(visitor.session)
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER, render.HEADERS)
    answer.delete_cookie(
        cookie_name(visitor.request),
        path="/",
        secure=is_tls(visitor.request),
        httponly=True,
        samesite="strict",
    )
    return answer


def _page(request: Request, then: str, fault: str | None = None, status: int = 200) -> Response:
    return render.page(
        "login.html", status, theme=theme_of(request), next=then, fault=fault, visitor=None
    )


def _local(then: str) -> str:
    """Give where to go on: a page of ours, or else the first one. `//host` is somebody else's."""
    is_ours = then.startswith("/") and not then.startswith(("//", "/\\")) and then.isprintable()
    return then if is_ours else "/"
