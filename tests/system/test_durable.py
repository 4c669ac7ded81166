"""What outlives a power cut: the order in which contents and names reach the disk."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from system.daemon import Site

_TRACE = ("strace", "-f", "-y", "-qq", "-s", "5000", "-e", "trace=fsync,renameat2,pwrite64")
#: `[pid 7] fsync(9</folder/name>) = 0`; a call that was interrupted by another thread's comes
#: in two lines, of which the second ends it.
_SYNCED = re.compile(r"^(\d+) +fsync\(\d+<([^>]+)>")
_RENAMED = re.compile(r'^(\d+) +renameat2\(\d+<([^>]+)>, "([^"]+)", \d+<([^>]+)>, "([^"]+)"')
_NOTED = re.compile(r'^(\d+) +pwrite64\(\d+<([^>]+/ledger\.sqlite3-wal)>, "(.*)"')
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>")


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that has come to its end: what was synced, named or written."""

    what: str
    target: str = ""  #: the name it got, or the text that was written; "": it was synced


@pytest.mark.tools("strace")
def test_a_download_is_on_the_disk_before_its_name_and_its_name_before_the_note(
    site: Site, tmp_path: Path
) -> None:
    docs = site.docs
    names = ["a.txt", "folder/b.txt", "folder/c.txt"]
    for name in names:
        docs.put(name, name.encode())
    trace = tmp_path / "trace"
    site.wrapper = (*_TRACE, "-o", str(trace))

    site.run_once()

    calls = calls_in(trace.read_text())
    assert docs.files() == docs.objects()
    for name in names:
        file = docs.folder / name
        named = next(at for at, call in enumerate(calls) if call.target == str(file))
        assert Call(calls[named].what) in calls[:named]
        noted = next(
            at
            for at, call in enumerate(calls)
            if call.what.endswith("-wal") and name in call.target
        )
        assert Call(str(file.parent)) in calls[named:noted]


@pytest.mark.tools("strace")
def test_what_goes_up_is_on_the_disk_with_its_name_before_that_is_noted(
    site: Site, tmp_path: Path
) -> None:
    """Who saved it did not wait for the disk: it would be gone, and deleted in the bucket."""
    docs = site.docs
    names = ["a.txt", "folder/b.txt", "folder/below/c.txt"]
    for name in names:
        docs.write(name, name.encode())
    trace = tmp_path / "trace"
    site.wrapper = (*_TRACE, "-o", str(trace))

    site.run_once()

    calls = calls_in(trace.read_text())
    assert docs.files() == docs.objects()
    for name in names:
        file = docs.folder / name
        sha256 = hashlib.sha256(name.encode()).hexdigest()  # an intent does not have it
        noted = next(
            at
            for at, call in enumerate(calls)
            if call.what.endswith("-wal") and sha256 in call.target
        )
        above = [folder for folder in file.parents if folder.is_relative_to(docs.folder)]
        assert all(Call(str(each)) in calls[:noted] for each in (file, *above))


@pytest.mark.tools("strace")
def test_a_version_had_back_and_what_it_displaces_are_on_the_disk_before_that_is_noted(
    site: Site, tmp_path: Path
) -> None:
    docs = site.docs
    for content in (b"first", b"second"):
        docs.write("folder/a.txt", content)
        site.run_once()
    site.ended("restore", "folder/a.txt", "--wait", "0")
    trace = tmp_path / "trace"
    site.wrapper = (*_TRACE, "-o", str(trace))

    site.run_once()

    calls = calls_in(trace.read_text())
    file, archive = docs.folder / "folder/a.txt", docs.folder / ".docferry/versions"
    assert file.read_bytes() == b"first"
    came = next(at for at, call in enumerate(calls) if call.target == str(file))
    went = next(at for at, call in enumerate(calls) if Path(call.target).parent == archive)
    noted = next(
        at
        for at, call in enumerate(calls)
        if at > went and call.what.endswith("-wal") and "folder/a.txt" in call.target
    )
    synced = [call.what for call in calls[:came] if not call.target]
    assert any("/.docferry/staging/" in what for what in synced)
    assert came < went
    for folder in (archive, archive.parent, file.parent):
        assert Call(str(folder)) in calls[went:noted]


def calls_in(trace: str) -> list[Call]:
    """Give what a trace shows, each call where it ended."""
    begun: dict[str, Call] = {}
    calls: list[Call] = []
    for line in trace.splitlines():
        call = _call_in(line)
        if call is None:
            continue
        thread, what = call
        if what is None:
            calls.extend(ended for ended in [begun.pop(thread, None)] if ended)
        elif line.endswith("<unfinished ...>"):
            begun[thread] = what
        else:
            calls.append(what)
    return calls


def _call_in(line: str) -> tuple[str, Call | None] | None:
    if found := _SYNCED.match(line):
        return found[1], Call(found[2])
    if found := _RENAMED.match(line):
        return found[1], Call(f"{found[2]}/{found[3]}", f"{found[4]}/{found[5]}")
    if found := _NOTED.match(line):
        return found[1], Call(found[2], found[3])
    if found := _RESUMED.match(line):
        return found[1], None
    return None
