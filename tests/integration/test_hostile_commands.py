"""Commands that mean harm: what they ask the kernel for, and what they hide from who measures."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from docferry.convert import Limits, leftovers
from docferry.convert.process import Children, Finished
from docferry.job import Failure
from processes import children_of, is_gone, wait_for

LIMITS = Limits(timeout_s=30, memory_mib=512, output_mib=8, processes=16)

NOBODY = 65_534

#: As the kernel lets it be, and as where it lets nobody have namespaces.
both_ways = pytest.mark.parametrize("namespaces", [True, False], ids=["namespaces", "none"])

_CALLS = """
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""

#: What is asked for, by what it would be good for. The numbers are those of x86_64.
_ASKED = {
    "memory that outlives it": "call(29, 0, 4096, 0o1600)",
    "memory of others": "call(30, 0, 0, 0)",
    "to remove the memory of others": "call(31, 0, 0, 0)",
    "semaphores of others": "call(66, 0, 0, 0)",
    "messages to others": "call(69, 0, ctypes.create_string_buffer(64), 1, 0)",
    "messages that outlive it": "call(68, 0, 0o1600)",
    "semaphores that outlive it": "call(64, 0, 1, 0o1600)",
    "a queue that outlives it": "call(240, b'queue', 0o102, 0o600, 0)",
    "the names of files that it may not read": "call(294, 0)",
    "a file by its handle": "call(304, -100, ctypes.create_string_buffer(64), 0)",
    "the handle of a file": "call(303, -100, b'/etc', ctypes.create_string_buffer(64), 0, 0)",
    "to be root in a namespace": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "the limits of another process": "call(302, os.getpid(), 7, 0, 0)",
    "the files of another process": "call(438, os.pidfd_open(os.getppid()), 0, 0)",
    "a socket that writes to anybody": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "two of them": "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)",
}


def python(code: str, folder: pathlib.Path, *, limits: Limits = LIMITS, **how: bool) -> Finished:
    return Children(**how).run([sys.executable, "-c", code], folder=folder, limits=limits)


@both_ways
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64")
@pytest.mark.parametrize("asked", _ASKED.values(), ids=_ASKED)
def test_the_kernel_refuses(asked: str, namespaces: bool, tmp_path: pathlib.Path) -> None:  # noqa: FBT001
    code = f"{_CALLS}\ntry:\n    {asked}\nexcept PermissionError:\n    print('refused')"

    finished = python(code, tmp_path, namespaces=namespaces)

    assert finished.output == b"refused\n", finished.errors


@both_ways
@pytest.mark.parametrize("is_abstract", [True, False], ids=["abstract", "path"])
def test_no_service_of_the_machine_can_be_called(
    is_abstract: bool,  # noqa: FBT001
    namespaces: bool,  # noqa: FBT001
    tmp_path: pathlib.Path,
) -> None:
    with tempfile.TemporaryDirectory(dir="/run" if os.geteuid() == 0 else None) as place:
        pathlib.Path(place).chmod(0o755)
        address = f"\0docferry-{os.getpid()}" if is_abstract else f"{place}/socket"
        with socket.socket(socket.AF_UNIX) as service:
            service.bind(address)
            service.listen()
            service.setblocking(False)  # noqa: FBT003
            if not is_abstract:
                pathlib.Path(address).chmod(0o777)
            code = f"import socket; socket.socket(socket.AF_UNIX).connect({address!r})"

            finished = python(code, tmp_path, namespaces=namespaces, landlock=False)

            assert "Operation not permitted" in finished.errors
            with pytest.raises(BlockingIOError):
                service.accept()


@pytest.mark.parametrize(
    "asked",
    [
        # Signal 0 asks whether one may be sent.
        "os.kill(os.getppid(), 0)",
        "os.kill(-os.getppid(), 0)",
        "os.kill(-1, 0)",
        "os.kill(DAEMON, 0)",
        "os.kill(THREAD, 0)",
        "os.setpriority(os.PRIO_PROCESS, DAEMON, 19)",
        "os.setpriority(os.PRIO_USER, 0, 19)",
        "os.sched_setaffinity(DAEMON, {0})",
        "os.sched_setscheduler(THREAD, os.SCHED_IDLE, os.sched_param(0))",
    ],
)
def test_who_ends_it_cannot_be_ended_or_slowed_down(asked: str) -> None:
    said = asked_of_its_own_user(asked)

    assert "PermissionError" in said


def test_it_may_say_when_and_where_it_runs_itself() -> None:
    said = asked_of_its_own_user(
        "os.setpriority(os.PRIO_PROCESS, 0, 19)\n"
        "os.sched_setaffinity(0, os.sched_getaffinity(0))\n"
        "os.kill(os.getpid(), 0)"
    )

    assert said == "\n"


