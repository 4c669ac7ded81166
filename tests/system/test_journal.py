"""What docferry logs in a real journal: found by its fields, and by how serious it is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import structlog

import docferry
from system.test_with_systemd import with_systemd

pytestmark = [
    pytest.mark.root,
    pytest.mark.tools("dbus-daemon", "findmnt", "nsenter", "setpriv", "systemd-run", "unshare"),
]

SCRIPT = """
import sys
from docferry.logs import at_once, configure, get_logger
configure("debug", stream=sys.stdout)
log = get_logger("here")
with at_once():
    log.info("operation.done", mirror="docs", operation="01A", path="a b/ü.pdf", took_s=0.1)
    log.info("operation.done", mirror="other", operation="01B", path="c")
log.warning("operation.failed", mirror="docs", operation="01A", error="x" * 60_000)
log.error("hold.opened", mirror="docs", hold=7)
"""


def test_the_journal_has_each_line_whole_with_its_fields_and_its_priority(tmp_path: Path) -> None:
    (tmp_path / "log.py").write_text(SCRIPT)
    python = Path(os.__file__).parents[2] / "bin" / "python3"
    found = [docferry.__file__, structlog.__file__]
    path = ":".join(str(Path(one).parents[1]) for one in found)
    run = (
        f"systemd-run --quiet --wait --unit=docferry --setenv=PYTHONPATH={path} "
        f"{python} {tmp_path}/log.py && journalctl --sync && journalctl -u docferry "
    )

    every = _read(run + "-a -o json")
    serious = _read(run + "-a -o json -p err")

    ours = [json.loads(one["MESSAGE"]) for one in every if one["MESSAGE"].startswith("{")]
    assert [(one["event"], one["mirror"]) for one in ours] == [
        ("operation.done", "docs"),
        ("operation.done", "other"),
        ("operation.failed", "docs"),
        ("hold.opened", "docs"),
    ]
    assert ours[0]["path"] == "a b/ü.pdf"
    priorities = [one["PRIORITY"] for one in every if one["MESSAGE"].startswith("{")]
    assert priorities == ["6", "6", "4", "3"]
    assert [json.loads(one["MESSAGE"])["event"] for one in serious] == ["hold.opened"]


def _read(script: str) -> list[dict[str, str]]:
    ended: subprocess.CompletedProcess[str] = with_systemd("sh", "-c", script)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
