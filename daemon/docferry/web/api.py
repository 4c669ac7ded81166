"""The application: all routes, and what holds for all of them."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from docferry.web import (
    audit,
    decisions,
    events,
    file_content,
    file_upload,
    files,
    health,
    jobs,
    keys,
    mirrors,
    notifications,
    overview,
    process,
    requests,
    values,
    verify,
    webhooks,
    whoami,
    why,
)
from docferry.web.description import completing
from docferry.web.desk import Desk
from docferry.web.guard import Guard
from docferry.web.pages import mount_pages
from docferry.web.parameters import refuse_unknown
from docferry.web.patience import Patience
from docferry.web.problems import answer_problems

PREFIX = values.PREFIX
#: Requests whose bodies are documents.
DOCUMENTS = (("POST", f"{PREFIX}/files"),)

_ROUTERS: tuple[APIRouter, ...] = (
    audit.router,
    decisions.router,
    events.router,
    jobs.router,
    files.router,
    file_content.router,
    file_upload.router,
    keys.router,
    mirrors.router,
    notifications.router,
    overview.router,
    process.router,
    requests.router,
    verify.router,
    webhooks.router,
    whoami.router,
    why.router,
)

#: What a script of another origin may send, and may read of the answer (`origins` in [api]).
_TAKEN = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "X-API-Key",
    "X-Content-SHA256",
)
_GIVEN = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
)

_ABOUT = """
docferry keeps folders and prefixes in an S3 store the same, converts documents, and keeps every
version under a ULID. Files are named by the ULID of a version, or by mirror and path.

Whatever goes wrong is answered as RFC 9457 problem details. What is not known, in a query or a
body, is refused (422): a mistyped filter would give everything. Times are ISO 8601 in UTC. Lists
come in pages: `next` is the `cursor` of the next one; what has an `ETag` is not sent again to who
has it (`If-None-Match`). A POST with an `Idempotency-Key` may be sent
again. Three need none, or take none: of `POST /files` the same document twice is one anyway,
`/notifications` are hints, which may come twice, and of `/keys` no answer is ever kept: there the
header is refused (422).
"""


def make_app(desk: Desk, patience: Patience = Patience()) -> FastAPI:  # noqa: B008 - it is frozen
    """Give the application for *desk*."""
    app = FastAPI(
        title="docferry",
        version=version("docferry"),
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    app.state.desk = desk
    answer_problems(app)
    app.include_router(health.router)
    app.include_router(_api())
    app.openapi = completing(app.openapi)  # type: ignore[method-assign]
    mount_pages(app, desk)
    if desk.config.api_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=desk.config.api_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=_TAKEN,
            expose_headers=_GIVEN,
        )
    app.add_middleware(Guard, documents=DOCUMENTS, patience=patience)
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix=PREFIX)
    for router in _ROUTERS:
        # A store is sent where somebody has set it to, whatever the address ends with.
        is_strict = router is not notifications.router
        api.include_router(router, dependencies=[Depends(refuse_unknown)] if is_strict else ())
    return api
