"""The merge: what a million paths need beside a hundred thousand."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.bed import Options, say
from benchmarks.measure import Cost, run
from benchmarks.table import Bound, Figure


def merging(options: Options) -> list[Figure]:
    """Merge in a process of its own, for its peak of memory."""
    few, many = options.size(100_000, 10_000), options.size(1_000_000, 100_000)
    with tempfile.TemporaryDirectory(prefix="docferry-bench-") as name:
        small, large = (_merge_apart(count, Path(name)) for count in (few, many))
    return [
        Figure(f"merge of {many:,} paths", "s", large.wall_s),
        Figure(f"merge of {many:,} paths: memory", "MiB", large.peak_mib, {}, (Bound(200.0),)),
        Figure(
            f"the same beside {few:,} paths",
            "x",
            large.peak_mib / small.peak_mib,
            {},
            (Bound(1.1),),
        ),
    ]


def _merge_apart(count: int, folder: Path) -> Cost:
    command = [sys.executable, "-m", "benchmarks.generated", str(count)]
    cost = run(command, environ=os.environ, log=folder / "merge.log")
    say(f"  {count:,} paths: {cost.wall_s:.2f} s, {cost.peak_mib:.1f} MiB")
    return cost
