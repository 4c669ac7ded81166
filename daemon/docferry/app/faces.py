"""
The process that serves API and page: started, told what counts, ended, and started again.

The daemon listens, and the process inherits what it listens on: a port that is taken is told
before anything travels, and while the process is started again callers wait in line. It ends
with the pipe over which it is told, and so with the daemon, however that ends.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from docferry.app.api_figures import ApiFigures
from docferry.config import Config
from docferry.errors import DocferryError, TakenError, UserError
from docferry.logs import get_logger
from docferry.metrics import FACES_RESTARTS
from docferry.probes import MAY_COME_FREE, Readiness

log = get_logger(__name__)

_PROGRAM = (sys.executable, "-P", "-m", "docferry.web")
#: How often it is told how the daemon is.
BEAT_EVERY_S = 1.0
#: A process that does not answer for so long hangs.
SILENT_S = 30.0
#: How long requests that are under way may take when it is to end.
ENDS_WITHIN_S = 2.0
_ITS_OWN_END_S = 0.5  #: beyond that, for what else it ends
#: Where an address cannot be had after a reload.
_LISTEN_AGAIN_S = 10.0
#: Between two starts; one that has run for the last of these begins anew.
_PAUSES_S = (0.2, 1.0, 5.0, 15.0, 60.0)


@dataclass(frozen=True, slots=True)
class Beat:
    """
    What the daemon says to the process; each is answered, with its figures.

    config: The configuration in force; None: as before.
    """

    is_alive: bool
    mirrors: Mapping[str, Readiness]
    config: Config | None = None


class Faces:
    """
    Keeps the process running, in a thread of its own.

    Args:
        config: The one in force.
        told: How the daemon is.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        told: Callable[[], tuple[bool, Mapping[str, Readiness]]],
    ) -> None:
        self._config = config
        self._told = told
        self.figures = ApiFigures()  #: what the process said of itself last
        self._listening: list[socket.socket] = []
        self._woken = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="faces", daemon=True)

    def start(self) -> None:
        """
        Listen, and have the process started.

        Raises:
            UserError: The address, the port or the socket cannot be had.
        """
        self._listening = _listen(self._config())
        self._thread.start()

    def look(self) -> None:
        """Tell the process at once: something is different."""
        self._woken.set()

    def stop(self) -> None:
        """End the process; what is asked for at the moment gets `ENDS_WITHIN_S`."""
        self._is_ending = True
        self._woken.set()
        self._thread.join(ENDS_WITHIN_S + 2 * _ITS_OWN_END_S)

    def _run(self) -> None:
        failures = 0
        while not self._is_ending:
            began_s = time.monotonic()
            try:
                reason = self._round()
            except Exception:  # one round: without it there would be no API until the next start
                log.exception("faces.failed")
                reason = "a bug: see the traceback"
            if reason is None:
                continue
            failures = 0 if time.monotonic() - began_s > _PAUSES_S[-1] else failures
            self._tell_failure(reason, _PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            failures += 1

    def _round(self) -> str | None:
        """Listen, or serve until the process ends; give why it did. None: it was to end."""
        config = self._config()
        if not self._listening:
            self._wait(_LISTEN_AGAIN_S if _is_wanted(config) else None)
            self._listen_anew()
            return None
        reason = self._serve(config)
        if reason is None:  # for good, or to begin on other addresses
            _close(self._listening)
            self._listening = []
            self._woken.set()
        return reason

    def _tell_failure(self, reason: str, pause_s: float) -> None:
        FACES_RESTARTS.inc()
        log.error("faces.failed", reason=reason, again_in_s=pause_s)
        self._wait(pause_s)

    def _serve(self, config: Config) -> str | None:
        """Run the process until it ends; give why it did. None: it was to end."""
        address = _address(config)
        here, there = Pipe()
        try:
            with there:
                process = _started(self._listening, there)
        except OSError as error:
            here.close()
            return f"it cannot be started: {error.strerror}"
        try:
            return self._tell(process, here, address)
        finally:
            here.close()
            _end(process)

    def _tell(
        self, process: subprocess.Popen[bytes], pipe: Connection, address: object
    ) -> str | None:
        """Tell the process how things are, again and again."""
        told: Config | None = None
        while not self._is_ending:
            config = self._config()
            if _address(config) != address:
                return None
            is_alive, mirrors = self._told()
            try:
                pipe.send(Beat(is_alive, mirrors, config if config is not told else None))
                if not pipe.poll(SILENT_S):
                    return f"it has not answered for {SILENT_S:.0f} s"
                self.figures = pipe.recv()
            except (EOFError, OSError):
                return f"it ended with code {_end(process)}"
            told = config
            self._wait(BEAT_EVERY_S)
        return None

    def _listen_anew(self) -> None:
        if self._is_ending:
            return
        try:
            self._listening = _listen(self._config())
        except DocferryError as error:
            log.error("faces.failed", reason=str(error))  # noqa: TRY400

    def _wait(self, seconds: float | None) -> None:
        self._woken.wait(seconds)
        self._woken.clear()


def require_port(host: str, port: int) -> None:
    """
    Raises:
        UserError: The API cannot listen there.
    """
    _tcp(host, port).close()


def _is_wanted(config: Config) -> bool:
    return bool(config.api_port or config.api_socket)


def _address(config: Config) -> tuple[object, ...]:
    """Give what only a process that begins anew can change."""
    return (
        config.api_host,
        config.api_port,
        config.api_socket,
        *(_state_of(file) for file in (config.api_tls_cert, config.api_tls_key)),
        config.api_origins,
        config.state_dir,
    )


def _state_of(file: Path | None) -> tuple[object, ...]:
    """Give what differs once a certificate was renewed."""
    if file is None:
        return ()
    try:
        seen = file.stat()
    except OSError:
        return (file,)
    return (file, seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _listen(config: Config) -> list[socket.socket]:
    """
    Raises:
        UserError: It cannot be had.
    """
    listening: list[socket.socket] = []
    try:
        if config.api_port:
            listening.append(_tcp(config.api_host, config.api_port))
        if config.api_socket is not None:
            listening.append(_unix(config.api_socket))
    except DocferryError:
        _close(listening)
        raise
    return listening


def _tcp(host: str, port: int) -> socket.socket:
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as on_failure:
            listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            on_failure.callback(listening.close)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(where)
            listening.listen(512)
            on_failure.pop_all()
            return listening
    except OSError as error:
        kind = TakenError if error.errno in MAY_COME_FREE else UserError
        raise kind(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another `host` or "
            "`port` in [api], or port 0 for none"
        ) from error


def _unix(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove(path)
        listening.bind(str(path))
        path.chmod(0o660)  # root, our user, our group: who they are the kernel tells
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise UserError(
            f"cannot listen on {path}: {error.strerror}; choose another `socket` in [api]"
        ) from error
    return listening


def _remove(path: Path) -> None:
    """Take away what an earlier daemon has left; nothing else."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def _close(listening: list[socket.socket]) -> None:
    for one in listening:
        if one.family == socket.AF_UNIX:
            with suppress(OSError):
                Path(one.getsockname()).unlink()
        one.close()


def _started(listening: list[socket.socket], pipe: Connection) -> subprocess.Popen[bytes]:
    fds = {one.family == socket.AF_UNIX: one.fileno() for one in listening}
    words = [str(pipe.fileno()), str(fds.get(False, -1)), str(fds.get(True, -1))]
    return subprocess.Popen(
        [*_PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        pass_fds=[pipe.fileno(), *fds.values()],
        # Ctrl-C is for the daemon, which ends it.
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    """Its pipe is closed: it ends, or is made to. Give its code."""
    try:
        return process.wait(ENDS_WITHIN_S + _ITS_OWN_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
