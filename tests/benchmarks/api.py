"""What the API takes to answer, over a ledger of years, while a first sync runs beside it."""

from __future__ import annotations

import itertools
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from ulid import ULID

import servers
from benchmarks.bed import Bed, Options, bed, make_files, say
from benchmarks.table import Bound, Figure
from docferry.ledger.schema import instant_text

_A_SECOND = 50
_CALLERS = 16
_LISTENERS = 100
_P99_MS = 100.0
_VISIT_MS = 1000.0
_BETWEEN_VISITS_S = 1.0
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_PATHS = 50_000  # that the versions are of


@dataclass
class _Answers:
    """How long each kind of call took, in milliseconds."""

    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)
    events: int = 0

    @property
    def all(self) -> list[float]:
        return sorted(itertools.chain(*self.took_ms.values()))


def api(options: Options) -> list[Figure]:
    """Ask 50 times a second, of everything there is to ask, with a hundred who listen."""
    versions, files = options.size(1_000_000, 50_000), options.size(100_000, 2_000)
    lasting_s = options.size(60, 10)
    with bed() as here:
        local = make_files(here.folder / "local", 10, 64)
        say(f"  a ledger of {versions:,} versions:")
        here.docferry("docs", local, "docs").run()
        ids = _fill(here.folder / "docs-state" / "ledger.sqlite3", versions)
        (port,) = servers.free_ports(1)
        here.environ["DOCFERRY_API__PORT"] = str(port)
        with here.daemon(here.docferry_run("docs", local, "docs")) as daemon:
            daemon.wait_for('"event": "faces.started"')
            key = _key_of(here)
            url = f"http://127.0.0.1:{port}/api/v1"
            idle = _Answers()
            _ask(url, key, ids, options.size(20, 5), idle)
            make_files(here.folder / "local" / "new", files, 64)
            busy = _Answers()
            with _listening(url, key, busy), _visiting(url, key) as visits_ms:
                _ask(url, key, ids, lasting_s, busy)
    return [
        *_told("nothing else to do", idle),
        *_told("during a first sync", busy),
        _visited("during a first sync", visits_ms),
    ]


def _key_of(here: Bed) -> str:
    words = [*here.docferry_command("docs"), "keys", "create", "bench", "--role", "admin"]
    return subprocess.check_output(words, env=here.environ, text=True).strip()


def _told(when: str, answers: _Answers) -> Iterator[Figure]:
    for route, took in sorted(answers.took_ms.items()):
        say(
            f"  {when}: {route}: p50 {statistics.median(took):.1f} ms, p99 {_p99(took):.1f} ms, "
            f"longest {max(took):.1f} ms"
        )
    if answers.failed:
        say(f"  failed: {len(answers.failed)}, such as {answers.failed[0]}")
    took = answers.all
    what = f"API, {_A_SECOND}/s mixed, {when}"
    yield Figure(f"{what}: p50", "ms", statistics.median(took))
    yield Figure(f"{what}: p99", "ms", _p99(took), {}, (Bound(_P99_MS),))
    if answers.events:
        say(f"  {answers.events} events were told to {_LISTENERS} listeners")


