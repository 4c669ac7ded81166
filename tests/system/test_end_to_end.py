"""From end to end: the installed command, a real folder, a real store, and people on both sides."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from docferry.core.paths import conflict_copy_path
from processes import is_gone, wait_for
from samples.make import SENTENCE, docx
from system.conftest import NewSite
from system.daemon import STOP_WITHIN_S, Mirror, Site

BIG = random.Random(7).randbytes(200 * 1024)


def sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def fill(docs: Mirror) -> None:
    """Put files on both sides: what `change` needs."""
    for name in ("edited", "deleted", "renamed", "kept", "moved folder/one", "moved folder/two"):
        docs.write(f"here/{name}.txt", f"{name}, from here".encode())
        docs.put(f"there/{name}.txt", f"{name}, from there".encode())
    docs.write("big.bin", BIG)


def change(docs: Mirror) -> dict[str, bytes]:
    """Edit, delete, rename and create on both sides; give what both must hold in the end."""
    for side in ("here", "there"):
        docs.write(f"{side}/edited.txt", b"edited in the folder")
        (docs.folder / side / "deleted.txt").unlink()
        (docs.folder / side / "renamed.txt").rename(docs.folder / side / "new name.txt")
        (docs.folder / side / "moved folder").rename(docs.folder / side / "folder, moved")
    docs.put("there/kept.txt", b"edited in the bucket")
    docs.remove("here/kept.txt")
    (docs.folder / "big.bin").rename(docs.folder / "as big.bin")
    docs.write("new/ünïcode and spaces/empty", b"")
    docs.put("new/from there.md", b"# new\n")
    wanted = {
        "there/kept.txt": b"edited in the bucket",
        "as big.bin": BIG,
        "new/ünïcode and spaces/empty": b"",
        "new/from there.md": b"# new\n",
    }
    for side in ("here", "there"):
        wanted[f"{side}/edited.txt"] = b"edited in the folder"
        wanted[f"{side}/new name.txt"] = f"renamed, from {side}".encode()
        for name in ("one", "two"):
            content = f"moved folder/{name}, from {side}".encode()
            wanted[f"{side}/folder, moved/{name}.txt"] = content
    return wanted


def test_what_changes_on_either_side_while_it_runs_ends_the_same_on_both(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        fill(docs)
        daemon.wait_for(lambda: len(docs.files()) == len(docs.objects()) == 13)
        daemon.wait_until("in-step")

        wanted = change(docs)

        daemon.wait_for(lambda: docs.files() == docs.objects() == wanted)
        daemon.wait_until("in-step")


def test_what_changes_on_either_side_while_it_is_down_ends_the_same_on_both(site: Site) -> None:
    docs = site.docs
    docs.folder.mkdir()
    fill(docs)
    assert site.work_off()
    wanted = change(docs)

    site.run("run", "--once")

    assert docs.files() == wanted
    assert docs.objects() == wanted
    assert site.plan()["docs"].operations == []


def test_displaced_and_deleted_contents_are_in_the_archive_of_the_side_where_they_were(
    site: Site,
) -> None:
    docs = site.docs
    docs.folder.mkdir()
    fill(docs)
    assert site.work_off()
    change(docs)

    site.run_once()

    assert {b"kept, from there", b"kept, from here"} <= set(docs.archived_files())
    edited = {f"edited, from {side}".encode() for side in ("here", "there")}
    deleted = {f"deleted, from {side}".encode() for side in ("here", "there")}
    assert edited | deleted <= set(docs.archived_objects())


def test_a_renamed_file_is_copied_inside_the_store_and_not_sent_again(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        docs.write("big.bin", BIG)
        daemon.wait_for(lambda: docs.objects() == {"big.bin": BIG})
        daemon.wait_until("in-step")
        sent = metric(daemon.fetch("/metrics"), "docferry_operation_bytes_total", "up")

        (docs.folder / "big.bin").rename(docs.folder / "renamed.bin")
        daemon.wait_for(lambda: docs.objects() == {"renamed.bin": BIG})

        assert metric(daemon.fetch("/metrics"), "docferry_operation_bytes_total", "up") == sent


def test_mtime_and_content_type_travel_with_a_file(new_site: NewSite) -> None:
    first, second = new_site(), new_site()
    second.docs.prefix = first.docs.prefix
    second.configure()
    file = first.docs.write("letter.pdf", b"%PDF-1.4 and so on")
    os.utime(file, ns=(1, 1_234_567_890_123_456_789))

    assert first.work_off()
    second.run_once()

    assert (second.docs.folder / "letter.pdf").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert first.docs.head("letter.pdf")["ContentType"] == "application/pdf"


def test_a_file_that_is_still_being_written_is_not_there_for_others(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        with (docs.folder / "half.txt").open("wb", buffering=0) as file:
            file.write(b"the first half, ")
            daemon.wait_until("waiting")  # it has been seen
            docs.write("whole.txt", b"whole")
            daemon.wait_for(lambda: docs.get("whole.txt") == b"whole")
            assert docs.get("half.txt") is None
            file.write(b"the second half")

        daemon.wait_for(lambda: docs.get("half.txt") is not None)

        assert docs.get("half.txt") == b"the first half, the second half"


def test_what_is_put_into_a_drop_folder_is_moved_into_the_mirror(
    new_site: NewSite, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    drop = f'[drop.scans]\nfolder = "{inbox}"\ninto = "docs/incoming"\nsettle = "100ms"\n'
    site = new_site(more=drop)
    with site.running() as daemon:
        wait_for(inbox.is_dir)

        (inbox / "scan.pdf").write_bytes(b"%PDF-1.4 scanned")

        daemon.wait_for(lambda: site.docs.objects() == {"incoming/scan.pdf": b"%PDF-1.4 scanned"})
        assert list(inbox.iterdir()) == []
        daemon.wait_until("in-step")
        assert site.json("log", "incoming/scan.pdf")["versions"][0]["origin"] == "drop"


def test_a_document_becomes_markdown_on_both_sides(new_site: NewSite) -> None:
    rule = (
        '[[convert]]\nname = "text"\nfrom = "docs"\npatterns = ["*.docx"]\n'
        'to = "processed"\nwith = "markdown"\n'
    )
    site = new_site(names=("docs", "processed"), more=rule)
    processed = site.mirrors["processed"]
    with site.running() as daemon:
        site.docs.write("timetable.docx", docx())

        daemon.wait_for(lambda: len(processed.objects()) == 1, timeout_s=60)
        site.settle(daemon)

    version = site.json("log", "timetable.docx", "--mirror", "docs")["versions"][0]["id"]
    assert list(processed.files()) == [f"{version}.md"]
    assert SENTENCE in processed.files()[f"{version}.md"].decode()
    assert site.json("status")["jobs"]["done"] == 1


def test_push_sends_and_never_takes_and_pull_takes_and_never_sends(new_site: NewSite) -> None:
    for mode, in_folder, in_bucket in (
        ("push", {"mine"}, {"mine", "theirs"}),
        ("pull", {"mine", "theirs"}, {"theirs"}),
    ):
        site = new_site(options=f'mode = "{mode}"')
        site.docs.write("mine", b"mine")
        site.docs.put("theirs", b"theirs")

        site.run_once(code=1)  # what the mode leaves alone is not in step, and said

        assert site.docs.files().keys() == in_folder
        assert site.docs.objects().keys() == in_bucket
        assert len(site.status()["docs"].problems) == 1


def test_a_file_edited_on_both_sides_is_kept_twice_and_shown_until_it_is_settled(
    site: Site,
) -> None:
    docs = site.docs
    docs.write("report.txt", b"first")
    assert site.work_off()
    docs.write("report.txt", b"of the folder")
    docs.put("report.txt", b"of the bucket")
    copy = conflict_copy_path("report.txt", sha256(b"of the folder"))

    site.run_once()

    assert docs.files() == {"report.txt": b"of the bucket", copy: b"of the folder"}
    assert docs.objects() == docs.files()
    assert site.status()["docs"].conflicts == [("report.txt", copy)]
    (conflict,) = site.json("conflicts", "list")
    site.run("conflicts", "settle", str(conflict["id"]))
    assert site.json("conflicts", "list") == []


def test_ls_log_and_status_tell_what_both_sides_hold(site: Site) -> None:
    docs = site.docs
    docs.write("a/one.txt", b"one")
    docs.write("two.txt", b"two")
    assert site.work_off()
    docs.put("two.txt", b"two, edited")
    assert site.work_off()

    listed = {each["path"]: each["state"]["sha256"] for each in site.json("ls", "docs")}
    story = site.json("log", "two.txt")

    assert listed == {"a/one.txt": sha256(b"one"), "two.txt": sha256(b"two, edited")}
    assert [each["path"] for each in site.json("ls", "docs", "a")] == ["a/one.txt"]
    assert [each["kind"] for each in story["history"]] == ["download", "upload"]
    assert [each["origin"] for each in story["versions"]] == ["store", "local"]
    assert site.status()["docs"].files == 2
    site.run("log", "nobody knows it", code=1)


def test_status_says_who_runs_and_its_exit_code_whether_all_is_in_step(site: Site) -> None:
    with site.running() as daemon:
        assert site.json("status")["pid"] == daemon.process.pid
        assert site.ended("status").returncode == 0

    assert site.ended("status").returncode == 1
    assert "docferry is not running" in site.run("status", code=1)


def test_a_second_daemon_on_the_same_state_or_folder_is_refused(new_site: NewSite) -> None:
    site, other = new_site(), new_site()
    other.docs.folder = site.docs.folder
    other.configure()
    with site.running() as daemon:
        same_state = site.ended("run")
        same_folder = other.ended("run")

        assert daemon.process.poll() is None
    assert (same_state.returncode, same_folder.returncode) == (75, 75)
    assert str(daemon.process.pid) in same_state.stderr
    assert str(site.docs.folder) in same_folder.stderr


def test_prometheus_finds_what_it_is_promised(site: Site) -> None:
    with site.running() as daemon:
        site.docs.write("a.txt", b"four")
        daemon.wait_for(lambda: site.docs.get("a.txt") == b"four")
        site.docs.put("b.txt", b"from there")
        site.settle(daemon)

        text = daemon.fetch("/metrics")

        assert daemon.fetch("/healthz") == "alive\n"
    assert metric(text, "docferry_operation_bytes_total", "up") == 4
    assert metric(text, "docferry_operations_total", 'kind="upload"') == 1
    assert metric(text, "docferry_mirror_health", 'health="in-step"') == 1
    assert metric(text, "docferry_drop_to_bucket_seconds_count", "docs") == 1
    assert metric(text, "docferry_change_to_disk_seconds_count", "docs") == 1
    assert metric(text, "docferry_oldest_unsynced_change_seconds", "docs") == 0
    assert abs(metric(text, "docferry_last_poll_timestamp_seconds", "docs") - time.time()) < 30
    assert abs(metric(text, "docferry_last_scan_timestamp_seconds", "docs") - time.time()) < 30
    for name in ("dirty_paths", "holds", "conflicts", "problems", "versions", "version_bytes"):
        assert metric(text, f"docferry_{name}", "docs") >= 0, name


def metric(text: str, name: str, label: str) -> float:
    """Give the value of the one series of *name* with *label* in its labels."""
    lines = [line for line in text.splitlines() if line.startswith(name + "{") and label in line]
    assert len(lines) == 1, (name, lines)
    return float(lines[0].rpartition(" ")[2])


def test_sigterm_ends_it_within_ten_seconds_whatever_hangs(site: Site) -> None:
    daemon = site.start()
    daemon.wait_until("in-step")
    with closing(sqlite3.connect(site.state / "ledger.sqlite3", isolation_level=None)) as other:
        other.execute("begin immediate")  # nothing can be written down any more
        site.docs.write("a.txt", b"a")
        daemon.wait_until("waiting")
        daemon.process.terminate()

        daemon.process.wait(STOP_WITHIN_S)

    assert daemon.events("mirror.stuck")
    site.run("run", "--once")
    assert site.docs.objects() == {"a.txt": b"a"}


def test_sigterm_ends_it_whichever_thread_the_kernel_gives_it_to(site: Site) -> None:
    """Python's handlers run in the main thread alone, and that one was not woken."""
    with site.running() as daemon:
        pid = daemon.process.pid
        others = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
        others.remove(pid)

        assert ctypes.CDLL(None).tgkill(pid, others[0], signal.SIGTERM) == 0

        assert daemon.process.wait(STOP_WITHIN_S) == 0


def test_sigterm_ends_it_within_ten_seconds_in_the_middle_of_work(site: Site) -> None:
    for number in range(400):
        site.docs.write(f"{number % 7}/{number}.bin", number.to_bytes(2) * 50_000)
    daemon = site.start()
    daemon.wait_for(lambda: len(daemon.events("operation.done")) > 20)
    began_s = time.monotonic()

    code = daemon.stop()

    assert code == 0
    assert time.monotonic() - began_s < STOP_WITHIN_S
    assert is_gone(daemon.process.pid)
    done = len(daemon.events("operation.done"))
    assert 20 < done < 400
    assert site.status()["docs"].files == done
    shutil.rmtree(site.docs.folder / "0")
    site.run("run", "--once")
    assert site.docs.files() == site.docs.objects()
