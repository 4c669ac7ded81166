"""
The launcher: takes from itself all that a converter does not need, then becomes the command.

    python -I -S -c BOOT SPEC LIFE FAULTS -- COMMAND...     (see process.py)

Three processes. The first stands outside and is nobody's but ours: it waits for the end of
LIFE, a pipe whose other end the daemon holds, and then ends everything. The second is the
first of a PID namespace, where there may be one: the kernel ends all in it when it ends. The
third confines itself and becomes the command. What could not be started is told to FAULTS.

Standard library only, and little of it: this is started for each document (25 ms).
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from docferry.convert import confine_calls as calls
from docferry.convert import confine_files, confine_tree

NOT_STARTED = 71  # EX_OSERR: the reason went to FAULTS

#: Our own two, that RLIMIT_NPROC counts too, and some by which too many can be seen.
_SPARE_PROCESSES = 8
_MIB = 1024 * 1024
_ORPHANS_MS = 50
_NAMESPACES = calls.CLONE_NEWNS | calls.CLONE_NEWPID | calls.CLONE_NEWNET | calls.CLONE_NEWIPC
_DEFAULTED = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them; programs must not


class Spec(NamedTuple):
    """What is left to the command."""

    folder: str  #: where it works; "": nowhere
    cpu_s: int  #: of each process; 0: it limits itself
    memory_mib: int
    output_mib: int
    processes: int
    open_files: int
    uid: int  #: to become, and the group of this number; 0: stay who we are
    readable: list[str]  #: files and folders, resolved, besides the system's
    writable: list[str]  #: likewise
    listed: list[str]  #: folders whose names may be read, not their files
    keep: list[int]  #: descriptors that it inherits besides the standard ones
    passes: bool = False  #: it passes folders that are closed to others: there are no mounts
    namespaces: bool = True  #: False: do without (for tests of machines that have none)
    landlock: bool = True  #: likewise


def main() -> int:
    spec = Spec(**json.loads(sys.argv[1]))
    life, faults = int(sys.argv[2]), int(sys.argv[3])
    command = sys.argv[5:]
    for fd in (life, faults):
        os.set_inheritable(fd, False)  # noqa: FBT003
    try:
        _launch(spec, command, life=life, faults=faults)
    except OSError as error:
        os.write(faults, str(error).encode())
    return NOT_STARTED


def _launch(spec: Spec, command: list[str], *, life: int, faults: int) -> None:
    """Return only if it could not be begun."""
    _set_oom_score()
    calls.clear_ambient()
    scope = _separate(spec)
    if not scope.has_pids:
        calls.prctl(calls.PR_SET_CHILD_SUBREAPER, 1)
    daemon = os.getppid()
    threads = [] if scope.has_pids else confine_tree.threads_of(daemon)
    here, there = os.pipe()  # the second tells the first how the command ended
    pid = os.fork()
    if pid:
        os.close(there)
        os.close(faults)
        _let_go(spec.keep)
        _stand_outside(pid, life=life, report=here, has_pids=scope.has_pids)
    os.close(here)
    try:
        calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if _has_ended(life):  # the first was gone before
            os._exit(NOT_STARTED)
        if scope.has_pids:
            _stand_inside(spec, command, scope, faults=faults, report=there)
        # Where all are of one user it could end the first, and leave others behind.
        os.setsid()  # kill(0) is for its own
        _become(spec, command, scope, [os.getppid(), daemon], threads)
    except OSError as error:
        os.write(faults, str(error).encode())
    os._exit(NOT_STARTED)


# The first process.


def _stand_outside(pid: int, *, life: int, report: int, has_pids: bool) -> None:
    """Wait until the command or the daemon ends, end the rest, and end as the command did."""
    calls.prctl(calls.PR_SET_DUMPABLE, 0)
    watched = select.poll()
    watched.register(os.pidfd_open(pid), select.POLLIN)
    watched.register(life, select.POLLIN)
    if not has_pids:
        _end_like(_wait_among_orphans(pid, watched))
    watched.poll()
    try_to(lambda: os.kill(pid, signal.SIGKILL))  # the first of its namespace: it takes all along
    _, status = os.waitpid(pid, 0)
    told = os.read(report, 8)
    _end_like(int(told) if told else status)


def _wait_among_orphans(pid: int, watched: select.poll) -> int:
    ended: dict[int, int] = {}
    while not watched.poll(_ORPHANS_MS):
        ended |= confine_tree.reap()[0]  # unreaped they would count as running
    ended |= confine_tree.end_all_below(os.getpid())
    return ended.get(pid, signal.SIGKILL)


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


# The second.


def _stand_inside(
    spec: Spec, command: list[str], scope: _Scope, *, faults: int, report: int
) -> None:
    """Start the command, and reap all that comes this way until it ends."""
    has_own_proc = scope.has_mounts and confine_files.mount_own_proc()
    pid = os.fork()
    if not pid:
        try:
            calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
            _become(spec, command, scope._replace(has_own_proc=has_own_proc))
        except OSError as error:
            os.write(faults, str(error).encode())
        os._exit(NOT_STARTED)
    calls.prctl(calls.PR_SET_DUMPABLE, 0)
    os.close(faults)
    _let_go([0, 1, 2, *spec.keep])
    ended, status = 0, 0
    while ended != pid:
        ended, status = os.wait()
    os.write(report, str(status).encode())
    os._exit(0)


# The third.


class _Scope(NamedTuple):
    """What of the machine is its own."""

    has_pids: bool = False
    has_mounts: bool = False
    has_network: bool = False
    has_users: bool = False
    has_own_proc: bool = False


def _separate(spec: Spec) -> _Scope:
    """Leave the machine's namespaces, as root or with the help of a user namespace."""
    if not spec.namespaces:
        return _Scope()
    for flags in (_NAMESPACES, _NAMESPACES | calls.CLONE_NEWUSER):
        has_users = bool(flags & calls.CLONE_NEWUSER)
        try:
            if has_users:
                _drop_user(spec)  # inside, nobody else could be named
            _unshare(flags)
        except OSError:
            continue
        return _Scope(
            has_pids=True, has_network=True, has_users=has_users, has_mounts=_hide_files(spec)
        )
    return _Scope()


