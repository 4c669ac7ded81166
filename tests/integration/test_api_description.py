"""What the API says of itself: whole, true, and the same for people and programs."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

import docferry.web
from browsing import Browser, words_of
from commands import Desk
from docferry.web.api import PREFIX
from docferry.web.pages.reference import reference_of
from docferry.web.problems import Code
from serving import Served, served


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def api(desk: Desk) -> Iterator[Served]:
    with desk.ledger() as ledger, served(desk.loaded, ledger) as running:
        yield running


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_answer_says_what_it_is_and_every_problem_has_an_example(api: Served) -> None:
    for _, _, operation in operations(api.app.openapi()):
        for status, answer in operation["responses"].items():
            assert answer["description"] not in ("", "Successful Response"), operation["summary"]
            for kind, body in answer.get("content", {}).items():
                if kind == "application/problem+json":
                    assert body["example"]["status"] == int(status)


def test_schemas_have_names_that_a_program_can_have_for_its_classes(api: Served) -> None:
    names = api.app.openapi()["components"]["schemas"]

    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_every_body_has_an_example_that_can_be_sent_as_it_is(api: Served) -> None:
    key = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    sent = {}
    for method, path, operation in operations(api.app.openapi()):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if body.get("schema"):
            address = re.sub(r"{[^}]+}", "1", path.removeprefix(PREFIX))
            said = api.ask(method, address, key=key, json=body["example"])
            sent[path] = said.json().get("code")

    assert len(sent) > 10
    assert "invalid" not in sent.values(), sent


def test_each_word_for_a_problem_is_said_somewhere(api: Served) -> None:
    """That no other one is said the checker of types proves: `Code` is closed."""
    folder = pathlib.Path(docferry.web.__file__).parent
    texts = "".join(one.read_text() for one in folder.rglob("*.py"))

    assert [code for code in get_args(Code) if texts.count(f'"{code}"') < 2] == []
    listed = api.app.openapi()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert listed == [*get_args(Code)]


def test_the_reference_shows_examples_of_bodies_and_of_parameters(api: Served) -> None:
    shown = {
        one.path.removeprefix(PREFIX): one
        for group in reference_of(api.app.openapi()).groups.values()
        for one in group
        if one.method == "POST"
    }

    assert "ObjectCreated:Put" in shown["/notifications/{store}"].bodies[0].example
    assert '"reason": "new disks"' in shown["/mirrors/{mirror}/pause"].bodies[0].example
    [mirror, *_] = shown["/mirrors/{mirror}/pause"].fields
    assert mirror.about == 'The mirror\'s name. For example: "docs".'


def test_people_read_the_reference_without_a_key_as_programs_do(api: Served) -> None:
    assert api.post("/keys", json={"name": "boss", "role": "admin"}).ok

    page, document = Browser(api).get("/docs"), api.get("/openapi.json")

    assert (page.status_code, document.status_code) == (200, 200)
    assert "List the mirrors" in words_of(page.text)
    assert "Overview" not in words_of(page.text)
