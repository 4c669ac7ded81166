"""The bytes of versions for browsers: to be saved, or pictures to be looked at. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from docferry.app.content import readable
from docferry.app.files import visible_version
from docferry.model import Ulid, VersionRow
from docferry.web.pages.visit import Viewer, Visitor
from docferry.web.preview import MOST_PICTURE, picture_type

router = APIRouter()

_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HEAD = 64  # bytes, by which pictures are known


@router.get("/versions/{version}/download")
def download(visitor: Viewer, version: Ulid) -> Response:
    row = _row(visitor, version)
    name = PurePosixPath(row.path).name
    headers = {"Content-Disposition": as_attachment(name), "Content-Length": str(row.size)}
    return _answer(visitor, row, "application/octet-stream", headers)


@router.get("/versions/{version}/picture")
def picture(visitor: Viewer, version: Ulid) -> Response:
    row = _row(visitor, version)
    if row.size > MOST_PICTURE:
        raise HTTPException(HTTPStatus.NOT_FOUND, "the picture is too large to be shown here")
    with readable(visitor.asker.config, visitor.asker.ledger, row) as content:
        media_type = picture_type(b"".join(content.pieces(0, min(_HEAD, row.size))))
    if media_type is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "it is no picture that is shown here")
    return _answer(visitor, row, media_type, {"Content-Length": str(row.size)})


def as_attachment(name: str) -> str:
    """Have a browser save it under *name*, whatever is in that (RFC 6266)."""
    plain = "".join(
        one if (one.isascii() and one.isalnum()) or one in "-_. " else "_" for one in name
    )
    exact = quote(name.encode("utf-8", "surrogateescape"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _row(visitor: Visitor, version: Ulid) -> VersionRow:
    return visible_version(visitor.asker.ledger, version, visitor.asker.mirrors)


def _answer(
    visitor: Visitor, row: VersionRow, media_type: str, headers: dict[str, str]
) -> Response:
    stack = ExitStack()
    # Opened before the answer begins: what cannot be had is told as a page.
    content = stack.enter_context(readable(visitor.asker.config, visitor.asker.ledger, row))

    def pieces() -> Iterator[bytes]:
        with stack:
            yield from content.pieces(0, row.size)

    return StreamingResponse(pieces(), media_type=media_type, headers=_HEADERS | headers)
