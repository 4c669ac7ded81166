"""A large download that was cut off is gone on with, if it is of the very same object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docferry.errors import DocferryError, StaleError, TemporaryError, UnreachableError
from docferry.model import Attributes, Transfer, Written
from docferry.storage.base import PART_BYTES, Give
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent, sha256_of
from docferry.storage.under_way import UnderWay
from unit.folder import OLD, archived, replace, staged, token

PIECES = 3
LAST = 1000
WHOLE = b"".join(bytes([n + 1]) * PART_BYTES for n in range(PIECES - 1)) + b"z" * LAST


class Remote(BytesContent):
    """A content behind a line that breaks after *pieces*, with *error*."""

    def __init__(
        self,
        whole: bytes = WHOLE,
        *,
        pieces: int = PIECES,
        error: BaseException | None = None,
        identity: str = "store/key etag",
    ) -> None:
        super().__init__(whole)
        self.identity = identity
        self.fetched: list[int] = []  #: numbers of the pieces
        self.confirms: Callable[[], None] = lambda: None
        self._pieces = pieces
        self._error = error or UnreachableError("the line is down")
        self._give: Give = lambda offset, size: None

    def take_from(self, give: Give) -> None:
        self._give = give

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        for offset in range(0, self.size, part_bytes):
            size = min(part_bytes, self.size - offset)
            had = self._give(offset, size)
            if had is None:
                if len(self.fetched) == self._pieces:
                    raise self._error
                self.fetched.append(offset // part_bytes)
            yield self.part(offset, size) if had is None else had

    def confirm(self) -> None:
        self.confirms()


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    found = LocalStorage(tmp_path)
    found.write_marker(b"{}")
    return found


def fetch(storage: LocalStorage, content: Remote, path: str = "a") -> Written:
    """Write as a process does that has just been started."""
    found = LocalStorage(storage.root)
    found.sweep_staging()
    return found.write(path, content, Attributes(), expect=None)


def break_off(
    storage: LocalStorage, *, after: int = 1, error: BaseException | None = None, path: str = "a"
) -> None:
    with pytest.raises((DocferryError, KeyboardInterrupt)):
        fetch(storage, Remote(pieces=after, error=error), path)


def begun_file(storage: LocalStorage) -> Path:
    [found] = (storage.root / ".docferry/staging").glob("*.begun")
    return found


@pytest.mark.parametrize("error", [UnreachableError("away"), KeyboardInterrupt()])
def test_only_what_is_missing_is_fetched(storage: LocalStorage, error: BaseException) -> None:
    break_off(storage, error=error)
    assert not (storage.root / "a").exists()
    content = Remote()

    written = fetch(storage, content)

    assert content.fetched == [1, 2]
    assert written.had_bytes == PART_BYTES
    assert written.sha256 == sha256_of(WHOLE)
    assert (storage.root / "a").read_bytes() == WHOLE
    assert staged(storage.root) == []


def test_it_is_gone_on_with_as_often_as_it_must_be(storage: LocalStorage) -> None:
    for _ in range(PIECES - 1):
        break_off(storage, after=1)
    content = Remote()

    fetch(storage, content)

    assert content.fetched == [PIECES - 1]
    assert (storage.root / "a").read_bytes() == WHOLE


def test_another_object_at_the_path_begins_anew_and_what_came_of_the_first_goes(
    storage: LocalStorage,
) -> None:
    break_off(storage)
    other = WHOLE[::-1]
    content = Remote(other, identity="store/key another etag", pieces=1)

    with pytest.raises(UnreachableError):
        fetch(storage, content)

    assert content.fetched == [0]
    assert len(staged(storage.root)) == 2
    fetch(storage, Remote(other, identity="store/key another etag"))
    assert (storage.root / "a").read_bytes() == other


def test_an_object_that_changes_meanwhile_leaves_nothing(storage: LocalStorage) -> None:
    break_off(storage, error=StaleError("another ETag: 412"))

    assert staged(storage.root) == []


def test_of_another_path_nothing_is_taken(storage: LocalStorage) -> None:
    break_off(storage)
    content = Remote()

    fetch(storage, content, "b")

    assert content.fetched == [*range(PIECES)]


@pytest.mark.parametrize("torn", ["flipped", "short", "gone"])
def test_a_piece_that_a_power_cut_has_torn_is_fetched_again(
    storage: LocalStorage, torn: str
) -> None:
    """The names and sizes may have come to the disk, and the bytes not: then they are zeros."""
    break_off(storage, after=2)
    file = begun_file(storage)
    match torn:
        case "flipped":
            with file.open("r+b") as found:
                found.seek(PART_BYTES + 5)
                found.write(b"\0")
        case "short":
            os.truncate(file, PART_BYTES + 5)
        case _:
            file.unlink()
    content = Remote()

    fetch(storage, content)

    assert content.fetched == ([0, 1, 2] if torn == "gone" else [1, 2])
    assert (storage.root / "a").read_bytes() == WHOLE


def test_zeros_are_written_over_what_was_torn(storage: LocalStorage) -> None:
    whole = WHOLE[:PART_BYTES] + bytes(PART_BYTES)
    with pytest.raises(UnreachableError):
        fetch(storage, Remote(whole, pieces=1))
    with begun_file(storage).open("r+b") as found:
        found.seek(PART_BYTES)
        found.write(b"what a lost note was of")

    fetch(storage, Remote(whole))

    assert (storage.root / "a").read_bytes() == whole


@pytest.mark.parametrize("notes", [b"", b"no JSON\n" + bytes(200), b'{"path": "a"}\n'])
def test_notes_that_say_nothing_count_for_nothing(storage: LocalStorage, notes: bytes) -> None:
    break_off(storage)
    begun_file(storage).with_suffix(".pieces").write_bytes(notes)
    content = Remote()

    fetch(storage, content)

    assert content.fetched == [*range(PIECES)]
    assert (storage.root / "a").read_bytes() == WHOLE


def test_what_came_whole_and_is_damaged_is_not_kept(storage: LocalStorage) -> None:
    """Else each try would find the same damage."""
    content = Remote()

    def refuse() -> None:
        raise TemporaryError("its hash is another")

    content.confirms = refuse
    with pytest.raises(TemporaryError):
        fetch(storage, content)

    assert staged(storage.root) == []


def test_what_came_whole_before_the_line_went_down_is_not_fetched_again(
    storage: LocalStorage,
) -> None:
    """Where the store is asked at the end whether the object still is the one that was read."""
    content, again = Remote(), Remote()

    def break_off() -> None:
        raise UnreachableError("the line is down")

    content.confirms = break_off
    with pytest.raises(UnreachableError):
        fetch(storage, content)

    fetch(storage, again)

    assert again.fetched == []
    assert (storage.root / "a").read_bytes() == WHOLE


def test_what_fails_where_it_failed_before_begins_anew(storage: LocalStorage) -> None:
    break_off(storage, error=TemporaryError("it broke off"))
    assert len(staged(storage.root)) == 2

    break_off(storage, after=0, error=TemporaryError("it broke off"))

    assert staged(storage.root) == []


def test_two_at_once_do_not_write_into_one_file(storage: LocalStorage) -> None:
    inner: list[Written] = []
    content = Remote(pieces=2)

    class Nested(Remote):
        def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
            for piece in super().parts(part_bytes):
                if not inner:
                    inner.append(storage.write("a", content, Attributes(), expect=None))
                yield piece

    content = Remote()
    with pytest.raises(StaleError):  # the other was there first
        storage.write("a", Nested(), Attributes(), expect=None)

    assert content.fetched == [*range(PIECES)]
    assert (storage.root / "a").read_bytes() == WHOLE
    assert staged(storage.root) == []


def test_a_small_content_or_one_without_a_name_is_not_kept(storage: LocalStorage) -> None:
    nameless = Remote(pieces=1)
    nameless.identity = None
    for content in (nameless, Remote(b"small", pieces=0)):
        with pytest.raises(UnreachableError):
            fetch(storage, content)

    assert staged(storage.root) == []


def test_what_nobody_wants_is_dropped_and_the_rest_stays(storage: LocalStorage) -> None:
    break_off(storage, path="wanted")
    break_off(storage, path="not wanted")
    stray = storage.root / ".docferry/staging/0-0.begun"
    stray.write_bytes(b"without notes")
    asked: list[tuple[str, int]] = []

    def is_wanted(path: str, size: int, last_at: datetime) -> bool:
        assert abs(datetime.now(UTC) - last_at) < timedelta(minutes=5)
        asked.append((path, size))
        return path == "wanted"

    storage.drop_begun(is_wanted)

    assert sorted(asked) == [("not wanted", len(WHOLE)), ("wanted", len(WHOLE))]
    content = Remote()
    fetch(storage, content, "wanted")
    assert content.fetched == [1, 2]
    assert staged(storage.root) == []


@pytest.mark.parametrize("path", ["a.begun", "a.pieces"])
def test_what_a_crash_caught_is_no_download_by_its_documents_name(
    storage: LocalStorage, path: str
) -> None:
    (storage.root / path).write_bytes(OLD)

    def die(step: str) -> None:
        if step == "exchanged":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(LocalStorage(storage.root, step=die), path, token(storage, path))
    storage.drop_begun(lambda path, size, last_at: True)

    storage.sweep_staging()

    assert archived(storage.root) == OLD
    assert staged(storage.root) == []


def test_what_is_under_way_is_not_dropped(storage: LocalStorage) -> None:
    content = Remote()
    content.confirms = lambda: storage.drop_begun(lambda path, size, last_at: False)

    fetch(storage, content)

    assert (storage.root / "a").read_bytes() == WHOLE


def test_an_erasure_leaves_nothing_of_what_was_cut_off(storage: LocalStorage) -> None:
    break_off(storage)

    storage.drop_staged([])

    assert staged(storage.root) == []


def test_zeros_take_no_room_on_the_disk(storage: LocalStorage) -> None:
    whole = bytes(PART_BYTES) + b"x" * 100_000 + bytes(PART_BYTES)

    written = fetch(storage, Remote(whole))

    found = (storage.root / "a").stat()
    assert (found.st_size, written.sha256) == (len(whole), sha256_of(whole))
    assert found.st_blocks * 512 < 2**20
    assert (storage.root / "a").read_bytes() == whole


def test_zeros_that_have_come_are_not_fetched_again(storage: LocalStorage) -> None:
    whole = bytes(2 * PART_BYTES) + b"x"
    with pytest.raises(UnreachableError):
        fetch(storage, Remote(whole, pieces=2))
    content = Remote(whole)

    fetch(storage, content)

    assert content.fetched == [2]
    assert (storage.root / "a").read_bytes() == whole


def test_it_is_told_how_far_it_has_come_and_what_was_there_before(tmp_path: Path) -> None:
    under_way, seen = UnderWay(), list[Transfer]()
    storage = LocalStorage(tmp_path, under_way=under_way)
    storage.write_marker(b"{}")
    break_off(storage)

    class Watched(Remote):
        def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
            for piece in super().parts(part_bytes):
                seen.extend(under_way.transfers())
                yield piece

    storage.write("a", Watched(), Attributes(), expect=None)

    assert [one.done for one in seen] == [n * PART_BYTES for n in range(PIECES)]
    assert {(one.path, one.way, one.size) for one in seen} == {("a", "down", len(WHOLE))}
    assert under_way.transfers() == ()


def test_room_is_asked_for_what_is_still_to_come(tmp_path: Path) -> None:
    asked: list[int] = []
    came: list[int] = []

    @contextmanager
    def room(size: int) -> Iterator[Callable[[int], object]]:
        asked.append(size)
        yield came.append

    storage = LocalStorage(tmp_path, room=room)
    storage.write_marker(b"{}")
    break_off(storage)

    storage.write("a", Remote(), Attributes(), expect=None)

    assert asked == [len(WHOLE) - PART_BYTES]
    assert came == [PART_BYTES, LAST]
