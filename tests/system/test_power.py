"""
What outlives a power cut at any point, and a kill at any step: days of a mirror, recorded.

A cut is tried by laying out a disk as it may be then, with the store as it was, and letting
docferry run. A kill is tried by letting docferry run on the morning of a day, and killing it at
one of its changes of the disk, or of its requests. POWER_CUTS=1000 KILLS=300 tries that many,
POWER_SEED=2 others, POWER_CUTS=all KILLS=all every one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import cast

import pytest

import servers
from small_s3 import Objects, SmallStore, small_s3
from system import disk
from system.after_the_cut import Moment, files_of, had_before
from system.daemon import Site
from system.outcomes import HEALS, outcome
from system.power_cut import lay_out
from system.recorded_days import INBOX, Day, Lived, Recording, live, started
from system.recorder import Kind, Record, Recorder

CUTS = os.environ.get("POWER_CUTS", "30")
SEED = int(os.environ.get("POWER_SEED", "0"))
KILLS = os.environ.get("KILLS", "6")
RUNS = 3  #: of docferry, within which all is well

#: What is made of a document lies beside it, with the same content.
CONVERTING = """
[converter.copy]
kind = "command"
command = ["/bin/cp", "{input}", "{output}"]
produces = "md"
revision = "1"
[[convert]]
name = "copies"
from = "docs"
patterns = ["**/b.txt"]
to = "docs/made/{dir}{stem}.{ext}"
with = "copy"
"""
MANY = [f"many/{number}.txt" for number in range(10)]  # so many travel together
DAYS = [
    Day(puts={f"there/{number}.txt": f"there {number}" for number in range(10)}),
    Day(
        deeds=[
            ("save", "a.txt", "a, first"),
            ("save", "folder/b.txt", "b, first"),
            *[("save", name, f"{name}, first") for name in MANY],
        ],
        puts={"c.txt": "c, first", "deep/er/d.txt": "d, first"},
    ),
    Day(
        deeds=[
            ("save", "a.txt", "a, second"),
            ("save beside", "folder/b.txt", "b, the second"),
            ("save", MANY[0], "of the folder"),
            ("delete", MANY[1], ""),
            ("rename", MANY[2], "moved/2.txt"),
            ("save", "new/same.txt", "saved here and there"),
        ],
        comes={"moved/2.txt": f"{MANY[2]}, first"},
        puts={
            "c.txt": "c, second, of the bucket",
            MANY[0]: "of the bucket, the same day",
            MANY[3]: "edited in the bucket",
            "new/same.txt": "saved here and there",
            "there/0.txt": None,
            "there/1.txt": "there 1, second",
        },
    ),
    Day(
        deeds=[("save", "folder/new.txt", "new"), ("save", "a.txt", "a, third")],
        asks=[("restore", "c.txt", "--wait", "0")],
        comes={"c.txt": "c, first"},
    ),
    Day(drops={"scan.txt": "a scan", "more/scan.txt": "another scan"}),
]


@dataclass(frozen=True, slots=True)
class Bench:
    """A mirror with its store, and what was recorded of its days."""

    site: Site
    store: SmallStore
    recorder: Recorder
    base: disk.Disk
    recording: Recording


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    tmp_path = tmp_path_factory.mktemp("power")
    with small_s3() as store:
        process = cast("subprocess.Popen[bytes]", None)  # it has none
        server = servers.S3Server("small", store.endpoint_url, process)
        root = tmp_path / "disk"
        root.mkdir()
        site = Site(root, server, options='settle = "0s"\n')
        site.config = tmp_path / "docferry.toml"
        drop = f'[drop.inbox]\nfolder = "{root / INBOX}"\ninto = "docs/in"\nsettle = "0s"\n'
        site.configure(options='settle = "0s"\n', more=CONVERTING + drop)
        (root / "docferry.toml").unlink()
        recorder = Recorder.built(tmp_path, root)
        base = disk.Disk(root)
        yield Bench(site, store, recorder, base, live(site, store, recorder, DAYS))


@outcome("the power fails", HEALS)
@pytest.mark.timeout(36_000)
@pytest.mark.tools("gcc")
def test_wherever_the_power_is_cut_docferry_goes_on_by_itself_and_nothing_is_lost(
    bench: Bench,
) -> None:
    wrong: dict[str, list[str]] = {}

    tried = 0
    for number, survival, name in wanted_cuts(bench.recording):
        moment = cut(bench, number, survival)
        if found := wrongs_after(bench, moment):
            wrong[f"{name} survives at {number}, {_told(bench.recording, number)}"] = found
        tried += 1

    sys.stdout.write(f"{tried} cuts of {len(bench.recording.events())} events\n")
    assert wrong == {}


@outcome("docferry is killed", HEALS)
@pytest.mark.timeout(36_000)
@pytest.mark.tools("gcc")
def test_at_whichever_change_or_request_docferry_is_killed_it_goes_on_by_itself(
    bench: Bench,
) -> None:
    wrong: dict[str, list[str]] = {}

    tried = 0
    for kill in wanted_kills(bench.recording):
        morning = bench.recording.number_at(kill.lived.began_ns)
        before = cut(bench, morning, disk.ALL)
        if kill.run(bench):
            objects = dict(bench.store.objects)
            had = had_before(bench.recording.days, kill.lived, [objects], before.prefix)
            moment = replace(before, files=bench.site.docs.files(), objects=objects, had=had)
            tried += 1
            if found := wrongs_after(bench, moment):
                wrong[f"{kill}"] = found

    sys.stdout.write(f"{tried} kills\n")
    assert tried > 0
    assert wrong == {}


@dataclass(frozen=True, slots=True)
class Kill:
    """
    One way to end docferry on a day.

    Args:
        at: Its so-manieth change of the disk, or request.
        is_request: It is a request.
        is_answered: The store has carried the request out, and nobody hears of it; else it
            never comes to the store.
    """

    lived: Lived
    at: int
    is_request: bool
    is_answered: bool = False

    def __str__(self) -> str:
        what = "request" if self.is_request else "change"
        done = ", carried out" if self.is_answered else ""
        return f"on day {DAYS.index(self.lived.day)}, at {what} {self.at}{done}"

    def run(self, bench: Bench) -> bool:
        """Let docferry run; say whether it was killed."""
        at = None if self.is_request else self.at
        requests = count(1)
        with started(bench.site, bench.recorder.environ(kill_at=at), "run", "--once") as process:

            def on_request(is_done: bool) -> None:  # noqa: FBT001
                if is_done == self.is_answered and next(requests) == self.at:
                    process.kill()
                    raise ConnectionError

            bench.store.on_request = on_request if self.is_request else _nothing
            process.communicate()
        bench.store.on_request = _nothing
        return process.returncode == -signal.SIGKILL


def wanted_kills(recording: Recording) -> Iterator[Kill]:
    """Choose kills of every day. Threads take turns as they like: a step's number is a guess."""
    every, telling, requests = [], [], recording.requests
    for lived in recording.days:
        first, last = recording.number_at(lived.began_ns), recording.number_at(lived.ended_ns)
        events = [event for _, event in recording.events()[first:last]]
        changes = [event for event in events if isinstance(event, Record)]
        here = [Kill(lived, at + 1, is_request=False) for at in range(len(changes))]
        there = [
            Kill(lived, at, is_request=True, is_answered=is_answered)
            for at in range(1, 1 + sum(lived.began_ns < at <= lived.ended_ns for at in requests))
            for is_answered in (False, True)
        ]
        every += here + there
        of_names = (Kind.RENAME, Kind.REMOVE, Kind.LINK)
        telling += [kill for kill in here if changes[kill.at - 1].kind in of_names] + there
    source = random.Random(SEED)
    yield from every if KILLS == "all" else source.sample(telling, int(KILLS))


