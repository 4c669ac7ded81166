"""
Tell the service manager how the daemon is: sd_notify(3), and nothing where nobody listens.

Each message is one datagram to the socket that $NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

#: systemd keeps a STATUS= of any length, but shows it on one line to a person.
_STATUS_CHARS = 400
_WITHIN_S = 1.0


def ready(status: str) -> None:
    """Say that the start, or a reload, is over."""
    _send("READY=1", _status(status))


def reloading() -> None:
    """Say that a reload begins; `ready` ends it."""
    # systemd tells by the time which of several reloads an answer belongs to.
    _send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping(status: str = "stopping") -> None:
    """Say that the end has begun."""
    _send("STOPPING=1", _status(status))


def status(text: str) -> None:
    """Say in one line what the daemon is doing: `systemctl status` shows it."""
    _send(_status(text))


def watchdog() -> None:
    """Put off the restart for another $WATCHDOG_USEC."""
    _send("WATCHDOG=1")


def watchdog_trigger() -> None:
    """Ask for the restart now."""
    _send("WATCHDOG=trigger")


def is_heard() -> bool:
    """Say whether there is a service manager that listens."""
    return os.environ.get("NOTIFY_SOCKET", "")[:1] in ("/", "@")


def watchdog_s() -> float | None:
    """Give the time after which systemd restarts a daemon that is silent. None: it does not."""
    period_us = os.environ.get("WATCHDOG_USEC", "")
    if not period_us.isdecimal() or os.environ.get("WATCHDOG_PID") not in (None, str(os.getpid())):
        return None  # not asked for, or of another process, whose environment this one inherited
    return int(period_us) / 1e6 or None


def _status(text: str) -> str:
    # `systemctl status` shows it as it is: a file's name must not speak to the terminal.
    shown = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return "STATUS=" + shown[:_STATUS_CHARS]


def _send(*lines: str) -> None:
    if not is_heard():
        return
    address = os.environ["NOTIFY_SOCKET"]
    message = "\n".join(lines).encode(errors="replace")
    # An "@" stands for the NUL of a name in the abstract space. A manager that is gone, or that
    # does not read, must stop nothing: whoever misses a message has the next.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as talk:
        talk.settimeout(_WITHIN_S)
        talk.connect(f"\0{address[1:]}" if address[0] == "@" else address)
        talk.sendall(message)
