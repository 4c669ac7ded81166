"""
What went wrong, for programs: RFC 9457 problem details.

Each has a `code` that does not change, and a `detail` for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

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

_TYPE = "application/problem+json"
_RETRY_S = 5

_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_AGAIN: dict[str, Any] = {
    "headers": {
        "Retry-After": {"description": "Not before so many seconds.", "schema": {"type": "integer"}}
    }
}

#: The first that fits counts.
_OF_ERRORS: tuple[tuple[type[DocferryError], HTTPStatus, str], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND, "not-found"),
    (ConflictError, HTTPStatus.CONFLICT, "conflict"),
    (StaleError, HTTPStatus.CONFLICT, "stale"),
    (UserError, HTTPStatus.UNPROCESSABLE_ENTITY, "refused"),
    (TemporaryError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    (PermanentError, HTTPStatus.CONFLICT, "impossible"),
)


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(examples=["urn:docferry:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(description="Does not change from release to release.")
    detail: str = Field(description="For a person: what failed, on what, and what to do.")
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="Of what was sent: where it is wrong, and how."
    )


class ProblemError(Exception):
    """An answer that is a problem."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
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
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        | (_AGAIN if status in _LATER else {})
        for status in statuses
    }


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
    code = status.phrase.lower().replace(" ", "-")
    return ProblemError(status, code, shown(str(error.detail)), headers=error.headers)


def shown(text: str) -> str:
    """Make any text fit for an answer: names of files need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
