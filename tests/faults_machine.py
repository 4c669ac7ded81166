"""Faults that only a machine in trouble shows: its clock, its disks, its ledger, another daemon."""

from __future__ import annotations

from fault import Fault

CLOCK = "system/test_clock_jumps.py::"
IS_SET = (f"{CLOCK}test_a_clock_that_is_set_keeps_nothing_waiting",)
TIMERS = ("unit/test_timers.py",)

OF_THE_MACHINE = (
    Fault(
        "a clock that was set back stops all polls until it is there again",
        "engine/timers.py",
        "if job.trigger.is_too_far(job.next_run_time, now):",
        "if False:",
        IS_SET,
    ),
    Fault(
        "a clock that went ahead by years has each missed call counted",
        "engine/timers.py",
        "return due if due > now else now + wait",
        "return due",
        TIMERS,
    ),
    Fault(
        "an edit whose time is ahead is read again and again, and never sent",
        "engine/settling.py",
        "            return found.for_s\n        return None  # whether",
        "            return found.for_s\n        self._sightings.pop(path, None)\n"
        "        return None  # whether",
        ("unit/test_consider.py", *IS_SET),
    ),
)
