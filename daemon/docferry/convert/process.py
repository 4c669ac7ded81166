"""
Child processes that cannot outlive their time, their work or the daemon.

Each child leads a session of its own, so that everything it starts can be ended
with it. It inherits no file but its three standard ones, and of the environment
nothing but what Python needs: no credentials.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from docferry.convert.base import ConversionStoppedError, Limits
from docferry.errors import TemporaryError
from docferry.model import Failure

_ERRORS_BYTES = 4096  # of what a child wrote to its standard error, the end


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended."""

    returncode: int  #: negative: minus the number of the signal that ended it
    output: bytes
    errors: str  #: the end of what it wrote to its standard error
    failure: Failure | None = None  #: the limit that it broke, or CRASHED; None: neither
    reason: str = ""  #: the same, for a person


class Children:
    """Runs commands, each in a child process, and can end them all. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()  # leaders that are not reaped: their ids are still theirs
        self._is_stopped = False

    def run(
        self,
        command: Sequence[str],
        *,
        folder: pathlib.Path,
        limits: Limits,
        environment: Mapping[str, str] = {},
        readable: Sequence[pathlib.Path] = (),
    ) -> Finished:
        """
        Run *command* in *folder* until it ends, or end it after its time.

        Raises:
            ConversionStoppedError: `stop` was called before it ended.
            TemporaryError: It could not be started.
        """
        with TemporaryFile(dir=folder) as output, TemporaryFile(dir=folder) as errors:
            child = self._start(command, folder, output, errors, environment)
            was_overdue = self._wait(child, limits.timeout_s)
            if self._is_stopped and child.returncode != 0:
                raise ConversionStoppedError("the conversion was ended because the daemon stops")
            failure = Failure.TIMEOUT if was_overdue else None
            reason = f"it took longer than {limits.timeout_s:g} s (timeout)" if was_overdue else ""
            return Finished(child.returncode, _all_of(output), _end_of(errors), failure, reason)

    def stop(self) -> None:
        """End every running child at once; start no more."""
        with self._lock:
            self._is_stopped = True
            for pid in self._running:
                _kill_group(pid)

    def _start(
        self,
        command: Sequence[str],
        folder: pathlib.Path,
        output: IO[bytes],
        errors: IO[bytes],
        environment: Mapping[str, str],
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_stopped:
                raise ConversionStoppedError("no conversion is started: the daemon stops")
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    cwd=folder,
                    env={**_environment(folder), **environment},
                    start_new_session=True,
                )
            except OSError as error:
                raise TemporaryError(f"cannot start {command[0]}: {error}") from error
            self._running.add(child.pid)
            return child

    def _wait(self, child: subprocess.Popen[bytes], timeout_s: float) -> bool:
        """Wait for *child*, end what it left behind, and tell whether its time ran out."""
        overdue = threading.Event()
        timer = threading.Timer(timeout_s, self._end_overdue, (child.pid, overdue))
        try:
            timer.start()
            # WNOWAIT leaves it a zombie: until it is reaped no other process can be
            # given its id, and killing its group cannot hit a stranger.
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        finally:
            with self._lock:
                _kill_group(child.pid)
                self._running.discard(child.pid)
            child.wait()
            timer.cancel()
        return overdue.is_set()

    def _end_overdue(self, pid: int, overdue: threading.Event) -> None:
        with self._lock:
            if pid in self._running:
                overdue.set()
                _kill_group(pid)


def _kill_group(leader: int) -> None:
    os.killpg(leader, signal.SIGKILL)


def _environment(folder: pathlib.Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        # The child finds the packages where this process finds them, and nowhere else.
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _ERRORS_BYTES))
    return file.read().decode(errors="replace").strip()
