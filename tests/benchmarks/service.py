"""What the service costs: how soon it is ready, what a scrape of it takes, what it holds."""

from __future__ import annotations

import socket
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil

import servers
from benchmarks.bed import Bed, Options, bed, make_files, say
from benchmarks.measure import tail
from benchmarks.table import Bound, Figure

_MIRRORS = 20
_SCRAPES = 100
_READY_WITHIN_S = 60.0
_SETTLED_S = 10.0


def start(options: Options) -> list[Figure]:
    """Time a start over many files that are known already, until systemd would hear READY."""
    count, took_s = options.size(100_000, 5_000), []
    with bed() as here:
        local = make_files(here.folder / "local", count, 64)
        say("  once, to bring it in step:")
        here.docferry("docs", local, "docs").run()
        command = here.docferry_run("docs", local, "docs")
        for _ in range(options.runs):
            took_s.append(_until_ready(here, command))
            say(f"  docferry: {took_s[-1]:.2f} s")
    what = f"start to READY, {count:,} known files"
    return [Figure(what, "s", statistics.median(took_s), {}, (Bound(2.0),))]


def scrape(options: Options) -> list[Figure]:
    """Scrape a daemon with twenty mirrors that has nothing else to do, and weigh it."""
    count = options.size(5_000, 100)
    with bed() as here:
        local, more = _mirrors(here, count)
        (port,) = servers.free_ports(1)
        with here.daemon(here.docferry_run("docs", local, "docs", more, port=port)) as daemon:
            daemon.wait_for('"run": "full"', times=_MIRRORS)
            time.sleep(_SETTLED_S)
            took_ms = sorted(_scrape_ms(port) for _ in range(options.size(_SCRAPES, 10)))
            memory_mib = psutil.Process(daemon.process.pid).memory_info().rss / (1 << 20)
    what, bounds = f"a scrape of {_MIRRORS} mirrors", (Bound(50.0),)
    return [
        Figure(f"{what}, {count:,} files: p50", "ms", statistics.median(took_ms), {}, bounds),
        Figure(f"{what}: the longest of {len(took_ms)}", "ms", took_ms[-1], {}, bounds),
        Figure(f"{_MIRRORS} mirrors after their first uploads: memory", "MiB", memory_mib),
    ]


def version(options: Options) -> list[Figure]:
    """Time the shortest command there is: what the interpreter and the imports take."""
    with bed() as here:
        took_s = []
        for _ in range(2 * options.runs):
            began_s = time.monotonic()
            subprocess.run(
                (*here.docferry_command("none")[:3], "--version"), env=here.environ, check=True
            )
            took_s.append(time.monotonic() - began_s)
    return [Figure("docferry --version", "s", statistics.median(took_s), {}, (Bound(0.3),))]


def _until_ready(here: Bed, command: tuple[str, ...]) -> float:
    address, log = str(here.folder / "notify"), here.folder / "start.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard, log.open("wb") as output:
        heard.bind(address)
        heard.settimeout(_READY_WITHIN_S)
        began_s = time.monotonic()
        process = subprocess.Popen(
            command,
            env=here.environ | {"NOTIFY_SOCKET": address},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while b"READY=1" not in heard.recv(8192).split(b"\n"):
                pass
            took_s = time.monotonic() - began_s
        except TimeoutError:
            raise RuntimeError(f"the daemon was never ready:\n{tail(log)}") from None
        finally:
            process.terminate()
            process.wait()
    Path(address).unlink()
    return took_s


def _mirrors(here: Bed, count: int) -> tuple[Path, str]:
    """Give the folder of the first mirror, and the configuration of the others."""
    first = make_files(here.folder / "local-0", count, 64)
    more = ""
    for number in range(1, _MIRRORS):
        local = make_files(here.folder / f"local-{number}", count, 64)
        more += f'[mirror.m{number:02}]\nstore = "main"\nbucket = "{servers.BUCKET}"\n'
        more += f'prefix = "m{number:02}"\nlocal = "{local}"\n'
    return first, more


def _scrape_ms(port: int) -> float:
    began_s = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        answer.read()
    return 1000 * (time.monotonic() - began_s)
