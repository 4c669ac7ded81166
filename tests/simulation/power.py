"""
How many histories it takes until each planted fault is found.

    make power                     all of them; the table goes into README.md
    make power ARGS="hold rename"  those whose name contains one of the words; only told

Works on copies of the tree, each from several first seeds. Exit code 1: a fault was not found.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fault import Fault
from simulation.faults_keeping import OF_KEEPING
from simulation.faults_rare import RARE
from simulation.faults_sync import OF_SYNC

FAULTS: tuple[Fault, ...] = (*OF_SYNC, *OF_KEEPING)
ROOT = Path(__file__).parents[2]
#: From each of these seeds on histories are lived through until one breaks a promise.
FIRST_SEEDS = (0, 10_000, 20_000)
#: Histories from each of them, at the most.
MOST = 500
_TOLD, _MISSED = "found after", f"over {MOST}"
_AT_ONCE = int(os.environ.get("DOCFERRY_AT_ONCE", os.cpu_count() or 1))
_BEGIN, _END = "<!-- table -->\n", "<!-- /table -->\n"


@dataclass(frozen=True, slots=True)
class Power:
    """
    What it took to find a fault.

    seeds: how many histories from each first seed on; None: it was not found within MOST.
    broken: the promise that was broken in the first of them.
    """

    fault: Fault
    seeds: tuple[int | None, ...]
    broken: str

    @property
    def is_found(self) -> bool:
        return self.median <= MOST

    @property
    def median(self) -> float:
        return statistics.median(MOST + 1 if one is None else one for one in self.seeds)


def main(words: Sequence[str]) -> int:
    faults: Sequence[Fault] = FAULTS
    if words:
        faults = [one for one in (*FAULTS, *RARE) if any(word in one.name for word in words)]
    if not faults:
        names = ", ".join(one.name for one in (*FAULTS, *RARE))
        sys.stderr.write(f"no fault is called {' '.join(words)}; there are: {names}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="docferry-power-") as name:
        folders = [Path(name) / str(number) for number in range(len(faults))]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            powers = []
            for power in pool.map(_measured, faults, folders):
                powers.append(power)
                sys.stdout.write(_row(power))
                sys.stdout.flush()
    if not words:
        _write_table(powers)
    missed = [power.fault.name for power in powers if not power.is_found]
    sys.stdout.write(f"\n{len(powers) - len(missed)} of {len(powers)} faults were found\n")
    return 1 if missed else 0


def find(first: int) -> str:
    """Say after how many histories from *first* on a promise was broken, and which."""
    # The copy in which the fault is planted is what this process imports.
    from simulation.acts import script_of
    from simulation.history import room

    with room() as where:
        for count in range(1, MOST + 1):
            lived = where.live(script_of(first + count - 1))
            if lived.broken is not None:
                return f"{_TOLD} {count} {' '.join(lived.broken.split())}"
    return _MISSED


def _measured(fault: Fault, folder: Path) -> Power:
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("daemon", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    module = folder / "daemon" / "docferry" / fault.module
    text = module.read_text()
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.name}: its old text is not once in {fault.module}")
    module.write_text(text.replace(fault.old, fault.new))
    found = _found(folder)
    shutil.rmtree(folder)
    broken = next((text for one in found if one is not None for text in (one[1],)), "")
    return Power(fault, tuple(None if one is None else one[0] for one in found), broken)


def _found(folder: Path) -> list[tuple[int, str] | None]:
    result = subprocess.run(
        [sys.executable, "-m", "simulation.power", "--find"],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(folder / "daemon"), str(folder / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{folder}: {result.stderr[-2000:]}")
    return [_read(line) for line in result.stdout.splitlines()]


def _read(line: str) -> tuple[int, str] | None:
    if line == _MISSED:
        return None
    count, _, broken = line.removeprefix(_TOLD).strip().partition(" ")
    return int(count), broken


def _row(power: Power) -> str:
    seeds = ", ".join(_MISSED if one is None else str(one) for one in power.seeds)
    broken = power.broken.replace("|", "/").splitlines()[0][:90] if power.broken else ""
    median = f"{power.median:g}" if power.is_found else "not found"
    return f"| {power.fault.name} | {median} | {seeds} | {broken} |\n"


def _write_table(powers: Sequence[Power]) -> None:
    readme = Path(__file__).with_name("README.md")
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    head = (
        "| fault | median | from each first seed | what is told in the first |\n|---|---|---|---|\n"
    )
    rows = "".join(map(_row, powers))
    readme.write_text(f"{before}{_BEGIN}{head}{rows}{_END}{after}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--find"]:
        sys.stdout.writelines(f"{find(first)}\n" for first in FIRST_SEEDS)
    else:
        sys.exit(main(sys.argv[1:]))
