"""Probes: a real server on a free port, asked by a real client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage

import pytest

from docferry.errors import UserError
from docferry.model import MirrorHealth
from docferry.probes import Probes, Readiness


@dataclass
class Daemon:
    """What the probes ask: set by the tests."""

    is_alive: bool = True
    mirrors: dict[str, Readiness] = field(default_factory=dict)

    def readiness(self) -> Mapping[str, Readiness]:
        return self.mirrors


@contextmanager
def probes(daemon: Daemon, address: str = "127.0.0.1") -> Iterator[Probes]:
    started = Probes(address, 0, lambda: daemon.is_alive, daemon.readiness)
    started.start()
    try:
        yield started
    finally:
        started.stop()


def ask(
    probes: Probes, path: str, method: str = "GET", accept: str = "*/*", address: str = "127.0.0.1"
) -> tuple[int, str, HTTPMessage]:
    connection = HTTPConnection(address, probes.port, timeout=10)
    try:
        connection.request(method, path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def test_a_daemon_whose_loops_go_round_is_alive() -> None:
    with probes(Daemon()) as running:
        status, body, _ = ask(running, "/healthz")

    assert (status, body) == (200, "alive\n")


def test_a_daemon_whose_loop_is_stuck_is_not() -> None:
    with probes(Daemon(is_alive=False)) as running:
        status, _, _ = ask(running, "/healthz")

    assert status == 503


def test_it_is_ready_when_every_mirror_has_finished_its_first_run() -> None:
    daemon = Daemon(mirrors={"inbox": Readiness(is_ready=True, health=MirrorHealth.IN_STEP)})

    with probes(daemon) as running:
        status, body, headers = ask(running, "/readyz")

    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "ready": True,
        "mirrors": {"inbox": {"ready": True, "health": "in-step", "reason": None}},
    }


def test_one_mirror_that_is_not_ready_is_enough_and_its_reason_is_told() -> None:
    daemon = Daemon(
        mirrors={
            "a": Readiness(is_ready=True, health=MirrorHealth.IN_STEP),
            "b": Readiness(is_ready=False, health=MirrorHealth.UNREACHABLE, reason="refused"),
        }
    )

    with probes(daemon) as running:
        status, body, _ = ask(running, "/readyz")

    assert status == 503
    assert json.loads(body)["mirrors"]["b"] == {
        "ready": False,
        "health": "unreachable",
        "reason": "refused",
    }


def test_metrics_come_as_prometheus_text() -> None:
    with probes(Daemon()) as running:
        status, body, headers = ask(running, "/metrics")

    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert "docferry_build_info{" in body


def test_metrics_come_as_openmetrics_to_who_asks_for_it() -> None:
    with probes(Daemon()) as running:
        _, body, headers = ask(running, "/metrics", accept="application/openmetrics-text")

    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/x", "/../etc/passwd"])
def test_there_is_nothing_else(path: str) -> None:
    with probes(Daemon()) as running:
        status, body, _ = ask(running, path)

    assert status == 404
    assert "/metrics" in body


def test_nothing_can_be_posted() -> None:
    with probes(Daemon()) as running:
        status, _, _ = ask(running, "/healthz", method="POST")

    assert status == 405


def test_a_head_gets_no_body() -> None:
    with probes(Daemon()) as running:
        status, body, headers = ask(running, "/healthz", method="HEAD")

    assert (status, body, headers["Content-Length"]) == (200, "", "6")


def test_a_bug_in_what_is_asked_is_an_answer_too(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Mapping[str, Readiness]:
        raise KeyError("inbox")

    running = Probes("127.0.0.1", 0, lambda: True, broken)
    running.start()
    try:
        status, _, _ = ask(running, "/readyz")
    finally:
        running.stop()

    assert status == 500
    assert "request.failed" in capsys.readouterr().err


def test_requests_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with probes(Daemon()) as running:
        ask(running, "/healthz")

    assert capsys.readouterr() == ("", "")


def test_a_taken_port_is_refused_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(UserError, match=rf"port {port}.*in \[metrics\]"):
            Probes("127.0.0.1", port, lambda: True, dict).start()


def test_an_address_that_is_not_ours_is_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"192\.0\.2\.1.*in \[metrics\]"):
        Probes("192.0.2.1", 0, lambda: True, dict).start()


def test_it_listens_on_ipv6_too() -> None:
    with probes(Daemon(), address="::1") as running:
        status, _, _ = ask(running, "/healthz", address="::1")

    assert status == 200


def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    with probes(Daemon()) as running, socket.create_connection(("127.0.0.1", running.port)):
        status, _, _ = ask(running, "/healthz")

    assert status == 200


def test_it_can_be_stopped_twice_and_without_a_start() -> None:
    with probes(Daemon()) as running:
        running.stop()
    Probes("127.0.0.1", 0, lambda: True, dict).stop()
