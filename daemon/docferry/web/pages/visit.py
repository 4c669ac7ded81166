"""
Who visits a page, what they may do there, and that a form was sent by themselves.

By a session that began with an API key; or, as at the API, as a user of this machine.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from docferry.core.keys import Accepted, Role
from docferry.errors import DocferryError
from docferry.web.asker import Asker, Caller, without_key
from docferry.web.desk import Desk
from docferry.web.pages import render
from docferry.web.pages.menu import Menu, menu_of
from docferry.web.peers import netloc_of
from docferry.web.problems import ProblemError
from docferry.web.sessions import Notice, Session, Sessions

_THEMES = ("light", "dark")
_NOTICE = "notice"  # in the address, the word for which a notice is had


class LoginNeededError(Exception):
    """Nobody knows who visits: they are to show an API key."""


@dataclass(frozen=True)
class Visitor:
    """Whoever looks at a page."""

    asker: Asker
    session: Session | None  #: None: a user of this machine, without a key
    sessions: Sessions
    request: Request

    @property
    def desk(self) -> Desk:
        return self.asker.desk

    @property
    def role(self) -> Role:
        return self.asker.caller.role

    @property
    def is_operator(self) -> bool:
        return self.role.may(Role.OPERATOR)

    @property
    def is_admin(self) -> bool:
        return self.role.may(Role.ADMIN)

    @property
    def mark(self) -> str:
        """Tell this visitor from others, for what only they may use."""
        return self.session.digest if self.session else f"local {self.asker.caller.actor}"

    @property
    def proof(self) -> str:
        """Give what their forms have to send along."""
        if self.session is not None:
            return self.session.proof
        return self.sessions.proof_without_session(self.mark)

    def is_proof(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.proof.encode())

    @cached_property
    def menu(self) -> Menu:
        return menu_of(self.asker)

    @property
    def notice(self) -> Notice | None:
        word = self.request.query_params.get(_NOTICE)
        return None if word is None else self.sessions.noted(self.mark, word)

    def page(self, template: str, status: int = HTTPStatus.OK, **context: object) -> HTMLResponse:
        """Render a page for them."""
        return render.page(
            template,
            status,
            visitor=self,
            theme=theme_of(self.request),
            here=self.request.url.path,
            notice=self.notice,
            **context,
        )

    def back(self, path: str, text: str, *, is_trouble: bool = False) -> RedirectResponse:
        """Lead them on after an act, and say there what became of it."""
        word = self.sessions.note(self.mark, Notice(text, is_trouble))
        joint = "&" if "?" in path else "?"
        return RedirectResponse(
            f"{path}{joint}{urlencode({_NOTICE: word})}", HTTPStatus.SEE_OTHER, render.HEADERS
        )


def visiting(needed: Role) -> Callable[[Request], Visitor]:
    """Give the dependency of a page that is for *needed*, and for who may do more."""

    def visit(request: Request) -> Visitor:
        visitor = _visitor(request)
        if not visitor.role.may(needed):
            who = visitor.asker.caller
            raise _forbidden(f"this needs the role {needed}, and {who.actor} is {who.role}")
        request.state.visitor = visitor
        return visitor

    visit.needed = needed  # type: ignore[attr-defined]  # the table of all forms and roles reads it
    return visit


def sending(needed: Role) -> Callable[..., Visitor]:
    """Give the dependency of what a form sends: as `visiting`, and by a form of ours."""

    visit = visiting(needed)

    def send(request: Request, proof: Annotated[str, Form(max_length=200)] = "") -> Visitor:
        visitor = visit(request)
        refuse_strange_forms(request)
        if not visitor.is_proof(proof):
            raise _forbidden(
                "this form is of another session, or of none: load its page anew and try again"
            )
        return visitor

    send.needed = needed  # type: ignore[attr-defined]
    return send


Viewer = Annotated[Visitor, Depends(visiting(Role.VIEWER))]
Admin = Annotated[Visitor, Depends(visiting(Role.ADMIN))]
SendingViewer = Annotated[Visitor, Depends(sending(Role.VIEWER))]
SendingOperator = Annotated[Visitor, Depends(sending(Role.OPERATOR))]
SendingAdmin = Annotated[Visitor, Depends(sending(Role.ADMIN))]


def refuse_strange_forms(request: Request) -> None:
    """
    Refuse what a page of somebody else has sent.

    Raises (as a problem): 403.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:  # a proxy may give us another name; this the browser alone knows
        is_ours = site in ("same-origin", "none")
    else:
        is_ours = origin is None or netloc_of(origin) == request.headers.get("host", "")
    if not is_ours:
        raise _forbidden("this was sent by a page of another place")


def is_tls(request: Request) -> bool:
    """Say whether the browser speaks TLS, to us or to a proxy before us: to be cautious, not to
    be trusted."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


def cookie_name(request: Request) -> str:
    return "__Host-docferry" if is_tls(request) else "docferry"


def sessions_of(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def theme_of(request: Request) -> str | None:
    """Give the theme that they chose; None: as their system has it."""
    chosen = request.cookies.get("docferry-theme")
    return chosen if chosen in _THEMES else None


def login_address(request: Request) -> str:
    """Give where to show a key, and where to go on from there."""
    if request.method != "GET" or request.url.path == "/":
        return "/login"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/login?next={quote(request.url.path + query, safe='')}"


def _visitor(request: Request) -> Visitor:
    desk, sessions = desk_of(request), sessions_of(request)
    session, caller = _by_session(request, desk, sessions)
    if caller is None:
        session, caller = None, _by_machine(request, desk)
    desk.limits.count(caller.counted_as)
    return Visitor(Asker(caller, desk), session, sessions, request)


def _by_session(
    request: Request, desk: Desk, sessions: Sessions
) -> tuple[Session | None, Caller | None]:
    word = request.cookies.get(cookie_name(request))
    session = None if word is None else sessions.get(word)
    if session is None:
        return None, None
    address = request.client.host if request.client else ""
    verdict = desk.authenticator.still(session.key, session.stamp, address, desk.now())
    if not isinstance(verdict, Accepted):
        with suppress(DocferryError):  # its key does not count: that says it again
            sessions.end(session)
        return None, None
    found = verdict.identity
    return session, Caller(found.actor, found.role, found.mirrors, found, verdict.stamp)


def _by_machine(request: Request, desk: Desk) -> Caller:
    try:
        return without_key(desk, request)
    except ProblemError as error:
        if error.problem.status == HTTPStatus.UNAUTHORIZED:
            raise LoginNeededError from error
        raise


def _forbidden(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)
