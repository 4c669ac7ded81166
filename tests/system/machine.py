"""What tests do to the machine under a docferry that runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import wait_for
from system.daemon import Daemon


@contextmanager
def failing_calls(daemon: Daemon, calls: str, error: str, *, on: Path) -> Iterator[None]:
    """Let system calls of the running *daemon* that are about the file *on* fail."""
    rules = ("-P", str(on), "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}")
    command = ("strace", "-f", "-qq", "-o", "/dev/null", "-p", str(daemon.process.pid), *rules)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _is_traced(daemon.process.pid))
        yield
    finally:
        process.terminate()  # it lets go, and what was traced goes on
        process.wait()


def _is_traced(pid: int) -> bool:
    """Say whether each thread has its tracer: they get it one by one."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("TracerPid:\t0\n" not in state for state in states)


def let_open(daemon: Daemon, files: int) -> None:
    """Let a running *daemon* have so many files open, and no more."""
    soft = f"--nofile={files}:"
    subprocess.run(["prlimit", f"--pid={daemon.process.pid}", soft], check=True)
