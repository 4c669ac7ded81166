"""Files: found by mirror, path, name, state and time, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from docferry.app.versions import time_named
from docferry.core.cursors import cursor_of, key_in
from docferry.core.standing import LISTED, Order, Standing
from docferry.core.ulids import first_of
from docferry.job import JobRow
from docferry.ledger.file_keys import Span
from docferry.ledger.files import FileRow
from docferry.web.pages.visit import Viewer, Visitor

router = APIRouter()

_PAGE = 100
_NAMED = 20  # files of one name, in whatever folder


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, as the form has it."""

    mirror: str = ""
    text: str = ""  #: with which paths begin, or the whole last name of a file
    standing: Standing = Standing.AGREED
    since: str = ""
    order: Order = Order.NEWEST

    def address(self, **more: str) -> str:
        """Give where the list with *more* is."""
        told = {
            "mirror": self.mirror,
            "q": self.text,
            "state": self.standing.value,
            "since": self.since,
            "sort": self.order.value,
        }
        return "/files?" + urlencode({name: one for name, one in (told | more).items() if one})

    @property
    def is_all(self) -> bool:
        return not (self.mirror or self.text or self.since)


@router.get("/files")
def files(
    visitor: Viewer,
    mirror: Annotated[str, Query(max_length=200)] = "",
    text: Annotated[str, Query(alias="q", max_length=4096)] = "",
    standing: Annotated[Standing, Query(alias="state")] = Standing.AGREED,
    since: Annotated[str, Query(max_length=64)] = "",
    order: Annotated[Order, Query(alias="sort")] = Order.NEWEST,
    cursor: Annotated[str, Query(max_length=20_000)] = "",
) -> Response:
    wanted = Wanted(mirror, text, standing, since.strip(), order)
    span = _span(visitor, wanted)
    length = 2 if order is Order.PATH else 3
    after = key_in(cursor, wanted, length) if cursor else None
    found = visitor.asker.ledger.files.page(standing, span, order, after, _PAGE + 1)
    rows = [row for _, row in found[:_PAGE]]
    following = None
    if len(found) > _PAGE:
        following = wanted.address(cursor=cursor_of(wanted, found[_PAGE - 1][0]))
    named = _named(visitor, wanted, span) if not cursor else []
    return visitor.page(
        "files.html",
        wanted=wanted,
        rows=rows,
        named=named,
        jobs=jobs_of(visitor, [*rows, *named]),
        following=following,
        is_first=not cursor,
        standings=LISTED,
        orders=Order,
        mirrors=visitor.asker.mirrors,
    )


def jobs_of(visitor: Visitor, rows: list[FileRow]) -> dict[tuple[str, str], list[JobRow]]:
    """Give the conversions of the contents of *rows*, by mirror and content."""
    contents = list(dict.fromkeys(one.version.sha256 for one in rows if one.version is not None))
    found: dict[tuple[str, str], list[JobRow]] = {}
    for job in visitor.asker.ledger.jobs.of(contents):
        found.setdefault((job.mirror, job.sha256), []).append(job)
    return found


def _span(visitor: Visitor, wanted: Wanted) -> Span:
    asker = visitor.asker
    mirrors = [asker.mirror(wanted.mirror).name] if wanted.mirror else asker.mirrors
    since = time_named(wanted.since) if wanted.since else None
    return Span(
        tuple(mirrors),
        wanted.text,
        "" if since is None else first_of(since),
        since if wanted.standing is Standing.DELETED else None,
    )


def _named(visitor: Visitor, wanted: Wanted, span: Span) -> list[FileRow]:
    """Give files that are called so, whose path does not begin so: nobody knows all folders."""
    if not wanted.text or "/" in wanted.text or wanted.standing is not Standing.AGREED:
        return []
    found = visitor.asker.ledger.files.named(span.mirrors, wanted.text, _NAMED)
    return [row for row in found if not row.path.startswith(wanted.text)]
