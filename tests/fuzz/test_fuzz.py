"""The fuzzer's targets: what was found once, any few bytes, and some seconds of looking further."""

from __future__ import annotations

import os
import pathlib
import platform
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import CORPUS, TARGETS, seeds

_SECONDS = int(os.environ.get("DOCFERRY_FUZZ_SECONDS", "5"))
_WHOLE = st.characters(exclude_categories=["Cs"])
#: Where there is an atheris to install: packaging/requirements-test.lock.
_HAS_ATHERIS = platform.machine() == "x86_64" and sys.version_info < (3, 14)


def test_each_folder_of_seeds_is_of_a_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_breaks_nothing(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=20)
@given(data=st.binary(max_size=64) | st.text(_WHOLE, max_size=32).map(str.encode))
def test_no_few_bytes_break_anything(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.skipif(not _HAS_ATHERIS, reason="no atheris for this machine")
def test_nothing_is_found_in_a_few_seconds(tmp_path: pathlib.Path) -> None:
    # Through a shell that forks: to Linux the most memory that a process had is also what it had
    # before exec, as a copy of this one, and libFuzzer would take that for its own.
    through = ["sh", "-c", '"$@"; exit $?', "sh"]
    words = [*through, sys.executable, "-m", "fuzz", "--together", "--seconds", str(_SECONDS)]
    tests = pathlib.Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests), *filter(None, sys.path)])

    found = subprocess.run(
        words,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        check=False,
    )

    assert found.returncode == 0, found.stderr[-4000:].decode(errors="replace")
    assert b"stat::number_of_executed_units" in found.stderr