def _nothing(is_done: bool) -> None:  # noqa: FBT001
    pass


def wanted_cuts(recording: Recording) -> Iterator[tuple[int, disk.Survival, str]]:
    """Choose cuts, each before an event, and what survives it."""
    kinds = {"nothing": disk.NOTHING, "names": disk.NAMES, "zeros": disk.ZEROS, "all": disk.ALL}
    events = recording.events()
    numbers = range(len(events) + 1)
    if CUTS == "all":
        for number in numbers:
            for name, survival in kinds.items():
                yield number, survival, name
            yield number, disk.some(number), f"seed {number}"
        return
    for lived in recording.days:  # what a day has come to is there for good
        yield recording.number_at(lived.ended_ns), disk.NOTHING, "nothing"
    source = random.Random(SEED)
    steps = [number for number in numbers if number and _is_step(events[number - 1][1])]
    most = int(CUTS)
    chosen = {*source.sample(steps, min(most * 3 // 4, len(steps)))}
    chosen |= {*source.sample(numbers, min(most - len(chosen), len(numbers)))}
    for number in sorted(chosen):
        name, survival = source.choice([*kinds.items(), (f"seed {number}", disk.some(number))])
        yield number, survival, name


def _told(recording: Recording, number: int) -> str:
    """Say between which events a cut is."""
    events = [event for _, event in recording.events()[max(0, number - 1) : number + 1]]
    names = [
        f"{each.kind.name} {each.name}" if isinstance(each, Record) else "the store changes"
        for each in events
    ]
    return " | ".join(names)


def _is_step(event: Record | Objects) -> bool:
    """Say whether a cut right after it tells more than most: the rest are mostly writes."""
    return not isinstance(event, Record) or event.kind not in (Kind.WRITE, Kind.ATTRIBUTES)


def wrongs_after(bench: Bench, moment: Moment) -> list[str]:
    """Let docferry run, and say what is wrong then."""
    found: list[str] = []
    for _ in range(RUNS):
        is_in_step = bench.site.work_off()
        found = moment.wrongs(bench.site)
        if is_in_step and not found:
            return []
    return found or ["never in step"]


def cut(bench: Bench, number: int, survival: disk.Survival) -> Moment:
    """Lay out disk and store as they may be if the power is cut before the event of that number."""
    recording = bench.recording
    events = recording.events()
    now, objects, states = bench.base.copy(), cast(Objects, {}), []
    for _, event in events[:number]:
        if isinstance(event, Record):
            now.take(event)
        else:
            objects = event
            states.append(objects)
    found = now.after(survival)
    site = bench.site
    lay_out(site.folder, site.state, found)
    bench.store.objects = dict(objects)
    lived = recording.day_of(events[min(number, len(events) - 1)][0])
    prefix = site.docs.prefix
    had = had_before(recording.days, lived, states, prefix)
    dropped = {text.encode() for text in lived.day.drops.values()}
    return Moment(
        lived,
        files_of(found, Path(site.docs.name)),
        objects,
        prefix,
        had | dropped.intersection(files_of(found, Path(INBOX)).values()),
    )
