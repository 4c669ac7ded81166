"""How long after a file was dropped anybody can GET it from the bucket."""

from __future__ import annotations

import http.client
import os
import random
import statistics
import time
from pathlib import Path
from urllib.parse import urlsplit

import servers
from benchmarks.bed import Bed, Options, bed, say
from benchmarks.table import Bound, Figure

_SIZE_BYTES = 64 * 1024
_GIVE_UP_S = 30.0
_LOOK_EVERY_S = 0.0005
#: Between two drops: neither in step with the daemon's own rounds nor with each other.
_LONGEST_REST_S = 0.1


def latency(options: Options) -> list[Figure]:
    """Drop files one by one into a running daemon's folder, and ask the store for each."""
    count = options.size(500, 50)
    with bed() as here:
        local, drop = here.folder / "local", here.folder / "drop"
        drop.mkdir()
        folders = f'settle = "0s"\n[drop.bench]\nfolder = "{drop}"\ninto = "bench"\nsettle = "0s"\n'
        with here.daemon(here.docferry_run("docs", local, "docs", folders)):
            mirrored = _samples_ms(here, local, "mirror", count)
            dropped = _samples_ms(here, drop, "drop", count)
    return [
        *_figures(f"into the mirror's folder, {count} x 64 KiB", mirrored),
        *_figures(f"into a drop folder, {count} x 64 KiB", dropped),
    ]


def _samples_ms(here: Bed, folder: Path, name: str, count: int) -> list[float]:
    samples = []
    for number in range(count):
        samples.append(_drop_ms(here, folder, f"{name} {number:04}.bin"))
        time.sleep(random.uniform(0.0, _LONGEST_REST_S))
    worst = ", ".join(f"{sample:.0f}" for sample in sorted(samples)[-5:])
    say(f"  {name}: median {statistics.median(samples):.1f} ms, worst {worst} ms")
    return samples


def _drop_ms(here: Bed, folder: Path, name: str) -> float:
    """Write one file and ask for it until it is there, whole."""
    content = os.urandom(_SIZE_BYTES)
    url = here.client.generate_presigned_url(
        "get_object", {"Bucket": servers.BUCKET, "Key": f"docs/{name}"}
    )
    target = url.removeprefix(here.server.endpoint_url)
    asking = http.client.HTTPConnection(urlsplit(url).netloc)
    (folder / name).write_bytes(content)
    began_s = time.monotonic()
    while time.monotonic() - began_s < _GIVE_UP_S:
        asking.request("GET", target)
        answer = asking.getresponse()
        body = answer.read()
        if answer.status == 200:
            took_s = time.monotonic() - began_s
            asking.close()
            if body != content:
                raise RuntimeError(f"{name} was there with another content")
            return 1000 * took_s
        time.sleep(_LOOK_EVERY_S)
    raise RuntimeError(f"{name} was not there after {_GIVE_UP_S} s")


def _figures(what: str, samples_ms: list[float]) -> list[Figure]:
    cuts = statistics.quantiles(samples_ms, n=100, method="inclusive")
    return [
        Figure(f"{what}: p50", "ms", statistics.median(samples_ms), {}, (Bound(50.0),)),
        Figure(f"{what}: p99", "ms", cuts[98], {}, (Bound(200.0),)),
    ]
