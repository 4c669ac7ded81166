"""
Run a command and print what it, and every process it waited for, has cost.

A process of its own, and a small one: Linux counts the memory of the process that
starts another into the peak of the other.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(result: str, command: list[str]) -> int:
    started_s = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    cost = {
        "wall_s": time.monotonic() - started_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }
    with open(result, "w") as file:  # noqa: PTH123  pathlib alone would take some MiB
        json.dump(cost, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
