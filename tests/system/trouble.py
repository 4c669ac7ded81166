"""What tests of trouble share: how it is asked for, and how long it may take to go away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from system.daemon import Daemon, Site

#: Every pause is shorter while the trouble is young.
HEALS_WITHIN_S = 60.0
#: Exit codes of `docferry check`, by what is wrong.
CHECK_STORE, CHECK_FOLDER, CHECK_CLOCK = 3, 4, 5


def reason(site: Site) -> str:
    """Give what `docferry status` says of the mirror as a whole."""
    return site.status()["docs"].reason or ""


def problem(site: Site, path: str) -> str:
    """Give what `docferry status` says of one path."""
    return site.status()["docs"].problems.get(path, "")


def problems(site: Site) -> dict[str, str]:
    """Give what is wrong with single paths, without asking for the whole status again and again."""
    with site.ledger() as ledger:
        return dict(ledger.execute("select path, message from problem"))


def is_named(daemon: Daemon, site: Site, health: str, *says: str) -> None:
    """Wait until the mirror is in *health* for a reason that says all this, in each place."""

    def is_so() -> bool:
        facts = daemon.readiness().get("docs", {})
        found = facts.get("reason") or ""
        return facts.get("health") == health and all(part in found for part in says)

    daemon.wait_for(is_so)
    logged = daemon.log.read_text()
    assert all(part in logged for part in says)

    def is_told() -> bool:
        found = site.status()["docs"]
        return found.health == health and all(part in (found.reason or "") for part in says)

    daemon.wait_for(is_told)  # what the port says at once, the ledger says a moment later


def heals(daemon: Daemon, site: Site) -> None:
    """Wait until both sides hold the same, and docferry says so and has nothing to complain of."""
    daemon.wait_until("in-step", timeout_s=HEALS_WITHIN_S)  # before, nobody may be there to ask
    site.settle(daemon, HEALS_WITHIN_S)
    daemon.wait_for(lambda: problems(site) == {})


@contextmanager
def site_on(server: servers.S3Server, folder: Path) -> Iterator[Site]:
    """Give a site on a store of its own."""
    folder.mkdir()
    site = Site(folder, server)
    try:
        yield site
    finally:
        site.close()


@contextmanager
def started_again(server: servers.S3Server) -> Iterator[None]:
    """Start a server that was killed, on the same port and files."""
    command = server.process.args
    assert isinstance(command, list)
    folder = next(str(word).partition("=")[2] for word in command if "-dir=" in str(word))
    with Path(folder, "again.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def a_small_disk(folder: Path, size: str) -> Iterator[None]:
    """Have a file system of its own at *folder*."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
