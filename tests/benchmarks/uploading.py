"""A large document handed over by the API and had back, while others ask for what is small."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import psutil
import requests

import servers
from benchmarks.bed import Bed, Options, bed, make_files, say
from benchmarks.table import Bound, Figure

_MIB = 1 << 20
_A_SECOND = 50
_CALLERS = 16
_P99_MS = 100.0
_GROWTH_MIB = 50.0  # of the API's process, whatever the document's size
_ASKED = ("/files?limit=100", "/status", "/mirrors", "/whoami", "/jobs?limit=100", "/holds")
_BOUNDARY = "----------------7d3f0c"


@dataclass(frozen=True, slots=True)
class _Api:
    port: int
    key: str
    process: psutil.Process

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass
class _Seen:
    """What a transfer took, and what it took the others meanwhile."""

    took_s: float = 0.0
    grown_mib: float = 0.0
    others_ms: list[float] = field(default_factory=list)


def uploading(options: Options) -> list[Figure]:
    """Upload 1 GiB as it is and in a form, and download it, beside 50 small requests a second."""
    size = options.size(1024, 64) * _MIB
    with bed() as here:
        local = make_files(here.folder / "local", 1000, 64)
        (port,) = servers.free_ports(1)
        here.environ["DOCFERRY_API__PORT"] = str(port)
        with here.daemon(here.docferry_run("docs", local, "docs")) as daemon:
            daemon.wait_for('"event": "faces.started"')
            (process,) = psutil.Process(daemon.process.pid).children()
            api = _Api(port, _key_of(here), process)
            document = _document(here.folder / "document.bin", size)
            with ProcessPoolExecutor(1) as elsewhere:
                elsewhere.submit(int).result()  # it is there before anything is timed
                return list(_cases(api, document, size, elsewhere))


def _cases(
    api: _Api, document: Path, size: int, elsewhere: ProcessPoolExecutor
) -> Iterator[Figure]:
    what, version = f"{size // _MIB} MiB by the API", ""
    for name, send in (("up", _send), ("up, in a form", _send_form)):
        path = f"{send.__name__}.bin"
        with _watched(api) as seen:
            seen.took_s = elsewhere.submit(send, api.port, api.key, document, path).result()
        yield from _figures(f"{what}, {name}", size, seen)
        version = _version(api.port, api.key, path)  # the mirror's own upload is no part of it
    with _watched(api) as seen:
        seen.took_s = elsewhere.submit(_get, api.port, api.key, version, size).result()
    yield from _figures(f"{what}, down", size, seen)


def _figures(what: str, size: int, seen: _Seen) -> Iterator[Figure]:
    others = sorted(seen.others_ms)
    say(f"  {what}: {seen.took_s:.2f} s; {len(others)} others meanwhile")
    yield Figure(what, "MiB/s", size / _MIB / seen.took_s)
    yield Figure(f"{what}: memory, more", "MiB", seen.grown_mib, {}, (Bound(_GROWTH_MIB),))
    yield Figure(f"{what}: the others, p50", "ms", statistics.median(others))
    p99 = others[int(len(others) * 0.99)]
    yield Figure(f"{what}: the others, p99", "ms", p99, {}, (Bound(_P99_MS),))


def _key_of(here: Bed) -> str:
    words = [*here.docferry_command("docs"), "keys", "create", "bench", "--role", "admin"]
    return subprocess.check_output(words, env=here.environ, text=True).strip()


def _document(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size // _MIB):
            file.write(os.urandom(_MIB))
    return path


@contextmanager
def _watched(api: _Api) -> Iterator[_Seen]:
    """Have others ask while the block lasts; the peak of memory is that of the block alone."""
    seen, is_over = _Seen(), threading.Event()
    before = api.process.memory_info().rss
    Path(f"/proc/{api.process.pid}/clear_refs").write_text("5")  # proc(5): forgets the peak
    asking = threading.Thread(target=_ask, args=(api, seen, is_over))
    asking.start()
    try:
        yield seen
    finally:
        is_over.set()
        asking.join()
    seen.grown_mib = max(0, _peak(api.process.pid) - before) / _MIB


def _peak(pid: int) -> int:
    told = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2]
    return int(told.split(maxsplit=1)[0]) * 1024


def _ask(api: _Api, seen: _Seen, is_over: threading.Event) -> None:
    """Ask at an even pace, whether or not the answers keep up."""
    local = threading.local()

    def ask(path: str, due_s: float) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.headers.update(api.headers)
        answer = local.session.get(f"http://127.0.0.1:{api.port}/api/v1{path}", timeout=60)
        answer.raise_for_status()
        seen.others_ms.append(1000 * (time.monotonic() - due_s))

    began_s = time.monotonic()
    with ThreadPoolExecutor(_CALLERS) as callers:
        for number, path in enumerate(itertools.cycle(_ASKED)):
            due_s = began_s + number / _A_SECOND
            if is_over.wait(max(0.0, due_s - time.monotonic())):
                return
            callers.submit(ask, path, due_s)


def _send(port: int, key: str, document: Path, name: str) -> float:
    return _sent(port, key, document, f"/api/v1/files?mirror=bench&path={name}", b"", b"")


def _send_form(port: int, key: str, document: Path, name: str) -> float:
    fields = "".join(
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {told}\r\n\r\n{text}"
        for told, text in (
            ('name="mirror"', "bench\r\n"),
            ('name="path"', f"{name}\r\n"),
            ('name="file"; filename="document.bin"', ""),
        )
    )
    end = f"\r\n--{_BOUNDARY}--\r\n"
    return _sent(port, key, document, "/api/v1/files", fields.encode(), end.encode())


def _sent(port: int, key: str, document: Path, path: str, before: bytes, after: bytes) -> float:
    """Give how long it took until the answer was there, in seconds."""
    kind = f"multipart/form-data; boundary={_BOUNDARY}" if before else "application/octet-stream"
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": kind,
        "Content-Length": str(len(before) + document.stat().st_size + len(after)),
    }
    with closing(HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        began_s = time.monotonic()
        with document.open("rb") as file:
            parts = iter(lambda: file.read(_MIB), b"")
            connection.request("POST", path, itertools.chain([before], parts, [after]), headers)
        answer = connection.getresponse()
        said = answer.read()
        took_s = time.monotonic() - began_s
    if answer.status != 201:
        raise RuntimeError(f"it was not taken: {answer.status} {said[:500]!r}")
    return took_s


def _version(port: int, key: str, name: str) -> str:
    """Wait until what was handed over has come to rest, and give its version."""
    url, headers = f"http://127.0.0.1:{port}/api/v1/files", {"Authorization": f"Bearer {key}"}
    while True:
        told = requests.get(url, {"prefix": name}, headers=headers, timeout=60).json()["items"]
        if told:
            return str(told[0]["id"])
        time.sleep(0.1)


def _get(port: int, key: str, version: str, size: int) -> float:
    with closing(HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        began_s = time.monotonic()
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("GET", f"/api/v1/files/{version}/content", headers=headers)
        answer = connection.getresponse()
        came = sum(iter(lambda: len(answer.read(_MIB)), 0))
        took_s = time.monotonic() - began_s
    if (answer.status, came) != (200, size):
        raise RuntimeError(f"it did not come whole: {answer.status}, {came} bytes")
    return took_s
