"""A million files from end to end: the first push, a restart, a run with nothing to do, a pull."""

from __future__ import annotations

import shutil

import servers
from benchmarks.bed import Bed, Costs, Options, bed, make_files
from benchmarks.measure import Cost
from benchmarks.table import Bound, Figure

_MARKER = ".docferry/mirror.json"
_SIZE_BYTES = 64


def many(options: Options) -> list[Figure]:
    """Bring very many small files up, look at them again, and bring them down elsewhere."""
    count = options.size(1_000_000, 20_000)
    tenth, whole = _measure(count // 10), _measure(count)
    figures = [
        figure
        for what, costs in whole.items()
        for figure in _figures(f"{what}, {count:,} x {_SIZE_BYTES} B", costs)
    ]
    return figures + [_growth(what, count, whole[what], tenth[what]) for what in whole]


def _measure(count: int) -> dict[str, Costs]:
    """Run both tools once over all of it: to say how long takes hours, not minutes."""
    first, again, down = Costs(), Costs(), Costs()
    with bed() as here:
        local = make_files(here.folder / "local", count, _SIZE_BYTES)
        first.add("rclone", here.rclone(local, "rclone").run())
        again.add("rclone", here.rclone(local, "rclone").run())
        mine = here.docferry("many", local, "docs")
        first.add("docferry", mine.run())
        again.add("docferry", mine.run())
        shutil.rmtree(local)
        down.add("rclone", here.rclone("rclone", here.new_folder("rclone", 0)).run())
        shutil.rmtree(here.folder / "rclone-0")
        down.add("docferry", _pull(here))
    return {"first push": first, "nothing changed": again, "first pull": down}


def _pull(here: Bed) -> Cost:
    """Pull into a new folder, with a ledger that knows nothing."""
    here.client.delete_object(Bucket=servers.BUCKET, Key=f"docs/{_MARKER}")
    return here.docferry("many-pull", here.new_folder("docferry", 0), "docs").run()


def _figures(what: str, costs: Costs) -> list[Figure]:
    found = costs.medians()
    mine, other = found["docferry"], found["rclone"]
    as_good = (Bound(1.0, "rclone"),)
    return [
        Figure(what, "s", mine.wall_s, {"rclone": other.wall_s}, as_good),
        Figure(f"{what}: CPU", "s", mine.cpu_s, {"rclone": other.cpu_s}, as_good),
        Figure(f"{what}: memory", "MiB", mine.peak_mib, {"rclone": other.peak_mib}, as_good),
    ]


def _growth(what: str, count: int, whole: Costs, tenth: Costs) -> Figure:
    grown = whole.medians()["docferry"].peak_mib / tenth.medians()["docferry"].peak_mib
    name = f"{what}, {count:,} files: memory beside a tenth of them"
    return Figure(name, "x", grown, {}, (Bound(1.1),))
