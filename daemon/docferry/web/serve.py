"""The process: it serves what it inherits to listen on, and is told by the daemon what counts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection

import uvicorn
from starlette.types import ASGIApp

from docferry import logs
from docferry.app.api_figures import ApiFigures
from docferry.app.arrivals import RETRY_S, by_mirror, settle_arrivals
from docferry.app.faces import ENDS_WITHIN_S, Beat
from docferry.app.give_way import go_first
from docferry.app.memory import RARELY, collect_seldom
from docferry.app.mirrors import LEDGER_NAME
from docferry.config import Config
from docferry.ledger import Ledger
from docferry.ledger.arrivals import Arrival
from docferry.web.api import DOCUMENTS, make_app
from docferry.web.desk import Desk
from docferry.web.figures import Counted
from docferry.web.listening import Door, Listening
from docferry.web.patience import Patience
from docferry.web.protocol import Http

log = logs.get_logger(__name__)


def main() -> None:
    """Serve until the pipe ends. Arguments: the pipe, and what to listen on; -1: not by this."""
    # The daemon's group may be told to end: the daemon ends this, once nothing is under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    go_first()
    pipe_fd, tcp, unix = map(int, sys.argv[1:4])
    pipe = Connection(pipe_fd)
    beat = pipe.recv()
    assert isinstance(beat, Beat)
    assert beat.config is not None
    config = beat.config
    logs.configure(config.log_level, config.log_format, stream=sys.stdout)
    with Ledger.open(config.state_dir / LEDGER_NAME, creates=False, actor="api") as ledger:
        desk = Desk(config, ledger, beat)
        look_after(desk, ledger.arrivals.begun())
        pipe.send(ApiFigures())
        serve(desk, config, pipe, tcp, unix)
        desk.owed.settle(ledger)
        desk.feed.join()
    os._exit(0)  # a handler may still wait for a store


def look_after(desk: Desk, begun: Sequence[Arrival], every_s: float = RETRY_S) -> None:
    """
    See, in threads of its own, to what a process before this one has left, and this one owes.

    Args:
        begun: By processes that are gone.
        every_s: What the ledger did not take is tried again so often.
    """
    settle = partial(settle_arrivals, desk.config, desk.ledger, owed=desk.owed)
    for of_mirror in by_mirror(begun):
        # A folder that does not answer keeps nobody waiting but this.
        threading.Thread(target=settle, args=(of_mirror,), name="arrivals", daemon=True).start()

    def go_on() -> None:
        desk.drawings.sweep()
        while not desk.is_ending.wait(every_s):
            desk.owed.settle(desk.ledger)

    threading.Thread(target=go_on, name="owed", daemon=True).start()


def serve(desk: Desk, config: Config, pipe: Connection, tcp: int, unix: int) -> None:
    app, door = Counted(make_app(desk)), Door()
    servers = [
        (server_of(config, app, door, is_unix=is_unix), Listening(door, fd))
        for fd, is_unix in ((tcp, False), (unix, True))
        if fd >= 0
    ]

    def end() -> None:
        desk.end()
        for server, _ in servers:
            server.should_exit = True

    collect_seldom(RARELY)  # else all who ask wait for 11 to 28 ms, each 8 s while a hundred listen
    addresses = [_shown(listening) for _, listening in servers]
    hears = partial(_hear, pipe, desk, lambda: app.figures, end)
    threading.Thread(target=hears, name="daemon", daemon=True).start()
    log.info("faces.started", addresses=addresses)
    asyncio.run(_serve_all(servers))


def _shown(listening: socket.socket) -> str:
    where = listening.getsockname()
    return where if isinstance(where, str) else f"{where[0]} port {where[1]}"


async def _serve_all(servers: Sequence[tuple[uvicorn.Server, socket.socket]]) -> None:
    await asyncio.gather(*(server.serve(sockets=[listening]) for server, listening in servers))


def _hear(
    pipe: Connection, desk: Desk, figures: Callable[[], ApiFigures], end: Callable[[], None]
) -> None:
    """Take what the daemon says, until it says nothing any more."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            beat = pipe.recv()
            desk.hear(beat)
            if beat.config is not None:
                logs.set_level(beat.config.log_level)
            pipe.send(figures())
    end()


class _Server(uvicorn.Server):
    """uvicorn's, which leaves signals to this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_of(
    config: Config,
    app: ASGIApp,
    door: Door,
    *,
    is_unix: bool,
    patience: Patience = Patience(),  # noqa: B008 - it is frozen
) -> uvicorn.Server:
    """Give the server for one socket of *door*, as it is to be in every respect."""
    is_tls = not is_unix and config.api_tls_cert is not None
    return _Server(
        uvicorn.Config(
            app,
            http=partial(  # type: ignore[arg-type]
                Http, crowd=door.crowd, patience=patience, documents=DOCUMENTS
            ),
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="error",  # a warning for each faulty request would be a stranger's to write
            access_log=False,
            proxy_headers=False,  # an address that a stranger can write down is none
            server_header=False,
            timeout_keep_alive=patience.idle_s,
            timeout_graceful_shutdown=int(ENDS_WITHIN_S),
            ssl_certfile=config.api_tls_cert if is_tls else None,
            ssl_keyfile=config.api_tls_key if is_tls else None,
        )
    )