def _p99(took: Sequence[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def _fill(ledger: Path, count: int) -> list[str]:
    """Write *count* versions that were displaced long ago; give the ids of some."""
    numbers = random.Random(1)
    with closing(sqlite3.connect(ledger)) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(version)")]
        marks = ", ".join("?" * len(columns))
        rows = (_row(columns, number, numbers) for number in range(count))
        database.executemany(f"INSERT INTO version ({', '.join(columns)}) VALUES ({marks})", rows)
        some = database.execute("SELECT id FROM version ORDER BY random() LIMIT 1000")
        return [one for (one,) in some]


def _row(columns: Sequence[str], number: int, numbers: random.Random) -> list[object]:
    at = _LONG_AGO + timedelta(seconds=number)
    path = number % _PATHS
    values: dict[str, object] = {
        "id": str(ULID.from_datetime(at)),
        "mirror": "bench",
        "path": f"{path % 500:03}/{path:06}.txt",
        "sha256": f"{numbers.getrandbits(256):064x}",
        "size": 1000,
        "origin": "local",
        "created_at": instant_text(at),
        "left_at": instant_text(at + timedelta(seconds=_PATHS)),
        "gone_at": instant_text(at + timedelta(days=30)),
        "archived_local": 0,
        "archived_remote": 0,
        "held": 0,
        "agreed": 1,
    }
    return [values.get(column) for column in columns]


def _ask(url: str, key: str, ids: Sequence[str], lasting_s: float, answers: _Answers) -> None:
    """Ask at an even pace, whether or not the answers keep up."""
    numbers, local = random.Random(2), threading.local()
    lock = threading.Lock()

    def ask(route: str, path: str, due_s: float) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.headers["Authorization"] = f"Bearer {key}"
        answer = local.session.get(f"{url}{path}", timeout=30)
        with lock:
            # From when it was due: a caller that has to wait for another one waits as well.
            answers.took_ms[route].append(1000 * (time.monotonic() - due_s))
            if not answer.ok:
                answers.failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")

    with ThreadPoolExecutor(_CALLERS) as callers:
        began_s = time.monotonic()
        for number in range(int(lasting_s * _A_SECOND)):
            due_s = began_s + number / _A_SECOND
            time.sleep(max(0.0, due_s - time.monotonic()))
            route, path = _call(numbers, ids)
            callers.submit(ask, route, path, due_s)


def _call(numbers: random.Random, ids: Sequence[str]) -> tuple[str, str]:
    one, folder = numbers.choice(ids), f"{numbers.randrange(500):03}"
    calls = {
        "files": "/files?limit=100",
        "files, deleted": f"/files?state=deleted&prefix={folder}/&limit=100",
        "files since": f"/files?since={one}&limit=100",
        "a file": f"/files/{one}",
        "its versions": f"/files/{one}/versions",
        "its renditions": f"/files/{one}/renditions",
        "jobs": "/jobs?limit=100",
        "mirrors": "/mirrors",
        "status": "/status",
        "holds": "/holds",
        "audit": "/audit?limit=100",
        "who am I": "/whoami",
    }
    route = numbers.choice(list(calls))
    return route, calls[route]


@contextmanager
def _visiting(url: str, key: str) -> Iterator[list[float]]:
    """Log in at the page again and again meanwhile; gives how long that took, in milliseconds."""
    took_ms: list[float] = []
    is_over = threading.Event()

    def visit() -> None:
        while not is_over.wait(_BETWEEN_VISITS_S):
            took_ms.append(_visit(url.removesuffix("/api/v1"), key))

    with ThreadPoolExecutor(1) as visitor:
        visits = visitor.submit(visit)
        try:
            yield took_ms
        finally:
            is_over.set()
            visits.result()


def _visit(origin: str, key: str) -> float:
    """Send the key, and get the overview with all that it is made of; one after the other."""
    began_s = time.monotonic()
    with requests.Session() as session:
        page = session.post(f"{origin}/login", data={"key": key}, timeout=30)
        assert page.url == f"{origin}/", page.url
        for part in dict.fromkeys(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)):
            session.get(origin + part, timeout=30).raise_for_status()
    return 1000 * (time.monotonic() - began_s)


def _visited(when: str, took_ms: Sequence[float]) -> Figure:
    median = statistics.median(took_ms)
    say(f"  {when}: {len(took_ms)} logins: p50 {median:.0f} ms, longest {max(took_ms):.0f} ms")
    what = f"from the login to the overview, {when}: the longest"
    return Figure(what, "ms", max(took_ms), {}, (Bound(_VISIT_MS),))


@contextmanager
def _listening(url: str, key: str, answers: _Answers) -> Iterator[None]:
    """Have a hundred listen to what happens meanwhile, in a process of their own."""
    words = [sys.executable, "-m", "benchmarks.listeners", url, key, str(_LISTENERS)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as them:
        assert them.stdin is not None
        assert them.stdout is not None
        assert them.stdout.readline() == "listening\n"
        try:
            yield
        finally:
            them.stdin.close()
            answers.events = int(them.stdout.readline())
