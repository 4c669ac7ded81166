"""One file: what it is, its versions, what they differ in, how it came to be; and restore."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from docferry.app.files import file, file_at, visible_version
from docferry.app.process import process
from docferry.app.renditions import RenditionEntry, renditions_of
from docferry.app.version_bytes import texts
from docferry.app.versions import ask_restore
from docferry.app.why import seen, why
from docferry.core.texts import apart_from_lines
from docferry.core.words import counted
from docferry.errors import UserError
from docferry.job import JobState
from docferry.ledger import Ledger
from docferry.model import Path, Ulid, VersionRow
from docferry.web.lanes import CONTENTS, apart
from docferry.web.pages.diff import MOST_TOLD, lines_of
from docferry.web.pages.files import file_address
from docferry.web.pages.shown import FAR, Shown, is_near, shown
from docferry.web.pages.visit import SendingOperator, Viewer, Visitor
from docferry.web.preview import MOST_PAGES

router = APIRouter()

_MOST_VERSIONS = 100
_MOST_RENDITIONS = 50
_MOST_TOLD = 5  # versions of which all is told
_MOST_COMPARED = 1024 * 1024  # bytes of each; docferry diff takes more

_Mirror = Annotated[str, Query(max_length=200)]
_Path = Annotated[str, Query(max_length=4096)]
_IsFetched = Annotated[bool, Query(alias="fetch")]
_Number = Annotated[int, Query(alias="page", ge=1, le=MOST_PAGES)]


@router.get("/files/at")
@apart(CONTENTS)
def show_file(
    visitor: Viewer,
    mirror: _Mirror,
    path: _Path,
    version: Annotated[Ulid | None, Query(max_length=26)] = None,
    *,
    is_all: Annotated[bool, Query(alias="all")] = False,
    is_fetched: _IsFetched = False,
    number: _Number = 1,
) -> Response:
    asker = visitor.asker
    if version is None:
        found = file_at(asker.config, asker.ledger, mirror, path, asker.mirrors)
    else:
        found = file(asker.config, asker.ledger, version, asker.mirrors)
    versions = asker.ledger.versions.of(found.file.mirror, found.file.path)
    row = next((one for one in versions if one.id == found.file.id), None)
    renditions = _renditions(visitor, row)
    is_far = not is_fetched and row is not None and not is_near(row, found.file.sides)
    return visitor.page(
        "file.html",
        found=found,
        file=found.file,
        row=row,
        versions=versions if is_all else versions[:_MOST_VERSIONS],
        hidden=0 if is_all else max(0, len(versions) - _MOST_VERSIONS),
        renditions=renditions,
        has_rules=any(one.from_mirror == found.file.mirror for one in asker.config.converts),
        shown=Shown(FAR, row) if is_far else shown(visitor, row, renditions, number),
        is_far=is_far,
        is_fetched=is_fetched,
    )


@router.get("/versions/{version}")
async def show_version(
    visitor: Viewer, version: Ulid, *, is_fetched: _IsFetched = False, number: _Number = 1
) -> Response:
    asker = visitor.asker
    row = await run_in_threadpool(visible_version, asker.ledger, version, asker.mirrors)
    return await show_file(
        visitor, row.mirror, row.path, row.id, is_fetched=is_fetched, number=number
    )


@router.get("/files/why")
def show_why(visitor: Viewer, mirror: _Mirror, path: _Path) -> Response:
    asker = visitor.asker
    asker.mirror(mirror)
    told = why(asker.config, asker.ledger, path, mirror, _MOST_TOLD + 1)
    found = seen(asker.config, told, asker.sees)
    return visitor.page(
        "why.html", why=found, stories=found.versions[:_MOST_TOLD], JobState=JobState
    )


@router.get("/files/diff")
@apart(CONTENTS)
def show_diff(visitor: Viewer, a: Ulid, b: Ulid) -> Response:
    asker = visitor.asker
    before, after = (visible_version(asker.ledger, one, asker.mirrors) for one in (a, b))
    is_same = before.sha256 == after.sha256
    found = None if is_same else texts(asker.config, asker.ledger, (before, after), _MOST_COMPARED)
    told = found and visitor.desk.comparisons.get(found[0].lines, found[1].lines, MOST_TOLD)
    lines, hidden = lines_of(told.lines if told else [])
    return visitor.page(
        "diff.html",
        before=before,
        after=after,
        is_same=is_same,
        is_text=found is not None,
        is_told=told is not None,
        beside=apart_from_lines(*found) if found else [],
        lines=lines,
        hidden=hidden + (told.hidden if told else 0),
    )


@router.get("/versions/{version}/restore")
def ask_to_restore(visitor: Viewer, version: Ulid) -> Response:
    row = visible_version(visitor.asker.ledger, version, visitor.asker.mirrors)
    now = _present(visitor.asker.ledger, row)
    return visitor.page("restore.html", row=row, now=now)


@router.post("/versions/{version}/restore")
def restore(
    visitor: SendingOperator, version: Ulid, to: Annotated[str, Form(max_length=4096)] = ""
) -> Response:
    asker = visitor.asker
    row = visible_version(asker.ledger, version, asker.mirrors)
    path: Path | None = to if to not in ("", row.path) else None
    request, is_new = ask_restore(asker.config, asker.ledger, row, path, visitor.desk.now())
    visitor.desk.wake_daemon()
    what = f"The version of {row.created_at:%Y-%m-%d %H:%M:%S} UTC"
    text = (
        f"{what} is being put back (request {request}): within seconds, while the daemon runs"
        if is_new
        else f"{what} was asked for already (request {request})"
    )
    return visitor.back(file_address(row.mirror, path or row.path), text)


@router.post("/versions/{version}/convert")
def convert(visitor: SendingOperator, version: Ulid) -> Response:
    asker = visitor.asker
    row = visible_version(asker.ledger, version, asker.mirrors)
    back = file_address(row.mirror, row.path)
    is_done = bool(_renditions(visitor, row))
    try:
        found = process(
            asker.config,
            asker.ledger,
            row,
            None,
            visitor.desk.now(),
            is_forced=is_done,
            visible=asker.mirrors,
        )
    except UserError as error:
        return visitor.back(back, str(error), is_trouble=True)
    visitor.desk.wake_daemon()
    return visitor.back(back, f"{counted(len(found.jobs), 'conversion')} asked for")


def _renditions(visitor: Visitor, row: VersionRow | None) -> list[RenditionEntry]:
    if row is None:
        return []
    asker = visitor.asker
    return renditions_of(asker.config, asker.ledger, row, asker.mirrors, _MOST_RENDITIONS)


def _present(ledger: Ledger, row: VersionRow) -> VersionRow | None:
    """Give what the path holds now."""
    return next((one for one in ledger.versions.of(row.mirror, row.path) if one.is_current), None)


def diff_address(a: Ulid, b: Ulid) -> str:
    return "/files/diff?" + urlencode({"a": a, "b": b})
