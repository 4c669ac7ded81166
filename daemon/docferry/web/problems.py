"""
What went wrong, for programs: RFC 9457 problem details.

Each has a `code` that does not change, and a `detail` for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from docferry.errors import (
    ConflictError,
    DocferryError,
    NotFoundError,
    PermanentError,
    StaleError,
    TemporaryError,
    UserError,
)
from docferry.logs import get_logger

log = get_logger(__name__)

#: What went wrong, in a word that stays from release to release. Closed: programs go by it.
Code: TypeAlias = Literal[
    "another-call",  # something else was sent with this Idempotency-Key
    "bad-request",
    "changed",  # what is to be replaced, or read, is not what was named
    "conflict",  # something is in the way: it is decided, under way, there already
    "damaged",  # what came is not what was to come
    "failed",  # a fault of docferry's own
    "forbidden",
    "full",  # the disk
    "impossible",
    "invalid",  # what was sent: see `errors`
    "method-not-allowed",
    "no-such-range",
    "not-found",
    "not-repeatable",  # an Idempotency-Key does not count here
    "refused",  # what is asked for makes no sense: see `detail`
    "stale",  # it has changed meanwhile
    "too-large",
    "too-many-at-once",  # documents that come, or are read
    "too-many-listeners",
    "too-many-requests",
    "too-slow",
    "unauthorized",
    "unavailable",  # a store, or the ledger, for a while
    "under-way",  # the call with this Idempotency-Key
]

_TYPE = "application/problem+json"
_RETRY_S = 5

#: The first that fits counts.
_OF_ERRORS: tuple[tuple[type[DocferryError], HTTPStatus, Code], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND, "not-found"),
    (ConflictError, HTTPStatus.CONFLICT, "conflict"),
    (StaleError, HTTPStatus.CONFLICT, "stale"),
    (UserError, HTTPStatus.UNPROCESSABLE_ENTITY, "refused"),
    (TemporaryError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    (PermanentError, HTTPStatus.CONFLICT, "impossible"),
)


#: What the server's own library refuses.
_OF_HTTP: Mapping[int, Code] = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
}
#: For the OpenAPI document.
_EXAMPLES: Mapping[int, tuple[Code, str]] = {
    400: ("bad-request", "There was an error parsing the body"),
    401: ("unauthorized", "an API key is needed: Authorization: Bearer dfk_…"),
    403: ("forbidden", "this needs the role operator, and key pipeline is viewer"),
    404: ("not-found", "there is no mirror 'dcos'"),
    408: ("too-slow", "the request did not come"),
    409: ("conflict", "hold 7 is decided: it is approved"),
    412: ("changed", "reports/2026.docx holds another version by now"),
    413: ("too-large", "more than 1048576 bytes are not taken"),
    416: ("no-such-range", "version 01KAV3Z9V6T3S0G4Q2M8X7C5RD has 11092 bytes"),
    422: ("invalid", "query.limit: Input should be less than or equal to 1000"),
    429: ("too-many-requests", "too many requests: again in 12 s"),
    503: ("unavailable", "the ledger is busy: try again"),
    507: ("full", "there is no room for this document"),
}
_SECONDS = {"description": "Seconds until it may be tried again.", "schema": {"type": "integer"}}
_ALWAYS = {"required": True}
_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {
        "WWW-Authenticate": _ALWAYS
        | {"description": "How to say who asks.", "schema": {"type": "string"}}
    },
    409: {"Retry-After": _SECONDS | {"description": "Of `under-way`: seconds to wait."}},
    416: {
        "Content-Range": _ALWAYS
        | {
            "description": "How many bytes there are: `bytes */11092`.",
            "schema": {"type": "string"},
        }
    },
    429: {"Retry-After": _ALWAYS | _SECONDS},
    503: {"Retry-After": _SECONDS},
}


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(examples=["urn:docferry:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: Code = Field(description="Does not change from release to release.")
    detail: str = Field(description="For a person: what failed, on what, and what to do.")
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="Of what was sent: where it is wrong, and how."
    )


class ProblemError(Exception):
    """An answer that is a problem."""

    def __init__(
        self,
        status: HTTPStatus,
        code: Code,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(
            type=f"urn:docferry:problem:{code}",
            title=status.phrase,
            status=status.value,
            code=code,
            detail=detail,
            errors=errors,
        )
        self.headers = dict(headers or {})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Tell, for the OpenAPI document, that a route may answer with these problems."""
    return {status: _documented(HTTPStatus(status)) for status in statuses}


def answer_problems(app: FastAPI) -> None:
    """Have *app* answer whatever goes wrong with a problem."""
    for kind in (ProblemError, DocferryError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _answer)


def response(problem: ProblemError) -> JSONResponse:
    return JSONResponse(
        problem.problem.model_dump(exclude_none=True),
        problem.problem.status,
        headers=problem.headers | {"Cache-Control": "no-store"},
        media_type=_TYPE,
    )


def problem_of(request: Request, error: Exception) -> ProblemError:
    """Give what is to be said of *error*, whatever it is. A bug is logged."""
    match error:
        case ProblemError():
            return error
        case DocferryError():
            return _of_docferry(error)
        case RequestValidationError():
            return _of_what_was_sent(error)
        case HTTPException():
            return _of_http(error)
        case _:
            log.error("request.failed", path=request.url.path, exc_info=error)
            return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", "see docferry's log")


def _documented(status: HTTPStatus) -> dict[str, Any]:
    code, detail = _EXAMPLES[status]
    body = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": ProblemError(status, code, detail).problem.model_dump(exclude_none=True),
    }
    told: dict[str, Any] = {"description": status.phrase, "content": {_TYPE: body}}
    return told | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def _answer(request: Request, error: Exception) -> JSONResponse:
    return response(problem_of(request, error))


def _of_docferry(error: DocferryError) -> ProblemError:
    status, code = next(
        ((status, code) for kind, status, code in _OF_ERRORS if isinstance(error, kind)),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "failed"),
    )
    headers = {"Retry-After": str(_RETRY_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return ProblemError(status, code, shown(str(error)), headers=headers)


def _of_what_was_sent(error: RequestValidationError) -> ProblemError:
    errors = [
        {"where": [str(part) for part in one["loc"]], "what": shown(str(one["msg"]))}
        for one in error.errors()[:20]
    ]
    first = f"{'.'.join(errors[0]['where'])}: {errors[0]['what']}" if errors else "it is not valid"
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", shown(first), errors=errors)


def _of_http(error: HTTPException) -> ProblemError:
    status = HTTPStatus(error.status_code)
    code = _OF_HTTP.get(
        status, "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
    )
    return ProblemError(status, code, shown(str(error.detail)), headers=error.headers)


def shown(text: str) -> str:
    """Make any text fit for an answer: names of files need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
