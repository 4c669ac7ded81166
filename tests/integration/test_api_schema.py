"""
The API's own description, tried out: whatever is sent, each answer is one that it documents.

Schemathesis makes requests from the OpenAPI document, right ones and wrong ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from docferry.config import SecretStr, Source
from docferry.web.api import PREFIX
from integration.test_api_routes import BY_SECRET, ENDLESS, NEEDED, OPEN
from ledger_rows import fresh_ledger
from serving import Served, served

SECRET = SecretStr("open-sesame-open-sesame")
_CONFIG = """
state_dir = "{state}"
[api]
rate = 1000000
[store.main]
endpoint_url = "http://127.0.0.1:1"
[mirror.docs]
store = "main"
bucket = "documents"
prefix = "docs/"
local = "{folder}"
"""
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Tried for each operation; `make soak` tries many more.
_EXAMPLES = int(os.environ.get("DOCFERRY_EXAMPLES", "20"))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("api")
    state = folder / "state"
    state.mkdir()
    (folder / "docs").mkdir()
    config = Path(folder / "docferry.toml")
    config.write_text(_CONFIG.format(state=state, folder=folder / "docs"))
    loaded = replace(Source(config, os.environ).read().config, notifications_secret=SECRET)
    with (
        fresh_ledger(state / "ledger.sqlite3") as ledger,
        served(loaded, ledger) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def description(api: Served) -> Any:
    return schemathesis.openapi.from_dict(api.app.openapi())


@pytest.fixture(scope="module")
def key(api: Served) -> str:
    return str(api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"])


@pytest.mark.parametrize("route", sorted((NEEDED.keys() - ENDLESS) | OPEN | BY_SECRET))
def test_whatever_is_asked_the_answer_is_documented(
    api: Served, description: Any, key: str, route: str
) -> None:
    method, path = route.split()
    operation = description[path if route in OPEN else f"{PREFIX}{path}"][method]
    written = api.app.openapi()["paths"][operation.path][method.lower()]
    key = SECRET.get_secret_value() if route in BY_SECRET else key
    takes_something = written.get("parameters") or written.get("requestBody")

    for mode in GenerationMode if takes_something else [GenerationMode.POSITIVE]:
        _try_out(operation.as_strategy(generation_mode=mode), api.url, key)


def _try_out(cases: Any, url: str, key: str) -> None:
    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
    @given(case=cases)
    def is_documented(case: Any) -> None:
        answer = case.call(base_url=url, timeout=30, headers={"Authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=_CHECKS)

    is_documented()


def test_the_description_is_served(api: Served) -> None:
    served = api.get("/openapi.json").json()

    assert served["info"]["title"] == "docferry"
    assert f"{PREFIX}/whoami" in served["paths"]
