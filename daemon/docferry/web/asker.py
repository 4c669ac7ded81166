"""
Who asks, what they may do, and how often.

    an API key         Authorization: Bearer dfk_…, or X-API-Key: its role, its mirrors
    a unix socket      a user of this machine, as the kernel says: root and the service's own
                       user are admins, members of its group viewers
    no API key exists  the same for connections by TCP from this machine, and from nowhere else
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from docferry.app.mirrors import mirror_named
from docferry.config import Config, MirrorConfig
from docferry.core.keys import Accepted, Identity, Mirrors, Role
from docferry.errors import NotFoundError
from docferry.ledger import Ledger
from docferry.web import peers
from docferry.web.desk import Desk
from docferry.web.problems import ProblemError
from docferry.web.protocol import CONNECTION

#: By these names a browser on this machine asks this machine, whatever else leads here: a
#: stranger's name that was made to point here (DNS rebinding) is none of them.
_OUR_NAMES = ("localhost", "127.0.0.1", "::1")
_SAME = ("same-origin", "none")

_bearer = HTTPBearer(auto_error=False, description="An API key: `docferry keys create`")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, by a header")


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who it is that asks.

    actor: as the audit calls them.
    mirrors: that they may see; None: all.
    key: theirs; None: a user of this machine, who needs none.
    stamp: of the key's secret, to ask again whether it still counts.
    """

    actor: str
    role: Role
    mirrors: Mirrors = None
    key: Identity | None = None
    stamp: str = field(default="", repr=False)

    @property
    def credential(self) -> tuple[str, str]:
        """By what they were let in: whoever has the same is let in, or refused, alike."""
        return (self.actor, "") if self.key is None else (self.key.id, self.stamp)

    @property
    def counted_as(self) -> str:
        """Tell them from others where it is counted what they do; names may be another's later."""
        return self.key.id if self.key else f"user {self.actor}"


@dataclass(frozen=True)
class Asker:
    """Whoever asks, and what of docferry they may see."""

    caller: Caller
    desk: Desk

    @property
    def config(self) -> Config:
        return self.desk.config

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger; what is written there is written as theirs."""
        return self.desk.ledger.acting_as(self.caller.actor)

    @property
    def mirrors(self) -> list[str]:
        """The mirrors that they may see, of those that are configured."""
        allowed = self.caller.mirrors
        return [name for name in self.config.mirrors if allowed is None or name in allowed]

    def mirror(self, name: str) -> MirrorConfig:
        """
        Raises:
            NotFoundError: There is no such mirror, or none that they may know of.
        """
        if self.caller.mirrors is not None and name not in self.mirrors:
            raise NotFoundError(f"there is no mirror {name!r} for this API key")
        return mirror_named(self.config, name)

    def sees(self, mirror: str) -> bool:
        """Say whether they may know of a mirror of that name."""
        return self.caller.mirrors is None or mirror in self.caller.mirrors

    def still_counts(self) -> bool:
        """Say whether they would be let in again: for answers that last."""
        key = self.caller.key
        if key is None:
            return True
        desk = self.desk
        verdict = desk.authenticator.still(key.id, self.caller.stamp, "", desk.now())
        return isinstance(verdict, Accepted)

    def require_all_mirrors(self) -> None:
        """
        Raises:
            ProblemError: They may see some only, and what they ask for is of all.
        """
        if self.caller.mirrors is not None:
            raise _forbidden("this API key is limited to some mirrors; this is about all of them")


def allowed(needed: Role) -> Callable[..., Asker]:
    """
    Give the dependency of a route that is for *needed*, and for who may do more.

    Raises (as a problem): 401, 403, 429.
    """

    def ask(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
    ) -> Asker:
        # Both are there for the OpenAPI document: `caller_of` reads the headers itself.
        caller = caller_of(request)
        if not caller.role.may(needed):
            raise _forbidden(f"this needs the role {needed}, and {caller.actor} is {caller.role}")
        return Asker(caller, request.app.state.desk)

    return ask


Viewer = Annotated[Asker, Depends(allowed(Role.VIEWER))]
Operator = Annotated[Asker, Depends(allowed(Role.OPERATOR))]
Admin = Annotated[Asker, Depends(allowed(Role.ADMIN))]


def caller_of(request: Request) -> Caller:
    """
    Say who asks, and count that they do; once for each request.

    Raises (as a problem): 401, 403, 429.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    desk: Desk = request.app.state.desk
    caller = _caller(desk, request, _presented(request))
    desk.limits.count(caller.counted_as)
    request.state.caller = caller
    return caller


def _presented(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer":
        return key.strip()
    return request.headers.get("x-api-key")


def _caller(desk: Desk, request: Request, presented: str | None) -> Caller:
    address = request.client.host if request.client else ""
    if presented is None:
        return without_key(desk, request)
    verdict = desk.authenticator.authenticate(presented, address, desk.now())
    if not isinstance(verdict, Accepted):
        # Wrong ones alone have to wait: who shares an address with a stranger is not locked out.
        desk.limits.require_patience(address)
        desk.limits.count_failure(address)
        raise _unknown("this API key does not count: unknown, revoked, expired or mistyped")
    found = verdict.identity
    return Caller(found.actor, found.role, found.mirrors, found, verdict.stamp)


def without_key(desk: Desk, request: Request) -> Caller:
    """
    Give who it is that has no key. Whoever it is not is counted by the address.

    Raises (as a problem): 401, 403, 429.
    """
    address = request.client.host if request.client else ""
    try:
        return _user(desk, request, address)
    except ProblemError:
        desk.limits.count_stranger(address)
        raise


def _user(desk: Desk, request: Request, address: str) -> Caller:
    if address.startswith(peers.UNIX):
        user: peers.User | None = peers.User(int(address.removeprefix(peers.UNIX)))
    elif desk.ledger.keys.are_needed():
        raise _unknown("an API key is needed: Authorization: Bearer dfk_…")
    else:
        user = _of_this_machine(request)
    if user is None:
        raise _forbidden(
            "there is no API key yet, so only this machine is answered. Make one there: "
            "docferry keys create NAME --role viewer"
        )
    if not (user.is_master or user.is_of_our_group):
        raise _forbidden(
            f"{user.name} is neither root nor in the group of the service: give an API key"
        )
    return Caller(user.name, Role.ADMIN if user.is_master else Role.VIEWER)


def _of_this_machine(request: Request) -> peers.User | None:
    client, server = request.client, request.scope.get("server")
    if client is None or server is None:
        return None
    _refuse_strange_pages(request)
    known: dict[str, peers.User | None] = request.scope["state"][CONNECTION]
    if "user" not in known:
        ends = (client.host, client.port), (server[0], server[1])
        known["user"] = peers.of_loopback(*ends)
    return known["user"]


def _refuse_strange_pages(request: Request) -> None:
    """Refuse what a page of somebody else has a browser of this machine ask."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    is_ours = peers.is_named(host, _OUR_NAMES) and (
        origin is None or peers.netloc_of(origin) == host
    )
    if not is_ours or request.headers.get("sec-fetch-site", "none") not in _SAME:
        raise _forbidden("without an API key, only http://localhost and 127.0.0.1 are answered")


def _unknown(detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        detail,
        headers={"WWW-Authenticate": 'Bearer realm="docferry"'},
    )


def _forbidden(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)
