"""Who docferry takes the caller for."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from docferry.core.keys import Role
from docferry.web.asker import Viewer
from docferry.web.conditional import ConditionalRoute

router = APIRouter(tags=["keys"], route_class=ConditionalRoute)


class WhoAmI(BaseModel):
    """Whoever asks."""

    name: str = Field(description="As the audit has it.", examples=["key pipeline"])
    role: Role
    mirrors: list[str] = Field(description="Those that they may see.", examples=[["docs"]])


@router.get("/whoami", summary="Who am I?")
def whoami(asker: Viewer) -> WhoAmI:
    return WhoAmI(name=asker.caller.actor, role=asker.caller.role, mirrors=asker.mirrors)
