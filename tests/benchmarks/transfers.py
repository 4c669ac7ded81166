"""Moving contents: many small files and a large one, up and down, beside `rclone sync`."""

from __future__ import annotations

import filecmp
import os
import shutil

import servers
from benchmarks.bed import Bed, Costs, Options, bed, forget, make_files
from benchmarks.measure import Cost
from benchmarks.table import Bound, Figure

_MIB = 1 << 20
_MARKER = ".docferry/mirror.json"


def push(options: Options) -> list[Figure]:
    """Push many small files to a new prefix: ledger and versions included."""
    count, costs = options.size(10_000, 1_000), Costs()
    with bed() as here:
        local = make_files(here.folder / "local", count, 4096)
        for number in range(options.runs):
            name = f"push-{number}"
            costs.add("docferry", here.docferry(name, local, name).run())
            forget(local)
            costs.add("rclone", here.rclone(local, f"rclone-{number}").run())
    return _figures(f"first push of {count:,} x 4 KiB", costs, wall=1.0, cpu=1.0)


def pull(options: Options) -> list[Figure]:
    """Pull many small files, which another tool has put there, into a new folder."""
    count, costs = options.size(10_000, 1_000), Costs()
    with bed() as here:
        here.s5cmd(make_files(here.folder / "local", count, 4096), "docs").run()
        for number in range(options.runs):
            costs.add("docferry", _pull(here, number))
            costs.add("rclone", here.rclone("docs", here.new_folder("rclone", number)).run())
    return _figures(f"first pull of {count:,} x 4 KiB", costs, wall=1.0, cpu=1.0)


def large(options: Options) -> list[Figure]:
    """Move one large file, and a quarter of it: memory must not know the difference."""
    size_mib = options.size(1024, 128)
    up, down, quarter_up, quarter_down = Costs(), Costs(), Costs(), Costs()
    for _ in range(options.runs):
        with bed() as here:
            _large(here, size_mib, up, down)
        with bed() as here:
            _large(here, size_mib // 4, quarter_up, quarter_down)
    name = f"a file of {size_mib} MiB"
    return [
        *_figures(f"{name} up", up, wall=1.1),
        _growth(f"{name} up", up, quarter_up),
        *_figures(f"{name} down", down, wall=1.1),
        _growth(f"{name} down", down, quarter_down),
    ]


def huge(options: Options) -> list[Figure]:
    """Move a file of 20 GiB, which is nearly all holes: what counts is the memory that it takes."""
    size_mib = options.size(20 * 1024, 512)
    up, down = Costs(), Costs()
    with bed() as here:
        local = here.folder / "local"
        local.mkdir()
        with (local / "huge.bin").open("wb") as file:
            file.truncate(size_mib * _MIB)
            for at_mib in range(0, size_mib, size_mib // 20):
                file.seek(at_mib * _MIB)
                file.write(os.urandom(4096))
        up.add("docferry", here.docferry("up", local, "docs").run())
        down.add("docferry", _pull(here, 0))
        if not filecmp.cmp(local / "huge.bin", here.folder / "docferry-0/huge.bin", shallow=False):
            raise RuntimeError("another content came down than had gone up")
    return [
        figure
        for way, costs in (("up", up), ("down", down))
        for figure in _of_huge(f"a file of {size_mib // 1024} GiB {way}", costs)
    ]


def _of_huge(what: str, costs: Costs) -> list[Figure]:
    found = costs.medians()["docferry"]
    return [
        Figure(what, "s", found.wall_s, {}),
        Figure(f"{what}: memory", "MiB", found.peak_mib, {}, (Bound(300.0),)),
    ]


def _pull(here: Bed, number: int) -> Cost:
    """Pull into a new folder, from a prefix that docferry has never seen."""
    here.client.delete_object(Bucket=servers.BUCKET, Key=f"docs/{_MARKER}")
    folder = here.new_folder("docferry", number)
    tool = here.docferry(f"pull-{number}", folder, "docs")
    try:
        return tool.run()
    finally:
        here.client.delete_object(Bucket=servers.BUCKET, Key=f"docs/{_MARKER}")


def _large(here: Bed, size_mib: int, up: Costs, down: Costs) -> None:
    local = here.folder / "local"
    local.mkdir()
    with (local / "large.bin").open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(_MIB))
    up.add("docferry", here.docferry("up", local, "docs").run())
    forget(local)
    up.add("rclone", here.rclone(local, "rclone").run())
    shutil.rmtree(local)
    down.add("docferry", _pull(here, 0))
    down.add("rclone", here.rclone("rclone", here.new_folder("rclone", 0)).run())


def _figures(what: str, costs: Costs, *, wall: float, cpu: float | None = None) -> list[Figure]:
    """Give the three figures of a transfer. *wall*, *cpu*: at most so many times rclone's."""
    found = costs.medians()
    mine, other = found["docferry"], found["rclone"]
    cpu_bounds = (Bound(cpu, "rclone"),) if cpu is not None else ()
    return [
        Figure(what, "s", mine.wall_s, {"rclone": other.wall_s}, (Bound(wall, "rclone"),)),
        Figure(f"{what}: CPU", "s", mine.cpu_s, {"rclone": other.cpu_s}, cpu_bounds),
        Figure(f"{what}: memory", "MiB", mine.peak_mib, {"rclone": other.peak_mib}),
    ]


def _growth(what: str, whole: Costs, quarter: Costs) -> Figure:
    grown = whole.medians()["docferry"].peak_mib / quarter.medians()["docferry"].peak_mib
    return Figure(f"{what}: memory beside a quarter of it", "x", grown, {}, (Bound(1.1),))
