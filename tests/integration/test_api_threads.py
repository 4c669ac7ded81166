"""The API when many wait for what takes long: a plan, a version, a comparison. Others do not."""

from __future__ import annotations

import pathlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from docferry.app.compare_apart import Compared
from docferry.config import Config
from docferry.engine.dry_run import DryRun
from docferry.web.comparisons import Comparisons
from docferry.web.lanes import MOST_WAITING
from docferry.web.plans import Plans
from file_faces import Faced, faced
from processes import wait_for

MANY = 50  # more than there are threads
THREADS = 8  # of those that read contents


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Faced]:
    with faced(tmp_path) as running:
        yield running


def hold_plans(desk: Faced, may_end: threading.Event) -> bytes:
    def make(config: Config, mirror: str, within_s: float) -> DryRun:
        may_end.wait(30)
        return DryRun()

    desk.api.desk.plans = Plans(make)
    return b"GET /api/v1/mirrors/docs/plan?wait_s=20 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def hold_waits(desk: Faced, may_end: threading.Event) -> bytes:
    desk.mirror.stop()  # nobody takes it in
    return (
        b"POST /api/v1/files?mirror=docs&path=new.txt HTTP/1.1\r\nHost: localhost\r\n"
        b"Prefer: wait=60\r\nContent-Length: 4\r\n\r\ntext"
    )


def hold_comparisons(desk: Faced, may_end: threading.Event) -> bytes:
    def compare(*_: object) -> Compared:
        may_end.wait(30)
        return Compared([], 0)

    versions = [desk.save(name, name.encode()) for name in ("a.txt", "b.txt")]
    desk.api.desk.comparisons = Comparisons(compare, wait_s=30)
    path = f"/files/diff?a={versions[0]}&b={versions[1]}"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.mark.parametrize("hold", [hold_plans, hold_waits, hold_comparisons])
def test_those_who_wait_long_hold_no_thread_of_the_others(desk: Faced, hold: object) -> None:
    assert callable(hold)
    may_end = threading.Event()
    request = hold(desk, may_end)
    there = ("127.0.0.1", int(desk.api.url.rpartition(":")[2]))

    with ExitStack() as many:
        many.callback(may_end.set)
        for _ in range(MANY):
            many.enter_context(socket.create_connection(there)).sendall(request)

        assert desk.api.get("/status").status_code == 200
        assert desk.api.get("/files").status_code == 200


def test_who_would_wait_in_a_long_line_is_told_to_come_again(desk: Faced) -> None:
    may_end, refused = threading.Event(), 10
    request = hold_comparisons(desk, may_end)
    there = ("127.0.0.1", int(desk.api.url.rpartition(":")[2]))
    version = desk.settled("a.txt")

    with ExitStack() as many:
        many.callback(may_end.set)
        asking = [
            many.enter_context(socket.create_connection(there))
            for _ in range(THREADS + MOST_WAITING + refused)
        ]
        for one in asking:
            one.sendall(request)
        wait_for(lambda: len(select.select(asking, [], [], 0)[0]) >= refused)
        answered, _, _ = select.select(asking, [], [], 0)
        told = [one.recv(65536) for one in answered]
        content = desk.api.get(f"/files/{version}/content")
    wait_for(lambda: desk.api.get(f"/files/{version}/content").status_code == 200)

    assert len(told) == refused
    assert all(one.startswith(b"HTTP/1.1 503") for one in told)
    assert all(b"\r\nretry-after: 5\r\n" in one.lower() for one in told)
    assert (content.status_code, content.json()["code"]) == (503, "too-many-at-once")
