"""The API's description of itself, in OpenAPI: what FastAPI leaves out, or says too little of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from docferry.web import conditional, repeatable
from docferry.web.problems import Problem, documented
from docferry.web.values import PREFIX

#: Any request may be answered so: faulty, unknown, not allowed, slow, too large, too often …
_COMMON = (400, 401, 403, 408, 413, 422, 429, 503)
#: Without an Idempotency-Key, as `api` tells.
_NOT_REPEATABLE = re.compile("/files|/keys.*|/notifications.*")
_SAYS_NOTHING = "Successful Response"
_REF = "#/components/schemas/"


def completing(describe: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Give *describe*, which gives one document again and again, so that it is whole."""

    def whole() -> dict[str, Any]:
        document = describe()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            _complete(document, schemas)
        return document

    return whole


def _complete(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    schemas["Problem"] = Problem.model_json_schema(ref_template=f"{_REF}{{model}}")
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of a problem
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.startswith(PREFIX):
                _add_common(method, path.removeprefix(PREFIX), operation)
            for body in operation.get("requestBody", {}).get("content", {}).values():
                _exemplify(body, schemas)
            for answer in operation["responses"].values():
                if answer["description"] == _SAYS_NOTHING:
                    answer["description"] = _about(answer, schemas) or operation["summary"]


def _add_common(method: str, path: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    if method == "get" and "application/json" in answers["200"].get("content", {}):
        operation.setdefault("parameters", []).append(conditional.PARAMETER)
        answers["200"].setdefault("headers", {}).update(conditional.TAGGED)
        answers["304"] = conditional.NOT_MODIFIED
    if method == "post" and not _NOT_REPEATABLE.fullmatch(path):
        operation.setdefault("parameters", []).append(repeatable.PARAMETER)
        for status, answer in answers.items():
            if status.startswith("2"):
                answer.setdefault("headers", {}).update(repeatable.REPLAYED)
    answers.pop("422", None)  # FastAPI's own form of it
    for status, problem in documented(*_COMMON).items():
        answers.setdefault(str(status), problem)


def _exemplify(body: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Put an example where every tool looks for it."""
    name = body["schema"].get("$ref", "").removeprefix(_REF)
    if examples := schemas.get(name, {}).get("examples"):
        body["example"] = examples[0]


def _about(answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Say what an answer is: what its schema says of itself."""
    for body in answer.get("content", {}).values():
        name = body.get("schema", {}).get("$ref", "").removeprefix(_REF)
        about: str = schemas.get(name, {}).get("description", "")
        return about
    return ""