def _hide_files(spec: Spec) -> bool:
    own = [spec.folder] if spec.folder else []
    readable = [path for path in spec.readable if not confine_files.is_of_the_system(path)]
    try:
        confine_files.hide(readable, [*own, *spec.writable])
    except OSError:
        return False
    return True


def _unshare(flags: int) -> None:
    uid, gid = os.geteuid(), os.getegid()
    calls.prctl(calls.PR_SET_DUMPABLE, 1)  # else its maps would not be its own to write
    calls.unshare(flags)
    if flags & calls.CLONE_NEWUSER:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")


def _become(
    spec: Spec,
    command: list[str],
    scope: _Scope,
    guarded: Sequence[int] = (),
    threads: Sequence[int] = (),
) -> None:
    parent = os.getppid()
    os.chdir(spec.folder or "/")
    _drop_user(spec)
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)  # another user: it is to be said again
    if os.getppid() != parent:
        os._exit(NOT_STARTED)
    _set_limits(spec, scope)
    calls.drop_capabilities()
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
    try_to(lambda: _limit_files(spec, scope))
    try_to(lambda: calls.refuse_calls(guarded, threads))
    for number in _DEFAULTED:
        signal.signal(number, signal.SIG_DFL)
    for fd in spec.keep:
        os.set_inheritable(fd, True)  # noqa: FBT003
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise OSError(f"{command[0]}: {error.strerror}") from error


def _drop_user(spec: Spec) -> None:
    if not spec.uid or os.geteuid() == spec.uid:
        return
    capability = _kept() if spec.passes else None
    os.setgroups([])
    os.setresgid(spec.uid, spec.uid, spec.uid)
    os.setresuid(spec.uid, spec.uid, spec.uid)
    if capability is not None:
        calls.raise_kept(capability)


def _kept() -> int:
    """The weaker one, where there is a choice: containers may have the other only."""
    try:
        calls.keep_only(calls.CAP_DAC_READ_SEARCH)
    except OSError:
        calls.keep_only(calls.CAP_DAC_OVERRIDE)
        return calls.CAP_DAC_OVERRIDE
    return calls.CAP_DAC_READ_SEARCH


def _set_limits(spec: Spec, scope: _Scope) -> None:
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, spec.output_mib * _MIB)
    # Not RLIMIT_AS: importing xberg alone maps 450 MiB and touches 45.
    _limit(resource.RLIMIT_DATA, spec.memory_mib * _MIB)
    _limit(resource.RLIMIT_NOFILE, spec.open_files)
    if spec.cpu_s:
        _limit(resource.RLIMIT_CPU, spec.cpu_s, grace=1)  # SIGXCPU says why; SIGKILL would not
    others = 0
    if not spec.uid and not scope.has_users:
        others = confine_tree.tasks_of(os.geteuid())  # the kernel counts all of a user
    _limit(resource.RLIMIT_NPROC, spec.processes + _SPARE_PROCESSES + others)


def _limit(what: int, most: int, *, grace: int = 0) -> None:
    _, hard = resource.getrlimit(what)
    if hard == resource.RLIM_INFINITY:
        hard = most + grace
    resource.setrlimit(what, (min(most, hard), min(most + grace, hard)))


def _limit_files(spec: Spec, scope: _Scope) -> None:
    if not spec.landlock:
        return
    confine_files.grant(
        spec.readable,
        [*spec.writable, *([spec.folder] if spec.folder else [])],
        spec.listed,
        has_own_proc=scope.has_own_proc,
        has_own_scratch=scope.has_mounts,
        has_own_user=spec.uid != 0,
    )


def try_to(step: Callable[[], object]) -> None:
    """What this machine's kernel does not have is done without; `what_holds` tells of it."""
    try:
        step()
    except OSError:
        return


def _set_oom_score() -> None:
    """Should the machine's memory run out: this one first, not the daemon."""
    try_to(lambda: _write("/proc/self/oom_score_adj", "1000"))


def _write(path: str, content: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write(content)


def _let_go(fds: list[int]) -> None:
    """Of the command's own files, so that their end is seen when it ends."""
    for fd in fds:
        os.close(fd)


def _has_ended(life: int) -> bool:
    watched = select.poll()
    watched.register(life, select.POLLIN)
    return bool(watched.poll(0))
