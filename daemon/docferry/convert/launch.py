"""
Start a command confined, as the daemon: a user of its own where there can be one, and its end.

The command is a grandchild of the launcher (confine.py) that is started here. Whatever it
became, and whatever it started: it ends with the pipe that is held here, and so with the daemon.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TypeAlias

from docferry.convert import confine_tree
from docferry.convert.base import Limits
from docferry.convert.confine import Spec
from docferry.errors import TemporaryError

File: TypeAlias = int | IO[bytes]

# Neither Debian nor systemd gives these out: Debian has 60000 to 64999 but for a few below 64000
# (libvirt-qemu is 64055), systemd 60001 to 60705, and from 61184 for services (DynamicUser).
_FIRST_UID = 60_706
_UIDS = 478
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_ENDING_S = 5.0  # how long the launcher may take to end what it started

_PACKAGE = pathlib.Path(__file__).parent
# The launcher gets by without the package around it, whose imports cost 80 ms.
_BOOT = f"""\
import sys, types
for name, path in ("docferry", {str(_PACKAGE.parent)!r}), ("docferry.convert", {str(_PACKAGE)!r}):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [path]
from docferry.convert.confine import main
sys.exit(main())
"""


class Launched:
    """A command that runs, or ran. Thread-safe."""

    def __init__(self, popen: subprocess.Popen[bytes], life: int, faults: int, uid: int) -> None:
        self._popen = popen
        self._uid = uid
        self._life = life
        self._faults = faults
        self._lock = threading.Lock()
        self._pidfd = os.pidfd_open(popen.pid)
        self._returncode: int | None = None
        self.pid = popen.pid  #: the launcher's; the command is below it

    def wait(self, timeout_s: float) -> bool:
        """Wait until it ended, at most *timeout_s*; tell whether it did."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def end(self) -> None:
        """Tell it to end, with all that it started. Returns at once; may be repeated."""
        with self._lock:
            if self._life >= 0:
                os.close(self._life)
                self._life = -1

    def reap(self) -> int:
        """
        End it if it runs, wait until nothing of it is left, and give its return code.

        Once is enough, and by one thread; it may be repeated.

        Raises:
            TemporaryError: It could not be started.
        """
        if self._returncode is not None:
            return self._returncode
        self.end()
        if not self.wait(_ENDING_S):
            with suppress(ProcessLookupError):
                self._popen.kill()  # the kernel ends the command, by PR_SET_PDEATHSIG
        self._returncode = self._popen.wait()
        if self._returncode == -signal.SIGKILL and self._uid:
            # Without a PID namespace others are left, and could read what is its user's next.
            _end_all_of(self._uid)
        os.close(self._pidfd)
        with os.fdopen(self._faults, "rb") as file:
            fault = file.read().decode(errors="replace")
        if fault:
            raise TemporaryError(f"cannot start {fault}")
        return self._returncode


def launched(
    command: Sequence[str],
    spec: Spec,
    environment: Mapping[str, str],
    *,
    stdin: File = subprocess.DEVNULL,
    stdout: File,
    stderr: File,
) -> Launched:
    """
    Start *command*, of which the first word is the path of a program.

    Raises:
        TemporaryError: It cannot be.
    """
    life_here, life = os.pipe()
    faults, faults_there = os.pipe()
    given = (str(life_here), str(faults_there))
    words = [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(spec._asdict()), *given, "--"]
    try:
        popen = subprocess.Popen(
            [*words, *command],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd="/",
            env=dict(environment),
            start_new_session=True,
            pass_fds=(life_here, faults_there, *spec.keep),
        )
    except (OSError, ValueError) as error:
        os.close(life)
        os.close(faults)
        raise TemporaryError(f"cannot start {command[0]}: {error}") from error
    finally:
        os.close(life_here)
        os.close(faults_there)
    return Launched(popen, life, faults, spec.uid)


