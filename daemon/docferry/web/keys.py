"""API keys, for who may give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from docferry.app import keys
from docferry.app.keys import NewKey, ShownKey
from docferry.core.keys import KeyState, Role
from docferry.web.asker import Admin
from docferry.web.conditional import ConditionalRoute
from docferry.web.problems import ProblemError, documented
from docferry.web.repeatable import HEADER
from docferry.web.values import sent


def _refuse_repeats(asker: Admin, request: Request) -> None:
    """
    Raises:
        ProblemError: 422, the answer is to be kept: with the secret in it.
    """
    if request.method == "POST" and HEADER in request.headers:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "not-repeatable",
            f"no answer about API keys is kept, so {HEADER} does not count: leave it away, and "
            f"after a call without an answer look at GET /keys",
        )


router = APIRouter(
    prefix="/keys",
    tags=["keys"],
    dependencies=[Depends(_refuse_repeats)],
    route_class=ConditionalRoute,
)

_Id = Annotated[str, Path(description="Its id, or its name.", max_length=64, examples=["pipeline"])]


class Key(BaseModel):
    """An API key, without anything of its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["7k3m9x2p"])
    name: str = Field(examples=["pipeline"])
    role: Role
    mirrors: list[str] | None = Field(description="null: all of them", examples=[["docs"]])
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute.")
    previous_until: datetime | None = Field(
        description="After a rotation: so long the secret of before counts."
    )
    revoked_at: datetime | None


class Keys(BaseModel):
    items: list[Key]


class CreatedKey(BaseModel):
    """A key, and its secret: it is not shown again."""

    key: Key
    secret: str = Field(examples=["dfk_7k3m9x2p_0123456789abcdefghjkmnpqrstvwxyz"])


class KeyWanted(BaseModel):
    """What a key is to be."""

    model_config = sent(
        name="pipeline", role="operator", mirrors=["docs"], expires_at="2030-01-01T00:00:00Z"
    )

    name: str = Field(max_length=63, examples=["pipeline"])
    role: Role
    mirrors: list[str] | None = Field(default=None, max_length=1000, examples=[["docs"]])
    expires_at: datetime | None = Field(default=None, examples=["2030-01-01T00:00:00Z"])


class Rotation(BaseModel):
    """How a key gets another secret."""

    model_config = sent(overlap_s=3600)

    overlap_s: float = Field(
        default=0.0, ge=0, le=366 * 86400, description="So long the present one counts, too."
    )


#: An absent body.
_AT_ONCE = Rotation()


@router.get("", summary="List the API keys")
def list_keys(asker: Admin) -> Keys:
    found = keys.listed(asker.ledger, asker.config, asker.desk.now(), by=asker.caller.key)
    return Keys(items=[_told(key) for key in found])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Create an API key",
    responses=documented(409),
)
def create_key(asker: Admin, wanted: KeyWanted) -> CreatedKey:
    return _created(
        keys.create(
            asker.ledger,
            asker.config,
            wanted.name,
            wanted.role,
            asker.desk.now(),
            mirrors=None if wanted.mirrors is None else tuple(dict.fromkeys(wanted.mirrors)),
            expires_at=aware(wanted.expires_at),
            by=asker.caller.key,
        )
    )


@router.post("/{key}/revoke", summary="Revoke an API key", responses=documented(404, 409))
def revoke_key(asker: Admin, key: _Id) -> Key:
    now = asker.desk.now()
    return _told(keys.revoke(asker.ledger, asker.config, key, now, by=asker.caller.key))


@router.post(
    "/{key}/rotate",
    summary="Give an API key another secret",
    responses=documented(404, 409),
)
def rotate_key(asker: Admin, key: _Id, rotation: Rotation = _AT_ONCE) -> CreatedKey:
    overlap = timedelta(seconds=rotation.overlap_s)
    now = asker.desk.now()
    return _created(
        keys.rotate(asker.ledger, asker.config, key, now, overlap=overlap, by=asker.caller.key)
    )


def aware(at: datetime | None) -> datetime | None:
    """Take a time without a zone for one of UTC."""
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)


def _created(new: NewKey) -> CreatedKey:
    return CreatedKey(key=_told(new.key), secret=new.text)


def _told(key: ShownKey) -> Key:
    return Key.model_validate(key)
