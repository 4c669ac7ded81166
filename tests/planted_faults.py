"""
Plant the faults of `faults.py`, one at a time, and see whether a test notes each.

    make faults                     all of them
    make faults ARGS="rename hold"  those whose name contains one of the words

Works on copies of the tree. Exit code 1: a fault survived, or its old text is not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from faults import FAULTS, Fault

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 100  # for one test: a fault may make it wait for ever
_ALL_PASSED, _SOME_FAILED = 0, 1  # pytest's exit codes; others: it could not run them


class CannotRunError(Exception):
    """pytest gave no answer: a test is not there, or the fault is no valid Python."""


@dataclass(frozen=True, slots=True)
class Verdict:
    is_caught: bool
    why: str  #: the test that noted it, or what went wrong


def main(words: Sequence[str]) -> int:
    faults = [fault for fault in FAULTS if not words or any(word in fault.name for word in words)]
    if not faults:
        sys.stderr.write(f"no fault's name contains any of: {' '.join(words)}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="docferry-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # some tests go on as another user
        tests = sorted({test for fault in faults for test in fault.tests})
        failing = _first_failure(_copy(folder / "healthy"), tests)
        if failing is not None:
            sys.stderr.write(f"without any fault a test fails: {failing}\n")
            return 1
        folders = [folder / str(number) for number in range(len(faults))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            verdicts = list(pool.map(_plant, faults, folders))
    _show(faults, verdicts)
    return 0 if all(verdict.is_caught for verdict in verdicts) else 1


def _plant(fault: Fault, folder: Path) -> Verdict:
    module = _copy(folder) / "daemon" / "docferry" / fault.module
    text = module.read_text()
    if (count := text.count(fault.old)) != 1:
        return Verdict(is_caught=False, why=f"its old text is {count} times in {fault.module}")
    module.write_text(text.replace(fault.old, fault.new))
    try:
        failing = _first_failure(folder, fault.tests)
    except CannotRunError as error:
        return Verdict(is_caught=False, why=str(error))
    shutil.rmtree(folder)
    return Verdict(failing is not None, failing or "no test noted it")


def _copy(folder: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in ("daemon", "tests", "packaging", "config", "systemd"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    (folder / "build").mkdir()
    for libraries in (ROOT / "build").glob("libraries-*"):  # of packages: take long to make
        (folder / "build" / libraries.name).symlink_to(libraries)
    return folder


def _first_failure(folder: Path, tests: Sequence[str]) -> str | None:
    """Run *tests* of the copy in *folder*; name the first that fails. None: all pass."""
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--timeout={TIMEOUT_S}"]
        + [f"tests/{test}" for test in tests],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "daemon"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == _ALL_PASSED:
        return None
    found = re.search(r"^FAILED tests/(.+?)(?: - |$)", result.stdout, re.MULTILINE)
    if result.returncode != _SOME_FAILED or found is None:
        raise CannotRunError(f"pytest could not run: {result.stdout[-500:]}{result.stderr[-500:]}")
    return found[1]


def _show(faults: Sequence[Fault], verdicts: Sequence[Verdict]) -> None:
    width = max((len(fault.name) for fault in faults), default=0)
    for fault, verdict in zip(faults, verdicts, strict=True):
        word = "caught" if verdict.is_caught else "SURVIVED"
        sys.stdout.write(f"{word:8}  {fault.name:{width}}  {verdict.why}\n")
    caught = sum(verdict.is_caught for verdict in verdicts)
    sys.stdout.write(f"\n{caught} of {len(faults)} planted faults were caught\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
