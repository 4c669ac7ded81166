"""A real Prometheus, for whoever wants to see what it makes of docferry."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import servers
from alert_rules import RULES
from processes import wait_for


class Prometheus:
    """One that scrapes docferry every 100 ms."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ask(self, expression: str) -> list[Any]:
        """
        Raises:
            HTTPError: It cannot read *expression*.
        """
        found: list[Any] = self._get("/api/v1/query?" + urlencode({"query": expression}))["result"]
        return found

    def alerts(self) -> dict[str, str]:
        """Give the health of each rule, by its name."""
        [group] = self._get("/api/v1/rules")["groups"]
        return {rule["name"]: rule["health"] for rule in group["rules"]}

    def is_firing(self, alert: str) -> bool:
        return bool(self.ask(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))

    def is_ready(self) -> bool:
        try:
            return bool(self.ask("rate(process_cpu_seconds_total[1m])"))
        except OSError:
            return False

    def _get(self, page: str) -> Any:
        with urllib.request.urlopen(self._url + page, timeout=10) as answer:
            return json.load(answer)["data"]


@contextmanager
def prometheus(folder: Path, target: int, rules: Path = RULES) -> Iterator[Prometheus]:
    """Run one on *rules*, its files in *folder*, that scrapes the port *target*."""
    (port,) = servers.free_ports(1)
    config = {
        "global": {"scrape_interval": "100ms", "evaluation_interval": "100ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "docferry",
                "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # which is YAML
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            started = Prometheus(port)
            wait_for(started.is_ready, 30.0)
            yield started
        finally:
            process.kill()
