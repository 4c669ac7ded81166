"""The throw-away systemd of the system tests: it boots, runs a command, leaves nothing behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.tools("dbus-daemon", "findmnt", "nsenter", "setpriv", "systemd-run", "unshare"),
]

WITH_SYSTEMD = Path(__file__).with_name("with-systemd")


def with_systemd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WITH_SYSTEMD, *arguments], capture_output=True, text=True, timeout=150, check=False
    )


def test_a_command_finds_systemd_running_and_its_own_exit_status_comes_back() -> None:
    script = "cat /proc/1/comm; systemctl is-system-running; exit 7"

    ended = with_systemd("sh", "-c", script)

    assert (ended.stdout, ended.stderr) == ("systemd\nrunning\n", "")
    assert ended.returncode == 7


def test_only_what_is_written_to_a_shared_folder_outlives_it(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    script = 'touch "$1/shared/kept" "$1/gone" && ls "$1"'

    ended = with_systemd("--share", shared, "sh", "-c", script, "sh", tmp_path)

    assert ended.stdout.split() == ["gone", "shared"]
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["shared", "kept"]
