"""What the machine, and the kernel, tell of a daemon that runs: limits, disks, stacks, its unit."""

from __future__ import annotations

import os
import platform
import re
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

#: Beside the ledger: where a daemon writes the stacks of its threads, when it is asked.
STACKS_NAME = "stacks"
_STACKS_WITHIN_S = 3.0
_PAUSE_S = 0.05
_PROC = Path("/proc")
_OF_STATUS = ("State", "VmRSS", "VmHWM", "VmSwap", "Threads", "Seccomp", "NoNewPrivs")
_OF_UNIT = (
    "ActiveState,SubState,Result,NRestarts,ExecMainCode,ExecMainStatus,ActiveEnterTimestamp,"
    "MemoryCurrent,MemoryMax,TasksCurrent,LimitNOFILE,WatchdogUSec"
)
_OF_MEMORY = ("MemTotal", "MemAvailable", "SwapFree")
_WATCHES = "sys/fs/inotify"


def system_facts(folders: Sequence[Path]) -> dict[str, object]:
    """Tell of the machine, and of the disks of *folders*."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "system": _lines_of(Path("/etc/os-release"), ("PRETTY_NAME",), "="),
        "libc": " ".join(platform.libc_ver()),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "memory": _lines_of(_PROC / "meminfo", _OF_MEMORY),
        "watches": {one.name: one.read_text().strip() for one in (_PROC / _WATCHES).glob("max*")},
        "disks": {str(folder): _disk(folder) for folder in folders},
        "unit": _unit(),
    }


def process_facts(pid: int | None) -> dict[str, object]:
    """Tell of the process of the daemon."""
    if not pid:
        return {"is_running": False}
    folder = _PROC / str(pid)
    return {
        "limits": folder.joinpath("limits").read_text().splitlines(),
        "status": _lines_of(folder / "status", _OF_STATUS),
        "open_files": len(list(folder.joinpath("fd").iterdir())),
    }


def stacks_of(pid: int | None, state_dir: Path) -> str:
    """Have a daemon that runs write where each of its threads is, and give that: no values."""
    if not pid or not _answers(pid):
        return "no daemon runs that tells them"
    # Root asks in a folder of another user's: a link there must not lead root to another file.
    fd = os.open(state_dir / STACKS_NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "r+", errors="replace") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            return f"{STACKS_NAME} is not the daemon's own file"
        os.ftruncate(fd, 0)
        os.kill(pid, signal.SIGUSR1)
        until_s, size = time.monotonic() + _STACKS_WITHIN_S, 0
        while time.monotonic() < until_s:
            time.sleep(_PAUSE_S)
            before, size = size, os.fstat(fd).st_size
            if size and size == before:
                break
        return file.read()


def _answers(pid: int) -> bool:
    """Say whether the process waits for the signal: it would end whoever does not."""
    caught = _lines_of(_PROC / str(pid) / "status", ("SigCgt",)).get("SigCgt", "0")
    return bool(int(caught, 16) >> (signal.SIGUSR1 - 1) & 1)


def _lines_of(file: Path, names: Sequence[str], sign: str = ":") -> dict[str, str]:
    found = re.findall(rf"^(\w+){sign}(.*)$", file.read_text(), re.M)
    return {name: value.strip(' \t"') for name, value in found if name in names}


def _disk(folder: Path) -> dict[str, object]:
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return {"error": os.strerror(error.errno or 0)}
    return {
        "free_bytes": found.f_bavail * found.f_frsize,
        "size_bytes": found.f_blocks * found.f_frsize,
        "free_files": found.f_favail,
        "is_read_only": bool(found.f_flag & os.ST_RDONLY),
    }


def _unit() -> list[str]:
    """Give how systemd sees the service; none of what it is started with."""
    try:
        done = subprocess.run(
            ["systemctl", "show", "docferry.service", "-p", _OF_UNIT],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [f"could not be had: {type(error).__name__}"]
    return done.stdout.splitlines()
