"""What commands that only look load before they answer: whoever asks waits for it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from commands import Desk

#: Each takes longer to import than the ledger to answer.
HEAVY = {"apscheduler", "boto3", "botocore", "obstore", "prometheus_client", "watchdog"}
ASK = """
import json, sys
from docferry.cli import main
sys.argv[0] = "docferry"
try:
    main()
except SystemExit:
    pass
print(json.dumps([*sys.modules]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["status"],
        ["versions", "a"],
        ["requests", "list"],
        ["holds", "list"],
        ["jobs"],
        ["dead", "list"],
        ["why", "a"],
    ],
)
def test_what_only_looks_at_the_ledger_loads_no_client_of_a_store(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.ledger().close()
    command = [sys.executable, "-c", ASK, "--config", str(desk.config), *arguments]

    asked = subprocess.run(command, capture_output=True, text=True, check=True)

    loaded = json.loads(asked.stderr.splitlines()[-1])
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()


def test_a_daemon_without_a_conversion_service_loads_no_client_for_one() -> None:
    program = "import docferry.app.daemon, json, sys; print(json.dumps([*sys.modules]))"

    started = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    loaded = set(json.loads(started.stdout))
    assert {"requests", "docferry.convert.service"} & loaded == set()
