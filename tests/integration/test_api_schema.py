"""
The API's own description, tried out: whatever is sent, each answer is one that it documents.

Schemathesis makes requests from the OpenAPI document, right ones and wrong ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import one_of_each
from docferry.config import SecretStr, Source
from docferry.storage.local import LocalStorage
from docferry.web.api import PREFIX
from integration.test_api_routes import BY_SECRET, ENDLESS, NEEDED, OPEN
from ledger_rows import fresh_ledger
from serving import Served, served
from webhook_receiver import SECRET as WEBHOOK_SECRET

SECRET = SecretStr("open-sesame-open-sesame")
_CONFIG = """
state_dir = "{folder}/state"
credentials_dir = "{folder}/keys"
[api]
rate = 1000000
[store.main]
endpoint_url = "http://127.0.0.1:1"
[mirror.docs]
store = "main"
bucket = "documents"
prefix = "docs/"
local = "{folder}/docs"
[mirror.processed]
store = "main"
bucket = "documents"
prefix = "processed/"
local = "{folder}/processed"
"""
_KEYS = {
    "crm.webhook": WEBHOOK_SECRET,
    "main.access_key_id": "nobody",
    "main.secret_access_key": "nothing",
}
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
    for name in ("state", "docs", "keys"):
        (folder / name).mkdir(mode=0o700)
    for name, secret in _KEYS.items():
        (folder / "keys" / name).touch(mode=0o600)
        (folder / "keys" / name).write_text(secret)
    LocalStorage(folder / "docs").write_marker(b"{}")
    config = Path(folder / "docferry.toml")
    config.write_text(_CONFIG.format(folder=folder) + one_of_each.CONFIG)
    loaded = replace(Source(config, os.environ).read().config, notifications_secret=SECRET)
    with (
        fresh_ledger(folder / "state" / "ledger.sqlite3") as ledger,
        served(loaded, ledger) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def named(api: Served, key: str) -> Mapping[str, str]:
    """By what a path names what is there."""
    found = one_of_each.fill(api.desk.ledger, api.desk.config)
    assert api.post("/keys", key=key, json={"name": "other", "role": "viewer"}).ok
    run = api.post("/verify", key=key, json={}).json()["id"]
    return {**found, "key": "other", "verify": run}


def names_in(route: str, named: Mapping[str, str]) -> dict[str, str]:
    """Give the parameters of a route's path, each with the name of something that is there."""
    found = {one: named[one] for one in re.findall(r"{(\w+)}", route)}
    return found | ({"run": named["verify"]} if "/verify/" in route else {})


@pytest.fixture(scope="module")
def description(api: Served) -> Any:
    return schemathesis.openapi.from_dict(api.app.openapi())


@pytest.fixture(scope="module")
def key(api: Served) -> str:
    return str(api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"])


@pytest.mark.parametrize("route", sorted((NEEDED.keys() - ENDLESS) | OPEN | BY_SECRET))
def test_whatever_is_asked_the_answer_is_documented(
    api: Served, description: Any, key: str, named: Mapping[str, str], route: str
) -> None:
    method, path = route.split()
    operation = description[path if route in OPEN else f"{PREFIX}{path}"][method]
    written = api.app.openapi()["paths"][operation.path][method.lower()]
    key = SECRET.get_secret_value() if route in BY_SECRET else key
    takes_something = written.get("parameters") or written.get("requestBody")

    for mode in GenerationMode if takes_something else [GenerationMode.POSITIVE]:
        cases = operation.as_strategy(generation_mode=mode)
        _try_out(_with_names(cases, route, named), api.url, key)


def _with_names(cases: Any, route: str, named: Mapping[str, str]) -> Any:
    """Have half of *cases* ask for what is there: else there is hardly a right answer to check."""
    ours = names_in(route, named)

    def name(case: Any) -> Any:
        case.path_parameters = {**ours}
        return case

    return st.one_of(cases, cases.map(name)) if ours else cases


def _try_out(cases: Any, url: str, key: str) -> None:
    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
    @given(case=cases)
    def is_documented(case: Any) -> None:
        answer = case.call(base_url=url, timeout=30, headers={"Authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=_CHECKS)

    is_documented()


@pytest.mark.parametrize("route", sorted(one for one in NEEDED if one.startswith("GET /")))
def test_what_is_there_is_told_as_documented(
    api: Served, description: Any, key: str, named: Mapping[str, str], route: str
) -> None:
    if route in ENDLESS:
        return
    asked = {"/why": f"?mirror=docs&path={one_of_each.PATH}", "/files/at": "?mirror=docs&path=a"}
    names = names_in(route, named)
    path = route.split()[1].format(**names) + asked.get(route.split()[1], "")

    answer = api.get(path, key=key)

    assert answer.status_code in (200, 202), answer.text
    operation = description[f"{PREFIX}{route.split()[1]}"]["GET"]
    operation.Case(path_parameters=names).validate_response(answer, checks=_CHECKS)


def test_the_description_is_served(api: Served) -> None:
    served = api.get("/openapi.json").json()

    assert served["info"]["title"] == "docferry"
    assert f"{PREFIX}/whoami" in served["paths"]
