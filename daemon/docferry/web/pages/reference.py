"""The reference of the API, made of its OpenAPI document: of this very docferry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from docferry.core.keys import Role
from docferry.web.pages import render
from docferry.web.pages.visit import LoginNeededError, theme_of, visiting

router = APIRouter()

_METHODS = ("get", "post", "put", "patch", "delete", "head")
_DEEPEST = 6  # of examples
_REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of what is sent or answered. *ref*: the schema that says more."""

    name: str
    type: str
    ref: str | None
    is_needed: bool
    about: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """*ref*: the schema that it is; *example*: JSON, "" where there is none."""

    media_type: str
    type: str
    ref: str | None
    fields: tuple[Field, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    about: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    about: str
    fields: tuple[Field, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    problems: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    about: str
    fields: tuple[Field, ...]
    words: tuple[str, ...]  #: of an enumeration


@dataclass(frozen=True, slots=True)
class Reference:
    title: str
    version: str
    about: str
    groups: Mapping[str, tuple[Operation, ...]]
    shapes: tuple[Shape, ...]


@router.get("/docs")
def docs(request: Request) -> Response:
    """For whoever comes, like `openapi.json`: it is the same for all, and tells of no document."""
    reference = reference_of(request.app.state.api.openapi())
    try:
        visitor = visiting(Role.VIEWER)(request)
    except LoginNeededError:
        return render.page(
            "docs.html", visitor=None, theme=theme_of(request), here="/docs", reference=reference
        )
    return visitor.page("docs.html", reference=reference)


def reference_of(document: Mapping[str, Any]) -> Reference:
    """Read an OpenAPI document."""
    reader = _Reader(document)
    groups: dict[str, list[Operation]] = {}
    for tag, operation in reader.operations():
        groups.setdefault(tag, []).append(operation)
    return Reference(
        document["info"]["title"],
        document["info"]["version"],
        document["info"].get("description", ""),
        {tag: tuple(found) for tag, found in sorted(groups.items())},
        tuple(reader.shapes()),
    )


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._paths = document["paths"]
        self._schemas: Mapping[str, Any] = document.get("components", {}).get("schemas", {})

    def operations(self) -> Iterator[tuple[str, Operation]]:
        for path, item in self._paths.items():
            for method in _METHODS:
                if method in item:
                    tag = (item[method].get("tags") or ["other"])[0]
                    yield tag, self._operation(method, path, item[method])

    def shapes(self) -> Iterator[Shape]:
        for name, schema in sorted(self._schemas.items()):
            words = tuple(map(str, schema.get("enum", ())))
            yield Shape(name, schema.get("description", ""), self._fields(schema), words)

    def _operation(self, method: str, path: str, facts: Mapping[str, Any]) -> Operation:
        answers = [self._answer(status, one) for status, one in facts["responses"].items()]
        return Operation(
            re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-"),
            method.upper(),
            path,
            facts.get("summary", ""),
            facts.get("description", ""),
            tuple(self._parameter(one) for one in facts.get("parameters", ())),
            self._bodies(facts.get("requestBody", {})),
            tuple(one for one in answers if one.status < "4"),
            tuple(one for one in answers if one.status >= "4"),
        )

    def _parameter(self, facts: Mapping[str, Any]) -> Field:
        schema = facts.get("schema", {})
        about = facts.get("description") or schema.get("description", "")
        return Field(
            facts["name"],
            self._type(schema),
            _ref(schema),
            bool(facts.get("required")),
            _in_words(about, schema),
            facts["in"],
        )

    def _answer(self, status: str, facts: Mapping[str, Any]) -> Answer:
        return Answer(status, facts.get("description", ""), self._bodies(facts))

    def _bodies(self, facts: Mapping[str, Any]) -> tuple[Body, ...]:
        return tuple(
            self._body(media_type, one) for media_type, one in facts.get("content", {}).items()
        )

    def _body(self, media_type: str, facts: Mapping[str, Any]) -> Body:
        schema = facts.get("schema", {})
        example = _example_in(facts)
        if example is None and "json" in media_type and schema:
            example = self._example(schema, 0)
        is_text = example is None or isinstance(example, str)
        shown = example or "" if is_text else json.dumps(example, indent=2, ensure_ascii=False)
        return Body(
            media_type, self._type(schema), _ref(schema), self._fields(self._whole(schema)), shown
        )

    def _fields(self, schema: Mapping[str, Any]) -> tuple[Field, ...]:
        needed = schema.get("required", ())
        return tuple(
            Field(
                name,
                self._type(one),
                _ref(one),
                name in needed,
                _in_words(one.get("description", ""), one),
            )
            for name, one in schema.get("properties", {}).items()
        )

    def _whole(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = schema.get("$ref", "").removeprefix(_REF)
        found: Mapping[str, Any] = self._schemas.get(name, schema)
        return found

    def _type(self, schema: Mapping[str, Any]) -> str:
        if "$ref" in schema:
            return str(schema["$ref"]).removeprefix(_REF)
        if some := schema.get("anyOf") or schema.get("oneOf"):
            return " or ".join(dict.fromkeys(self._type(one) for one in some))
        if "enum" in schema:
            return " | ".join(json.dumps(one) for one in schema["enum"])
        if schema.get("type") == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        kind = str(schema.get("type", "anything"))
        form = schema.get("format")
        return f"{kind} ({form})" if form else kind

    def _example(self, schema: Mapping[str, Any], depth: int) -> Any:
        schema = self._whole(schema)
        for word in ("examples", "enum"):
            if schema.get(word):
                return schema[word][0]
        if "example" in schema or "default" in schema:
            return schema.get("example", schema.get("default"))
        if some := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            return self._example(some[0], depth)
        return self._made_up(schema, depth)

    def _made_up(self, schema: Mapping[str, Any], depth: int) -> Any:
        match schema.get("type"):
            case "object" if depth < _DEEPEST:
                fields = schema.get("properties", {})
                return {name: self._example(one, depth + 1) for name, one in fields.items()}
            case "array" if depth < _DEEPEST:
                return [self._example(schema.get("items", {}), depth + 1)]
            case "string":
                return "2026-11-27T10:00:00Z" if schema.get("format") == "date-time" else "…"
            case "integer" | "number":
                return schema.get("minimum", 0)
            case "boolean":
                return True
            case _:
                return None


def _ref(schema: Mapping[str, Any]) -> str | None:
    """Name the schema that *schema* is, or is a list of."""
    for one in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if "$ref" in one:
            return str(one["$ref"]).removeprefix(_REF)
    return None


def _example_in(facts: Mapping[str, Any]) -> Any:
    """Give the first example that a body has of its own; None: it has none."""
    given = [one["value"] for one in facts.get("examples", {}).values()]
    return facts.get("example", given[0] if given else None)


def _in_words(about: str, schema: Mapping[str, Any]) -> str:
    """Say what a field is, what it is where it is not given, and an example."""
    told = [f"{about.rstrip('.')}."] if about else []
    if (default := schema.get("default")) not in (None, "", []):
        told.append(f"Without it: {json.dumps(default)}.")
    if examples := schema.get("examples"):
        told.append(f"For example: {json.dumps(examples[0], ensure_ascii=False)}.")
    return " ".join(told)
