"""Some days of a mirror, all of it recorded: what people did, what docferry wrote, the store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from processes import wait_for
from small_s3 import Objects, SmallStore
from system.daemon import RESERVED, Site
from system.recorder import Record, Recorder

INBOX = "inbox"  #: the drop folder, beside the mirror's
_EDITOR = Path(__file__).with_name("editor.py")
#: What is at each path, or key.
Tree: TypeAlias = Mapping[str, bytes]
#: A deed in the folder: what, at which path, and the content or the new name.
Deed: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Day:
    """
    What people do while docferry is not running, and ask of it. Then it runs.

    Args:
        puts: Contents that strangers put into the bucket; None: removed.
        asks: Commands of docferry's.
        comes: What comes to be at a path by what is asked, or dropped.
        drops: Files that are saved in the drop folder: it is emptied into the mirror's `in`.
    """

    deeds: Sequence[Deed] = ()
    puts: Mapping[str, str | None] = field(default_factory=dict)
    asks: Sequence[Sequence[str]] = ()
    comes: Mapping[str, str] = field(default_factory=dict)
    drops: Mapping[str, str] = field(default_factory=dict)

    def changes_here(self) -> dict[str, bytes | None]:
        """Give what becomes of paths in the folder; None: it goes."""
        comes = {**self.comes, **{f"in/{name}": text for name, text in self.drops.items()}}
        made: dict[str, bytes | None] = {path: text.encode() for path, text in comes.items()}
        for deed, path, what in self.deeds:
            made[path] = None if deed in ("delete", "rename") else what.encode()
        return made

    def changes_there(self) -> dict[str, bytes | None]:
        return {key: None if text is None else text.encode() for key, text in self.puts.items()}


@dataclass(frozen=True, slots=True)
class Lived:
    """A day that is over."""

    day: Day
    before: Tree
    after: Tree
    began_ns: int  #: monotonic: docferry began to run
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Recording:
    """Some days: all that changed on the disk and in the store, in its order."""

    days: Sequence[Lived]
    records: Sequence[Record]
    store: Sequence[tuple[int, Objects]]
    requests: Sequence[int]  #: when each was made

    def events(self) -> list[tuple[int, Record | Objects]]:
        """Give it all with its times, in its order."""
        found: list[tuple[int, Record | Objects]] = [(each.time_ns, each) for each in self.records]
        return sorted([*found, *self.store], key=lambda event: event[0])

    def number_at(self, time_ns: int) -> int:
        """Count the events until then."""
        return sum(1 for at, _ in self.events() if at <= time_ns)

    def day_of(self, time_ns: int) -> Lived:
        return next(lived for lived in self.days if time_ns <= lived.ended_ns)


def live(site: Site, store: SmallStore, recorder: Recorder, days: Sequence[Day]) -> Recording:
    """Let *days* be lived, and docferry run at the end of each."""
    lived, before = [], tree_of(store.objects, site.docs.prefix)
    for day in days:
        begin(site, store, recorder, day)
        began_ns = time.monotonic_ns()
        if day.drops:
            empty_drop_folder(site, store, recorder, day)
        assert run_recorded(site, recorder, "run", "--once") == 0
        after = tree_of(store.objects, site.docs.prefix)
        assert after == site.docs.files()
        lived.append(Lived(day, before, after, began_ns, _last(recorder, store)))
        before = after
    return Recording(lived, recorder.records(), [*store.history], [*store.requests])


def begin(site: Site, store: SmallStore, recorder: Recorder, day: Day) -> None:
    """Do what people do on that day."""
    deeds = [*day.deeds]
    deeds += [("save", f"../{INBOX}/{name}", text) for name, text in day.drops.items()]
    if deeds:
        folder = str(site.docs.folder)
        command = [sys.executable, "-SE", str(_EDITOR), folder, json.dumps(deeds)]
        subprocess.run(command, env=dict(recorder.environ()), check=True)
    for key, text in day.puts.items():
        if text is None:
            store.remove(site.docs.prefix + key)
        else:
            store.put(site.docs.prefix + key, text.encode())
    for asked in day.asks:
        run_recorded(site, recorder, *asked)


def empty_drop_folder(site: Site, store: SmallStore, recorder: Recorder, day: Day) -> None:
    """Let the daemon run until all that was dropped is in the bucket."""
    keys = [f"{site.docs.prefix}in/{name}" for name in day.drops]
    with started(site, recorder.environ(), "run") as process:
        wait_for(lambda: store.objects.keys() >= {*keys}, 60)
        process.terminate()
        said, _ = process.communicate()
    assert process.returncode == 0, said


def run_recorded(site: Site, recorder: Recorder, *command: str) -> int:
    """Run a command of docferry's to its end, whatever that is; give its exit code."""
    with started(site, recorder.environ(), *command) as process:
        said, _ = process.communicate()
    assert b"Traceback" not in said, said
    return process.returncode


def started(site: Site, environ: Mapping[str, str], *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        site.command(*command),
        env={**site.environ(), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def tree_of(objects: Objects, prefix: str) -> dict[str, bytes]:
    """Give the documents of a bucket, by path."""
    keys = (key for key in objects if key.startswith(prefix))
    paths = {key.removeprefix(prefix): key for key in keys}
    return {
        path: objects[key].body
        for path, key in paths.items()
        if not path.startswith(f"{RESERVED}/")
    }


def _last(recorder: Recorder, store: SmallStore) -> int:
    return max(recorder.records()[-1].time_ns, store.history[-1][0])
