"""
Commands that cannot outlive their time, their work or the daemon.

Each runs confined (confine.py) in a folder of its own. It inherits no file but its three
standard ones, and of the environment nothing but what programs need: no credentials.
"""

from __future__ import annotations

import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from docferry.convert import confinement, launch, leftovers, watch
from docferry.convert.base import ConversionStoppedError, Limits
from docferry.convert.confine import Spec
from docferry.convert.confine_files import is_of_the_system
from docferry.convert.watch import Excess
from docferry.job import Failure

_MIB = 1024 * 1024
_ERRORS_BYTES = 4096  # of what a command wrote to its standard error, the end
_SOONEST_S, _LATEST_S = 0.01, 0.2  # between two looks at what it uses

OUT_OF_MEMORY = re.compile(
    r"memory allocation of|MemoryError|bad_alloc|out of memory|cannot allocate memory", re.I
)
_OUT_OF_PROCESSES = re.compile(
    r"cannot fork|(fork|clone|thread|process).*resource temporarily unavail", re.I
)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    returncode: int  #: negative: minus the number of the signal that ended it
    output: bytes
    errors: str  #: the end of what it wrote to its standard error
    failure: Failure | None = None  #: the limit that it broke, or CRASHED; None: neither
    reason: str = ""  #: the same, for a person: "it took longer than 5 s (timeout)"


class Children:
    """Runs commands confined, and can end them all. Thread-safe."""

    def __init__(self, *, namespaces: bool = True, landlock: bool = True) -> None:
        """
        Args:
            namespaces: False: as on a machine that lets nobody have namespaces.
            landlock: False: as on a kernel without it.
        """
        self._namespaces = namespaces
        self._landlock = landlock
        self._lock = threading.Lock()
        self._running: set[launch.Launched] = set()
        self._is_stopped = False

    def run(
        self,
        command: Sequence[str],
        *,
        folder: pathlib.Path,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        readable: Sequence[pathlib.Path] = (),
        writable: Sequence[pathlib.Path] = (),
        stdin: IO[bytes] | None = None,
    ) -> Finished:
        """
        Run *command* in *folder* until it ends, or end it when it breaks a limit.

        When this returns, nothing that it started is left.

        Args:
            folder: Its own: it works there, and can write nowhere else.
            environment: Added to what every command is given.
            readable: Files and folders that it may read besides the system's programs. What
                is ours and hidden from others is made readable for the group of its user.
            writable: Folders that it may also write into; like *folder* they become its own,
                and are given back.

        Raises:
            ConversionStoppedError: `stop` was called before it ended.
            TemporaryError: It could not be started.
        """
        places = _Places.of(command, folder, readable, writable)
        with (
            launch.a_user(is_wanted=confinement.may_drop_user()) as uid,
            TemporaryFile(dir=folder) as output,
            TemporaryFile(dir=folder) as errors,
            _lent(places, uid),
        ):
            spec = launch.spec_for(
                limits,
                uid=uid,
                folder=places.folder,
                cpu_s=math.ceil(limits.timeout_s),
                readable=places.readable,
                writable=places.writable,
            )._replace(
                passes=self._must_pass(uid, places),
                namespaces=self._namespaces,
                landlock=self._landlock,
            )
            given = launch.environment_for(
                places.folder, environment or {}, is_python=command[0] == sys.executable
            )
            words = [places.program, *command[1:]]
            started_at = time.monotonic()
            child = self._start(words, spec, given, stdin, output, errors)
            try:
                excess = self._watch(child, places.folder, limits, started_at)
            finally:
                returncode = self._reap(child)
                # By now it has all that came to be since the last look, or it never had one.
                late = watch.excess_in(places.folder, limits)
                if late is not None:
                    leftovers.clear(places.folder)
            excess = excess or late
            if self._is_stopped and returncode != 0:
                raise ConversionStoppedError("the conversion was ended because the daemon stops")
            return _finished(returncode, output, errors, excess, limits)

    def stop(self) -> None:
        """End every running command at once; start no more."""
        with self._lock:
            self._is_stopped = True
            for child in self._running:
                child.end()

    def _must_pass(self, uid: int, places: _Places) -> bool:
        return bool(uid) and confinement.must_pass(places.all, namespaces=self._namespaces)

    def _start(
        self,
        command: Sequence[str],
        spec: Spec,
        environment: Mapping[str, str],
        stdin: IO[bytes] | None,
        output: IO[bytes],
        errors: IO[bytes],
    ) -> launch.Launched:
        with self._lock:
            if self._is_stopped:
                raise ConversionStoppedError("no conversion is started: the daemon stops")
            child = launch.launched(
                command,
                spec,
                environment,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=output,
                stderr=errors,
            )
            self._running.add(child)
            return child

    def _watch(
        self, child: launch.Launched, folder: str, limits: Limits, started_at: float
    ) -> Excess | None:
        """Wait until it ends by itself, or find the limit that it breaks."""
        pause_s = _SOONEST_S
        while True:
            left_s = started_at + limits.timeout_s - time.monotonic()
            if child.wait(min(pause_s, left_s)):
                return None
            if left_s <= pause_s:
                return watch.too_slow(limits)
            if excess := watch.excess_of(child.pid, folder, limits):
                return excess
            pause_s = min(pause_s * 1.5, _LATEST_S)

    def _reap(self, child: launch.Launched) -> int:
        try:
            return child.reap()
        finally:
            with self._lock:
                self._running.discard(child)


