"""Having versions back, holding everything against each other, and a lost machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import servers
from benchmarks.bed import Bed, Costs, Options, Tool, bed, make_files, say
from benchmarks.table import Bound, Figure


def restore(options: Options) -> list[Figure]:
    """Put an older version of each file back, beside a plain download of the same bytes."""
    count, costs = options.size(1_000, 100), Costs()
    until_there: list[float] = []
    with bed() as here:
        local = make_files(here.folder / "local", count, 64 * 1024)
        tool = here.docferry("docs", local, "docs")
        say("  twice, to have older versions:")
        tool.run()
        first = datetime.now().astimezone().isoformat()
        here.rclone(local, "same").run()
        for number in range(options.runs):
            _edit(local, number)
            tool.run()
            _command(here, "rewind", "bench", "--to", first)
            [hold] = json.loads(_command(here, "holds", "list", "--json"))
            _command(here, "holds", "approve", str(hold["id"]))
            costs.add("docferry", tool.run())
            until_there.append(_until_the_last_restore(here.folder / "docferry.log"))
            costs.add("rclone", here.rclone("same", here.new_folder("rclone", number)).run())
    found = costs.medians()
    other = {"rclone": found["rclone"].wall_s}
    there_s = sorted(until_there)[len(until_there) // 2]
    what = f"{count:,} versions of 64 KiB had back"
    return [
        Figure(f"{what}, in the folder", "s", there_s, other, (Bound(1.2, "rclone"),)),
        Figure(f"{what}, and in the bucket", "s", found["docferry"].wall_s, other),
    ]


def verify(options: Options) -> list[Figure]:
    """Hold the bucket against the ledger by its checksums, beside one listing."""
    count, costs = options.size(100_000, 5_000), Costs()
    with bed() as here:
        local = make_files(here.folder / "local", count, 64)
        say("  once, to bring it in step:")
        here.docferry("docs", local, "docs").run()
        command = (*here.docferry_command("docs"), "verify", "bench", "--side", "remote")
        listing = (*here.rclone_command(), "size", "--fast-list", f"store:{servers.BUCKET}/docs")
        for _ in range(options.runs):
            costs.add("docferry", Tool("docferry", command, here).run())
            costs.add("rclone", Tool("rclone", listing, here).run())
    found = costs.medians()
    return [
        Figure(
            f"{count:,} objects verified, beside one listing",
            "s",
            found["docferry"].wall_s,
            {"rclone": found["rclone"].wall_s},
            (Bound(1.5, "rclone"),),
        )
    ]


def rebuild(options: Options) -> list[Figure]:
    """Make the ledger of many files anew from its snapshot; the folder is still there."""
    count, costs = options.size(100_000, 5_000), Costs()
    with bed() as here:
        local = make_files(here.folder / "local", count, 64)
        say("  once, to bring it in step:")
        here.docferry("docs", local, "docs").run()
        for _ in range(options.runs):
            shutil.rmtree(here.folder / "docs-state")
            command = (*here.docferry_command("docs"), "rebuild", "--yes")
            costs.add("docferry", Tool("docferry", command, here).run())
    found = costs.medians()["docferry"]
    return [
        Figure(f"rebuild of {count:,} files", "s", found.wall_s, {}, (Bound(60.0),)),
        Figure(f"rebuild of {count:,} files: memory", "MiB", found.peak_mib),
    ]


def _edit(folder: Path, number: int) -> None:
    for path in folder.rglob("*.txt"):
        path.write_bytes(b"%d" % number + path.read_bytes()[1:])


def _command(here: Bed, *arguments: str) -> str:
    ended = subprocess.run(
        (*here.docferry_command("docs"), *arguments),
        env=here.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def _until_the_last_restore(log: Path) -> float:
    """Give the seconds from the first line of a log to the last content that was put back."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    done = [one for one in lines if one["event"] == "operation.done" and one["kind"] == "restore"]
    return _at(done[-1]) - _at(lines[0])


def _at(line: dict[str, str]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
