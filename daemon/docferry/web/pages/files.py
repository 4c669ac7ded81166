"""Files: found by mirror, a part of the path, state and time, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import Response

from docferry.app.files import (
    FileEntry,
    FilePage,
    FilesWanted,
    list_files,
)
from docferry.core.standing import LISTED, UNUSUAL, Order, Standing
from docferry.errors import UserError
from docferry.web.pages.visit import Viewer, Visitor
from docferry.web.values import MOST_PART

router = APIRouter()

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, as the form has it."""

    mirror: str
    text: str  #: a part of the path
    standing: Standing
    since: str
    order: Order

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
    def is_narrow(self) -> bool:
        return bool(self.mirror or self.text or self.since) or self.standing != Standing.AGREED


@router.get("/files")
def files(
    visitor: Viewer,
    mirror: Annotated[str, Query(max_length=200)] = "",
    text: Annotated[str, Query(alias="q", max_length=MOST_PART)] = "",
    standing: Annotated[Standing, Query(alias="state")] = Standing.AGREED,
    since: Annotated[str, Query(max_length=64)] = "",
    order: Annotated[Order | None, Query(alias="sort")] = None,
    cursor: Annotated[str | None, Query(max_length=20_000)] = None,
) -> Response:
    order = order or (Order.PATH if standing in UNUSUAL else Order.NEWEST)
    search = Search(mirror, text.strip(), standing, since.strip(), order)
    asker = visitor.asker
    wanted = FilesWanted(
        (asker.mirror(mirror).name,) if mirror else tuple(asker.mirrors),
        contains=search.text,
        standing=standing,
        since=search.since or None,
        order=order,
        limit=_PAGE,
        cursor=cursor,
    )
    page, fault = _listed(visitor, wanted)
    return visitor.page(
        "files.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        search=search,
        fault=fault,
        items=page.items,
        following=None if page.next is None else search.address(cursor=page.next),
        is_first=cursor is None,
        standings=LISTED,
        orders=Order,
        mirrors=asker.mirrors,
    )


def _listed(visitor: Visitor, wanted: FilesWanted) -> tuple[FilePage, str | None]:
    """Give the page; or an empty one, and what is wrong with what is looked for."""
    asker = visitor.asker
    try:
        return list_files(
            asker.config, asker.ledger, wanted, asker.mirrors, visitor.desk.now()
        ), None
    except UserError as error:
        return FilePage((), None), str(error)


def newest(visitor: Visitor, most: int) -> tuple[FileEntry, ...]:
    """Give the files that came last."""
    asker = visitor.asker
    wanted = FilesWanted(tuple(asker.mirrors), order=Order.NEWEST, limit=most)
    return list_files(asker.config, asker.ledger, wanted, asker.mirrors, visitor.desk.now()).items


def file_address(mirror: str, path: str, **more: str) -> str:
    """Give where the page of a file is."""
    return "/files/at?" + urlencode({"mirror": mirror, "path": path} | more)
