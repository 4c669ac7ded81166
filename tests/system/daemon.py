"""
docferry as people have it: a configuration, folders and prefixes, the installed command.

Nothing here knows docferry from within, but for the map between keys and local names:
what it says is asked of its commands and its port, what it did is read from both sides.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

import servers
from docferry.core.paths import key_of
from processes import wait_for
from system import in_process

RESERVED = ".docferry"
STOP_WITHIN_S = 10.0
_COMMAND_WITHIN_S = 60.0
_CREDENTIALS = (servers.ACCESS_KEY_ID, servers.SECRET_ACCESS_KEY)
_LOOK_EVERY_S = 0.05  # a look costs the test as much as the daemon's work


class Mirror:
    """One mirror, as people use it who know nothing of docferry: hands on both its sides."""

    def __init__(self, name: str, folder: Path, server: servers.S3Server) -> None:
        self.name = name
        self.folder = folder
        self.prefix = f"{name}-{uuid4().hex[:8]}/"
        self.options = ""  #: lines for its table in the configuration
        self.client = server.client()

    # The folder.

    def write(self, path: str, content: bytes) -> Path:
        """Save a file the way a shell does: opened, written, closed."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def files(self) -> dict[str, bytes]:
        """Give what the folder holds, by key."""
        found = {}
        for above, folders, names in os.walk(self.folder):
            if above == str(self.folder) and RESERVED in folders:
                folders.remove(RESERVED)
            for file in (Path(above, name) for name in names):
                with suppress(FileNotFoundError):  # moved away while we look
                    found[key_of(str(file.relative_to(self.folder)))] = file.read_bytes()
        return found

    def archived_files(self) -> list[bytes]:
        """Give what the folder's archive keeps."""
        archive = self.folder / RESERVED / "versions"
        return [path.read_bytes() for path in archive.rglob("*") if path.is_file()]

    # The bucket.

    def put(self, key: str, content: bytes) -> str:
        """Upload, as a stranger does; give the ETag."""
        answer = self.client.put_object(Bucket=servers.BUCKET, Key=self.prefix + key, Body=content)
        return answer["ETag"]

    def get(self, key: str) -> bytes | None:
        with suppress(self.client.exceptions.NoSuchKey):
            found = self.client.get_object(Bucket=servers.BUCKET, Key=self.prefix + key)
            return found["Body"].read()
        return None

    def head(self, key: str) -> Mapping[str, Any]:
        """Give an object's headers."""
        return self.client.head_object(Bucket=servers.BUCKET, Key=self.prefix + key)

    def remove(self, *keys: str) -> None:
        """Delete objects; one that starts with the archive's name is deleted like any other."""
        for key in keys:
            self.client.delete_object(Bucket=servers.BUCKET, Key=self.prefix + key)

    def all_keys(self) -> list[str]:
        """List the prefix, docferry's own objects too."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=servers.BUCKET, Prefix=self.prefix
        )
        found = (item["Key"] for page in pages for item in page.get("Contents", ()))
        return [key.removeprefix(self.prefix) for key in found]

    def objects(self) -> dict[str, bytes]:
        """Give what the prefix holds, by key."""
        keys = [key for key in self.all_keys() if not key.startswith(RESERVED + "/")]
        found = ((key, self.get(key)) for key in keys)
        return {key: content for key, content in found if content is not None}

    def is_equal(self) -> bool:
        """Say whether both sides hold the same."""
        with suppress(ClientError):  # rclone answers 500 for what just changes
            return self.files() == self.objects()
        return False

    def archived_objects(self) -> list[bytes]:
        """Give what the prefix's archive keeps."""
        keys = [key for key in self.all_keys() if key.startswith(f"{RESERVED}/versions/")]
        return [content for key in keys if (content := self.get(key)) is not None]


@dataclass(frozen=True, slots=True)
class Hold:
    """What `docferry holds list --json` says of one."""

    id: int
    mirror: str
    kind: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """What `docferry status --json` says of a mirror."""

    health: str
    reason: str | None
    files: int
    problems: dict[str, str]  #: message, by path
    holds: list[Hold]
    conflicts: list[tuple[str, str]]  #: path and copy


@dataclass(frozen=True, slots=True)
class Plan:
    """What `docferry plan --json` says of a mirror."""

    operations: list[tuple[str, str]]  #: kind and path
    refused: str | None
    held_back: list[tuple[str, str]]
    hold_reason: str | None
    waiting: dict[str, str]  #: why, by path
    left_alone: dict[str, str]  #: why, by path


