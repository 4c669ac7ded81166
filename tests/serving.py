"""The API in this process: its real server, on loopback, on a ledger that a test has filled."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from fastapi import FastAPI

from docferry.app.faces import Beat
from docferry.config import Config
from docferry.core.crowd import Bounds
from docferry.ledger import Ledger
from docferry.model import MirrorHealth
from docferry.probes import Readiness
from docferry.web.api import PREFIX, make_app
from docferry.web.desk import Desk
from docferry.web.listening import Door, Listening
from docferry.web.patience import Patience
from docferry.web.serve import server_of

IN_STEP = Readiness(is_ready=True, health=MirrorHealth.IN_STEP)


@dataclass(frozen=True, slots=True)
class Served:
    """Where to ask, and what the handlers share."""

    desk: Desk
    app: FastAPI
    url: str
    socket: Path  #: a unix socket besides

    def ask(
        self, method: str, path: str, *, key: str | None = None, **given: Any
    ) -> requests.Response:
        """Ask below /api/v1, as the one with *key*; None: as who runs this test."""
        headers = given.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        return requests.request(
            method, f"{self.url}{PREFIX}{path}", headers=headers, timeout=30, **given
        )

    def get(self, path: str, *, key: str | None = None, **given: Any) -> requests.Response:
        return self.ask("GET", path, key=key, **given)

    def post(self, path: str, *, key: str | None = None, **given: Any) -> requests.Response:
        return self.ask("POST", path, key=key, **given)


@contextmanager
def served(
    config: Config,
    ledger: Ledger,
    *,
    patience: Patience = Patience(),  # noqa: B008 - it is frozen
    bounds: Bounds = Bounds(),  # noqa: B008 - likewise
    sends_bytes: int | None = None,
) -> Iterator[Served]:
    """
    Serve *config* and *ledger* until the block ends.

    Args:
        sends_bytes: So much of an answer the kernel has at a time; None: as much as it likes.
    """
    told = Beat(is_alive=True, mirrors=dict.fromkeys(config.mirrors, IN_STEP))
    desk = Desk(config, ledger, told, silent_s=math.inf)
    app, door = make_app(desk, patience), Door(bounds)
    # By its number: else nobody knows that it is TCP, and small answers wait for each other.
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sends_bytes is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sends_bytes)
    tcp.bind(("127.0.0.1", 0))
    tcp.listen(128)
    port = tcp.getsockname()[1]
    path = config.state_dir / "api.sock"
    path.unlink(missing_ok=True)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    unix.listen()
    servers = [
        (
            server_of(config, app, door, is_unix=one is unix, patience=patience),
            Listening(door, one.detach()),
        )
        for one in (tcp, unix)
    ]

    async def serve() -> None:
        await asyncio.gather(*(server.serve(sockets=[one]) for server, one in servers))

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        # It listens already: who asks before it serves waits in line.
        yield Served(desk, app, f"http://127.0.0.1:{port}", path)
    finally:
        desk.end()
        for server, _ in servers:
            server.should_exit = True
        thread.join()
        desk.feed.join()
        for _, listening in servers:
            listening.close()
