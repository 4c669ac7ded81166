"""What of the confinement holds on this machine, found by trying it in a child."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Literal

from docferry.convert import confine_files, launch
from docferry.convert.base import Limits
from docferry.convert.confine import Spec
from docferry.errors import DocferryError, TemporaryError

_LIMITS = Limits(timeout_s=20, memory_mib=512, output_mib=1, processes=4, open_files=64)
_TIMEOUT_S = 20.0

# Every line asks for what a converter must not have. /etc may be listed by anybody.
_PROBE = """\
import errno, json, os, signal, socket
def refused(step):
    try:
        step()
    except OSError as error:
        return errno.errorcode.get(error.errno, "")
    return ""
def many():
    children = []
    try:
        for _ in range(64):
            pid = os.fork()
            if not pid:
                signal.pause()
            children.append(pid)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
print(json.dumps({
    "uid": os.getuid(),
    "network": os.stat("/proc/self/ns/net").st_ino,
    "pids": os.stat("/proc/self/ns/pid").st_ino,
    "tmp": os.stat("/tmp").st_dev,
    "socket": refused(lambda: socket.socket(socket.AF_INET)),
    "etc": refused(lambda: os.listdir("/etc")),
    "many": refused(many),
}))
"""


@dataclass(frozen=True, slots=True)
class Confinement:
    """What keeps a converter from doing harm. Empty or False: this machine does not have it."""

    network: Literal["namespace", "seccomp", ""]
    calls: bool  #: seccomp refuses network sockets, and calls that no converter needs
    files: Literal["landlock", ""]
    mounts: bool  #: /tmp, /home and /run are its own, and empty
    user: bool  #: it is not the daemon's user
    processes: bool  #: the kernel refuses to start more than the limit
    namespace: bool  #: nothing that it starts can outlive it, or signal others

    def lines(self) -> list[str]:
        """Say for people, a line each, what holds and what does not."""
        return [
            self._network_line(),
            _line(
                self.files or ("mounts" if self.mounts else ""),
                "it sees the system's programs and its own document",
                "it can read what the daemon's user can read, other documents too: "
                "a kernel with Landlock (5.13) would prevent it",
            ),
            _line(
                "a user of its own" if self.user else "",
                "it owns nothing but its folder",
                "it runs as the daemon's user: only a daemon that is started as root can give "
                "each converter a user of its own",
            ),
            _line(
                "a limit of the kernel" if self.processes else "",
                "more processes than allowed cannot be started",
                "too many processes are noticed, and ended, up to 0.2 s late",
            ),
            _line(
                "a PID namespace" if self.namespace else "",
                "nothing that it starts outlives it",
                "what it starts is found and ended one by one; it outlives a daemon that is "
                "killed, and where it has no user of its own it can end other processes of that "
                "user, before Linux 6.12: user namespaces are switched off here, or the service "
                "forbids them",
            ),
        ]

    def _network_line(self) -> str:
        return _line(
            self.network,
            "it cannot reach the network",
            "it can reach the network: neither namespaces nor seccomp work here",
        )


def what_holds() -> Confinement:
    """
    Try the confinement in a child, as a converter would get it.

    Raises:
        TemporaryError: No child can be started at all.
    """
    try:
        told = _tried(is_dropped=True)
    except TemporaryError:
        told = _tried(is_dropped=False)
    has_network = told["network"] == os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116
    is_refused = bool(told["socket"])
    return Confinement(
        network="seccomp" if has_network and is_refused else "" if has_network else "namespace",
        calls=is_refused,
        files="landlock" if told["etc"] else "",
        mounts=told["tmp"] != os.stat("/tmp").st_dev,  # noqa: PTH116
        user=told["uid"] != os.geteuid(),
        processes=told["many"] == "EAGAIN",
        namespace=told["pids"] != os.stat("/proc/self/ns/pid").st_ino,  # noqa: PTH116
    )


_lock = threading.Lock()
_known: Confinement | None = None


def may_drop_user() -> bool:
    """Tell whether a converter can work as a user of its own."""
    if os.geteuid() != 0:
        return False
    known = held()
    return known is not None and known.user


def must_pass(paths: Sequence[str], *, namespaces: bool = True) -> bool:
    """
    Tell whether its user must be let through folders that are closed to others.

    Where nothing can be mounted *paths* are otherwise out of its reach. It is still less
    than staying root: what it starts is counted, and it owns nothing.
    """
    known = held()
    if namespaces and known is not None and known.mounts:
        return False
    return any(confine_files.closed_above(path) for path in paths)


def held() -> Confinement | None:
    """Give what held when it was first asked for; None: nothing could be tried."""
    global _known
    with _lock:
        if _known is None:
            try:
                _known = what_holds()
            except DocferryError:  # the run itself will fail, and say so
                return None
        return _known


def _tried(*, is_dropped: bool) -> dict[str, int | str]:
    with launch.a_user(is_wanted=is_dropped) as uid, TemporaryFile() as output:
        spec = _spec(uid)
        child = launch.launched(
            [sys.executable, "-I", "-S", "-c", _PROBE],
            spec,
            launch.environment_for("", {}, is_python=False),
            stdout=output,
            stderr=output,
        )
        child.wait(_TIMEOUT_S)
        returncode = child.reap()
        output.seek(0)
        said = output.read().decode(errors="replace")
    if returncode != 0:
        raise TemporaryError(f"cannot try out the confinement: {said or returncode}")
    told: dict[str, int | str] = json.loads(said)
    return told


def _spec(uid: int) -> Spec:
    return launch.spec_for(_LIMITS, uid=uid, readable=launch.python_folders())


def _line(what: str, holds: str, does_not: str) -> str:
    return f"holds: {holds} ({what})" if what else f"does not hold: {does_not}"
