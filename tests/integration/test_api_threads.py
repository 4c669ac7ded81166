"""The API when many wait for what takes long: a plan, a version, a comparison. Others do not."""

from __future__ import annotations

import pathlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from docferry.app.compare_apart import Compared
from docferry.config import Config
from docferry.engine.dry_run import DryRun
from docferry.web.comparisons import Comparisons
from docferry.web.plans import Plans
from file_faces import Faced, faced

MANY = 50  # more than there are threads


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
