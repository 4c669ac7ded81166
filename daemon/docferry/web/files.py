"""Files: listed, told of, had back."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from docferry.app import files
from docferry.app.called import Called, files_called
from docferry.app.files import FilesWanted
from docferry.app.renditions import renditions_of
from docferry.app.versions import ask_restore
from docferry.core.cursors import cursor_of, key_in
from docferry.core.standing import Listed, Order, Standing
from docferry.errors import NotFoundError, UserError
from docferry.model import Side
from docferry.web import file_shapes as shapes
from docferry.web.asker import Asker, Operator, Viewer
from docferry.web.problems import documented
from docferry.web.repeatable import RepeatableRoute
from docferry.web.values import (
    FOLLOWED,
    MOST_PART,
    MOST_PATH,
    Cursor,
    Limit,
    MirrorName,
    follow,
)

router = APIRouter(prefix="/files", tags=["files"], route_class=RepeatableRoute)

_MOST_JOBS = 1000
#: The version that names a file, in the path of a route.
Id = Annotated[
    str,
    Path(
        alias="ulid",
        description="A version of the file.",
        max_length=64,
        examples=["01KAV3Z9V6T3S0G4Q2M8X7C5RD"],
    ),
]
_Mirrors = Annotated[
    list[MirrorName] | None,
    Query(alias="mirror", max_length=100, description="None given: all.", examples=[["docs"]]),
]
_WholePath = Annotated[
    str | None,
    Query(
        max_length=MOST_PATH,
        description="The whole path: the one file that is called so, in each mirror; nothing, "
        "where none is, and none was.",
        examples=["reports/2026.docx"],
    ),
]
_LastName = Annotated[
    str | None,
    Query(
        max_length=MOST_PATH,
        description="The last part of the path: all files that are called so, in any folder, and "
        "that both sides have agreed on (what is deleted is found by its path). With "
        "`path` or `name` go `mirror`, `state`, `limit` and `cursor` alone.",
        examples=["2026.docx"],
    ),
]


@router.get("", summary="List files", responses=documented(404))
def list_files(
    asker: Viewer,
    mirror: _Mirrors = None,
    prefix: Annotated[str, Query(max_length=MOST_PATH, description="Of the paths.")] = "",
    contains: Annotated[
        str,
        Query(
            max_length=MOST_PART,
            description="A part of the path, in any folder, in upper or lower case. A search "
            "looks through so many files at a time: a page may be short, or empty, and have a "
            "`next` all the same.",
            examples=["report"],
        ),
    ] = "",
    path: _WholePath = None,
    name: _LastName = None,
    state: Annotated[
        Listed | None,
        Query(
            description="`deleted`: what paths held last that hold nothing now. None given: "
            "`agreed`; with `path` or `name`: whatever there is."
        ),
    ] = None,
    side: Annotated[Side | None, Query(description="Only what it has, as far as is known.")] = None,
    since: Annotated[
        str | None,
        Query(
            max_length=64,
            description="A version or a time (ISO 8601, UTC): only later versions. A version is as "
            "old as the beginning of its transfer; who must miss nothing follows /events.",
            examples=["2026-11-27T08:00:00Z"],
        ),
    ] = None,
    sort: Annotated[
        Order, Query(description="By time: by version; what was deleted by when that was.")
    ] = Order.PATH,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> shapes.Files:
    others = prefix or contains or side or since or sort is not Order.PATH
    among = mirrors_of(asker, mirror)
    if path is not None or name is not None:
        if others:
            raise UserError("with path or name go mirror, state, limit and cursor alone")
        if name is not None and state is Standing.DELETED:
            raise UserError("by its name alone a file is found that is there: give its path")
        called = Called(among, path, name, state, limit, cursor)
        page = files_called(asker.config, asker.ledger, called, asker.mirrors)
    else:
        wanted = FilesWanted(
            among, prefix, contains, state or Standing.AGREED, side, since, sort, limit, cursor
        )
        page = files.list_files(asker.config, asker.ledger, wanted, asker.mirrors, asker.desk.now())
    items = [shapes.File.model_validate(one) for one in page.items]
    return shapes.Files(items=items, next=page.next)


@router.get("/{ulid}", summary="Tell of a version", responses=documented(404))
def get_file(asker: Viewer, ulid: Id) -> shapes.FileDetail:
    found = files.file(asker.config, asker.ledger, ulid, asker.mirrors)
    return shapes.FileDetail.model_validate(found)


@router.get("/{ulid}/versions", summary="List the versions of its path", responses=documented(404))
def list_versions(
    asker: Viewer, ulid: Id, limit: Limit = 100, cursor: Cursor = None
) -> shapes.Versions:
    row, rows = files.versions_of(asker.ledger, ulid, asker.mirrors)
    listed = ("versions", row.mirror, row.path)
    if cursor is not None:
        (last,) = key_in(cursor, listed, 1)
        numbers = [number for number, one in enumerate(rows) if one.id == last]
        if not numbers:
            raise NotFoundError("the version of this cursor is not there any more: begin again")
        rows = rows[numbers[0] + 1 :]
    shown = [shapes.Version.model_validate(one) for one in rows[:limit]]
    is_end = len(rows) <= limit
    return shapes.Versions(items=shown, next=None if is_end else cursor_of(listed, [shown[-1].id]))


@router.get(
    "/{ulid}/renditions", summary="List what was made of a version", responses=documented(404)
)
def list_renditions(asker: Viewer, ulid: Id) -> shapes.Renditions:
    row = files.visible_version(asker.ledger, ulid, asker.mirrors)
    found = renditions_of(asker.config, asker.ledger, row, asker.mirrors, _MOST_JOBS)
    return shapes.Renditions(items=[shapes.Rendition.model_validate(one) for one in found])


@router.post(
    "/{ulid}/restore",
    status_code=HTTPStatus.ACCEPTED,
    summary="Have a version put back",
    responses=documented(404, 409) | FOLLOWED,
)
def restore(
    asker: Operator,
    response: Response,
    ulid: Id,
    wanted: shapes.RestoreWanted = shapes.IN_PLACE,
) -> shapes.Requested:
    """What is at the path goes to the archive. What somebody has just edited stays, and the
    version comes beside it."""
    row = files.visible_version(asker.ledger, ulid, asker.mirrors)
    request, is_new = ask_restore(asker.config, asker.ledger, row, wanted.to, asker.desk.now())
    asker.desk.wake_daemon()
    follow(response, f"/requests/{request}")
    return shapes.Requested(request=request, is_new=is_new)


def mirrors_of(asker: Asker, named: list[str] | None) -> tuple[str, ...]:
    """
    Give the mirrors that are meant: those that were named, or all that may be seen.

    Raises:
        NotFoundError: There is no such mirror, or none that may be seen.
    """
    if named is None:
        return tuple(asker.mirrors)
    return tuple(dict.fromkeys(asker.mirror(one).name for one in named))
