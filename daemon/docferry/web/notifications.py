"""
What stores tell of their buckets: taken as hints, and never believed.

Stores can send no API key of a role; they send one fixed header. So this has a secret of its own,
with which nothing else can be done.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer

from docferry.app.hints import tell_daemon, tell_unconfirmed
from docferry.core.notifications import hints_in
from docferry.errors import NotFoundError
from docferry.web.desk import Desk
from docferry.web.problems import ProblemError, documented

router = APIRouter(tags=["notifications"])

# For the OpenAPI document only. HTTPBasic answers by itself where a password is not encoded.
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="notifications",
    description="What is in `notifications.secret`. SNS sends it as a password (Basic), with any "
    "user's name",
)
#: How long a store may wait for its answer while the daemon has no room for what it tells.
_FULL_S = 0.1
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="docferry", Basic realm="docferry"'}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {},
                "examples": {
                    "s3": {
                        "summary": "AWS S3, MinIO",
                        "value": {
                            "Records": [
                                {
                                    "eventName": "ObjectCreated:Put",
                                    "s3": {
                                        "bucket": {"name": "documents"},
                                        "object": {"key": "docs%2Freport+1.docx"},
                                    },
                                }
                            ]
                        },
                    },
                    "seaweedfs": {
                        "summary": "SeaweedFS",
                        "value": {
                            "event_type": "create",
                            "key": "/buckets/documents/docs/report.docx",
                            "message": {"new_entry": {"name": "report.docx"}},
                        },
                    },
                },
            }
        },
    }
}


@router.post(
    "/notifications/{store}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="A store tells what changed",
    description="Bodies of AWS S3, MinIO, EventBridge, SNS and SeaweedFS' filer. It is a hint: the "
    "paths are looked at now instead of at the next poll. What cannot be read is counted, and is "
    "answered in the same way, or a store would send it for ever.",
    responses=documented(401, 404, 408, 413, 429),
    openapi_extra=_BODY,
    dependencies=[Security(_bearer)],
)
async def notify(
    request: Request,
    store: Annotated[str, Path(description="The NAME of a [store.NAME].", examples=["main"])],
) -> Response:
    desk: Desk = request.app.state.desk
    _require_secret(desk, request)
    if store not in desk.config.stores:
        raise NotFoundError(f"there is no [store.{store}]")
    found = hints_in(await request.body())
    tell_unconfirmed(store, found)
    state_dir = desk.config.state_dir
    if not tell_daemon(state_dir, store, found):  # else it is full, with a few already
        await run_in_threadpool(tell_daemon, state_dir, store, found, within_s=_FULL_S)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _require_secret(desk: Desk, request: Request) -> None:
    """
    Raises:
        NotFoundError: There is no secret: then there is no such route.
        ProblemError: 401, it is another one; 429, too many wrong ones came from there.
    """
    secret = desk.config.notifications_secret
    if secret is None:
        raise NotFoundError('there is no notifications.secret: see README, "Told by the store"')
    # Counted apart: a store with an old secret keeps nobody from there from using an API key.
    address = request.client.host if request.client else ""
    desk.limits.require_patience(address, "notifications")
    given = _given(request.headers.get("authorization", ""))
    if not hmac.compare_digest(given, secret.get_secret_value().encode()):
        desk.limits.count_failure(address, "notifications")
        detail = "this is not the secret of notifications: compare the store's settings"
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers=_CHALLENGE)


def _given(header: str) -> bytes:
    """Give the secret that somebody has sent; empty: none."""
    scheme, _, value = header.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip().encode(errors="replace")
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return b""
        case _:
            return b""
