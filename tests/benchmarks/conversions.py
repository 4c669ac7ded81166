"""Documents that are converted: all at once, beside the library in a bare loop, and in a stream."""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

import docx
import typst

import servers
from benchmarks.bed import Bed, Options, Tool, bed, say
from benchmarks.table import Bound, Figure
from docferry.job import JobRow, JobState
from docferry.ledger import Ledger

_PROCESSES = 2
_LOOK_EVERY_S = 0.2
_ARRIVALS_PER_S = 40
#: What a person would write who wants the documents converted, and nothing else.
_LOOP = """\
import asyncio, pathlib, sys
from xberg import ConcurrencyConfig, ExtractInput, ExtractionConfig, extract
config = ExtractionConfig(
    use_cache=False, output_format="markdown", concurrency=ConcurrencyConfig(max_threads=1)
)
source, target = map(pathlib.Path, sys.argv[1:3])
async def convert():
    for path in sorted(source.iterdir())[int(sys.argv[3]) :: int(sys.argv[4])]:
        found = await extract(ExtractInput(uri=str(path)), config)
        (target / f"{path.name}.md").write_text(found.results[0].content)
asyncio.run(convert())
"""
_IN_PROCESSES = """\
import subprocess, sys
source, target, count = sys.argv[1:4]
loops = [
    subprocess.Popen([sys.executable, "-c", sys.argv[4], source, target, str(n), count])
    for n in range(int(count))
]
sys.exit(max(loop.wait() for loop in loops))
"""
_WORDS = ["ferry", "harbour", "berth", "fog", "wind", "Baltic", "Rostock", "Grüße", "timetable"]


def convert(options: Options) -> list[Figure]:
    """Drop small documents into a mirrored folder of a running daemon."""
    count = options.size(1_000, 100)
    bare_s, ours_s = [], []
    with bed() as here:
        say("  once, to make the documents:")
        source = _make_documents(here.folder / "source", count)
        for number in range(options.runs):
            target = here.new_folder("bare", number)
            words = (str(source), str(target), str(_PROCESSES), _LOOP)
            command = (sys.executable, "-c", _IN_PROCESSES, *words)
            bare_s.append(Tool("bare loop", command, here).run().wall_s)
            ours_s.append(_drop(here, number, source, count))
    return [
        Figure(
            f"{count:,} small documents dropped, their Markdown in the bucket",
            "s",
            statistics.median(ours_s),
            {"bare loop": statistics.median(bare_s)},
            (Bound(1 / 0.8, "bare loop"),),
        )
    ]


def arrivals(options: Options) -> list[Figure]:
    """Drop small documents one by one, about half as fast as they can be converted."""
    count = options.size(1_000, 100)
    with bed() as here:
        say("  once, to make the documents:")
        source = _make_documents(here.folder / "source", count)
        docs, staged, command = _place_for(here, 0, source)
        times = random.Random(count)
        with here.daemon(command) as daemon:
            for path in sorted(staged.iterdir()):
                path.rename(docs / path.name)
                time.sleep(times.expovariate(_ARRIVALS_PER_S))
            _wait_for(daemon.log, count)
        jobs = _jobs_in(here, "convert-0")
    done = sum(job.state is JobState.DONE for job in jobs)
    say(f"  {done} of {len(jobs)} done")
    waits_s = [_waited_s(job) for job in jobs]
    cuts = statistics.quantiles(waits_s, n=100, method="inclusive")
    what = f"{count:,} documents, {_ARRIVALS_PER_S} a second, wait for a converter"
    return [
        Figure(f"{what}: p50", "s", statistics.median(waits_s)),
        Figure(f"{what}: p99", "s", cuts[98], {}, (Bound(5.0),)),
        Figure(f"{what}: longest", "s", max(waits_s), {}, (Bound(300.0),)),
    ]


