"""Having versions back, holding everything against each other, and a lost machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import servers
from benchmarks.bed import Bed, Costs, Options, Tool, bed, make_files, say
from benchmarks.table import Bound, Figure


def restore(options: Options) -> list[Figure]:
    """Let a running daemon put an older version of each file back, beside a plain download."""
    count, costs = options.size(1_000, 100), Costs()
    taken: list[_Taken] = []
    with bed() as here:
        local = make_files(here.folder / "local", count, 64 * 1024)
        tool = here.docferry("docs", local, "docs")
        say("  once, and after each edit, to have older versions:")
        tool.run()
        first = datetime.now().astimezone().isoformat()
        here.rclone(local, "same").run()
        for number in range(options.runs):
            _edit(local, number)
            tool.run()
            taken.append(_rewind(here, local, first))
            costs.add("rclone", here.rclone("same", here.new_folder("rclone", number)).run())
    other = {"rclone": costs.medians()["rclone"].wall_s}
    what = f"{count:,} versions of 64 KiB had back"
    there_s = statistics.median(each.in_folder_s for each in taken)
    bucket_s = statistics.median(each.in_bucket_s for each in taken)
    return [
        Figure(f"{what}, in the folder", "s", there_s, other, (Bound(1.2, "rclone"),)),
        Figure(f"{what}, and in the bucket", "s", bucket_s, other),
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
    """Make the ledger of many files anew from its snapshot, then look at each in the folder."""
    count, costs = options.size(100_000, 5_000), Costs()
    ledgers_s: list[float] = []
    with bed() as here:
        local = make_files(here.folder / "local", count, 64)
        say("  once, to bring it in step:")
        here.docferry("docs", local, "docs").run()
        for _ in range(options.runs):
            shutil.rmtree(here.folder / "docs-state")
            command = (*here.docferry_command("docs"), "rebuild", "--yes")
            costs.add("docferry", Tool("docferry", command, here).run())
            ledgers_s.append(_ledger_s((here.folder / "docferry.log").read_text()))
    found = costs.medians()["docferry"]
    what = f"rebuild of {count:,} files"
    return [
        Figure(f"{what}: the ledger", "s", statistics.median(ledgers_s), {}, (Bound(60.0),)),
        Figure(f"{what}: and every file compared", "s", found.wall_s),
        Figure(f"{what}: memory", "MiB", found.peak_mib),
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


@dataclass(frozen=True, slots=True)
class _Taken:
    """How long after it began with what was approved a daemon was done with it."""

    in_folder_s: float
    in_bucket_s: float


def _rewind(here: Bed, local: Path, to: str) -> _Taken:
    with here.daemon(here.docferry_run("docs", local, "docs")) as daemon:
        _command(here, "rewind", "bench", "--to", to)
        [hold] = json.loads(_command(here, "holds", "list", "--json"))
        os.sync()
        _command(here, "holds", "approve", str(hold["id"]))
        daemon.wait_for('"hold.resolved"')
        lines = daemon.log.read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    approved_s = max(_at(each) for each in events if each["event"] == "hold.approved")
    done = [each for each in events if each["event"] == "operation.done"]
    in_folder_s, in_bucket_s = (
        max(_at(each) for each in done if each["kind"] == kind) - approved_s
        for kind in ("restore", "upload")
    )
    say(f"  the daemon: {in_folder_s:.2f} s, {in_bucket_s:.2f} s until all is in the bucket")
    return _Taken(in_folder_s, in_bucket_s)


def _at(line: dict[str, str]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _ledger_s(said: str) -> float:
    """Give the seconds that a rebuild says its ledger took."""
    found = re.search(r"bench: from snapshot \w+, in ([0-9.]+) s", said)
    assert found is not None, said
    return float(found[1])
