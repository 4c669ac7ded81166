"""
A throw-away machine with a real systemd, on which docferry is installed as a service.

    with Machine() as machine:
        machine.install()
        machine.configure(text, credentials)
        machine("systemctl", "start", "docferry")

What is done there is gone at the end; the network is the host's.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from processes import wait_for

ROOT = Path(__file__).parents[2]
WITH_SYSTEMD = Path(__file__).with_name("with-systemd")
WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05
_TAIL = 6000  # so much of the journal a failure shows
_HOME = "/usr/lib/docferry"

#: Runs what comes in, a line each, and answers with a line.
_AGENT = """\
import json, subprocess, sys
for line in sys.stdin:
    asked = json.loads(line)
    ended = subprocess.run(
        asked["command"], input=asked["input"], capture_output=True, text=True, errors="replace"
    )
    print(json.dumps([ended.returncode, ended.stdout, ended.stderr]), flush=True)
"""
_LAUNCHER = f"""\
#!/bin/sh
PYTHONPATH={_HOME}/app exec {_HOME}/bin/python3 -m docferry "$@"
"""


class Machine:
    """Give it a command with its words, as root; a context manager."""

    def __enter__(self) -> Machine:
        self._agent = subprocess.Popen(
            [WITH_SYSTEMD, "/usr/bin/python3", "-c", _AGENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self("mount", "--make-rshared", "/")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._agent.communicate(timeout=WITHIN_S)  # its input ends, and so does all of it

    def __call__(self, *command: str | Path, stdin: str = "", code: int | None = 0) -> str:
        """Run *command*, give what it prints; *code* None: any will do."""
        ended = self.ended(*command, stdin=stdin)
        if code is not None and ended.returncode != code:
            raise AssertionError(f"{ended}\n{self.journal()[-_TAIL:]}")
        return ended.stdout

    def ended(self, *command: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        assert self._agent.stdin is not None
        assert self._agent.stdout is not None
        words = [str(word) for word in command]
        print(json.dumps({"command": words, "input": stdin}), file=self._agent.stdin, flush=True)
        code, stdout, stderr = json.loads(self._agent.stdout.readline())
        return subprocess.CompletedProcess(words, code, stdout, stderr)

    # What is on it.

    def install(self) -> None:
        """Put docferry where its package does, with its unit, its user and its folders."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        there = self("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        assert there.strip() == version, f"the packages are of Python {version}, not of {there}"
        self("/usr/bin/python3", "-m", "venv", "--without-pip", _HOME)
        packages = f"{_HOME}/lib/python{version}/site-packages"
        self("mount", "--bind", sysconfig.get_path("purelib"), packages)
        self("mkdir", "-p", f"{_HOME}/app/docferry")
        self("mount", "--bind", ROOT / "daemon" / "docferry", f"{_HOME}/app/docferry")
        self.write("/usr/bin/docferry", _LAUNCHER, mode="755")
        folder = ROOT / "systemd"
        self.write(
            "/usr/lib/systemd/system/docferry.service", (folder / "docferry.service").read_text()
        )
        self.write("/usr/lib/sysusers.d/docferry.conf", (folder / "sysusers.conf").read_text())
        self.write("/usr/lib/tmpfiles.d/docferry.conf", (folder / "tmpfiles.conf").read_text())
        self("systemd-sysusers")
        self("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/docferry.conf")
        self("systemctl", "daemon-reload")

    def configure(self, text: str, credentials: Mapping[str, str]) -> None:
        self.write("/etc/docferry/docferry.toml", text)
        for name, secret in credentials.items():
            self.write(f"/etc/docferry/credentials/{name}", secret, mode="600")

    def drop_in(self, text: str) -> None:
        """Change the unit by a drop-in, the only one of its name."""
        self.write("/etc/systemd/system/docferry.service.d/test.conf", text)
        self("systemctl", "daemon-reload")

    def write(self, path: str, text: str, *, mode: str = "644") -> None:
        self("mkdir", "-p", str(Path(path).parent))
        self("sh", "-c", 'umask 077; cat > "$1"; chmod "$2" "$1"', "sh", path, mode, stdin=text)

    def put(self, path: str, content: bytes, *, mode: str = "664") -> None:
        """Have root put a document into a shared folder."""
        encoded = base64.b64encode(content).decode()
        script = 'base64 -d > "$1.part" && chmod "$2" "$1.part" && mv "$1.part" "$1"'
        self("sh", "-c", script, "sh", path, mode, stdin=encoded)

    def folder(self, path: str) -> None:
        """Make a folder that docferry shares with people."""
        self("install", "-d", "-o", "docferry", "-g", "docferry", "-m", "2770", path)

    # How it is.

    def show(self, *properties: str, unit: str = "docferry") -> dict[str, str]:
        answer = self("systemctl", "show", unit, "-p", ",".join(properties))
        return dict(line.split("=", 1) for line in answer.splitlines())

    def journal(self, unit: str = "docferry") -> str:
        return self("journalctl", "--no-pager", "-o", "cat", "-u", unit, code=None)

    def wait_for(self, what: Callable[[], bool], timeout_s: float = WITHIN_S) -> None:
        try:
            wait_for(what, timeout_s, every_s=_LOOK_EVERY_S)
        except AssertionError as error:
            facts = self.show("ActiveState", "SubState", "Result", "StatusText", "NRestarts")
            raise AssertionError(f"{error}: {facts}\n{self.journal()[-_TAIL:]}") from None
