"""Faults that only a machine in trouble shows: its clock, its disks, its ledger, another daemon."""

from __future__ import annotations

from fault import Fault

CLOCK = "system/test_clock_jumps.py::"
IS_SET = (f"{CLOCK}test_a_clock_that_is_set_keeps_nothing_waiting",)
LEDGER = "system/test_ledger_trouble.py::"
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
    Fault(
        "a ledger that is taken away in use is not missed",
        "app/ledger_check.py",
        "if self._missed == _ENOUGH:",
        "if False:",
        (f"{LEDGER}test_a_ledger_that_is_taken_away_in_use_is_put_back",),
    ),
    Fault(
        "a ledger is put back over the one that somebody has put there",
        "ledger/taken_away.py",
        "if path.exists():",
        "if False:",
        ("unit/test_ledger_taken_away.py",),
    ),
    Fault(
        "an emptied ledger passes for a new one",
        "ledger/damage.py",
        "if was_there and is_empty(path):",
        "if False:",
        ("unit/test_ledger_damage.py",),
    ),
    Fault(
        "whoever deletes the lock lets a second daemon in",
        "ledger/lock.py",
        "self._folder_fd = self._claimed_folder()",
        "self._folder_fd = None",
        ("unit/test_ledger_lock.py",),
    ),
    Fault(
        "with its lock deleted a daemon is said not to run",
        "ledger/lock.py",
        "    return 0 if _is_folder_held(state_dir) else None\n\n",
        "    return None\n\n",
        ("unit/test_ledger_lock.py",),
    ),
    Fault(
        "who waits for a locked ledger keeps it from being told",
        "engine/health.py",
        "self._write_lock = threading.Lock()",
        "self._write_lock = self._lock",
        ("unit/test_health.py",),
    ),
)
