"""What Prometheus sees of the API: requests by their answers, how long they took, who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import Message, Receive, Scope, Send

from docferry.app.api_figures import BOUNDS_S, ApiFigures, LiveApi
from docferry.web.figures import Counted


class App:
    """An application that answers as it is told to, and shows the listeners meanwhile."""

    def __init__(self, status: int = 200, content_type: bytes = b"application/json") -> None:
        self.status = status
        self.content_type = content_type
        self.counted = Counted(self)
        self.listeners: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.status == 0:
            raise RuntimeError
        headers = [(b"content-type", self.content_type)]
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        self.listeners.append(self.counted.figures.listeners)

    def ask(self, *methods: str) -> ApiFigures:
        for method in methods:
            asyncio.run(self.counted({"type": "http", "method": method}, _receive, _send))
        return self.counted.figures


async def _receive() -> Message:
    return {"type": "http.request"}


async def _send(_: Message) -> None:
    pass


def told(figures: ApiFigures) -> Sequence[str]:
    registry = CollectorRegistry()
    registry.register(LiveApi(lambda: figures))
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if line[0] != "#"]


def test_requests_are_counted_by_what_they_were_answered() -> None:
    app = App(404)

    figures = app.ask("GET", "GET", "POST", "BREW-ANY-NAME", "COFFEE")

    assert figures.requests == {("GET", "4xx"): 2, ("POST", "4xx"): 1, ("other", "4xx"): 2}
    assert sum(figures.took) == 5


def test_who_follows_events_is_counted_as_long_as_he_does() -> None:
    app, other = App(content_type=b"text/event-stream; charset=utf-8"), App()

    figures = [app.ask("GET", "GET"), other.ask("GET")]

    assert (app.listeners, other.listeners) == ([1, 1], [0])
    assert [one.listeners for one in figures] == [0, 0]


def test_what_breaks_before_its_answer_is_not_counted_as_one() -> None:
    app = App(0)

    with pytest.raises(RuntimeError):
        app.ask("GET")

    figures = app.counted.figures
    assert (figures.requests, sum(figures.took)) == ({}, 0)


def test_figures_are_told_as_prometheus_has_them() -> None:
    took = (3, 0, 1, *(0 for _ in BOUNDS_S[4:]), 2)

    lines = told(ApiFigures({("GET", "2xx"): 6}, took, 21.5, 4))

    assert 'docferry_api_requests_total{method="GET",status="2xx"} 6.0' in lines
    assert 'docferry_api_request_seconds_bucket{le="0.005"} 3.0' in lines
    assert 'docferry_api_request_seconds_bucket{le="0.025"} 4.0' in lines
    assert 'docferry_api_request_seconds_bucket{le="10.0"} 4.0' in lines
    assert 'docferry_api_request_seconds_bucket{le="+Inf"} 6.0' in lines
    assert "docferry_api_request_seconds_count 6.0" in lines
    assert "docferry_api_request_seconds_sum 21.5" in lines
    assert "docferry_api_listeners 4.0" in lines
