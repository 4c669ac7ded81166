"""A lost ledger, and a lost folder: what the bucket holds brings both back, and takes no byte."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import proxy
import servers
from docferry.ledger import Ledger
from docferry.ledger.damage import damage_of
from system.conftest import NewSite
from system.daemon import Site
from system.lost import (
    Lost,
    Version,
    drop_snapshots,
    had_a_life,
    known,
    lose,
    snapshots,
    take_snapshot,
    times_of,
    versions_of,
    watched,
)

_SNAPSHOTS = ".docferry/ledger/"


def rebuilt(site: Site, *options: str, code: int = 0) -> Any:
    """Rebuild, and give what is said of the one mirror."""
    said = json.loads(site.run("rebuild", "--yes", "--json", *options, code=code))
    [mirror] = said["rebuilt"]["mirrors"]
    return mirror["result"]


def is_nothing_to_do(site: Site) -> None:
    """The next run finds everything as it is."""
    assert site.plan()["docs"].operations == []


def since(times: set[Version]) -> datetime:
    """Give when the one version that is not current left its path."""
    [left_at] = [left_at for _, left_at, *_ in times if left_at is not None]
    return datetime.fromisoformat(left_at)


# All is lost.


def test_with_a_snapshot_everything_is_as_it_was(site: Site, server: servers.S3Server) -> None:
    had_a_life(site, is_large=True)
    take_snapshot(site)
    lost = lose(site)

    with watched(site, server) as changing:
        result = rebuilt(site)

    assert changing == []
    assert site.docs.files() == lost.files == site.docs.objects()
    assert (versions_of(site), times_of(site)) == (lost.versions, lost.times)
    assert (result["told"], result["read"], result["archived"]) == (0, 0, 0)
    assert (result["lost"], result["refused"]) == ([], [])
    is_nothing_to_do(site)
    with Ledger.open(site.state / "ledger.sqlite3", read_only=True) as ledger:
        assert ledger.keys.are_needed()  # whether there were API keys nobody knows


def test_what_came_after_the_snapshot_is_found_all_the_same(
    site: Site, server: servers.S3Server
) -> None:
    had_a_life(site)
    take_snapshot(site)
    taken = snapshots(site)
    docs = site.docs
    docs.write("p/00.txt", b"fourth")
    docs.write("new.txt", b"new since")
    (docs.folder / "p/05.txt").unlink()
    docs.remove("p/06.txt")
    site.work_off()
    docs.write("p/00.txt", b"fifth")
    site.work_off()
    drop_snapshots(site, taken & snapshots(site))
    lost = lose(site)
    docs.put("while it was lost.txt", b"of a stranger")

    with watched(site, server) as changing:
        result = rebuilt(site)

    assert changing == []
    assert docs.files() == lost.files | {"while it was lost.txt": b"of a stranger"}
    assert versions_of(site) >= lost.versions
    assert len(versions_of(site)) == len(lost.versions) + 1
    # Of p/00.txt the fourth is archived, the fifth current; p/05 and p/06 are gone.
    assert (result["told"], result["read"]) == (2, 1)
    assert (result["archived"], result["gone"]) == (1, 2)
    is_nothing_to_do(site)


def test_a_deletion_after_the_snapshot_has_its_time(site: Site) -> None:
    """Else one who looks at the folder as it was then would not find the file in it."""
    site.docs.write("a", b"deleted later")
    site.docs.write("b", b"so that the folder is not empty")
    site.work_off()
    take_snapshot(site)
    taken = snapshots(site)
    (site.docs.folder / "a").unlink()
    site.work_off()
    drop_snapshots(site, taken)
    lost = lose(site)

    rebuilt(site)

    assert abs(since(times_of(site)) - since(lost.times)) < timedelta(seconds=2)


def test_without_a_snapshot_the_bucket_alone_tells(site: Site, server: servers.S3Server) -> None:
    had_a_life(site, is_large=True)
    drop_snapshots(site)
    lost = lose(site)

    with watched(site, server) as changing:
        result = rebuilt(site)

    assert changing == []
    assert site.docs.files() == lost.files
    assert versions_of(site) >= lost.telling
    assert result["snapshot"] is None
    assert (result["archived"], result["read"]) == (6, 4)  # strangers' objects say nothing
    is_nothing_to_do(site)


def test_what_was_held_is_not_let_go_where_no_snapshot_tells_that_it_was(site: Site) -> None:
    docs = site.docs
    docs.options = "keep_last = 1\n"
    site.configure()
    docs.write("a", b"one")
    site.work_off()
    [row] = site.json("versions", "a")["versions"]
    site.run("hold", row["id"])
    for text in (b"two", b"three", b"four"):
        docs.write("a", text)
        site.work_off()
    lost = lose(site)
    was = archived(site)

    result = rebuilt(site, "--from-objects")
    site.work_off()
    kept = archived(site)
    site.run("retention", "docs", "--now", "--yes", code=None)
    site.work_off()

    assert result["snapshot"] is None
    assert f".docferry/versions/{row['id']}" in was
    assert kept == was
    assert len(archived(site)) == 1
    assert docs.files() == lost.files


def archived(site: Site) -> set[str]:
    """Give the keys of what the bucket has archived."""
    return {key for key in site.docs.all_keys() if key.startswith(".docferry/versions/")}


def test_a_snapshot_need_not_be_believed(site: Site) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost = lose(site)

    result = rebuilt(site, "--from-objects")

    assert result["snapshot"] is None
    assert site.docs.files() == lost.files
    assert versions_of(site) >= lost.telling


def test_of_damaged_snapshots_the_next_older_one_is_taken_and_it_is_said(site: Site) -> None:
    had_a_life(site)
    take_snapshot(site)
    site.docs.write("p/00.txt", b"fourth")
    site.work_off()
    take_snapshot(site)
    *_, newest = sorted(key for key in site.docs.all_keys() if key.startswith(_SNAPSHOTS))
    whole = site.docs.get(newest) or b""
    site.docs.put(newest, whole[: len(whole) // 2])
    lost = lose(site)

    result = rebuilt(site)

    assert site.docs.files() == lost.files
    assert versions_of(site) >= lost.versions
    assert [newest.split("/")[-1].split(".")[0] in each for each in result["refused"]] == [True]
    assert result["snapshot"] is not None


def test_two_machines_may_rebuild_at_once(
    site: Site, new_site: NewSite, server: servers.S3Server
) -> None:
    had_a_life(site)
    take_snapshot(site)
    other = new_site()
    other.docs.prefix = site.docs.prefix
    other.configure()
    lost = lose(site)

    with (
        watched(site, server) as changing,
        watched(other, server) as changing_too,
        ThreadPoolExecutor(2) as both,
    ):
        ended = [*both.map(lambda each: each.ended("rebuild", "--yes"), (site, other))]

    assert [one.returncode for one in ended] == [0, 0]
    assert (changing, changing_too) == ([], [])
    for each in (site, other):
        assert each.docs.files() == lost.files
        assert versions_of(each) == lost.versions


def test_killed_in_the_middle_it_leaves_nothing_half_and_is_simply_done_again(
    site: Site, server: servers.S3Server
) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost = lose(site)
    killed: list[subprocess.Popen[bytes]] = []

    def kill(request: proxy.Request) -> None:
        if "docferry%2Fversions" in request.path and killed:
            killed[0].send_signal(signal.SIGKILL)

    with watched(site, server, kill):
        command = site.command("rebuild", "--yes")
        killed.append(subprocess.Popen(command, env=site.environ(), stdout=subprocess.PIPE))
        killed[0].communicate(timeout=60)

    assert killed[0].returncode == -signal.SIGKILL
    assert not (site.state / "ledger.sqlite3").exists()
    rebuilt(site)
    assert site.docs.files() == lost.files
    assert versions_of(site) == lost.versions


def test_a_journal_that_a_lost_ledger_has_left_goes_into_no_new_one(site: Site) -> None:
    site.docs.write("a", b"a")
    site.work_off()
    path = site.state / "ledger.sqlite3"
    journal = site.state / "ledger.sqlite3-wal"
    with Ledger.open(path) as ledger:
        for number in range(20):
            ledger.aliases.add("docs", f"{number}", f"of the lost one {number}")
        left = journal.read_bytes()
    lose(site)
    site.state.mkdir()
    journal.write_bytes(left)

    rebuilt(site)

    assert damage_of(path) is None
    with Ledger.open(path) as ledger:
        assert ledger.aliases.all("docs") == {}
        assert [path for path, _ in ledger.synced.scan("docs")] == ["a"]


# The folder is there.


def test_what_the_folder_holds_is_compared_and_nothing_goes_over_the_buckets(site: Site) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost = lose(site, with_folder=False)
    docs = site.docs
    docs.write("p/07.txt", b"edited while nobody looked")
    docs.write("only here.txt", b"new while nobody looked")
    (docs.folder / "p/08.txt").unlink()

    said = json.loads(site.run("rebuild", "--yes", "--json"))

    found = docs.files()
    copies = {path: content for path, content in found.items() if path not in lost.files}
    assert {path: found[path] for path in lost.files} == lost.files
    assert copies.pop("only here.txt") == b"new while nobody looked"
    assert list(copies.values()) == [b"edited while nobody looked"]
    assert said["conflicts"] == [["p/07.txt", *copies]]
    assert docs.objects() == found
    assert versions_of(site) > lost.versions
    is_nothing_to_do(site)


def test_a_folder_that_says_nothing_of_itself_is_asked_about_first(site: Site) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost = lose(site)
    site.docs.write("somebody's.txt", b"is this the mirror's?")

    site.run("rebuild", "--yes", code=1)

    assert site.docs.files() == {"somebody's.txt": b"is this the mirror's?"}
    assert site.docs.objects() == lost.files
    assert [hold.kind for hold in site.holds()] == ["identity"]


# When not.


def test_a_sound_ledger_is_not_replaced(site: Site) -> None:
    site.docs.write("a", b"a")
    site.work_off()
    before = known(site)

    refused = site.ended("rebuild", "--yes")

    assert refused.returncode == 2
    assert "move it away" in refused.stderr
    assert known(site) == before


def test_while_the_daemon_runs_nothing_is_rebuilt(site: Site) -> None:
    site.docs.write("a", b"a")
    with site.running():
        (site.state / "ledger.sqlite3").rename(site.folder / "moved away")

        refused = site.ended("rebuild", "--yes")

    assert refused.returncode == 2
    assert "already runs" in refused.stderr


def test_a_bucket_that_never_was_a_mirror_is_nothing_to_rebuild_from(site: Site) -> None:
    site.docs.put("a", b"a")

    refused = site.ended("rebuild", "--yes")

    assert refused.returncode == 2
    assert "nothing to rebuild from" in refused.stderr
    assert not [*site.state.glob("ledger.sqlite3*")]
    assert not site.docs.folder.exists()


# A damaged ledger.


def spoil(ledger: Path) -> None:
    content = bytearray(ledger.read_bytes())
    for start in range(4096, len(content), 8192):
        content[start : start + 64] = b"\xff" * 64
    ledger.write_bytes(content)


def test_a_damaged_ledger_stops_the_daemon_until_it_is_rebuilt(site: Site) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost: Lost = known(site)
    spoil(site.state / "ledger.sqlite3")

    for _ in range(2):
        refused = site.ended("run", "--once")
        assert refused.returncode == 2
        assert "docferry rebuild" in refused.stderr
        assert "ledger.sqlite3.damaged-" in refused.stderr
    assert [site.asked(command).returncode for command in ("status", "plan", "check")] == [2, 2, 2]
    assert "docferry rebuild" in site.asked("check").stdout
    assert not (site.state / "ledger.sqlite3").exists()
    rebuilt(site)

    assert site.docs.files() == lost.files
    assert versions_of(site) == lost.versions
    assert site.work_off()


def test_a_damaged_ledger_is_rebuilt_at_once_where_that_is_asked_for_first(site: Site) -> None:
    site.docs.write("a", b"a")
    site.work_off()
    spoil(site.state / "ledger.sqlite3")

    rebuilt(site)

    assert site.docs.files() == {"a": b"a"}
    assert list(site.state.glob("ledger.sqlite3.damaged-*"))


# A fresh one.


def test_a_fresh_ledger_in_front_of_a_bucket_with_a_past_is_told_of_and_loses_nothing(
    site: Site,
) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost = lose(site)
    before, _ = site.asked("check"), site.work_off()

    after = site.asked("check")

    for checked in (before, after):
        assert checked.returncode == 0
        assert "the bucket holds a history of this mirror" in checked.stdout
        assert "docferry rebuild" in checked.stdout
    assert "there is no ledger in its way" in before.stdout
    assert "move the ledger away" in after.stdout
    assert site.docs.files() == lost.files


def test_a_past_that_a_fresh_ledger_began_without_is_taken_over_later(site: Site) -> None:
    had_a_life(site)
    take_snapshot(site)
    lost = lose(site)
    site.work_off()
    take_snapshot(site)  # of the fresh one: the newest now
    shutil.rmtree(site.state)

    rebuilt(site)

    was = {version[:5] for version in lost.versions}
    assert {version[:5] for version in versions_of(site)} >= was
    assert site.docs.files() == lost.files
    assert "the bucket holds a history" not in site.asked("check").stdout
