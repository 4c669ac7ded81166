"""Many files and nothing to do: a full run beside the others', and a daemon that only waits."""

from __future__ import annotations

import time

import psutil

from benchmarks.bed import Costs, Daemon, Options, bed, make_files, say
from benchmarks.table import Bound, Figure


def unchanged(options: Options) -> list[Figure]:
    """Run each tool over a tree that is in step already."""
    count, costs = options.size(100_000, 5_000), Costs()
    with bed() as here:
        local = make_files(here.folder / "local", count, 64)
        say("  once, to bring it in step:")
        here.rclone(local, "rclone").run()
        tools = [
            here.docferry("docs", local, "docs"),
            here.rclone(local, "rclone"),
            here.s5cmd(local, "rclone"),
        ]
        tools[0].run()
        # docferry's own folder is none of the others' business, and they would upload it.
        own, aside = local / ".docferry", here.folder / "aside"
        for _ in range(options.runs):
            costs.add("docferry", tools[0].run())
            own.rename(aside)
            for tool in tools[1:]:
                costs.add(tool.name, tool.run())
            aside.rename(own)
    found = costs.medians()
    others = [name for name in found if name != "docferry"]
    what = f"nothing changed, {count:,} files"
    return [
        Figure(
            what,
            "s",
            found["docferry"].wall_s,
            {name: found[name].wall_s for name in others},
            (Bound(0.5, "rclone"), Bound(1.0, "s5cmd")),
        ),
        Figure(
            f"{what}: CPU",
            "s",
            found["docferry"].cpu_s,
            {name: found[name].cpu_s for name in others},
        ),
        Figure(
            f"{what}: memory",
            "MiB",
            found["docferry"].peak_mib,
            {name: found[name].peak_mib for name in others},
            (Bound(150.0),),
        ),
    ]


def idle(options: Options) -> list[Figure]:
    """Watch a daemon that has nothing to do, with the polling that is the default."""
    count, seconds = options.size(100_000, 5_000), options.size(120, 35)
    with bed() as here:
        local = make_files(here.folder / "local", count, 64)
        say("  once, to bring it in step:")
        here.docferry("docs", local, "docs").run()
        with here.daemon(here.docferry_run("docs", local, "docs")) as daemon:
            cpu_s, memory_mib = _watch(daemon, seconds)
    what = f"idle daemon, {count:,} files, {seconds} s"
    return [
        Figure(f"{what}: of a core", "%", 100 * cpu_s / seconds, {}, (Bound(1.0),)),
        Figure(f"{what}: memory", "MiB", memory_mib, {}, (Bound(120.0),)),
    ]


def _watch(daemon: Daemon, seconds: int) -> tuple[float, float]:
    process = psutil.Process(daemon.process.pid)
    _settle(process)
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    say(f"  docferry: {used_s:.2f} s of CPU in {seconds} s")
    return used_s, process.memory_info().rss / (1 << 20)


def _settle(process: psutil.Process) -> None:
    """Let the start come to its end: the watches, the first run."""
    while process.cpu_percent(interval=1.0) > 20.0:
        pass
