"""Our style sheet and scripts, as files: under addresses that change with what is in them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from docferry.web.pages.render import ASSETS

router = APIRouter()

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
_NAMES = frozenset(one.name for one in ASSETS.iterdir() if one.suffix in _TYPES)


@router.get("/assets/{digest}/{name}")
def asset(digest: str, name: str) -> Response:
    if name not in _NAMES:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no {name!r} here")
    path = ASSETS / name
    return FileResponse(path, headers=_KEPT, media_type=_TYPES[path.suffix])
