"""Measure whole processes: wall time, CPU time, peak of resident memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")
_TAIL_BYTES = 2000


class CommandError(Exception):
    """A measured command failed; the end of its output is in the message."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took."""

    wall_s: float
    cpu_s: float  #: user and system
    peak_mib: float  #: of the largest of its processes


def run(command: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Cost:
    """
    Run *command* to its end; its output goes to *log*, where a daemon's would.

    Raises:
        CommandError: It failed: its time means nothing.
    """
    result = log.with_suffix(".json")
    with log.open("wb") as output:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(result), *command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    if ended.returncode != 0:
        raise CommandError(f"{' '.join(command)}\n{tail(log)}")
    return Cost(**json.loads(result.read_text()))


def median(costs: Sequence[Cost]) -> Cost:
    """Give the median of each figure by itself."""
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
        statistics.median(cost.peak_mib for cost in costs),
    )


def tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
