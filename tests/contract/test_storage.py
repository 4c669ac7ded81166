"""What every side of a mirror promises, whatever it is made of."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ulid import ULID

from contract.backends import Backend
from docferry.errors import StaleError, TemporaryError
from docferry.model import Attributes, FileState, Path, Token, Unknown, Written
from docferry.storage.base import PART_BYTES, Storage
from docferry.storage.memory import BytesContent

MTIME_NS = 1_234_567_890_123_456_700  # file systems keep 100 ns at least
OTHER_SHA256 = hashlib.sha256(b"another content").hexdigest()

# Sorted by hand, by their UTF-8 bytes: "-" and "." come before "/", "0" after it.
IN_ORDER = [
    "A.txt",
    "a b.txt",
    "a-b.txt",
    "a.b.txt",
    "a.txt",
    "a/b-c.txt",
    "a/b/c.txt",
    "a/b0.txt",
    "a0.txt",
    "cafe\u0301.txt",
    "caf\u00e9.txt",
    "\uff5e.txt",
    "\U0001f980.txt",
]


class Moving(BytesContent):
    """A content that turns out to have changed while it was read."""

    def confirm(self) -> None:
        raise StaleError("it changed while it was read")


class Short(BytesContent):
    """A content that breaks off in the middle."""

    def part(self, offset: int, size: int) -> bytes:
        raise TemporaryError("cut short")

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        yield self._content[: self.size // 2]


def write(storage: Storage, path: Path, content: bytes, expect: Token | None = None) -> Written:
    archive = None if expect is None else Attributes(version=str(ULID()))
    return storage.write(path, BytesContent(content), Attributes(), expect=expect, archive=archive)


def read(storage: Storage, path: Path) -> bytes:
    state = storage.stat(path)
    assert isinstance(state, FileState)
    with storage.read(path, state.token) as content:
        whole = b"".join(content.parts())
        content.confirm()
    return whole


def scanned(storage: Storage) -> dict[Path, FileState]:
    entries = {}
    for entry in storage.scan():
        assert not isinstance(entry, Unknown)
        entries[entry[0]] = entry[1]
    return entries


# Writing and reading.


def test_what_was_written_is_read_back(storage: Storage) -> None:
    written = write(storage, "folder/deep/report.pdf", b"content")

    state = storage.stat("folder/deep/report.pdf")
    assert isinstance(state, FileState)
    assert (state.token, state.size) == (written.token, 7)
    assert (written.size, written.sha256) == (7, hashlib.sha256(b"content").hexdigest())
    assert read(storage, "folder/deep/report.pdf") == b"content"


def test_attributes_travel_with_the_content(storage: Storage, backend: Backend) -> None:
    attributes = Attributes(
        version=str(ULID()),
        sha256=hashlib.sha256(b"content").hexdigest(),
        mtime_ns=MTIME_NS,
        parent=str(ULID()),
        writer="some-instance",
        content_type="application/pdf",
    )

    written = storage.write("report.pdf", BytesContent(b"content"), attributes, expect=None)

    with storage.read("report.pdf", written.token) as content:
        found = content.attributes
    assert found.mtime_ns == MTIME_NS
    assert found.content_type == "application/pdf"
    assert not backend.keeps_attributes or found == attributes


def test_an_empty_file_is_a_file(storage: Storage) -> None:
    written = write(storage, "empty", b"")

    assert written.size == 0
    assert read(storage, "empty") == b""
    assert scanned(storage)["empty"].size == 0


def test_a_content_of_many_parts_arrives_whole(storage: Storage) -> None:
    whole = random.Random(1).randbytes(2 * PART_BYTES + 8 * 1024 * 1024)
    sha256 = hashlib.sha256(whole).hexdigest()

    written = storage.write("large", BytesContent(whole), Attributes(sha256=sha256), expect=None)

    assert (written.size, written.sha256) == (len(whole), sha256)
    with storage.read("large", written.token) as content:
        assert content.size == len(whole)
        assert content.part(PART_BYTES - 3, 6) == whole[PART_BYTES - 3 : PART_BYTES + 3]
        assert content.part(len(whole) - 1, 1) == whole[-1:]
        assert content.sha256() == sha256
        content.confirm()


def test_a_content_can_be_read_twice(storage: Storage) -> None:
    written = write(storage, "a", b"content")

    with storage.read("a", written.token) as content:
        assert b"".join(content.parts(part_bytes=2)) == b"content"
        assert b"".join(content.parts()) == b"content"


def test_nothing_is_known_to_be_absent(storage: Storage) -> None:
    write(storage, "folder/a", b"content")

    assert storage.stat("missing") is None
    assert storage.stat("folder/missing") is None
    assert storage.stat("missing/missing") is None
    assert storage.stat("folder") is None


def test_another_content_has_another_token(storage: Storage) -> None:
    first = write(storage, "a", b"content 1")

    second = write(storage, "a", b"content 2", first.token)

    assert first.token != second.token
    assert scanned(storage)["a"].token == second.token


def test_reading_what_changed_meanwhile_is_refused(storage: Storage) -> None:
    first = write(storage, "a", b"content 1")
    write(storage, "a", b"content 2", first.token)

    with pytest.raises(StaleError):
        storage.read("a", first.token).sha256()
    with pytest.raises(StaleError):
        storage.read("missing", first.token).sha256()


def test_a_content_that_changes_while_it_is_read_is_not_confirmed(storage: Storage) -> None:
    first = write(storage, "a", b"content 1")

    with storage.read("a", first.token) as content:
        write(storage, "a", b"content 2", first.token)

        with pytest.raises(StaleError):
            content.confirm()


# Expectations.


def test_a_path_that_is_taken_is_not_created(storage: Storage) -> None:
    write(storage, "a", b"theirs")

    with pytest.raises(StaleError):
        write(storage, "a", b"ours")

    assert read(storage, "a") == b"theirs"


def test_replacing_what_changed_meanwhile_changes_nothing(storage: Storage) -> None:
    first = write(storage, "a", b"content 1")
    second = write(storage, "a", b"content 2", first.token)
    version = str(ULID())

    with pytest.raises(StaleError):
        storage.write(
            "a",
            BytesContent(b"content 3"),
            Attributes(),
            expect=first.token,
            archive=Attributes(version=version),
        )

    assert read(storage, "a") == b"content 2"
    assert scanned(storage)["a"].token == second.token
    with pytest.raises(StaleError):
        storage.read_archived(version).sha256()


def test_replacing_what_is_gone_changes_nothing(storage: Storage) -> None:
    first = write(storage, "folder/a", b"content 1")
    storage.delete("folder/a", expect=first.token, archive=Attributes(version=str(ULID())))

    with pytest.raises(StaleError):
        write(storage, "folder/a", b"content 2", first.token)

    assert scanned(storage) == {}


def test_deleting_what_changed_meanwhile_changes_nothing(storage: Storage) -> None:
    first = write(storage, "a", b"content 1")
    write(storage, "a", b"content 2", first.token)

    with pytest.raises(StaleError):
        storage.delete("a", expect=first.token, archive=Attributes(version=str(ULID())))
    with pytest.raises(StaleError):
        storage.delete("missing", expect=first.token, archive=Attributes(version=str(ULID())))

    assert read(storage, "a") == b"content 2"


def test_of_many_that_create_the_same_path_one_wins(storage: Storage, backend: Backend) -> None:
    together = threading.Barrier(12)

    def create(number: int) -> bytes | None:
        content = b"content %d" % number
        together.wait()
        try:
            write(storage, "folder/a", content)
        except StaleError:
            return None
        return content

    with ThreadPoolExecutor(12) as pool:
        winners = [content for content in pool.map(create, range(12)) if content is not None]

    assert read(storage, "folder/a") in winners
    assert len(winners) == 1 or not backend.is_atomic


# The archive.


def test_a_displaced_content_is_in_the_archive(storage: Storage) -> None:
    first = write(storage, "folder/a", b"content 1")
    archive = Attributes(version=str(ULID()), sha256=first.sha256, path="folder/a")

    storage.write(
        "folder/a", BytesContent(b"content 2"), Attributes(), expect=first.token, archive=archive
    )

    assert read(storage, "folder/a") == b"content 2"
    assert archive.version is not None
    with storage.read_archived(archive.version) as content:
        assert content.size == 9
        assert b"".join(content.parts()) == b"content 1"
        content.confirm()


def test_a_deleted_content_is_in_the_archive(storage: Storage, backend: Backend) -> None:
    attributes = Attributes(mtime_ns=MTIME_NS)
    content = BytesContent(b"content")
    written = storage.write("folder/a", content, attributes, expect=None)
    archive = Attributes(version=str(ULID()), sha256=written.sha256, path="folder/a")

    storage.delete("folder/a", expect=written.token, archive=archive)

    assert storage.stat("folder/a") is None
    assert archive.version is not None
    with storage.read_archived(archive.version) as archived:
        assert archived.sha256() == written.sha256
        assert archived.attributes.mtime_ns == MTIME_NS
        assert not backend.keeps_attributes or archived.attributes.path == "folder/a"


def test_what_the_archive_lacks_is_not_read(storage: Storage) -> None:
    with pytest.raises(StaleError):
        storage.read_archived(str(ULID())).sha256()


def test_a_deleted_path_can_be_written_again(storage: Storage) -> None:
    first = write(storage, "folder/a", b"content 1")
    storage.delete("folder/a", expect=first.token, archive=Attributes(version=str(ULID())))

    write(storage, "folder/a", b"content 2")

    assert read(storage, "folder/a") == b"content 2"


# Scanning.


def test_nothing_is_found_where_nothing_is(storage: Storage) -> None:
    assert list(storage.scan()) == []
    assert storage.scan_odd() == []


def test_a_scan_comes_in_the_order_of_utf8_bytes(storage: Storage) -> None:
    for path in random.Random(1).sample(IN_ORDER, len(IN_ORDER)):
        write(storage, path, path.encode())

    found = scanned(storage)

    assert list(found) == IN_ORDER
    assert sorted(IN_ORDER, key=str.encode) == IN_ORDER
    assert [read(storage, path) for path in found] == [path.encode() for path in found]


def test_a_scan_tells_the_same_as_a_look(storage: Storage) -> None:
    written = write(storage, "folder/a", b"content")

    (state,) = scanned(storage).values()

    assert (state.token, state.size) == (written.token, 7)
    assert state.sha256 in (None, written.sha256)
    found = storage.stat("folder/a")
    assert isinstance(found, FileState)
    assert (found.token, found.size, found.changed_ns) == (state.token, 7, state.changed_ns)


def test_docferrys_own_files_are_not_found(storage: Storage) -> None:
    storage.write_marker(b"marker")
    first = write(storage, "a", b"content 1")
    write(storage, "a", b"content 2", first.token)

    assert list(scanned(storage)) == ["a"]
    assert storage.scan_odd() == []


def test_odd_paths_are_found_apart(storage: Storage) -> None:
    for path in ("plain", "x%_41", "50%_off", "folder%_/plain"):
        write(storage, path, b"content")

    assert list(scanned(storage)) == ["plain"]
    odd = [entry[0] for entry in storage.scan_odd() if not isinstance(entry, Unknown)]
    assert odd == ["50%_off", "folder%_/plain", "x%_41"]


# Contents that are not what they promise.


@pytest.mark.parametrize("size", [10, PART_BYTES + 10], ids=["small", "large"])
@pytest.mark.parametrize("kind", [Moving, Short])
def test_an_unfinished_content_never_becomes_visible(
    storage: Storage, kind: type[BytesContent], size: int
) -> None:
    with pytest.raises((StaleError, TemporaryError)):
        storage.write("folder/a", kind(b"x" * size), Attributes(), expect=None)

    assert storage.stat("folder/a") is None
    assert scanned(storage) == {}


@pytest.mark.parametrize("kind", [Moving, Short])
def test_an_unfinished_content_displaces_nothing(
    storage: Storage, kind: type[BytesContent]
) -> None:
    first = write(storage, "a", b"content 1")

    with pytest.raises((StaleError, TemporaryError)):
        storage.write(
            "a",
            kind(b"content 2"),
            Attributes(),
            expect=first.token,
            archive=Attributes(version=str(ULID())),
        )

    assert read(storage, "a") == b"content 1"
    assert scanned(storage)["a"].token == first.token


@pytest.mark.parametrize("size", [10, PART_BYTES + 10], ids=["small", "large"])
def test_a_damaged_content_is_refused(storage: Storage, size: int) -> None:
    with pytest.raises(TemporaryError):
        storage.write("a", BytesContent(b"x" * size), Attributes(sha256=OTHER_SHA256), expect=None)

    assert storage.stat("a") is None
    assert scanned(storage) == {}


# The marker.


def test_the_marker_comes_back(storage: Storage) -> None:
    assert storage.read_marker() is None

    storage.write_marker(b"first")
    storage.write_marker(b"second")

    assert storage.read_marker() == b"second"
