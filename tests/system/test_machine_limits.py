"""A machine at its limits: open files, watches, inodes, room, and a disk that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from system.daemon import Site
from system.machine import failing_calls, let_open
from system.outcomes import HEALS, REFUSES, outcome
from system.trouble import a_small_disk, heals, problem, problems, remount

FILES = 60
FAILED = 1


@outcome("docferry may have too few files open", HEALS, sees="raise LimitNOFILE=")
@pytest.mark.tools("prlimit")
def test_with_few_open_files_all_of_it_is_named_and_it_heals(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        let_open(daemon, 48)
        for number in range(FILES):
            docs.write(f"mine/{number}.txt", b"%d" % number)
            docs.put(f"theirs/{number}.txt", b"%d" % number)
        daemon.wait_for(lambda: "raise LimitNOFILE=" in daemon.log.read_text())

        let_open(daemon, 1024)

        heals(daemon, site)
        assert len(docs.files()) == len(docs.objects()) == 2 * FILES


NO_WATCHES = 'echo 5 > /proc/sys/user/max_inotify_watches; exec "$@"'


@outcome("the kernel grants too few inotify watches", HEALS, sees="is polled every")
@pytest.mark.root
@pytest.mark.tools("unshare")
def test_without_watches_a_folder_is_polled_and_that_is_said(site: Site) -> None:
    docs = site.docs
    for number in range(20):
        docs.write(f"{number}/a.txt", b"a")
    site.wrapper = ("unshare", "--user", "--map-root-user", "sh", "-c", NO_WATCHES, "sh")
    with site.running() as daemon:
        daemon.wait_for(lambda: "is polled every" in problems(site).get("", ""))
        assert "sysctl fs.inotify.max_user_watches" in problem(site, "")
        docs.write("19/b.txt", b"b")
        (docs.folder / "19/a.txt").unlink()

        daemon.wait_for(docs.is_equal)
        assert docs.get("19/b.txt") == b"b"
        assert docs.get("19/a.txt") is None


@outcome("the disk of the folder has no inodes left", HEALS, sees="it has no inodes left")
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_disk_without_inodes_is_named_and_it_heals(site: Site) -> None:
    docs = site.docs
    with a_small_disk(docs.folder, "8m,nr_inodes=40"), site.running() as daemon:
        for number in range(FILES):
            docs.put(f"theirs/{number}.txt", b"%d" % number)
        daemon.wait_for(lambda: "it has no inodes left" in str(problems(site)))

        remount(docs.folder, "nr_inodes=400")

        heals(daemon, site)
        assert len(docs.files()) == FILES


@outcome("one disk holds the folder and the ledger, and is full", HEALS, sees="full")
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_full_disk_of_folder_and_ledger_is_named_and_it_heals(site: Site) -> None:
    docs, disk = site.docs, site.folder / "disk"
    with a_small_disk(disk, "16m"):
        site.state, docs.folder = disk / "state", disk / "docs"
        site.configure()
        with site.running() as daemon:
            docs.write("before.txt", b"before")
            heals(daemon, site)
            filler = disk / "filler"
            fill(filler)
            docs.put("theirs.bin", b"x" * 1_000_000)
            docs.put("edited.txt", b"edited")
            daemon.wait_for(lambda: "disk is full" in daemon.log.read_text())
            assert docs.objects().keys() == {"before.txt", "edited.txt", "theirs.bin"}
            assert docs.files().keys() <= {"before.txt", "edited.txt", "theirs.bin"}

            filler.unlink()

            heals(daemon, site)
            assert docs.files() == docs.objects()


def fill(filler: Path) -> None:
    with filler.open("xb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:  # that is all there is
            return


@outcome("the disk fails to read a file", HEALS, sees="Input/output error")
@outcome("the disk fails to write the ledger", HEALS, sees="cannot be read or written")
@pytest.mark.tools("strace")
def test_a_disk_that_fails_is_named_and_it_heals(site: Site) -> None:
    docs = site.docs
    bad = docs.write("bad.txt", b"1")
    with site.running() as daemon:
        heals(daemon, site)
        with failing_calls(daemon, "read,pread64", "EIO", on=bad):
            docs.write("bad.txt", b"22")
            docs.write("mine.txt", b"mine")
            daemon.wait_for(lambda: "Input/output error" in problem(site, "bad.txt"))
            daemon.wait_for(lambda: docs.get("mine.txt") == b"mine")
            assert docs.get("bad.txt") == b"1"
        heals(daemon, site)
        assert docs.get("bad.txt") == b"22"

        with failing_calls(daemon, "pwrite64", "EIO", on=site.state / "ledger.sqlite3-wal"):
            docs.write("more.txt", b"more")
            docs.put("theirs.txt", b"theirs")
            daemon.wait_for(lambda: "cannot be read or written" in str(daemon.readiness()))
        heals(daemon, site)
        assert (
            docs.files().keys()
            == docs.objects().keys()
            == {"bad.txt", "mine.txt", "more.txt", "theirs.txt"}
        )


@outcome("the state directory is read-only at the start", REFUSES)
@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_ledger_that_cannot_be_written_keeps_docferry_from_starting(site: Site) -> None:
    docs = site.docs
    with a_small_disk(site.state, "8m"):
        docs.write("a.txt", b"a")
        docs.write("b.txt", b"b")
        assert site.work_off()
        remount(site.state, "ro")
        (docs.folder / "a.txt").unlink()

        refused = site.ended("run", "--once")

        assert refused.returncode == FAILED
        assert "cannot be opened for this" in refused.stderr
        assert docs.objects().keys() == {"a.txt", "b.txt"}
        remount(site.state, "rw")
        assert site.work_off()
        assert docs.objects() == {"b.txt": b"b"}
