"""A stop, or a kill, in the middle of large transfers: what was sent is not sent again."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import proxy
import servers
from docferry.storage.base import PART_BYTES, PARTS_AT_ONCE
from system.conftest import NewSite
from system.daemon import Daemon, Mirror, Site

PARTS = 13
SIZE = (PARTS - 1) * PART_BYTES + 1000
HELD_BACK_AFTER = 6  #: parts


class SlowStore:
    """
    A line to the store that takes, and gives, so many parts, and then nothing large any more.

    Whatever is held back is never handed on: its sender has to be gone by then.
    """

    def __init__(self, between: proxy.Proxy) -> None:
        self.url = between.url
        self.taken = 0  #: parts
        self.given = 0  #: pieces of objects
        self.gives = 0  #: so many pieces, while it is slow
        self.is_slow = True
        self.hangs_up = False  #: instead of letting them wait
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.held_back: set[str] = set()  #: methods
        between.mood = self._holds

    def quicken(self) -> None:
        """Take all that comes from now on, and count anew."""
        self.is_slow, self.taken, self.given = False, 0, 0
        self.end()

    def end(self) -> None:
        self._over.set()

    def _holds(self, request: proxy.Request) -> bool:
        if "/.docferry/" in request.path:
            return False  # it tries out what the store can do
        is_part = request.command == "PUT" and "partNumber=" in request.path
        is_piece = request.command == "GET" and "Range" in request.headers
        if not (is_part or is_piece):
            return False
        with self._lock:
            if is_part and (not self.is_slow or self.taken < HELD_BACK_AFTER):
                self.taken += 1
                return False
            # The first ones by their number: several are asked for at once, in any order.
            if is_piece and (not self.is_slow or _number_of_piece(request) < self.gives):
                self.given += 1
                return False
        if not self.is_slow:
            return False
        self.held_back.add(request.command)
        if not self.hangs_up:
            self._over.wait()
        return True


def _number_of_piece(request: proxy.Request) -> int:
    start, _, _ = request.headers["Range"].removeprefix("bytes=").partition("-")
    return int(start) // PART_BYTES


@pytest.fixture
def store(server: servers.S3Server) -> Iterator[SlowStore]:
    with proxy.in_front_of(server) as between:
        store = SlowStore(between)
        yield store
        store.end()


@pytest.fixture
def site(new_site: NewSite, store: SlowStore) -> Site:
    return behind(store, new_site())


def behind(store: SlowStore, site: Site, *, more: str = "") -> Site:
    site.endpoint_url = store.url
    site.configure(more=more)
    return site


def write_large(file: Path) -> str:
    """Make a large file no two parts of which are equal; give its SHA-256."""
    part = bytearray(os.urandom(PART_BYTES))
    digest = hashlib.sha256()
    with file.with_name(".being written").open("wb") as large:
        for number in range(PARTS):
            part[0] = number
            piece = part[: min(PART_BYTES, SIZE - number * PART_BYTES)]
            digest.update(piece)
            large.write(piece)
    file.with_name(".being written").rename(file)
    return digest.hexdigest()


def came(docs: Mirror) -> int:
    """Give how many pieces have come of the one download that is under way."""
    notes = [file.read_bytes() for file in (docs.folder / ".docferry/staging").glob("*.pieces")]
    return sum(len(note.partition(b"\n")[2]) // hashlib.sha256().digest_size for note in notes)


def transfers(site: Site) -> list[tuple[str, str, int, int]]:
    """Give path, way, bytes so far and bytes in all of what status says is on its way."""
    [docs] = site.json("status")["mirrors"]
    return [
        tuple(one[name] for name in ("path", "way", "done", "size")) for one in docs["transfers"]
    ]


def noted_parts(site: Site) -> int:
    with site.ledger() as ledger:
        [[parts]] = ledger.execute("SELECT count(*) FROM upload_part")
    return int(parts)


def sha256_in_bucket(docs: Mirror, key: str) -> str:
    digest = hashlib.sha256()
    found = docs.client.get_object(Bucket=servers.BUCKET, Key=docs.prefix + key)
    for piece in found["Body"].iter_chunks(PART_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def begun(docs: Mirror) -> list[str]:
    page = docs.client.list_multipart_uploads(Bucket=servers.BUCKET, Prefix=docs.prefix)
    return [upload["Key"].removeprefix(docs.prefix) for upload in page.get("Uploads", ())]


@pytest.mark.parametrize("end", [Daemon.stop, Daemon.kill], ids=["stopped", "killed"])
def test_an_upload_is_gone_on_with_after_the_next_start(
    site: Site, store: SlowStore, end: Callable[[Daemon], int | None]
) -> None:
    docs = site.docs
    assert site.work_off()
    sha256 = write_large(docs.folder / "large.bin")
    daemon = site.start()
    daemon.wait_for(lambda: noted_parts(site) == HELD_BACK_AFTER)
    so_far = ("large.bin", "up", HELD_BACK_AFTER * PART_BYTES, SIZE)
    daemon.wait_for(lambda: transfers(site) == [so_far])

    end(daemon)  # within ten seconds

    assert docs.all_keys() == [".docferry/mirror.json"]
    assert begun(docs) == ["large.bin"]
    store.quicken()
    with site.running():
        pass
    assert store.taken == PARTS - HELD_BACK_AFTER
    assert sha256_in_bucket(docs, "large.bin") == sha256
    assert begun(docs) == []
    assert noted_parts(site) == 0
    with site.ledger() as ledger:
        [row] = ledger.execute("SELECT id, path, sha256, size, parent, origin FROM version")
    metadata = docs.head("large.bin")["Metadata"]
    assert row == (metadata["docferry-version"], "large.bin", sha256, SIZE, None, "local")
    assert metadata["docferry-sha256"] == sha256


@pytest.mark.parametrize("end", [Daemon.stop, Daemon.kill], ids=["stopped", "killed"])
def test_a_download_is_gone_on_with_after_the_next_start(
    site: Site, store: SlowStore, end: Callable[[Daemon], int | None]
) -> None:
    docs = site.docs
    assert site.work_off()
    sha256 = write_large(site.folder / "theirs.bin")
    docs.client.upload_file(
        str(site.folder / "theirs.bin"), servers.BUCKET, f"{docs.prefix}large.bin"
    )
    store.gives = HELD_BACK_AFTER
    daemon = site.start()
    daemon.wait_for(lambda: came(docs) == HELD_BACK_AFTER)
    so_far = ("large.bin", "down", HELD_BACK_AFTER * PART_BYTES, SIZE)
    daemon.wait_for(lambda: transfers(site) == [so_far])
    assert "on its way down: large.bin, 96.0 MiB of 192.0 MiB (50%)" in site.run(
        "status", code=None
    )

    end(daemon)

    assert docs.files() == {}
    store.quicken()
    with site.running():
        pass
    assert transfers(site) == []
    assert store.given == PARTS - HELD_BACK_AFTER
    with (docs.folder / "large.bin").open("rb") as large:
        assert hashlib.file_digest(large, "sha256").hexdigest() == sha256
    assert list((docs.folder / ".docferry/staging").glob("*")) == []


def test_a_download_of_an_object_that_is_replaced_meanwhile_is_of_one_of_the_two(
    site: Site, store: SlowStore
) -> None:
    docs = site.docs
    assert site.work_off()
    write_large(site.folder / "first.bin")
    docs.client.upload_file(str(site.folder / "first.bin"), servers.BUCKET, f"{docs.prefix}a.bin")
    store.gives = HELD_BACK_AFTER
    with site.running(until=None) as daemon:
        daemon.wait_for(lambda: came(docs) == HELD_BACK_AFTER)
        sha256 = write_large(site.folder / "second.bin")
        docs.client.upload_file(
            str(site.folder / "second.bin"), servers.BUCKET, f"{docs.prefix}a.bin"
        )

        store.quicken()

        daemon.wait_for(lambda: (docs.folder / "a.bin").exists())
        daemon.wait_until("in-step")
    with (docs.folder / "a.bin").open("rb") as large:
        assert hashlib.file_digest(large, "sha256").hexdigest() == sha256
    assert list((docs.folder / ".docferry/staging").glob("*")) == []
    assert docs.archived_files() == []


def test_an_upload_is_gone_on_with_when_the_line_is_back(site: Site, store: SlowStore) -> None:
    docs = site.docs
    assert site.work_off()
    sha256 = write_large(docs.folder / "large.bin")
    store.hangs_up = True
    with site.running(until=None) as daemon:
        daemon.wait_for(lambda: bool(daemon.events("mirror.unreachable")))

        store.quicken()

        daemon.wait_for(lambda: docs.all_keys() == [".docferry/mirror.json", "large.bin"])
        daemon.wait_until("in-step")
    assert store.taken == PARTS - HELD_BACK_AFTER
    assert sha256_in_bucket(docs, "large.bin") == sha256
    assert begun(docs) == []


def test_a_file_that_was_edited_meanwhile_goes_up_as_it_is_now(
    site: Site, store: SlowStore
) -> None:
    docs = site.docs
    assert site.work_off()
    write_large(docs.folder / "large.bin")
    daemon = site.start()
    daemon.wait_for(lambda: noted_parts(site) == HELD_BACK_AFTER)
    daemon.kill()

    sha256 = write_large(docs.folder / "large.bin")
    store.quicken()
    with site.running():
        pass

    assert store.taken == PARTS
    assert sha256_in_bucket(docs, "large.bin") == sha256
    assert begun(docs) == []


def test_a_file_that_grows_while_it_is_sent_is_given_up_at_once_and_goes_up_whole(
    site: Site, store: SlowStore
) -> None:
    docs = site.docs
    assert site.work_off()
    write_large(docs.folder / "large.bin")
    with site.running(until=None) as daemon:
        daemon.wait_for(lambda: noted_parts(site) == HELD_BACK_AFTER)
        with (docs.folder / "large.bin").open("ab") as large:
            large.write(b"one more line\n")

        store.quicken()

        daemon.wait_for(lambda: "large.bin" in docs.all_keys(), 60)
        daemon.wait_until("in-step")
    with (docs.folder / "large.bin").open("rb") as large:
        sha256 = hashlib.file_digest(large, "sha256").hexdigest()
    assert sha256_in_bucket(docs, "large.bin") == sha256
    assert store.taken < PARTS + (PARTS - HELD_BACK_AFTER)  # the first try was not sent to its end
    assert begun(docs) == []
    with site.ledger() as ledger:
        assert ledger.execute("SELECT sha256 FROM version").fetchall() == [(sha256,)]


def test_a_stop_with_everything_under_way_leaves_nothing_half_done(
    new_site: NewSite, store: SlowStore, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    more = (
        f'[converter.slow]\nkind = "command"\ncommand = ["{program}", "{{input}}", "{{output}}"]\n'
        'produces = "md"\nrevision = "1"\n'
        '[[convert]]\nname = "slow"\nfrom = "docs"\npatterns = ["*.txt"]\nto = "processed"\n'
        'with = "slow"\n'
    )
    site = behind(store, new_site(names=("docs", "processed"), more=more), more=more)
    docs = site.docs
    with site.running() as daemon:
        up = write_large(docs.folder / "up.bin")
        down = os.urandom((PARTS_AT_ONCE + 1) * PART_BYTES)
        docs.client.put_object(Bucket=servers.BUCKET, Key=f"{docs.prefix}down.bin", Body=down)
        docs.write("to be converted.txt", b"words")
        daemon.wait_for(lambda: store.held_back == {"PUT", "GET"})
        daemon.wait_for(lambda: "running" in jobs(site))

        daemon.stop()  # within ten seconds

    assert sorted(docs.files()) == ["to be converted.txt", "up.bin"]
    assert sorted(docs.objects()) == ["down.bin", "to be converted.txt"]
    assert site.mirrors["processed"].files() == {}
    program.write_text('#!/bin/sh\ncp "$1" "$2"\n')
    store.quicken()
    with site.running() as daemon:
        daemon.wait_for(lambda: len(site.mirrors["processed"].objects()) == 1)
        site.settle(daemon)
    assert store.taken < PARTS
    assert sha256_in_bucket(docs, "up.bin") == up
    assert (docs.folder / "down.bin").read_bytes() == down
    assert set(jobs(site)) == {"done", "skipped"}  # by the program as it is now, and as it was
    assert list((docs.folder / ".docferry/staging").glob("*")) == []


def jobs(site: Site) -> list[str]:
    with site.ledger() as ledger:
        return [state for (state,) in ledger.execute("SELECT state FROM job")]