def _drop(here: Bed, number: int, source: Path, count: int) -> float:
    """Give the seconds from the drop of copies of *source* to the last result in the bucket."""
    docs, staged, command = _place_for(here, number, source)
    with here.daemon(command) as daemon:
        started_s = time.time()
        staged.rename(docs / "dropped")
        ended_s = _wait_for(daemon.log, count)
    took_s = ended_s - started_s
    say(f"  docferry: {took_s:.2f} s")
    return took_s


def _place_for(here: Bed, number: int, source: Path) -> tuple[Path, Path, tuple[str, ...]]:
    """Give a mirrored folder, copies of *source* on its disk, and the daemon that converts."""
    docs, processed = here.new_folder("docs", number), here.new_folder("processed", number)
    staged = here.new_folder("staged", number)
    for path in source.iterdir():
        (staged / path.name).write_bytes(path.read_bytes())
    rest = (
        'settle = "0s"\n'
        f'[mirror.processed]\nstore = "main"\nbucket = "{servers.BUCKET}"\n'
        f'prefix = "processed-{number}/"\nlocal = "{processed}"\nsettle = "0s"\n'
        '[[convert]]\nname = "text"\nfrom = "bench"\npatterns = ["*"]\n'
        'to = "processed"\nwith = "markdown"\n'
    )
    os.sync()
    return docs, staged, here.docferry_run(f"convert-{number}", docs, f"docs-{number}", rest)


def _wait_for(log: Path, count: int) -> float:
    """Wait until so many results are in the bucket; give when the last one came there."""
    while len(found := _uploads(log, "processed")) < count:
        time.sleep(_LOOK_EVERY_S)
    return max(found)


def _jobs_in(here: Bed, name: str) -> list[JobRow]:
    with Ledger.open(here.folder / f"{name}-state" / "ledger.sqlite3", read_only=True) as ledger:
        return ledger.jobs.all(limit=100_000)


def _waited_s(job: JobRow) -> float:
    """Give how long *job* was queued, to the claim that it was done by."""
    assert job.claimed_at is not None
    return (job.claimed_at - job.created_at).total_seconds()


def _uploads(log: Path, mirror: str) -> list[float]:
    """Give when each upload of *mirror* was done, seconds since the epoch."""
    found = []
    for line in log.read_text().splitlines():
        if '"operation.done"' in line and f'"{mirror}"' in line:
            event = json.loads(line)
            found.append(datetime.fromisoformat(event["timestamp"]).timestamp())
    return found


def _make_documents(folder: Path, count: int) -> Path:
    """Fill *folder* with small documents, a third each of docx, pdf and html, no two the same."""
    folder.mkdir()
    source = random.Random(count)
    for number in range(count):
        lines = [" ".join(source.choices(_WORDS, k=60)) + "." for _ in range(12)]
        rows = [source.choices(_WORDS, k=3) for _ in range(8)]
        name = folder / f"document {number:05}"
        _MAKERS[number % 3](name, lines, rows)
    return folder


def _make_docx(name: Path, lines: list[str], rows: list[list[str]]) -> None:
    document = docx.Document()
    document.add_heading(lines[0][:40], 1)
    for line in lines:
        document.add_paragraph(line)
    table = document.add_table(len(rows), 3)
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            table.cell(at, column).text = cell
    document.save(str(name.with_suffix(".docx")))


def _make_pdf(name: Path, lines: list[str], rows: list[list[str]]) -> None:
    cells = ", ".join(f"[{cell}]" for row in rows for cell in row)
    text = f"= {lines[0][:40]}\n\n" + "\n\n".join(lines) + f"\n\n#table(columns: 3, {cells})\n"
    name.with_suffix(".pdf").write_bytes(typst.compile(text.encode()))


def _make_html(name: Path, lines: list[str], rows: list[list[str]]) -> None:
    cells = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    body = f"<h1>{lines[0][:40]}</h1>" + "".join(f"<p>{line}</p>" for line in lines)
    name.with_suffix(".html").write_text(
        f'<!doctype html><html><head><meta charset="utf-8"></head><body>{body}'
        f"<table>{cells}</table></body></html>"
    )


_MAKERS = (_make_docx, _make_pdf, _make_html)
