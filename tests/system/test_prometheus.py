"""A real Prometheus scrapes a real daemon: what rules and dashboard ask for is there."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

import servers
from alert_rules import DASHBOARD, rules, unknown_in
from processes import wait_for
from system.conftest import NewSite
from system.daemon import Daemon
from system.monitoring import prometheus
from webhook_receiver import SECRET, ReceiverServer, receiving

pytestmark = pytest.mark.tools("prometheus", "promtool")

_RULE = """
[[convert]]
name = "text"
from = "docs"
patterns = ["*.txt"]
to = "docs/made/{stem}.md"
with = "text"
"""
#: What stands for a dashboard's variables.
_VARIABLES = {"$instance": ".*", "$mirror": ".*", "$__rate_interval": "1m"}
#: Nothing fails here, no mirror has a canary, no certificate is shown, and what is counted once
#: has no rate yet.
_MAY_BE_EMPTY = {
    "Canaries",
    "Failed tries",
    "Ended",
    "One conversion",
    "Certificates end in",
    "Bucket to folder",
    "Age of the ledger's snapshot",
}


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[ReceiverServer]:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "crm.webhook").write_text(SECRET)
    with receiving() as crm:
        yield crm


@pytest.fixture
def daemon(new_site: NewSite, crm: ReceiverServer, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has carried files both ways, converted one, told of it, and was asked."""
    site = new_site(more=f'{_RULE}[webhook.crm]\nurl = "{crm.url}"\nallow_private = true\n')
    site.config.write_text(f'credentials_dir = "{tmp_path / "keys"}"\n{site.config.read_text()}')
    (site.api_port,) = servers.free_ports(1)
    site.docs.put("b.bin", b"from the bucket")
    with site.running() as running:
        wait_for(lambda: _is_served(site.api_port))
        site.docs.write("a.txt", b"to be converted")
        running.wait_for(lambda: site.docs.get("made/a.md") is not None)
        site.settle(running)
        for told in ("docferry_filesystem_avail_bytes{", "docferry_api_requests_total{"):
            running.wait_for(lambda: told in running.fetch("/metrics"))  # noqa: B023
        yield running


def test_every_metric_is_named_as_prometheus_wants_it(daemon: Daemon) -> None:
    ended = subprocess.run(
        ["promtool", "check", "metrics"],
        input=daemon.fetch("/metrics"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_what_rules_and_dashboard_ask_for_is_told_with_these_labels(daemon: Daemon) -> None:
    families = list(text_string_to_metric_families(daemon.fetch("/metrics")))
    labels: dict[str, set[str]] = {}
    for sample in (one for family in families for one in family.samples):
        labels.setdefault(sample.name, set()).update(sample.labels)
    asked = [rule["expr"] for rule in rules().values()]
    asked += [expression for _, expression in panels()]

    unknown = {text: found for text in asked if (found := unknown_in(text, families, labels))}

    assert len(asked) > 50
    assert unknown == {}


def test_no_label_says_what_there_may_be_any_number_of(daemon: Daemon) -> None:
    """No path, no text of an error, no id: each would be a series for ever."""
    told = daemon.fetch("/metrics")

    labels = " ".join(line.partition("{")[2] for line in told.splitlines() if line[0] != "#")
    assert [word for word in ("a.txt", "b.bin", "a.md", "127.0.0.1") if word in told] == []
    assert 'of="mirror",name="docs"' in labels or 'name="docs",of="mirror"' in labels
    assert "/" not in re.sub(r'version="[^"]*"', "", labels), "no folder either"


def test_a_real_prometheus_can_ask_for_all_of_it(daemon: Daemon, tmp_path: Path) -> None:
    with prometheus(tmp_path, daemon.port) as server:
        wait_for(lambda: set(server.alerts().values()) == {"ok"}, 30.0)
        found = {title: server.ask(expression) for title, expression in panels()}

        assert set(server.alerts()) == set(rules())
        assert {title for title, answer in found.items() if not answer} <= _MAY_BE_EMPTY


def test_the_dashboard_is_one_that_grafana_can_load() -> None:
    board = json.loads(DASHBOARD.read_text())
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in board["panels"]]

    assert board["schemaVersion"] >= 36
    assert [each["name"] for each in board["templating"]["list"]] == [
        "datasource",
        "instance",
        "mirror",
    ]
    assert len(ids) == len(set(ids))
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in shown)
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in shown)
    assert all(panel["title"] and panel["description"] for panel in shown)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in board["panels"])


def test_a_scrape_takes_no_longer_than_a_moment(daemon: Daemon) -> None:
    took_s = []
    for _ in range(20):
        began_s = time.monotonic()
        daemon.fetch("/metrics")
        took_s.append(time.monotonic() - began_s)

    assert min(took_s) < 0.05


def _is_served(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/v1/status", timeout=5).ok
    except requests.ConnectionError:
        return False


def panels() -> list[tuple[str, str]]:
    """Give title and expression of everything that the dashboard shows."""
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in _VARIABLES.items():
                expression = expression.replace(variable, value)
            found.append((panel["title"], expression))
    return found
