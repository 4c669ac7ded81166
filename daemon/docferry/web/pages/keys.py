"""API keys: who may use the API and this page, for what, and until when."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from docferry.app import keys
from docferry.app.keys import NewKey
from docferry.core.keys import KeyState, Role
from docferry.core.when import moment_ahead
from docferry.errors import NotFoundError, UserError
from docferry.web.pages.visit import Admin, SendingAdmin, Visitor

router = APIRouter()

_OVERLAPS = {0: "at once", 3600: "in an hour", 86400: "in a day", 604800: "in a week"}


@router.get("/keys")
def show_keys(visitor: Admin) -> Response:
    return _page(visitor)


@router.post("/keys")
def create(
    visitor: SendingAdmin,
    name: Annotated[str, Form(max_length=63)],
    role: Annotated[Role, Form()],
    mirrors: Annotated[list[str] | None, Form(alias="mirror")] = None,
    expires: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    asker, now = visitor.asker, visitor.desk.now()
    expires_at = moment_ahead(expires, now) if expires.strip() else None
    if expires.strip() and expires_at is None:
        return _page(visitor, fault=f"{expires!r} is no time: such as 90d, or 2027-01-31")
    try:
        made = keys.create(
            asker.ledger,
            asker.config,
            name.strip(),
            role,
            now,
            mirrors=tuple(mirrors) if mirrors else None,
            expires_at=expires_at,
            by=asker.caller.key,
        )
    except UserError as error:
        return _page(visitor, fault=str(error))
    return _page(visitor, made=made)


@router.get("/keys/{key}/revoke")
def ask_to_revoke(visitor: Admin, key: str) -> Response:
    return visitor.page("revoke_key.html", key=_named(visitor, key))


@router.post("/keys/{key}/revoke")
def revoke(visitor: SendingAdmin, key: str) -> Response:
    asker = visitor.asker
    gone = keys.revoke(asker.ledger, asker.config, key, visitor.desk.now(), by=asker.caller.key)
    return visitor.back("/keys", f"The key {gone.name} counts no more")


@router.post("/keys/{key}/rotate")
def rotate(
    visitor: SendingAdmin,
    key: str,
    overlap_s: Annotated[int, Form(alias="overlap", ge=0, le=31622400)] = 0,
) -> Response:
    asker = visitor.asker
    made = keys.rotate(
        asker.ledger,
        asker.config,
        key,
        visitor.desk.now(),
        overlap=timedelta(seconds=overlap_s),
        by=asker.caller.key,
    )
    return _page(visitor, made=made)


def _page(visitor: Visitor, made: NewKey | None = None, fault: str | None = None) -> Response:
    """The secret stands in this answer alone: a page that is loaded anew has it no more."""
    asker = visitor.asker
    found = keys.listed(asker.ledger, asker.config, visitor.desk.now(), by=asker.caller.key)
    return visitor.page(
        "keys.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        keys=sorted(found, key=lambda one: (one.state != KeyState.VALID, one.name)),
        made=made,
        fault=fault,
        roles=Role,
        mirrors=asker.mirrors,
        overlaps=_OVERLAPS,
        KeyState=KeyState,
    )


def _named(visitor: Visitor, key: str) -> keys.ShownKey:
    asker = visitor.asker
    for one in keys.listed(asker.ledger, asker.config, visitor.desk.now(), by=asker.caller.key):
        if key in (one.id, one.name) and one.revoked_at is None:
            return one
    raise NotFoundError(f"there is no key {key!r} that counts")
