"""
Children that convert one document after another, each confined and with one import.

A child that something may have touched (a timeout, a crash, too little memory, an answer
that is none) is thrown away. So is one that grew, one that is old, and one that is idle.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from docferry.convert import child, confinement, launch, leftovers, process, watch
from docferry.convert.base import ConversionError, ConversionStoppedError, Limits
from docferry.convert.watch import Excess
from docferry.errors import TemporaryError, UserError
from docferry.job import Failure

_MOST_DOCUMENTS = 200
_IDLE_S = 60.0
_DYING_S = 2.0
_LOOK_EVERY_S = 0.25  # at what it uses; most answer before
_PROGRAM = (sys.executable, "-P", "-m", "docferry.convert.child")
_OWN_TMP = "/tmp"
_START_S = 60.0  # to import the library on a machine that is busy


@dataclass(frozen=True, slots=True)
class Request:
    """A document for a child."""

    name: str  #: `document` and its extension
    media_type: str
    document: int  #: open for reading
    result: int  #: open for writing


class ChildFailedError(ConversionError):
    """A conversion that came to nothing, said without the document's name."""


class Pool:
    """Hands documents to children, at most *slots* at a time. Thread-safe."""

    def __init__(
        self,
        wanted: tuple[str, tuple[str, ...]],
        *,
        slots: int,
        environment: Mapping[str, str],
        readable: tuple[str, ...] = (),
        idle_s: float = _IDLE_S,
        program: Sequence[str] = _PROGRAM,
    ) -> None:
        """
        Args:
            wanted: What is made of documents: see `extract.Wanted`.
            program: What speaks as child.py does; the socket and *wanted* are added.
            readable: What a child reads besides Python and the system's programs.
        """
        self._wanted = wanted
        self._environment = environment
        self._readable = readable
        self._idle_s = idle_s
        self._program = program
        self._free = threading.BoundedSemaphore(slots)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._timer: threading.Timer | None = None
        self._is_stopped = False

    def convert(self, request: Request, limits: Limits) -> str:
        """
        Have the document converted, and give the note about its result.

        Raises:
            ChildFailedError: It cannot be.
            ConversionStoppedError: `stop` was called meanwhile.
            TemporaryError: No child could be started.
            UserError: The library is not installed.
        """
        with self._free:
            servant = self._taken(limits)
            try:
                note = servant.convert(request)
            except ChildFailedError:
                if self._is_stopped:
                    raise ConversionStoppedError(
                        "the conversion was ended because the daemon stops"
                    ) from None
                raise
            finally:
                self._give_back(servant)
            return note

    def stop(self) -> None:
        """End all children at once; start no more."""
        with self._lock:
            self._is_stopped = True
            if self._timer is not None:
                self._timer.cancel()
            idle, self._idle = self._idle, []
            for servant in self._busy:
                servant.interrupt()
        for servant in idle:
            servant.close()

    def _taken(self, limits: Limits) -> _Child:
        while True:
            with self._lock:
                self._refuse_if_stopped()
                servant = self._idle.pop() if self._idle else None
            if servant is None:
                return self._started(limits)
            if servant.fits(limits) and servant.is_alive():
                servant.limits = limits
                with self._lock:
                    self._busy.add(servant)
                return servant
            servant.close()

    def _started(self, limits: Limits) -> _Child:
        servant = _Child(
            self._command, limits=limits, environment=self._environment, readable=self._readable
        )
        with self._lock:
            is_stopped = self._is_stopped
            if not is_stopped:
                self._busy.add(servant)
        try:
            if is_stopped:
                self._refuse_if_stopped()
            servant.wait_until_ready()
        except BaseException:
            with self._lock:
                self._busy.discard(servant)
            servant.close()
            if self._is_stopped:
                self._refuse_if_stopped()
            raise
        return servant

    def _command(self, fd: int) -> list[str]:
        return [*self._program, str(fd), json.dumps(self._wanted)]

    def _refuse_if_stopped(self) -> None:
        if self._is_stopped:
            raise ConversionStoppedError("no conversion is started: the daemon stops")

    def _give_back(self, servant: _Child) -> None:
        with self._lock:
            self._busy.discard(servant)
            is_kept = servant.is_sound and not self._is_stopped
            if is_kept:
                servant.idle_since = time.monotonic()
                self._idle.append(servant)
                self._look_later()
        if not is_kept:
            servant.close()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._idle_s, self._end_idle)
            self._timer.daemon = True
            self._timer.start()

    def _end_idle(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._timer = None
            old = [each for each in self._idle if now - each.idle_since >= self._idle_s]
            self._idle = [each for each in self._idle if each not in old]
            if self._idle and not self._is_stopped:
                self._look_later()
        for servant in old:
            servant.close()


class _Child:
    """A child and the socket that it is spoken to over."""

    def __init__(
        self,
        command: Callable[[int], list[str]],
        *,
        limits: Limits,
        environment: Mapping[str, str],
        readable: tuple[str, ...],
    ) -> None:
        """Raises: TemporaryError: It cannot be started."""
        self.limits = limits
        self.is_sound = True
        self.idle_since = 0.0
        self._served = 0
        self._kept = ExitStack()
        try:
            paths = (*launch.python_folders(), *readable)
            uid = self._kept.enter_context(launch.a_user(is_wanted=confinement.may_drop_user()))
            self._folder = folder = self._scratch(uid)
            self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115
            self._kept.callback(self._errors.close)
            self._socket, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._kept.callback(self._socket.close)
            with there:
                self._launched = launch.launched(
                    command(there.fileno()),
                    launch.spec_for(
                        limits, uid=uid, folder=folder, readable=paths, keep=[there.fileno()]
                    )._replace(passes=bool(uid) and confinement.must_pass(paths)),
                    launch.environment_for(folder or _OWN_TMP, environment, is_python=True),
                    stdout=self._errors,
                    stderr=self._errors,
                )
        except BaseException:
            self._kept.close()
            raise

    def _scratch(self, uid: int) -> str:
        """
        Give a folder that libraries may put things into; "": /tmp is its own.

        xberg has no OCR if it cannot make a folder for its cache, used or not.
        """
        held = confinement.held()
        if held is not None and held.mounts:
            return ""
        folder = self._kept.enter_context(TemporaryDirectory(prefix="docferry-"))
        self._kept.callback(leftovers.clear, folder)  # it may be too deep for its own end
        if uid:
            launch.give(pathlib.Path(folder), uid)
        return os.path.realpath(folder)

    def wait_until_ready(self) -> None:
        """Raises: TemporaryError, UserError: It will not be."""
        self._socket.settimeout(_START_S)
        try:
            told = json.loads(self._socket.recv(child.MESSAGE_BYTES) or b"{}")
        except (OSError, ValueError) as error:
            raise TemporaryError(f"the converter does not start: {error}") from error
        if "not_installed" in told:
            raise UserError(f"xberg cannot be loaded: {told['not_installed']}")
        if "ready" not in told:
            said = process.end_of(self._errors, 0)
            raise TemporaryError(f"the converter does not start: {said or 'it said nothing'}")

    def fits(self, limits: Limits) -> bool:
        """Tell whether it was started with *limits*; the time is told with each document."""
        mine = (self.limits.memory_mib, self.limits.output_mib, self.limits.processes)
        theirs = (limits.memory_mib, limits.output_mib, limits.processes)
        return mine == theirs and self.limits.open_files == limits.open_files

    def is_alive(self) -> bool:
        """Tell whether it still waits. What it says unasked makes it unsound."""
        self._socket.setblocking(False)  # noqa: FBT003
        try:
            self._socket.recv(1)
        except BlockingIOError:
            return not self._launched.wait(0)
        except OSError:
            return False
        return False

    def convert(self, request: Request) -> str:
        """Raises: ChildFailedError."""
        self._served += 1
        self.is_sound = False  # until it has answered
        said_before = os.fstat(self._errors.fileno()).st_size
        try:
            answer = self._asked(request)
        except TimeoutError as error:
            raise _failed(watch.too_slow(self.limits)) from error
        except (OSError, ValueError) as error:
            raise self._ended(said_before) from error
        if answer.code == "memory":
            raise _failed(watch.too_much_memory(self.limits))
        is_large = answer.memory_mib > self.limits.memory_mib / 2
        is_fit = not is_large and not self._has_littered()
        self.is_sound = is_fit and self._served < _MOST_DOCUMENTS
        if answer.code == "too-large":
            raise _failed(watch.too_large(self.limits))
        if answer.code != "ok":
            raise ChildFailedError(answer.message, failure=Failure.REFUSED)
        return answer.note

    def interrupt(self) -> None:
        """End it while another thread waits for its answer."""
        self._launched.end()

    def close(self) -> None:
        """End it and wait for that."""
        try:
            self._launched.reap()
        except TemporaryError:  # it never ran; whoever started it was told
            return
        finally:
            self._kept.close()

    def _asked(self, request: Request) -> _Answer:
        nonce = secrets.token_hex(16)
        message = {
            "nonce": nonce,
            "name": request.name,
            "media_type": request.media_type,
            "cpu_s": math.ceil(self.limits.timeout_s),
        }
        deadline = time.monotonic() + self.limits.timeout_s
        self._socket.settimeout(self.limits.timeout_s)
        files = [request.document, request.result]
        socket.send_fds(self._socket, [json.dumps(message).encode()], files)
        said = self._heard(deadline)
        if not said:
            self._launched.wait(_DYING_S)  # so that it is known how it ended by itself
            raise ConnectionResetError("it is gone")
        return _Answer.of(said, nonce)

    def _heard(self, deadline: float) -> bytes:
        """Wait for its answer, and look at what it uses meanwhile. Raises: ChildFailedError."""
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(min(left_s, _LOOK_EVERY_S))
            try:
                return self._socket.recv(child.MESSAGE_BYTES)
            except TimeoutError:
                excess = watch.excess_of(self._launched.pid, self._folder, self.limits)
                if excess is not None:
                    raise _failed(excess) from None

    def _has_littered(self) -> bool:
        """Tell whether what it keeps in its folder could be blamed on a later document."""
        if not self._folder:
            return False
        half = self.limits.output_mib << 19
        return watch.size_of(self._folder, stop_at=half) > half

    def _ended(self, said_before: int) -> ChildFailedError:
        """Tell why it ended, or why it had to."""
        returncode = self._launched.reap()
        said = process.end_of(self._errors, said_before)
        if returncode == -signal.SIGXCPU:
            return _failed(watch.too_slow(self.limits))
        if process.OUT_OF_MEMORY.search(said):
            return _failed(watch.too_much_memory(self.limits))
        how = f"ended with {returncode}"
        if returncode < 0:
            how = f"crashed ({launch.signal_of(returncode)})"
        last = said.splitlines()[-1] if said else "it said nothing"
        return ChildFailedError(
            f"the converter {how}: {last}", failure=Failure.CRASHED, output=said
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    code: str
    message: str
    note: str
    memory_mib: float

    @classmethod
    def of(cls, said: bytes, nonce: str) -> _Answer:
        """
        Raises:
            ValueError: It is none, or one to another document. Who took the child over may
                have said anything.
        """
        try:
            return cls._read(json.loads(said), nonce)
        except (RecursionError, OverflowError) as error:
            raise ValueError("an answer that cannot be read") from error

    @classmethod
    def _read(cls, said: object, nonce: str) -> _Answer:
        match said:
            case {
                "nonce": str(told),
                "code": str(code),
                "message": str(message),
                "note": str(note),
                "memory_mib": int() | float() as memory_mib,
            } if secrets.compare_digest(told.encode(), nonce.encode()):
                return cls(code, message, note, float(memory_mib))
        raise ValueError("no answer, or one to another document")


def _failed(excess: Excess) -> ChildFailedError:
    return ChildFailedError(excess.message, failure=excess.failure)
