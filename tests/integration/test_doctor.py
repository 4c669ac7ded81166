"""A bundle for whoever helps: what is in it, and what never is."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import signal
import stat
import subprocess
import sys
import tarfile

import pytest

from commands import Desk
from docferry.app.doctor import told_of_lines, write_bundle
from docferry.app.doctor_process import STACKS_NAME, stacks_of
from docferry.core.failures import Failed
from docferry.core.pseudonyms import Pseudonyms
from docferry.errors import UserError
from docferry.job import Failure
from docferry.ledger.lock import StateLock
from ledger_rows import MINUTE, NOW, new_job, uploaded
from samples import ledgers

#: Each is planted where it could slip in; none may come out.
SECRETS = {
    "of the store": "PLANTED-store-secret",
    "of the store, as JSON would write it": 'PLANTED-"quoted"-\\-secret',
    "in the environment": "PLANTED-environment",
    "of notifications": "PLANTED-9d3e7b1c-notifications",
    "of a service": "PLANTED-service-secret",
    "in a command": "PLANTED-in-a-command",
    "given to a command": "PLANTED-to-a-command",
    "in an option": "PLANTED-in-an-option",
    "in a signed URL": "PLANTEDsignature",
    "before a host": "PLANTED-login",
}
CONTENT = "PLANTED: the merger is signed on Friday"
NAME = "PLANTED-name"

CONVERTERS = """
[converter.office]
kind = "multipart"
url = "https://convert.example.org/v1"
produces = ".md"
options = {{ token = "{in_option}" }}

[converter.own]
kind = "command"
command = ["/bin/cat", "--key={in_command}", "{{input}}", "{{output}}"]
produces = ".txt"
environment = {{ API_TOKEN = "{to_command}" }}

