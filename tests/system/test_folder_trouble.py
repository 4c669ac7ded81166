"""
Trouble with the folder: it is named with its remedy, all else goes on, and it heals by itself.

As root nothing is forbidden: there docferry runs without the capabilities that make it so.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from contextlib import chdir, suppress
from pathlib import Path

import pytest

from system.conftest import NewSite
from system.daemon import Site
from system.outcomes import HEALS, outcome
from system.trouble import (
    CHECK_FOLDER,
    a_small_disk,
    heals,
    is_named,
    problem,
    problems,
    reason,
    remount,
)

AS_PEOPLE_ARE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")

# What docferry's user may not do.


def as_people_are(site: Site) -> Site:
    """Let docferry only do what the modes of files allow."""
    if os.geteuid() == 0:
        site.wrapper = AS_PEOPLE_ARE
    return site


@pytest.fixture
def usual_site(site: Site) -> Site:
    return as_people_are(site)


@pytest.mark.tools("setpriv")
def test_an_unreadable_file_is_shown_and_everything_else_travels(usual_site: Site) -> None:
    docs = usual_site.docs
    with usual_site.running() as daemon:
        secret = docs.folder / "secret.txt"
        secret.touch(mode=0o000)
        docs.write("open.txt", b"open")
        daemon.wait_for(lambda: docs.get("open.txt") == b"open")
        daemon.wait_until("waiting")
        assert f"{secret}: Permission denied. Give docferry's user" in problem(
            usual_site, "secret.txt"
        )
        assert "secret.txt" in usual_site.run("status", code=1)
        assert [event["path"] for event in daemon.events("operation.failed")] == ["secret.txt"]
        assert docs.objects() == {"open.txt": b"open"}

        secret.chmod(0o600)

        heals(daemon, usual_site)
        assert docs.get("secret.txt") == b""


@pytest.mark.tools("setpriv")
def test_an_unreadable_folder_deletes_nothing_while_docferry_is_down(usual_site: Site) -> None:
    docs = usual_site.docs
    docs.write("sub/a.txt", b"a")
    docs.write("b.txt", b"b")
    usual_site.run_once()
    (docs.folder / "sub").chmod(0o000)
    docs.write("c.txt", b"c")

    usual_site.run_once(code=1)

    assert docs.objects() == {"sub/a.txt": b"a", "b.txt": b"b", "c.txt": b"c"}
    assert "the folder cannot be read: Permission denied" in problem(usual_site, "sub")
    planned = usual_site.plan()["docs"]
    assert (planned.operations, planned.held_back) == ([], [])
    assert "Permission denied" in planned.waiting["sub"]
    (docs.folder / "sub").chmod(0o755)
    usual_site.run_once()
    assert problems(usual_site) == {}


@pytest.mark.tools("setpriv")
def test_an_unreadable_folder_deletes_nothing_while_docferry_runs(usual_site: Site) -> None:
    docs = usual_site.docs
    docs.write("sub/a.txt", b"a")
    with usual_site.running() as daemon:
        heals(daemon, usual_site)
        (docs.folder / "sub").chmod(0o000)
        docs.write("b.txt", b"b")
        docs.put("sub/theirs.txt", b"theirs")
        daemon.wait_for(lambda: docs.get("b.txt") == b"b")
        daemon.wait_for(lambda: "Permission denied" in str(problems(usual_site)))
        assert "Permission denied" in usual_site.run("status", code=1)
        assert daemon.health() == {"docs": "waiting"}
        assert docs.get("sub/a.txt") == b"a"

        (docs.folder / "sub").chmod(0o755)

        heals(daemon, usual_site)
        assert docs.files() == {"sub/a.txt": b"a", "b.txt": b"b", "sub/theirs.txt": b"theirs"}


@pytest.mark.tools("setpriv")
@pytest.mark.parametrize("path", ["sub/theirs.txt", "theirs.txt"], ids=["below", "the root"])
def test_a_read_only_folder_is_named_and_uploads_go_on(usual_site: Site, path: str) -> None:
    docs = usual_site.docs
    docs.write("sub/mine.txt", b"mine")
    docs.write("other/mine.txt", b"mine")
    with usual_site.running() as daemon:
        heals(daemon, usual_site)
        folder = (docs.folder / path).parent
        folder.chmod(0o555)
        docs.put(path, b"theirs")
        docs.put("other/theirs.txt", b"theirs")
        daemon.wait_for(lambda: (docs.folder / "other/theirs.txt").exists())
        daemon.wait_until("waiting")
        assert f"{docs.folder / path}: Permission denied. Give docferry's user" in problem(
            usual_site, path
        )
        docs.write("other/also mine.txt", b"mine, too")
        daemon.wait_for(lambda: docs.get("other/also mine.txt") == b"mine, too")

        folder.chmod(0o755)

        heals(daemon, usual_site)
        assert docs.files()[path] == b"theirs"


@pytest.mark.tools("setpriv")
def test_check_names_a_folder_that_cannot_be_written(usual_site: Site) -> None:
    usual_site.docs.folder.mkdir(mode=0o555)

    checked = usual_site.ended("check")

    assert checked.returncode == CHECK_FOLDER
    assert f"let the user {pwd.getpwuid(os.geteuid()).pw_name} read and write" in checked.stdout


@pytest.mark.tools("setpriv")
def test_check_names_a_folder_that_the_first_run_could_not_make(usual_site: Site) -> None:
    closed = usual_site.docs.folder.with_name("closed")
    closed.mkdir(mode=0o555)
    usual_site.docs.folder = closed / "docs"
    usual_site.state = closed / "state"
    usual_site.configure()

    checked = usual_site.ended("check")
    ran = usual_site.ended("run", "--once")

    assert checked.returncode == CHECK_FOLDER
    for folder in (closed / "docs", closed / "state"):
        assert f"-m 2770 {folder}" in checked.stdout
    assert ran.returncode == 2
    assert f"cannot lock {closed}/state/lock: Permission denied" in ran.stderr
    assert "choose another `state_dir`" in ran.stderr


@pytest.mark.tools("setpriv")
def test_a_folder_that_is_closed_at_the_start_keeps_no_other_mirror_waiting(
    new_site: NewSite,
) -> None:
    site = as_people_are(new_site(names=("docs", "other")))
    docs, other = site.docs, site.mirrors["other"]
    docs.folder.mkdir(mode=0o000)
    docs.put("theirs.txt", b"theirs")
    other.write("a.txt", b"a")
    with site.running(until=None) as daemon:
        daemon.wait_for(lambda: other.objects() == {"a.txt": b"a"})
        is_named(daemon, site, "unreachable", str(docs.folder), "Permission denied")

        docs.folder.chmod(0o755)

        heals(daemon, site)
        assert docs.files() == {"theirs.txt": b"theirs"}


# What is no document.


def test_what_is_no_file_is_left_alone_and_shown_as_long_as_it_is_there(site: Site) -> None:
    docs, outside = site.docs, site.folder / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(b"not of the mirror")
    docs.write("a.txt", b"a")
    with site.running() as daemon:
        (docs.folder / "link.txt").symlink_to(outside / "secret.txt")
        (docs.folder / "link").symlink_to(outside)
        (docs.folder / "sub").mkdir()
        os.mkfifo(docs.folder / "sub/pipe")
        with chdir(docs.folder), socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")  # its whole name would be too long
        docs.put("link/new.txt", b"must not get outside")
        odd = {"link.txt", "link", "sub/pipe", "socket"}
        daemon.wait_for(lambda: problems(site).keys() >= odd)

        assert docs.objects() == {"a.txt": b"a", "link/new.txt": b"must not get outside"}
        assert [path.name for path in outside.iterdir()] == ["secret.txt"]
        assert "a named pipe" in problem(site, "sub/pipe")

        for name in ("link.txt", "link", "socket"):
            (docs.folder / name).unlink()
        shutil.move(docs.folder / "sub", outside / "sub")

        heals(daemon, site)
        assert docs.files() == {"a.txt": b"a", "link/new.txt": b"must not get outside"}


def test_a_name_that_is_not_utf8_is_shown_and_everything_else_travels(site: Site) -> None:
    docs = site.docs
    docs.write("a.txt", b"a")
    odd = Path(os.fsdecode(os.fsencode(docs.folder) + b"/\xff.txt"))
    odd.write_bytes(b"latin-1")

    site.run_once(code=1)

    assert docs.get("a.txt") == b"a"
    assert problem(site, "\\xff.txt") == (
        "local side: the name is not valid UTF-8: rename the file"
    )
    assert "UTF-8" in site.run("status", code=1)
    odd.rename(docs.folder / "renamed.txt")
    assert site.work_off()
    assert docs.get("renamed.txt") == b"latin-1"
    assert problems(site) == {}


@pytest.mark.tools("strace")
def test_a_name_that_is_too_long_for_the_file_system_is_shown_and_uploads_go_on(
    site: Site,
) -> None:
    """Most file systems take 255 bytes; one that is encrypted by eCryptfs takes 143."""
    docs = site.docs
    docs.put("theirs.txt", b"theirs")
    docs.write("mine.txt", b"mine")
    no_new_names = ("-e", "trace=renameat2", "-e", "inject=renameat2:error=ENAMETOOLONG")
    site.wrapper = ("strace", "-f", "-qq", "-o", "/dev/null", *no_new_names)

    site.run_once(code=1)

    site.wrapper = ()
    assert docs.objects() == {"mine.txt": b"mine", "theirs.txt": b"theirs"}
    assert docs.files() == {"mine.txt": b"mine"}
    assert problem(site, "theirs.txt") == (
        f"{docs.folder / 'theirs.txt'}: the name is too long for this file system; shorten it"
    )
    assert site.work_off()
    assert docs.files() == docs.objects()
    assert problems(site) == {}


# The disk.


@outcome("the disk of the folder is full", HEALS, sees="make room there")
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_full_disk_is_named_nothing_half_written_is_seen_and_it_heals(site: Site) -> None:
    docs = site.docs
    with a_small_disk(docs.folder, "2m"), site.running() as daemon:
        docs.put("large.bin", b"x" * 4_000_000)
        docs.put("small.txt", b"small")
        daemon.wait_for(lambda: (docs.folder / "small.txt").exists())
        daemon.wait_for(lambda: "large.bin" in problems(site))
        found = problem(site, "large.bin")
        assert f"the disk of {docs.folder} has" in found
        assert "make room there" in found
        assert docs.files() == {"small.txt": b"small"}
        assert docs.objects().keys() == {"large.bin", "small.txt"}

        remount(docs.folder, "size=16m")

        heals(daemon, site)
        assert docs.files().keys() == {"large.bin", "small.txt"}


@outcome("the disk of the folder is nearly full", HEALS, sees="nothing is taken in")
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_before_a_disk_is_full_nothing_is_taken_in_and_uploads_go_on(site: Site) -> None:
    docs = site.docs
    with a_small_disk(docs.folder, "16m"), site.running() as daemon:
        (docs.folder / "filler").write_bytes(b"x" * 13_000_000)  # a quarter is to stay free
        daemon.wait_for(lambda: ".docferry" in problems(site))
        docs.put("incoming.txt", b"small as it is")
        docs.write("outgoing.txt", b"outgoing")
        daemon.wait_for(lambda: "incoming.txt" in problems(site))
        daemon.wait_for(lambda: {"filler", "outgoing.txt"} <= docs.objects().keys())
        assert "nothing is taken in" in problem(site, ".docferry")
        assert not (docs.folder / "incoming.txt").exists()

        (docs.folder / "filler").unlink()

        heals(daemon, site)
        assert docs.files() == {"incoming.txt": b"small as it is", "outgoing.txt": b"outgoing"}
        assert len(daemon.events("disk.short")) == len(daemon.events("disk.recovered")) == 1


@outcome("the disk of the ledger is full", HEALS, sees="the disk is full")
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_full_disk_of_the_ledger_is_named_and_it_heals(site: Site) -> None:
    docs = site.docs
    with a_small_disk(site.state, "2m"), site.running() as daemon:
        docs.write("before.txt", b"before")
        heals(daemon, site)
        filler = fill(site.state)
        docs.write("meanwhile.txt", b"meanwhile")
        daemon.wait_for(lambda: "the disk is full; free some space" in str(daemon.readiness()))
        assert "Free some space" in site.run("status", code=1)
        assert "the disk is full" in str(daemon.events("ledger.failed"))

        filler.unlink()

        heals(daemon, site)
        assert docs.objects() == {"before.txt": b"before", "meanwhile.txt": b"meanwhile"}


def fill(disk: Path) -> Path:
    """Leave no room on a disk; give the file to remove."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("xb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return filler


