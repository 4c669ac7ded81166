"""Answers that whoever has them already does not get again: looked up as ever, but not sent."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from docferry.web.headers import names

#: For the OpenAPI document.
PARAMETER: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an answer that is there already: if it is the same still, it is "
    "not sent again.",
    "schema": {"type": "string"},
}
TAGGED: dict[str, Any] = {
    "ETag": {"description": "Of this very answer.", "schema": {"type": "string"}}
}
NOT_MODIFIED: dict[str, Any] = {"description": "Not modified", "headers": TAGGED}


class ConditionalRoute(APIRoute):
    """A route whose JSON can be asked for if it is another one than before. It streams none."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_if_changed(request: Request) -> Response:
            answer = await handle(request)
            is_told = request.method == "GET" and answer.status_code == HTTPStatus.OK
            is_json = answer.headers.get("content-type") == "application/json"
            return _if_changed(request, answer) if is_told and is_json else answer

        return handle_if_changed


def _if_changed(request: Request, answer: Response) -> Response:
    digest = blake2b(answer.body, digest_size=16).hexdigest()
    answer.headers["ETag"] = f'"{digest}"'
    if names(request.headers.get("if-none-match"), digest):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'"{digest}"'})
    return answer
