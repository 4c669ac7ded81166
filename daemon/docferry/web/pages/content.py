"""What browsers get of versions: bytes to be saved, pictures to be looked at. Nothing to run."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path
from starlette.exceptions import HTTPException
from starlette.responses import Response

from docferry.app.content import readable
from docferry.app.files import visible_version
from docferry.convert.drawing import REVISION, Undrawn
from docferry.model import Ulid, VersionRow
from docferry.web.file_content import streamed
from docferry.web.headers import disposition, names
from docferry.web.lanes import CONTENTS, apart
from docferry.web.pages.visit import Viewer, Visitor
from docferry.web.preview import MOST_PAGES, MOST_PICTURE, picture_type

router = APIRouter()

_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HEAD = 64  # bytes, by which pictures are known


@router.get("/versions/{version}/download")
@apart(CONTENTS)
def download(visitor: Viewer, version: Ulid) -> Response:
    row = _row(visitor, version)
    named = {"Content-Disposition": disposition(row.path)}
    return _answer(visitor, row, "application/octet-stream", **named)


@router.get("/versions/{version}/picture")
@apart(CONTENTS)
def picture(visitor: Viewer, version: Ulid) -> Response:
    row = _row(visitor, version)
    if row.size > MOST_PICTURE:
        raise HTTPException(HTTPStatus.NOT_FOUND, "the picture is too large to be shown here")
    with (
        visitor.desk.turns.taken(row.mirror),
        readable(visitor.asker.config, visitor.asker.ledger, row) as content,
    ):
        media_type = picture_type(b"".join(content.pieces(0, min(_HEAD, row.size))))
    if media_type is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "it is no picture that is shown here")
    return _answer(visitor, row, media_type)


@router.get("/versions/{version}/pages/{number}")
@apart(CONTENTS)
def drawn_page(
    visitor: Viewer,
    version: Ulid,
    number: Annotated[int, Path(ge=1, le=MOST_PAGES)],
    if_none_match: Annotated[str | None, Header(max_length=8192)] = None,
) -> Response:
    row = _row(visitor, version)
    tag = f"{row.sha256}-{number}-{REVISION}"
    # A page of a version never changes; yet who may see it does.
    headers = _HEADERS | {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if names(if_none_match, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    asker = visitor.asker
    with visitor.desk.turns.taken(row.mirror):
        drawn = visitor.desk.drawings.page(asker.config, asker.ledger, row, number)
    if isinstance(drawn, Undrawn):
        raise HTTPException(HTTPStatus.NOT_FOUND, drawn.why)
    return Response(drawn.picture, headers=headers, media_type="image/png")


def _row(visitor: Visitor, version: Ulid) -> VersionRow:
    return visible_version(visitor.asker.ledger, version, visitor.asker.mirrors)


def _answer(visitor: Visitor, row: VersionRow, media_type: str, **headers: str) -> Response:
    return streamed(visitor.asker, row, None, _HEADERS | {"Content-Type": media_type} | headers)
