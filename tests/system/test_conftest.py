"""What cannot run here is skipped by its name on a desk, and is a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEST = """
import pytest

@pytest.mark.tools("no-such-program")
def test_one() -> None:
    raise AssertionError("it ran")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project like this one, with one test that needs a program nobody has."""
    for name in ("pyproject.toml", "tests/conftest.py", "tests/shares.py"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text((ROOT / name).read_text())
    (tmp_path / "tests" / "test_one.py").write_text(TEST)
    return tmp_path


def test_a_missing_program_skips_the_test_by_name(project: Path) -> None:
    ended = run_tests(project, ci="")

    assert "SKIPPED tests/test_one.py::test_one - Skipped: needs no-such-program" in ended.stdout
    assert ended.returncode == 0


def test_a_missing_program_fails_in_ci(project: Path) -> None:
    ended = run_tests(project, ci="true")

    assert "needs no-such-program: CI skips nothing" in ended.stdout
    assert ended.returncode == 1


def run_tests(project: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest"],
        cwd=project,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