def program_of(name: str, path: str = _PATH) -> str:
    """
    Find the program that *name* stands for.

    Raises:
        TemporaryError: There is none; it may be installed any time.
    """
    found = shutil.which(name, path=path)
    if found is None:
        raise TemporaryError(f"cannot start {name}: there is no such program")
    return str(pathlib.Path(found).absolute())


def environment_for(folder: str, given: Mapping[str, str], *, is_python: bool) -> dict[str, str]:
    """Nothing of the daemon's own: it may hold credentials."""
    environment = {"PATH": _PATH, "LANG": "C.UTF-8"}
    if folder:
        environment |= {"HOME": folder, "TMPDIR": folder}
    if is_python:
        # It finds the packages where this process finds them, and nowhere else.
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        environment |= {"PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return environment | dict(given)


def python_folders() -> list[str]:
    """Give what a Python child must read: the interpreter, installed packages, and this one."""
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(_PACKAGE.parent)}
    found |= {entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    return sorted(os.path.realpath(path) for path in found if pathlib.Path(path).exists())


def spec_for(
    limits: Limits,
    *,
    uid: int,
    folder: str = "",
    cpu_s: int = 0,
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    keep: Sequence[int] = (),
) -> Spec:
    return Spec(
        folder=folder,
        cpu_s=cpu_s,
        memory_mib=limits.memory_mib,
        output_mib=limits.output_mib,
        processes=limits.processes,
        open_files=limits.open_files,
        uid=uid,
        readable=list(readable),
        writable=list(writable),
        listed=[str(_PACKAGE.parent.parent)],
        keep=list(keep),
    )


# Users.

_uids_lock = threading.Lock()
_uids_taken: set[int] = set()


@contextmanager
def a_user(*, is_wanted: bool) -> Iterator[int]:
    """Lend a user id that nobody has, while the daemon is root; else 0: stay who we are."""
    if not is_wanted or os.geteuid() != 0:
        yield 0
        return
    with _uids_lock:
        # Not all daemons of a machine begin at the same: their processes would count together.
        begin = os.getpid() * 37
        uids = (_FIRST_UID + (begin + number) % _UIDS for number in range(_UIDS))
        uid = next((uid for uid in uids if uid not in _uids_taken and _is_nobodys(uid)), None)
        if uid is None:
            raise TemporaryError(f"more than {_UIDS} conversions at a time")
        _uids_taken.add(uid)
    try:
        yield uid
    finally:
        with _uids_lock:
            _uids_taken.discard(uid)


@functools.cache
def _is_nobodys(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


def _end_all_of(uid: int) -> None:
    """End all of a user's processes at once: none of them can start another meanwhile."""
    if confine_tree.tasks_of(uid):
        command = ["/bin/sh", "-c", "kill -9 -1"]
        with suppress(OSError):
            subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", check=False)


def give(folder: pathlib.Path, uid: int) -> None:
    """Make *folder* and all in it the user's own. Links are not followed."""
    for path in (str(folder), *_everything_in(folder)):
        with suppress(FileNotFoundError):
            os.chown(path, uid, uid, follow_symlinks=False)


def let_read(path: pathlib.Path, uid: int) -> None:
    """Let the group of *uid* read what is ours and hidden from others, and no more."""
    for entry in (str(path), *_everything_in(path)):
        with suppress(FileNotFoundError):
            found = os.lstat(entry)
            is_ours = found.st_uid == os.geteuid() and not found.st_mode & stat.S_IROTH
            if is_ours and not stat.S_ISLNK(found.st_mode):
                more = stat.S_IRGRP | (stat.S_IXGRP if stat.S_ISDIR(found.st_mode) else 0)
                os.chown(entry, -1, uid)
                os.chmod(entry, stat.S_IMODE(found.st_mode) & ~0o070 | more)  # noqa: PTH101


def _everything_in(folder: pathlib.Path) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        yield from (f"{above}/{name}" for name in (*folders, *files))


def signal_of(returncode: int) -> str:
    """Name the signal that ended a process."""
    return signal.strsignal(-returncode) or f"signal {-returncode}"