[[convert]]
name = "{rule}"
from = "docs"
patterns = ["/{name}/*.docx"]
to = "docs/{{dir}}{{stem}}.txt"
with = "own"
"""


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, key in {
        "main.access_key_id": "of the store",
        "main.secret_access_key": "of the store, as JSON would write it",
        "office.secret": "of a service",
        "notifications.secret": "of notifications",
    }.items():
        (credentials / name).write_text(SECRETS[key])
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("SOME_API_TOKEN", SECRETS["in the environment"])
    desk.configure(
        more="[metrics]\nport = 0\n"
        + CONVERTERS.format(
            in_option=SECRETS["in an option"],
            in_command=SECRETS["in a command"],
            to_command=SECRETS["given to a command"],
            rule="to-markdown",
            name=NAME,
        )
    )
    with desk.ledger() as ledger:
        url = f"http://us:{SECRETS['before a host']}@s3.example.org/b?X-Amz-Signature="
        hidden = {"before a host", "in a signed URL", "in a command"}
        others = [secret for where, secret in SECRETS.items() if where not in hidden]
        said = " ".join((url + SECRETS["in a signed URL"], *others))
        path = f"{NAME}/{NAME}.docx"
        ledger.record("docs", [uploaded(path)], [new_job("letter")], at=NOW)
        ledger.problems.put("docs", path, kind="upload", message=said, at=NOW, retry_at=None)
        ledger.mirrors.put("docs", reason=said)
        claimed = ledger.jobs.claim(NOW, NOW + MINUTE, rules=["to-markdown"])
        assert claimed is not None
        ledger.jobs.dead(claimed.id, NOW, Failed(Failure.CRASHED, f"near {CONTENT!r}", CONTENT))
    return desk


def members(file: pathlib.Path) -> dict[str, str]:
    with tarfile.open(file) as tar:
        opened = {name: tar.extractfile(name) for name in tar.getnames()}
        return {name.rpartition("/")[2]: one.read().decode() for name, one in opened.items() if one}


@pytest.mark.parametrize("options", [[], ["--with-names"]])
def test_no_secret_and_no_content_is_in_a_bundle(
    desk: Desk, tmp_path: pathlib.Path, options: list[str]
) -> None:
    file = tmp_path / "bundle.tar.gz"

    said = desk.asks("doctor", "--output", str(file), *options)

    found = members(file)
    assert said.code == 0
    for where, secret in SECRETS.items():
        spellings = {secret, json.dumps(secret)[1:-1], secret.replace('"', '\\"')}
        told = [name for name, text in found.items() for one in spellings if one in text]
        assert told == [], where
    assert not any(CONTENT in text for text in found.values())
    assert len(found) == 9


def test_names_of_files_are_other_ones_unless_they_are_asked_for(
    desk: Desk, tmp_path: pathlib.Path
) -> None:
    plain, named = tmp_path / "plain", tmp_path / "named"

    desk.asks("doctor", "--output", str(plain))
    desk.asks("doctor", "--output", str(named), "--with-names")

    assert not any(NAME in text for text in members(plain).values())
    assert f"{NAME}/{NAME}.docx" in members(named)["ledger.json"]
    [problem] = json.loads(members(plain)["ledger.json"])["problem"]
    assert problem["kind"] == "upload"
    folder, file = problem["path"].split("/")
    assert file == f"{folder}.docx"


def test_a_bundle_tells_what_helps(desk: Desk, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "bundle"

    with StateLock(desk.state):
        desk.asks("doctor", "--output", str(file))

    found = members(file)
    ledger = json.loads(found["ledger.json"])
    assert ledger["integrity"] == ["ok"]
    assert ledger["rows"]["version"] == 1
    [letter] = ledger["dead letter"]
    assert (letter["rule"], letter["failure"]) == ("to-markdown", "crashed")
    assert json.loads(found["about.json"])["is_running"]
    assert any("open files" in one for one in json.loads(found["process.json"])["limits"])
    assert json.loads(found["system.json"])["disks"][str(desk.state)]["free_bytes"] > 0
    assert {one["kind"] for one in json.loads(found["check.json"])} >= {"config", "store"}
    assert json.loads(found["config.json"])["mirrors"][0]["bucket"] == "documents"


def test_a_bundle_is_for_its_owner_alone_and_takes_the_place_of_nothing(
    desk: Desk, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / "bundle"

    first = desk.asks("doctor", "--output", str(file))
    content = file.read_bytes()
    second = desk.asks("doctor", "--output", str(file))

    assert (first.code, second.code) == (0, 2)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == content


def test_of_a_bundle_that_does_not_fit_nothing_is_left(desk: Desk, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "bundle"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as a disk that is full by then
    try:
        with pytest.raises(UserError, match="too large"):
            write_bundle({"about.json": "{}", "log.json": "[]"}, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)

    assert not file.exists()


def test_a_configuration_that_cannot_be_used_is_told_of_by_its_faults_keys(
    desk: Desk, tmp_path: pathlib.Path
) -> None:
    desk.config.write_text(desk.config.read_text() + f'\n[mirror.x]\nbukket = "{NAME}"\n')

    said = desk.asks("doctor", "--output", str(tmp_path / "bundle"))

    found = members(tmp_path / "bundle")
    assert said.code == 0
    assert "mirror.x.bukket" in json.loads(found["config.json"])["faults"]
    assert NAME not in found["config.json"]


def test_without_a_ledger_the_rest_is_told(desk: Desk, tmp_path: pathlib.Path) -> None:
    for file in desk.state.iterdir():
        file.unlink()

    desk.asks("doctor", "--output", str(tmp_path / "bundle"))

    found = members(tmp_path / "bundle")
    assert "could not be had" in found["ledger.json"]
    assert "docferry" in json.loads(found["about.json"])


def test_a_ledger_of_another_docferry_is_told_of_as_far_as_it_is_understood(
    desk: Desk, tmp_path: pathlib.Path
) -> None:
    (desk.state / "ledger.sqlite3").unlink()
    ledgers.load("0001", desk.state / "ledger.sqlite3")

    desk.asks("doctor", "--output", str(tmp_path / "bundle"))

    told = json.loads(members(tmp_path / "bundle")["ledger.json"])
    assert (told["schema"], told["integrity"], told["converter"]) == ("0001", ["ok"], [])
    assert told["problem"]


# The log.

HIDE = Pseudonyms(b"salt").of
EVENTS: list[dict[str, object]] = [
    {"timestamp": "T", "event": "operation.failed", "path": NAME, "error": NAME, "attempts": 3},
    {"timestamp": "T", "event": "job.dead", "rule": "r", "path": NAME, "reason": CONTENT},
    {
        "timestamp": "T",
        "event": "loop.failed",
        "exception": f'Traceback:\n  File "/x/loop.py", line 3, in run\n    go({NAME})\n'
        f"ValueError: {NAME}",
    },
]


def test_a_log_tells_what_happened_and_no_names() -> None:
    lines = [*map(json.dumps, EVENTS), f"something else about {NAME}", json.dumps([NAME])]

    told = told_of_lines(lines, HIDE)

    assert NAME not in json.dumps(told)
    assert [one["event"] for one in told] == [str(one["event"]) for one in EVENTS]
    assert told[0]["attempts"] == 3
    assert told[2]["exception"] == ['File "/x/loop.py", line 3, in run', "ValueError"]


def test_what_a_converter_said_is_told_to_nobody() -> None:
    told = told_of_lines([json.dumps(EVENTS[1])], None)

    assert told == [{"timestamp": "T", "event": "job.dead", "rule": "r", "path": NAME}]


# Stacks.


def test_a_process_that_does_not_wait_for_the_signal_is_not_ended_by_it(
    tmp_path: pathlib.Path,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = stacks_of(process.pid, tmp_path)
        is_alive = process.poll() is None

    assert (found, is_alive) == ("no daemon runs that tells them", True)


TELLS = """
import pathlib, sys, threading
from docferry.cli.run import _tell_stacks_on_signal
_tell_stacks_on_signal(pathlib.Path(sys.argv[1]))
def waits_here():
    threading.Event().wait()
threading.Thread(target=waits_here, daemon=True).start()
print("ready", flush=True)
input()
"""


def test_a_daemon_tells_where_each_of_its_threads_is_and_goes_on(tmp_path: pathlib.Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TELLS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = [stacks_of(process.pid, tmp_path) for _ in range(2)]
        is_alive = process.poll() is None

    assert is_alive
    assert all(one.count("waits_here") == 1 for one in found)
    assert stat.S_IMODE((tmp_path / STACKS_NAME).stat().st_mode) == 0o600


def test_a_link_in_the_place_of_the_stacks_leads_whoever_asks_to_no_other_file(
    tmp_path: pathlib.Path,
) -> None:
    precious = tmp_path / "shadow"
    precious.write_text("root's")
    state = tmp_path / "state"
    state.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", TELLS, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (state / STACKS_NAME).unlink()
        (state / STACKS_NAME).symlink_to(precious)
        with pytest.raises(OSError, match="symbolic links"):
            stacks_of(process.pid, state)
        (state / STACKS_NAME).unlink()
        (state / STACKS_NAME).hardlink_to(precious)
        told = stacks_of(process.pid, state)

    assert told == "stacks is not the daemon's own file"
    assert precious.read_text() == "root's"
