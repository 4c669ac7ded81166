"""The bytes of versions: whole or in part, as they lie, never as something that a browser runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from docferry.app.content import readable
from docferry.app.files import visible_version
from docferry.model import VersionRow
from docferry.web.asker import Asker, Viewer
from docferry.web.closing import closed_by_thread
from docferry.web.file_shapes import EXAMPLE_SHA256
from docferry.web.files import Id
from docferry.web.headers import (
    Part,
    Unsatisfiable,
    disposition,
    etag_of,
    names,
    part_of,
    safe_type,
)
from docferry.web.lanes import CONTENTS, apart
from docferry.web.problems import ProblemError, documented

router = APIRouter(prefix="/files", tags=["files"])

_PATH = "/{ulid}/content"
_ANY = {"*/*": {"schema": {"type": "string", "format": "binary"}}}


def _header(name: str, example: str) -> dict[str, Any]:
    return {name: {"required": True, "schema": {"type": "string"}, "example": example}}


_TAGGED = (
    _header("ETag", f'"{EXAMPLE_SHA256}"')
    | _header("Accept-Ranges", "bytes")
    | _header("Content-Disposition", 'attachment; filename="2026.docx"')
)
_ANSWERS: dict[int | str, dict[str, Any]] = documented(404, 409, 412, 416) | {
    200: {
        "description": "All of it. The ETag is its SHA-256.",
        "content": _ANY,
        "headers": _TAGGED,
    },
    206: {
        "description": "The range that was asked for.",
        "content": _ANY,
        "headers": _TAGGED | _header("Content-Range", "bytes 0-99/11092"),
    },
    304: {"description": "Not modified", "headers": _TAGGED},
}
_IfMatch = Annotated[str | None, Header(max_length=8192)]
_IfNoneMatch = Annotated[str | None, Header(max_length=8192)]
_IfRange = Annotated[str | None, Header(max_length=256, description="An ETag.")]
_Range = Annotated[
    str | None, Header(max_length=256, description="One range of bytes.", examples=["bytes=0-99"])
]
_Inline = Annotated[
    bool, Query(description="Let a browser show it, if it is of a kind that cannot run.")
]


class Content(StreamingResponse):
    """An answer that closes what it reads from, however it ends; it is read in threads apart."""

    def __init__(self, stack: ExitStack, body: Iterator[bytes], **given: Any) -> None:
        super().__init__(_apart(body), **given)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with closed_by_thread(self._stack):
            await super().__call__(scope, receive, send)


@router.get(
    _PATH, summary="Give the bytes of a version", response_class=Response, responses=_ANSWERS
)
@apart(CONTENTS)
def get_content(
    asker: Viewer,
    ulid: Id,
    *,
    if_match: _IfMatch = None,
    if_none_match: _IfNoneMatch = None,
    if_range: _IfRange = None,
    range: _Range = None,
    inline: _Inline = False,
) -> Response:
    row = visible_version(asker.ledger, ulid, asker.mirrors)
    headers = _headers(row, is_inline=inline)
    if is_same(row, if_match, if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if if_range is not None and if_range.strip() != etag_of(row.sha256):
        range = None
    return streamed(asker, row, _part(range, row), headers)


@router.head(
    _PATH,
    summary="Tell of the bytes of a version",
    response_class=Response,
    responses=documented(404, 412)
    | {
        200: {"description": "As for GET.", "headers": _TAGGED},
        304: {"description": "Not modified", "headers": _TAGGED},
    },
)
def head_content(
    asker: Viewer,
    ulid: Id,
    *,
    if_match: _IfMatch = None,
    if_none_match: _IfNoneMatch = None,
    inline: _Inline = False,
) -> Response:
    """Whether the bytes can be had is not looked at."""
    row = visible_version(asker.ledger, ulid, asker.mirrors)
    headers = _headers(row, is_inline=inline)
    if is_same(row, if_match, if_none_match):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(headers=headers | {"Content-Length": str(row.size)})


def is_same(row: VersionRow, if_match: str | None, if_none_match: str | None) -> bool:
    """
    Say whether whoever asks has it already.

    Raises:
        ProblemError: 412, they want another content.
    """
    if if_match is not None and not names(if_match, row.sha256):
        raise ProblemError(
            HTTPStatus.PRECONDITION_FAILED,
            "changed",
            f"version {row.id} is {row.sha256}, and never was what If-Match says",
        )
    return names(if_none_match, row.sha256)


def streamed(asker: Asker, row: VersionRow, part: Part | None, headers: dict[str, str]) -> Response:
    """
    Answer with the bytes of a version, once the first are there: what fails before can be said.

    For a thread that may wait for a store.

    Args:
        part: None: all of them.
        headers: Also how they are to be taken.
    """
    start, stop = (part.start, part.stop) if part is not None else (0, row.size)
    status = HTTPStatus.OK
    headers = headers | {"Content-Length": str(stop - start)}
    if part is not None:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{row.size}"
    with asker.desk.turns.taken(row.mirror), ExitStack() as stack:
        stack.enter_context(asker.desk.contents.taken(asker.caller.counted_as))
        source = stack.enter_context(readable(asker.config, asker.ledger, row))
        pieces = iter(source.pieces(start, stop))
        first = next(pieces, b"")
        return Content(stack.pop_all(), _all_of(first, pieces), status_code=status, headers=headers)


def _headers(row: VersionRow, *, is_inline: bool) -> dict[str, str]:
    kind = safe_type(row.path)
    is_shown = is_inline and kind != "application/octet-stream"
    return {
        "ETag": etag_of(row.sha256),
        "Accept-Ranges": "bytes",
        "Content-Type": kind,
        "Content-Disposition": disposition(row.path, is_shown=is_shown),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        # A version never changes; yet who may see it does.
        "Cache-Control": "private, no-cache",
    }


def _part(header: str | None, row: VersionRow) -> Part | None:
    try:
        return part_of(header, row.size)
    except Unsatisfiable as error:
        raise ProblemError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "no-such-range",
            f"version {row.id} has {row.size} bytes",
            headers={"Content-Range": f"bytes */{row.size}"},
        ) from error


async def _apart(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await CONTENTS.run(next, pieces, None)) is not None:
        yield piece


def _all_of(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
