"""`make demo`: every step of it happens, it can be repeated, and it leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processes import wait_for

DEMO = Path(__file__).parents[1] / "demo.py"
STEPS = (
    "1. Start docferry",
    "2. Drop documents into the inbox",
    "3. Each becomes Markdown, on both sides",
    "4. Some become PDF, beside the originals",
    "5. Upload to the bucket",
    "6. Edit one document on both sides at once",
    "7. Ask docferry how things are",
    "Where to look",
)


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(DEMO), "--folder", str(folder), *arguments]


@pytest.mark.timeout(600)
def test_the_demo_shows_its_steps_runs_until_ctrl_c_and_can_be_repeated(tmp_path: Path) -> None:
    folder, output = tmp_path / "demo", tmp_path / "output"
    with output.open("wb") as file:
        demo = subprocess.Popen(
            command(folder), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(
            lambda: "Ctrl-C ends it" in output.read_text() or demo.poll() is not None, timeout_s=300
        )
        os.killpg(demo.pid, signal.SIGINT)  # the terminal's Ctrl-C: its children hear it too
        assert demo.wait(30) == 0, output.read_text()
    finally:
        demo.kill()

    assert [step for step in STEPS if step not in output.read_text()] == []
    assert programs_below(folder) == []
    again = subprocess.run(command(folder, "--once"), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout
    assert "it is emptied first" in again.stdout
    assert programs_below(folder) == []


def test_the_demo_touches_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_bytes(b"mine")

    ended = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "was not made by a demo" in ended.stdout
    assert (tmp_path / "letter.txt").read_bytes() == b"mine"


def programs_below(folder: Path) -> list[str]:
    """Give the command lines of living processes that name *folder*."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if str(folder) in line:
            found.append(line)
    return found