@dataclass(frozen=True, slots=True)
class _Places:
    """The paths of a run, without links: the kernel is told of them by name."""

    program: str
    folder: str
    readable: list[str]
    writable: list[str]
    documents: list[str]  #: of what is readable, what the caller named

    @classmethod
    def of(
        cls,
        command: Sequence[str],
        folder: pathlib.Path,
        readable: Sequence[pathlib.Path],
        writable: Sequence[pathlib.Path],
    ) -> _Places:
        program = launch.program_of(command[0])
        real = os.path.realpath(program)
        own = [] if is_of_the_system(real) else [real, program]
        given = [os.path.realpath(path) for path in readable]
        return cls(
            program,
            os.path.realpath(folder),
            [*launch.python_folders(), *own, *given],
            [os.path.realpath(path) for path in writable],
            [path for path in given if not is_of_the_system(path)],
        )

    @property
    def all(self) -> list[str]:
        return [self.folder, *self.readable, *self.writable]


@contextmanager
def _lent(places: _Places, uid: int) -> Iterator[None]:
    """Make the folders the user's own, and take them back when nothing of it runs."""
    if not uid:
        yield
        return
    own = [pathlib.Path(path) for path in (places.folder, *places.writable)]
    for path in places.documents:
        launch.let_read(pathlib.Path(path), uid)
    for folder in own:
        launch.give(folder, uid)
    try:
        yield
    finally:
        for folder in own:
            launch.give(folder, os.geteuid())


def _finished(
    returncode: int, output: IO[bytes], errors: IO[bytes], excess: Excess | None, limits: Limits
) -> Finished:
    said = end_of(errors)
    excess = excess or _excess_told_by(returncode, output, errors, said, limits)
    content = _start_of(output, limits.output_mib * _MIB)
    if excess is None:
        return Finished(returncode, content, said)
    return Finished(returncode, content, said, excess.failure, excess.message)


def _excess_told_by(
    returncode: int, output: IO[bytes], errors: IO[bytes], said: str, limits: Limits
) -> Excess | None:
    """Tell from how it ended which limit the kernel held it to."""
    if returncode == 0:
        return None
    if returncode == -signal.SIGXCPU:
        return watch.too_slow(limits)
    full = limits.output_mib * _MIB
    if returncode == -signal.SIGXFSZ or max(_size(output), _size(errors)) >= full:
        return watch.too_large(limits)
    if OUT_OF_MEMORY.search(said):
        return watch.too_much_memory(limits)
    if _OUT_OF_PROCESSES.search(said):
        return watch.too_many(limits)
    if returncode < 0:
        return Excess(Failure.CRASHED, f"it crashed ({launch.signal_of(returncode)})")
    return None


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _start_of(file: IO[bytes], most: int) -> bytes:
    file.seek(0)
    return file.read(most)


def end_of(file: IO[bytes], begin: int = 0) -> str:
    """Read the end of what was written to *file* since it was *begin* bytes long."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(begin, size - _ERRORS_BYTES))
    return file.read().decode(errors="replace").strip()
