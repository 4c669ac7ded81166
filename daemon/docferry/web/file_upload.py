"""Documents that come in: as they are, or in a form; written as they come, whatever their size."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from docferry.app.upload import (
    ChangedError,
    MismatchError,
    Receiving,
    TooLargeError,
    Uploaded,
    UploadWanted,
    receiving,
    settled,
)
from docferry.app.wake import next_look_s
from docferry.errors import DocferryError, FullError
from docferry.model import VersionRow
from docferry.web.asker import Asker, Operator
from docferry.web.closing import closed_by_thread
from docferry.web.file_shapes import Received
from docferry.web.lanes import UPLOADS
from docferry.web.multipart import FILE, MOST_BESIDE, Form, form_of
from docferry.web.problems import Code, ProblemError, documented
from docferry.web.values import MOST_PATH

router = APIRouter(prefix="/files", tags=["files"])

_AT_ONCE_BYTES = 1024 * 1024
_IS_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,4})(?:$|[,;\s])", re.IGNORECASE)
_MOST_WAIT_S = 60
_OF_ERRORS: tuple[tuple[type[DocferryError], HTTPStatus, Code], ...] = (
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"),
    (MismatchError, HTTPStatus.UNPROCESSABLE_ENTITY, "damaged"),
    (ChangedError, HTTPStatus.PRECONDITION_FAILED, "changed"),
    (FullError, HTTPStatus.INSUFFICIENT_STORAGE, "full"),
)
_FIELDS = {
    "mirror": {"type": "string"},
    "path": {"type": "string"},
    "sha256": {"type": "string"},
    FILE: {"type": "string", "format": "binary", "description": "The last part."},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": _FIELDS, "required": [FILE]}
            },
        },
    }
}
_WHERE = {
    "Location": {
        "description": "The version, where it is settled: see `Prefer`.",
        "schema": {"type": "string"},
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = documented(404, 409, 412, 507) | {
    200: {
        "model": Received,
        "description": "The very same was there already.",
        "headers": _WHERE,
    },
    201: {"headers": _WHERE},
}


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Hand a document over",
    responses=_ANSWERS,
    openapi_extra=_BODY,
)
async def receive(
    asker: Operator,
    request: Request,
    response: Response,
    mirror: Annotated[str | None, Query(max_length=63, examples=["docs"])] = None,
    path: Annotated[str | None, Query(max_length=MOST_PATH, examples=["reports/2026.docx"])] = None,
    if_match: Annotated[
        str | None,
        Header(
            max_length=80,
            description="The version, or the SHA-256, that is to be replaced; without it nothing "
            "may be there.",
        ),
    ] = None,
    x_content_sha256: Annotated[
        str | None, Header(max_length=64, description="Of the document, in hex: it is checked.")
    ] = None,
    prefer: Annotated[
        str | None,
        Header(
            max_length=256, description="How long the version is waited for.", examples=["wait=10"]
        ),
    ] = None,
) -> Received:
    """
    It lands in the mirror's folder like any file that is saved there, and goes up from there. In
    a form `mirror`, `path` and `sha256` may be parts before the document's.
    """
    told = {"mirror": mirror, "path": path, "sha256": x_content_sha256}
    try:
        with asker.desk.uploads.taken(asker.caller.counted_as):
            done = await _received(asker, request, told, _unquoted(if_match))
        row = await _version_of(asker, done, _wait_s(prefer))
    except ClientDisconnect as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "bad-request", "the request breaks off"
        ) from error
    except DocferryError as error:
        raise _problem_of(error) from error
    if not done.is_new:
        response.status_code = HTTPStatus.OK
    if row is not None:
        response.headers["Location"] = f"{request.url.path}/{row.id}"
    received = Received.model_validate(done)
    return received.model_copy(update={"version": row.id if row is not None else None})


async def _received(
    asker: Asker, request: Request, told: dict[str, str | None], replaces: str | None
) -> Uploaded:
    form = form_of(request.headers.get("content-type"))
    parts = _parts(request, form)
    first = b""
    if form is not None:
        first = await anext(parts, b"")
        if not form.is_document:
            raise _invalid(f"the form has no part named {FILE}")
        told = told | {name: form.fields[name] for name in told if name in form.fields}
    wanted = _wanted(asker, request, told, replaces, is_form=form is not None)
    async with closed_by_thread(ExitStack()) as stack:
        taking = receiving(asker.config, asker.ledger, wanted, owed=asker.desk.owed)
        document = await UPLOADS.begin(stack.enter_context, taking)
        await _write_all(document, first, parts)
        if form is not None and not form.is_whole:
            raise _invalid("the form breaks off")
        return await UPLOADS.run(document.finish, asker.desk.now())


async def _version_of(asker: Asker, done: Uploaded, wait_s: float) -> VersionRow | None:
    """Give the version that the document becomes within a time. It is waited for in no thread."""
    clock = asyncio.get_running_loop().time
    began_s = clock()
    while (row := await run_in_threadpool(settled, asker.ledger, done)) is None:
        waited_s = clock() - began_s
        if waited_s >= wait_s or asker.desk.is_ending.is_set():
            return None
        await asyncio.sleep(min(next_look_s(waited_s), wait_s - waited_s))
    return row


async def _parts(request: Request, form: Form | None) -> AsyncIterator[bytes]:
    """Yield the document; of a form first nothing, once the document has begun."""
    has_begun = form is None
    async for part in request.stream():
        if form is None:
            yield part
            continue
        found = [*form.feed(part)]
        if form.is_document and not has_begun:
            has_begun = True
            yield b""
        for one in found:
            yield one


async def _write_all(document: Receiving, first: bytes, parts: AsyncIterator[bytes]) -> None:
    """Write a good deal at a time: to change threads for each packet costs more than to write."""
    gathered = bytearray(first)
    async for part in parts:
        gathered += part
        if len(gathered) >= _AT_ONCE_BYTES:
            await UPLOADS.run(document.write, bytes(gathered))
            gathered.clear()
    if gathered:
        await UPLOADS.run(document.write, bytes(gathered))


def _wanted(
    asker: Asker,
    request: Request,
    told: dict[str, str | None],
    replaces: str | None,
    *,
    is_form: bool,
) -> UploadWanted:
    mirror, path, sha256 = told["mirror"], told["path"], told["sha256"]
    if not mirror or not path:
        raise _invalid("say which mirror and which path: ?mirror=docs&path=reports/2026.docx")
    if sha256 and not _IS_SHA256.fullmatch(sha256):
        raise _invalid("a SHA-256 has 64 hex digits")
    length, most = request.headers.get("content-length", ""), asker.config.api_max_upload
    if is_form and length.isdecimal() and int(length) > most + MOST_BESIDE:
        raise TooLargeError(f"more than {most} bytes are not taken")
    return UploadWanted(
        asker.mirror(mirror).name,
        path,
        size=int(length) if length.isdecimal() and not is_form else None,
        sha256=sha256.lower() if sha256 else None,
        replaces=replaces,
        most=most,
    )


def _unquoted(if_match: str | None) -> str | None:
    return None if if_match is None else if_match.strip().removeprefix("W/").strip('"')


def _wait_s(prefer: str | None) -> float:
    found = _WAIT.search(prefer or "")
    return 0.0 if found is None else float(min(int(found[1]), _MOST_WAIT_S))


def _problem_of(error: DocferryError) -> Exception:
    for kind, status, code in _OF_ERRORS:
        if isinstance(error, kind):
            return ProblemError(status, code, str(error))
    return error


def _invalid(why: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", why)