def asked_of_its_own_user(asked: str) -> str:
    """Run *asked* as for a daemon that is not root: to the kernel all of its user's are alike."""
    other = NOBODY if os.geteuid() == 0 else None
    code = (
        "import os, pathlib, sys, tempfile, threading\n"
        "from docferry.convert import Limits\n"
        "from docferry.convert.process import Children\n"
        "children = Children(namespaces=False, landlock=False)\n"
        "ends = threading.Event()\n"
        "thread = threading.Thread(target=ends.wait)\n"
        "thread.start()\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        f"    asked = {'import os; ' + asked!r}.replace('DAEMON', str(os.getpid()))\n"
        "    asked = asked.replace('THREAD', str(thread.native_id))\n"
        "    command = [sys.executable, '-c', asked]\n"
        "    print(children.run(command, folder=pathlib.Path(folder), limits=Limits()).errors)\n"
        "ends.set()\n"
    )

    said = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        user=other,
        group=other,
        extra_groups=None if other is None else [],
    )
    return said.stdout


@pytest.mark.root
def test_nothing_outlives_who_would_end_it(tmp_path: pathlib.Path) -> None:
    children, script = Children(namespaces=False), "setsid sleep 1000 & echo $! > started; wait"
    before = set(children_of())

    with ThreadPoolExecutor() as pool:
        ending = pool.submit(children.run, ["sh", "-c", script], folder=tmp_path, limits=LIMITS)
        started = tmp_path / "started"
        wait_for(lambda: started.exists() and bool(started.read_text().strip()))
        (launcher,) = set(children_of()) - before
        os.kill(launcher, signal.SIGKILL)
        ending.result(timeout=20)

    wait_for(lambda: is_gone(int(started.read_text())))


def test_threads_and_processes_can_still_be_had(tmp_path: pathlib.Path) -> None:
    code = (
        "import os, resource, socket, subprocess, threading\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (5, 5))\n"
        "a, b = socket.socketpair()\n"
        "thread = threading.Thread(target=a.send, args=(b'x',)); thread.start(); thread.join()\n"
        "print(b.recv(1), subprocess.run(['sh', '-c', 'echo y'], capture_output=True).stdout)\n"
    )

    finished = python(code, tmp_path)

    assert finished.output == b"b'x' b'y\\n'\n", finished.errors


# What is hidden from who measures.

_UNLINKED = """
import os
files = []
while True:
    files.append(os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600))
    os.write(files[-1], bytes(1 << 20))
"""
_MEMORY_FILES = """
import os
files = []
while True:
    files.append(os.memfd_create("x"))
    os.write(files[-1], bytes(4 << 20))
"""
#: Each page was touched by a child that is gone, and counts for none that is there.
_SHARED_MEMORY = """
import mmap, os
maps = []
while True:
    maps.append(mmap.mmap(-1, 64 << 20))
    child = os.fork()
    if not child:
        for page in range(0, 64 << 20, 4096):
            maps[-1][page] = 1
        os._exit(0)
    os.waitpid(child, 0)
"""
_EMPTY_FILES = """
number = 0
while True:
    open(f"x{number}", "w").close()
    number += 1
"""
#: 1500 folders in each other: at once, so that nobody sees it grow.
_DEEP = """
import os
bottoms = []
for number in range(30):
    os.makedirs(f"{number}/" + "d/" * 50)
    bottoms.append(os.open(f"{number}/" + "d/" * 50, os.O_PATH))
for number in range(29):
    os.rename(f"{number}", "d", dst_dir_fd=bottoms[number + 1])
"""
#: No path leads to what is in the last.
_DEEPER = """
import os
for _ in range(5000):
    os.mkdir("d")
    os.chdir("d")
"""
_UNREADABLE = """
import os, time
os.mkdir("d")
os.chdir("d")
os.chmod(".", 0o300)
number = 0
while True:
    open(f"x{number}", "wb").write(bytes(1 << 20))
    number += 1
"""
#: Holes cost no time, and it has ended before anybody looks.
_LATE = """
for number in range(4):
    open(f"x{number}", "wb").truncate(4 << 20)
"""


@both_ways
@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (_UNLINKED, Failure.TOO_LARGE),
        (_MEMORY_FILES, Failure.MEMORY),
        (_SHARED_MEMORY, Failure.MEMORY),
        (_EMPTY_FILES, Failure.TOO_LARGE),
        (_DEEP, Failure.TOO_LARGE),
        (_DEEPER, Failure.TOO_LARGE),
        (_UNREADABLE, Failure.TOO_LARGE),
        (_LATE, Failure.TOO_LARGE),
    ],
    ids=[
        "unlinked",
        "memory-files",
        "shared-memory",
        "empty",
        "deep",
        "deeper",
        "unreadable",
        "late",
    ],
)
def test_what_is_hidden_counts(
    code: str,
    failure: Failure,
    namespaces: bool,  # noqa: FBT001
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    limits = Limits(timeout_s=60, memory_mib=256, output_mib=8, processes=16, open_files=512)

    try:
        finished = python(code, folder, limits=limits, namespaces=namespaces)

        assert finished.failure is failure, finished
        shutil.rmtree(folder)  # as a worker does
        assert not folder.exists()
    finally:
        leftovers.clear(str(folder))  # else pytest, which tidies up for all, would break on it