@dataclass(slots=True)
class Daemon:
    """A running `docferry run`."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int

    def health(self) -> dict[str, str]:
        """Ask how each mirror is; nothing until it listens."""
        return {name: mirror["health"] for name, mirror in self.readiness().items()}

    def readiness(self) -> dict[str, dict[str, Any]]:
        """Give what /readyz says of each mirror; nothing until it listens."""
        try:
            text = self.fetch("/readyz")
        except urllib.error.HTTPError as error:  # not all are ready yet
            with error:
                text = error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return {}
        mirrors: dict[str, dict[str, Any]] = json.loads(text)["mirrors"]
        return mirrors

    def fetch(self, page: str) -> str:
        """
        Raises:
            URLError: It does not listen, or answers with an error.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=10) as answer:
            found: bytes = answer.read()
        return found.decode()

    def wait_for(self, what: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Look until it is so; a failure shows the end of the log."""

        def is_so() -> bool:
            if what():
                return True
            assert self.process.poll() is None, f"docferry ended: {self.process.returncode}"
            return False

        try:
            wait_for(is_so, timeout_s, every_s=_LOOK_EVERY_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log ends:\n{self.tail()}") from None

    def wait_until(self, health: str, *mirrors: str, timeout_s: float = 30.0) -> None:
        """Wait until each of *mirrors* ("docs" if none is named) is in that health."""
        wanted = dict.fromkeys(mirrors or ("docs",), health)
        self.wait_for(lambda: wanted.items() <= self.health().items(), timeout_s)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it see nothing of what happens meanwhile until all of it has happened."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and give its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_WITHIN_S)

    def kill(self) -> None:
        """End it without a word (SIGKILL)."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Give what it logged: all, or the events of one name."""
        return events_of(self.log.read_text(), name)

    def lines(self) -> int:
        """Count the lines of its log: it goes on."""
        return self.log.read_bytes().count(b"\n")

    def tail(self, lines: int = 30) -> str:
        found = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(line[:600] for line in found)


class Site:
    """
    A configuration with its folders, and the command that works on it.

    Args:
        folder: An empty one, for all of it.
        options: Lines for every [mirror.NAME].
        more: Further tables.
    """

    def __init__(
        self,
        folder: Path,
        server: servers.S3Server,
        *,
        names: Sequence[str] = ("docs",),
        options: str = "",
        more: str = "",
    ) -> None:
        self.folder = folder
        self.endpoint_url = server.endpoint_url
        self.store_options = ""  #: lines for [store.main]
        self.bucket = servers.BUCKET
        self.config = folder / "docferry.toml"
        self.state = folder / "state"
        self.mirrors = {name: Mirror(name, folder / name, server) for name in names}
        self.credentials = _CREDENTIALS
        (self.port,) = servers.free_ports(1)
        self.api_port = 0  #: none
        self.wrapper: tuple[str, ...] = ()  #: stands before the command: `setpriv ...`
        self._started: list[Daemon] = []
        self.configure(options=options, more=more)

    @property
    def docs(self) -> Mirror:
        return self.mirrors["docs"]

    def configure(self, *, options: str = "", more: str = "") -> None:
        """Write the configuration anew. What is set here can be set again in *options*."""
        text = f'state_dir = "{self.state}"\n[store.main]\nendpoint_url = "{self.endpoint_url}"\n'
        text += f"{self.store_options}\n[metrics]\nport = {self.port}\n"
        for mirror in self.mirrors.values():
            wanted = {
                "store": '"main"',
                "bucket": f'"{self.bucket}"',
                "prefix": f'"{mirror.prefix}"',
                "local": f'"{mirror.folder}"',
                "poll": '"200ms"',
                "settle": '"100ms"',
            }
            lines = f"{options}\n{mirror.options}".splitlines()
            given = (line.partition("=") for line in lines)
            wanted |= {key.strip(): value.strip() for key, _, value in given if key.strip()}
            text += f"[mirror.{mirror.name}]\n"
            text += "".join(f"{key} = {value}\n" for key, value in wanted.items())
        self.config.write_text(text + more)

    # The command.

    def command(self, *arguments: str) -> list[str]:
        beside = Path(sys.executable).with_name("docferry")
        program = [str(beside)] if beside.exists() else [sys.executable, "-m", "docferry"]
        return [*self.wrapper, *program, "--config", str(self.config), *arguments]

    def environ(self) -> dict[str, str]:
        key_id, secret = self.credentials
        credentials = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
        return os.environ | credentials | {"DOCFERRY_API__PORT": str(self.api_port)}

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """Run a command to its end and give what it prints. *code* None: any will do."""
        ended = self.asked(*arguments)
        if code is not None and ended.returncode != code:
            raise AssertionError(f"{arguments}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
        return ended.stdout

    def ended(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. A traceback is for developers: nobody must meet one."""
        ended = subprocess.run(
            self.command(*arguments),
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_WITHIN_S,
            check=False,
        )
        assert "Traceback" not in ended.stdout + ended.stderr, ended.stdout + ended.stderr
        return ended

    def run_once(self, *, code: int = 0) -> list[dict[str, Any]]:
        """
        Let docferry do what there is to do; give the events it logged.

        Without a process of its own, as `asked`.
        """
        ended = self.ended("run", "--once") if self._needs_a_process else self._ran_once()
        assert ended.returncode == code, (ended.stdout + ended.stderr)[-3000:]
        return events_of(ended.stdout + ended.stderr)

    @property
    def _needs_a_process(self) -> bool:
        """A wrapper is for one; and one goes on with the credentials that it began with."""
        return bool(self.wrapper) or self.credentials != _CREDENTIALS

    def _ran_once(self) -> subprocess.CompletedProcess[str]:
        is_in_step, log = in_process.run_once(self.config, self.environ())
        assert "Traceback" not in log, log
        return subprocess.CompletedProcess(["run", "--once"], int(not is_in_step), "", log)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json", code=None))

    def asked(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run a command that looks, asks or decides, without a process of its own.

        To start one costs more than all that most commands do. What is about the process itself,
        or is run twice at once, uses `ended`.
        """
        if self._needs_a_process or arguments[0] == "run":
            return self.ended(*arguments)
        return in_process.ask(self.command(*arguments), self.environ())

    def work_off(self) -> bool:
        """Do what `run_once` does; say whether all is in step."""
        return self._ran_once().returncode == 0

    def status(self) -> dict[str, MirrorStatus]:
        mirrors = json.loads(self.asked("status", "--json").stdout)["mirrors"]
        return {mirror["name"]: _mirror_status(mirror) for mirror in mirrors}

    def plan(self) -> dict[str, Plan]:
        """Ask for the plan of every mirror; the exit code must say the same."""
        answer = self.asked("plan", "--json")
        found = {name: _plan(facts) for name, facts in json.loads(answer.stdout).items()}
        is_trouble = any(one.refused or one.held_back for one in found.values())
        assert answer.returncode == int(is_trouble), answer
        return found

    def holds(self) -> list[Hold]:
        return [_hold(facts) for facts in json.loads(self.asked("holds", "list", "--json").stdout)]

    @contextmanager
    def ledger(self) -> Iterator[sqlite3.Connection]:
        """Read the ledger itself, for what no command tells as a whole."""
        name = f"file:{self.state / 'ledger.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(name, uri=True)) as connection:
            yield connection

    # The daemon.

    def start(self) -> Daemon:
        """Start the daemon and do not wait for it."""
        log = self.folder / f"docferry-{len(self._started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command("run"),
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._started.append(Daemon(process, log, self.port))
        return self._started[-1]

    @contextmanager
    def running(self, *, until: str | None = "in-step") -> Iterator[Daemon]:
        """Have the daemon run, from when every mirror is in the health *until*."""
        daemon = self.start()
        try:
            if until is not None:
                daemon.wait_until(until, *self.mirrors)
            yield daemon
        finally:
            if daemon.process.poll() is None:
                daemon.stop()

    def settle(self, daemon: Daemon, timeout_s: float = 30.0) -> None:
        """Wait until both sides of every mirror hold the same, and docferry says so."""
        for mirror in self.mirrors.values():
            daemon.wait_for(mirror.is_equal, timeout_s)
            daemon.wait_until("in-step", mirror.name, timeout_s=timeout_s)

    def close(self) -> None:
        """Leave no process behind; none of them may have met a bug."""
        for daemon in self._started:
            if daemon.process.poll() is None:
                daemon.kill()
        for daemon in self._started:
            assert "Traceback" not in daemon.log.read_text(errors="replace"), daemon.tail()


def events_of(log: str, name: str | None = None) -> list[dict[str, Any]]:
    """Read log lines; give all events, or those of one name."""
    lines = [line for line in log.splitlines() if line.startswith("{")]
    events = []
    for line in lines:
        with suppress(ValueError):  # the last line of a daemon that was killed
            events.append(json.loads(line))
    return [event for event in events if name in (None, event["event"])]


def empty(folder: Path) -> None:
    """Take everything out of *folder*, docferry's own too."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _mirror_status(facts: dict[str, Any]) -> MirrorStatus:
    row = facts["row"] or {"health": "never ran", "reason": None}
    return MirrorStatus(
        row["health"],
        row["reason"],
        facts["files"],
        {problem["path"]: problem["message"] for problem in facts["problems"]},
        [_hold(hold) for hold in facts["holds"]],
        [(conflict["path"], conflict["copy_path"]) for conflict in facts["conflicts"]],
    )


def _hold(facts: dict[str, Any]) -> Hold:
    return Hold(*(facts[name] for name in ("id", "mirror", "kind", "reason", "count")))


def _plan(facts: dict[str, Any]) -> Plan:
    return Plan(
        [(each["kind"], each["path"]) for each in facts["operations"]],
        facts["refused"],
        [(each["kind"], each["path"]) for each in facts["held_back"]],
        facts["hold_reason"],
        {each["path"]: each["why"] for each in facts["waiting"]},
        {each["path"]: each["why"] for each in facts["left_alone"]},
    )