@outcome(
    "the folder is remounted read-only", HEALS, sees="is mounted read-only: mount it read-write"
)
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_folder_remounted_read_only_is_named_and_heals(site: Site) -> None:
    docs = site.docs
    with a_small_disk(docs.folder, "2m"), site.running() as daemon:
        docs.write("mine.txt", b"mine")
        heals(daemon, site)
        remount(docs.folder, "ro")
        docs.put("theirs.txt", b"theirs")
        daemon.wait_for(lambda: "theirs.txt" in problems(site))
        said = problem(site, "theirs.txt")
        assert f"{docs.folder} is mounted read-only: mount it read-write" in said
        checked = site.ended("check")
        assert checked.returncode == CHECK_FOLDER
        assert f"mount the file system of {docs.folder} read-write" in checked.stdout

        remount(docs.folder, "rw")

        heals(daemon, site)
        assert docs.files() == {"mine.txt": b"mine", "theirs.txt": b"theirs"}


@outcome("the disk of the folder is not mounted", HEALS, sees="has no marker")
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_disk_that_is_unmounted_while_docferry_is_down_deletes_nothing(site: Site) -> None:
    with a_small_disk(site.docs.folder, "2m"):
        site.docs.write("a.txt", b"a")
        site.run_once()

    site.run_once(code=1)

    assert site.docs.objects() == {"a.txt": b"a"}
    assert f"the local side {site.docs.folder} has no marker" in reason(site)
