"""Documents that are handed over: the room, the path that others want too, their version."""

from __future__ import annotations

import hashlib
import pathlib
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from docferry.app.upload import (
    LOOK_EVERY_BYTES,
    ChangedError,
    Receiving,
    Uploaded,
    UploadWanted,
    receiving,
    settled,
)
from docferry.config import Config
from docferry.core.disk import Disk
from docferry.errors import ConflictError, FullError, UserError
from docferry.model import Mode
from docferry.storage.atomic import Place, Renames
from docferry.storage.local import LocalStorage
from file_faces import config_of
from ledger_rows import NOW
from looped_mirror import Mirror

GIB = 1 << 30


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> Iterator[Mirror]:
    made = Mirror(tmp_path, 100, Mode.TWO_WAY)
    made.start()
    yield made
    made.close()


@pytest.fixture
def config(tmp_path: pathlib.Path, mirror: Mirror) -> Config:
    return config_of(tmp_path, mirror.root, disk_reserve=GIB)


def hand_over(config: Config, mirror: Mirror, wanted: UploadWanted, content: bytes) -> Uploaded:
    with receiving(config, mirror.ledger, wanted, look=lambda folder: None) as document:
        document.write(content)
        return document.finish(NOW)


def test_what_finds_no_room_is_refused_before_it_comes(config: Config, mirror: Mirror) -> None:
    disk = Disk(device=1, free=GIB + 99, size=100 * GIB)
    wanted = UploadWanted("docs", "a", size=100)

    with (
        pytest.raises(FullError, match="disk_reserve"),
        receiving(config, mirror.ledger, wanted, look=lambda folder: disk),
    ):
        pass
    with receiving(config, mirror.ledger, UploadWanted("docs", "a", 99), look=lambda folder: disk):
        pass


def test_what_fills_the_disk_while_it_comes_ends(config: Config, mirror: Mirror) -> None:
    free = [GIB + LOOK_EVERY_BYTES]

    def look(folder: pathlib.Path) -> Disk:
        return Disk(device=1, free=free[0], size=100 * GIB)

    with receiving(config, mirror.ledger, UploadWanted("docs", "a"), look=look) as document:
        document.write(b"x")
        free[0] = GIB - 1
        with pytest.raises(FullError):
            document.write(b"x" * LOOK_EVERY_BYTES)

    assert mirror.files == {}


def test_of_many_that_want_one_path_one_gets_it(config: Config, mirror: Mirror) -> None:
    begin = threading.Barrier(8)

    def send(number: int) -> str:
        content = f"content {number}".encode()
        with receiving(config, mirror.ledger, UploadWanted("docs", "a/b")) as document:
            document.write(content)
            begin.wait()
            try:
                done = document.finish(NOW)
            except ConflictError:
                return "refused"
        return "new" if done.is_new else "same"

    config = config_of(mirror.state.parent, mirror.root)
    with ThreadPoolExecutor(8) as pool:
        ends = Counter(pool.map(send, range(8)))

    assert ends == {"new": 1, "refused": 7}
    [content] = mirror.files.values()
    assert content.startswith(b"content ")


def test_of_many_that_replace_one_version_one_does(config: Config, mirror: Mirror) -> None:
    first = hand_over(config, mirror, UploadWanted("docs", "a"), b"first")
    mirror.run()
    version = settled(mirror.ledger, first)
    assert version is not None
    mirror.stop()
    begin = threading.Barrier(4)

    def send(number: int) -> str:
        wanted = UploadWanted("docs", "a", replaces=version.id)
        with receiving(config, mirror.ledger, wanted, look=lambda folder: None) as document:
            document.write(b"x" * (number + 1))
            begin.wait()
            try:
                document.finish(NOW)
            except ChangedError:
                return "refused"
        return "new"

    with ThreadPoolExecutor(4) as pool:
        ends = Counter(pool.map(send, range(4)))

    assert ends == {"new": 1, "refused": 3}
    assert (mirror.root / ".docferry/versions" / version.id).read_bytes() == b"first"


class _FolderGoes(Renames):
    """As the daemon does that removes an empty folder: once, right before a file comes into it."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__()
        self._folder = folder
        self.went = 0

    def to_free_name(self, source: Place, target: Place) -> None:
        if not self.went:
            self.went += 1
            self._folder.rmdir()
        super().to_free_name(source, target)


def test_a_folder_that_goes_as_empty_meanwhile_is_made_again(
    config: Config, mirror: Mirror
) -> None:
    renames = _FolderGoes(mirror.root / "a")
    local = LocalStorage(mirror.root, needs_marker=True, renames=renames)
    wanted = UploadWanted("docs", "a/b")

    with local.intake() as intake:
        document = Receiving(config, mirror.ledger, wanted, local, intake, lambda folder: None)
        document.write(b"text")
        done = document.finish(NOW)

    assert (renames.went, done.is_new) == (1, True)
    assert (mirror.root / "a/b").read_bytes() == b"text"


def test_what_is_there_is_told_so_though_the_ledger_takes_no_row(
    config: Config, mirror: Mirror
) -> None:
    first = hand_over(config, mirror, UploadWanted("docs", "a"), b"first")
    mirror.run()
    version = settled(mirror.ledger, first)
    assert version is not None
    mirror.stop()
    with closing(sqlite3.connect(mirror.ledger.path)) as raw:
        for change in ("UPDATE OF archived_local ON version", "INSERT ON audit"):
            raw.execute(
                f"CREATE TRIGGER no_{change[:6]} BEFORE {change} "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )

    with capture_logs() as events:
        done = hand_over(config, mirror, UploadWanted("docs", "a", replaces=version.id), b"second")

    assert (done.is_new, done.replaced) == (True, version.id)
    assert (mirror.root / "a").read_bytes() == b"second"
    failed = [one for one in events if one["event"] == "ledger.failed"]
    assert [one["mirror"] for one in failed] == ["docs", "docs"]


def test_its_version_is_there_once_the_loop_has_settled_it(config: Config, mirror: Mirror) -> None:
    mirror.stop()
    done = hand_over(config, mirror, UploadWanted("docs", "a"), b"text")
    before = settled(mirror.ledger, done)
    mirror.loop = mirror.new_loop()
    mirror.start()
    mirror.run()

    version = settled(mirror.ledger, done)

    assert before is None
    assert version is not None
    assert version.sha256 == hashlib.sha256(b"text").hexdigest()
    assert settled(mirror.ledger, Uploaded("docs", "b", "0", 0, is_new=True)) is None


def test_a_content_that_is_there_and_not_settled_is_known_for_the_same(
    config: Config, mirror: Mirror
) -> None:
    mirror.stop()
    wanted = UploadWanted("docs", "a")

    ends = [hand_over(config, mirror, wanted, b"text").is_new for _ in range(2)]

    assert ends == [True, False]


@pytest.mark.parametrize(("size", "content"), [(4, b"text!"), (4, b"tex")])
def test_another_length_than_was_said_is_no_document(
    config: Config, mirror: Mirror, size: int, content: bytes
) -> None:
    with pytest.raises(UserError, match="4"):
        hand_over(config, mirror, UploadWanted("docs", "a", size=size), content)

    assert mirror.files == {}
