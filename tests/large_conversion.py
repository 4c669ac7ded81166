"""Convert a document of so many MiB, and say by how many MiB that made the process grow."""

from __future__ import annotations

import os
import pathlib
import resource
import shutil
import sys
import tempfile

from conversion_bench import Bench, Louder, bench_in, ulid
from docferry.convert.base import Converted, Document, Limits
from docferry.engine.put_result import open_file
from docferry.job import JobState
from docferry.model import FileState, Origin, Outcome, SyncedState, Upload, VersionRow
from docferry.storage.base import Content


class Copying(Louder):
    """Gives the document back as it is."""

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        shutil.copyfile(document.path, folder / "result.bin")
        return Converted(folder / "result.bin")


class LargeBench(Bench):
    def open(self, version: VersionRow) -> Content:
        return open_file(self.folder / "large.bin")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(size_mib: int) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        bench_in(pathlib.Path(name)) as plain,
    ):
        bench = LargeBench(plain.folder, plain.ledger, plain.target)
        bench.rule(Copying(produces=".bin"))
        add_small(bench)
        worker = bench.worker(is_simulated=True)
        worker.work_off()  # all is imported by now
        before = peak_mib()
        add_large(bench, size_mib)
        worker.work_off()
        assert bench.count(JobState.DONE) == 2, bench.ledger.jobs.all()
        sys.stdout.write(f"{peak_mib() - before:.1f}\n")


def add_small(bench: Bench) -> None:
    (bench.folder / "large.bin").write_bytes(b"small")
    bench.add(1, "small.bin", b"small")


def add_large(bench: Bench, size_mib: int) -> None:
    path = bench.folder / "large.bin"
    with path.open("wb") as file:
        os.truncate(file.fileno(), size_mib << 20)
    with open_file(path) as content:
        digest, size = content.sha256(), content.size
    row = VersionRow(
        id=ulid(2),
        mirror="inbox",
        path="large.bin",
        sha256=digest,
        size=size,
        mtime_ns=None,
        origin=Origin.LOCAL,
        parent=None,
        etag="e",
        created_at=bench.time.now,
    )
    upload = Upload("large.bin", FileState("t", digest, size), None)
    outcome = Outcome(upload, SyncedState(digest, "t", "e", ulid(2), size), version=row)
    bench.write_down("inbox", [outcome], [row])


if __name__ == "__main__":
    main(int(sys.argv[1]))
