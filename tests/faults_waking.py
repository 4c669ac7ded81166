"""Faults of wake-ups: nobody hears, or without end; a file of a stranger is written to."""

from __future__ import annotations

from fault import Fault

WAKE = ("unit/test_wake.py",)


WAKING = (
    Fault(
        "what has woken the daemon stays unread, and wakes it again",
        "app/wake.py",
        "os.read(self._fifo, _ALL)",
        "pass",
        ("unit/test_wake.py::test_many_at_once_are_one",),
    ),
    Fault(
        "a flood of wake-ups spins the loops",
        "app/wake.py",
        "                stop.select(self._every_s)\n",
        "",
        ("unit/test_wake.py::test_a_flood_wakes_only_so_often",),
    ),
    Fault(
        "a wake-up is written into a stranger's file",
        "app/wake.py",
        "stat.S_ISFIFO(os.fstat(fd).st_mode):  # else",
        "fd:  # else",
        WAKE,
    ),
    Fault(
        "a command wakes the daemon when it has waited for it",
        "cli/versions.py",
        "    context.wake_daemon()\n",
        "",
        ("integration/test_wake.py",),
    ),
    Fault(
        "what follows from an erasure wakes nobody",
        "app/erase.py",
        "                wake_daemon()\n",
        "",
        ("integration/test_wake.py::test_what_follows_from_an_erasure_wakes_the_daemon_too",),
    ),
    Fault(
        "a command wakes nobody",
        "cli/__init__.py",
        "            self.wake_daemon()\n",
        "            pass\n",
        ("integration/test_wake.py",),
    ),
    Fault(
        "the daemon hears no wake-up",
        "app/daemon.py",
        "        wake_ups.start()\n",
        "",
        ("system/test_wake.py",),
    ),
)
