"""An upload in parts that was cut off is gone on with, if it is the very same, and only then."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pytest

import proxy
import servers
from contract.backends import s3_options
from contract.test_s3_uploads import Notes, Site
from docferry.errors import DocferryError, StaleError, TemporaryError
from docferry.model import Attributes, Path, SentPart, Way
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent, sha256_of
from docferry.storage.s3 import S3Storage
from docferry.storage.under_way import UnderWay

PARTS = 4
WHOLE = os.urandom(PART_BYTES) * (PARTS - 1) + os.urandom(1000)
FIRST = Attributes(version="0" * 25 + "1", sha256=sha256_of(WHOLE), mtime_ns=1, parent="0" * 26)


class Line:
    """A prefix of a store behind a line that breaks, and what a ledger keeps about it."""

    def __init__(self, server: servers.S3Server, between: proxy.Proxy) -> None:
        self.site = Site(server)
        self.notes: Notes = self.site.notes
        self.sent: list[int] = []  #: numbers of the parts that came through
        self.sent_bytes = 0
        self.breaks_after: int | None = None
        self._options = replace(s3_options(server), endpoint_url=between.url, attempts=1)
        self._profile = self.site.storage().probe()
        between.mood = self._is_broken

    def storage(self, under_way: UnderWay | None = None) -> S3Storage:
        """Give the storage as a process that has just been started has it."""
        return S3Storage(
            self._options,
            servers.BUCKET,
            self.site.prefix,
            profile=self._profile,
            notes=self.notes,
            under_way=under_way,
        )

    def write(self, content: bytes = WHOLE, attributes: Attributes = FIRST) -> int:
        """Write as a new process does; give how many bytes had been sent before."""
        return self.write_content(BytesContent(content), attributes)

    def write_content(self, content: BytesContent, attributes: Attributes = FIRST) -> int:
        self.sent.clear()
        self.sent_bytes = 0
        return self.storage().write("a", content, attributes, expect=None).had_bytes

    def break_off(self, *, after: int = 2, attributes: Attributes = FIRST) -> None:
        """Let the store be away after so many parts."""
        self.breaks_after = after
        with pytest.raises(TemporaryError):
            self.write(attributes=attributes)
        self.breaks_after = None
        assert len(self.site.uploads()) == 1

    def listed(self, upload_id: str) -> list[tuple[int, str]]:
        """Give number and ETag of each part that the store tells of."""
        key = f"{self.site.prefix}a"
        page = self.site.boto.list_parts(Bucket=servers.BUCKET, Key=key, UploadId=upload_id)
        return [(part["PartNumber"], part["ETag"]) for part in page["Parts"]]

    def held(self) -> bytes:
        found = self.site.boto.get_object(Bucket=servers.BUCKET, Key=f"{self.site.prefix}a")
        return found["Body"].read()

    def _is_broken(self, request: proxy.Request) -> bool:
        if request.command != "PUT" or "partNumber=" not in request.path:
            return False
        if self.breaks_after is not None and len(self.sent) >= self.breaks_after:
            return request.refuse(503, "SlowDown")
        self.sent_bytes += len(request.body)
        self.sent.append(int(request.path.partition("partNumber=")[2].partition("&")[0]))
        return False


@pytest.fixture(params=["seaweedfs", "rclone", "moto"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    server = request.getfixturevalue(request.param)
    with proxy.in_front_of(server) as between:
        yield Line(server, between)


@pytest.fixture
def weed(seaweedfs: servers.S3Server) -> Iterator[Line]:
    with proxy.in_front_of(seaweedfs) as between:
        yield Line(seaweedfs, between)


def test_the_next_try_sends_only_what_is_missing(line: Line) -> None:
    line.break_off()

    had_bytes = line.write()

    assert len(line.sent) == PARTS - 2
    assert had_bytes == len(WHOLE) - line.sent_bytes
    assert line.held() == WHOLE
    assert line.site.uploads() == []
    assert line.notes.noted == {}


def test_what_was_sent_before_counts_as_there(weed: Line) -> None:
    weed.break_off()
    counts: list[int] = []

    class Counted(UnderWay):
        @contextmanager
        def carries(self, path: Path, way: Way, size: int) -> Iterator[Callable[[int], object]]:
            yield counts.append

    weed.storage(Counted()).write("a", BytesContent(WHOLE), FIRST, expect=None)

    assert sum(counts) == len(WHOLE)
    assert len(counts) == PARTS


def test_a_part_that_was_sent_and_not_noted_is_known_by_its_md5(weed: Line) -> None:
    """What came to the store as the process was killed."""
    weed.break_off()
    [[first, *_]] = weed.notes.sent_parts.values()
    for parts in weed.notes.sent_parts.values():
        parts[:] = [first]

    weed.write()

    assert len(weed.sent) == PARTS - 2
    assert weed.held() == WHOLE


def test_a_part_of_which_the_note_tells_another_etag_is_not_taken_by_that(weed: Line) -> None:
    weed.break_off()
    [[first, *_]] = weed.notes.sent_parts.values()
    for parts in weed.notes.sent_parts.values():
        parts[:] = [replace(first, etag="another"), *parts[1:]]

    weed.write()

    assert weed.held() == WHOLE


def test_a_part_that_the_store_has_otherwise_is_sent_again(weed: Line) -> None:
    """SeaweedFS keeps both of a number, and may list both: whichever it is, none is mixed up."""
    weed.break_off()
    [upload_id] = weed.site.uploads()
    [ours, _] = weed.listed(upload_id)
    weed.site.boto.upload_part(
        Bucket=servers.BUCKET,
        Key=f"{weed.site.prefix}a",
        UploadId=upload_id,
        PartNumber=1,
        Body=os.urandom(PART_BYTES),
    )
    last = [etag for number, etag in weed.listed(upload_id) if number == 1][-1]

    weed.write()

    assert (1 in weed.sent) is ((1, last) != ours)
    assert weed.held() == WHOLE


def test_a_part_of_which_other_bytes_were_sent_is_sent_again(weed: Line) -> None:
    """The file was another one for a moment while it was read, and nothing told of it."""

    class Wavering(BytesContent):
        def part(self, offset: int, size: int) -> bytes:
            return bytes(size) if offset == 0 else super().part(offset, size)

    weed.breaks_after = 2
    with pytest.raises(TemporaryError):
        weed.write_content(Wavering(WHOLE))
    weed.breaks_after = None

    weed.write()

    assert 1 in weed.sent
    assert weed.held() == WHOLE


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRST, version="0" * 25 + "2"),
        replace(FIRST, mtime_ns=2),
        replace(FIRST, parent=None),
    ],
    ids=["version", "mtime", "parent"],
)
def test_what_is_said_about_it_is_never_another_uploads(weed: Line, other: Attributes) -> None:
    weed.break_off()

    had_bytes = weed.write(attributes=other)

    [found] = [entry for entry in (weed.storage().describe("a"),) if entry]
    assert had_bytes == 0
    assert replace(found[1], sha256=None) == replace(
        other, sha256=None, content_type=found[1].content_type
    )
    assert weed.site.uploads() == []


def test_another_content_begins_anew_and_the_old_parts_go(weed: Line) -> None:
    weed.break_off()
    edited = WHOLE[:-1] + bytes([WHOLE[-1] ^ 1])

    had_bytes = weed.write(edited, replace(FIRST, sha256=sha256_of(edited)))

    assert had_bytes == 0
    assert weed.held() == edited
    assert weed.site.uploads() == []
    assert weed.notes.noted == {}


def test_what_the_store_has_forgotten_begins_anew(line: Line) -> None:
    line.break_off()
    [upload_id] = line.site.uploads()
    line.site.boto.abort_multipart_upload(
        Bucket=servers.BUCKET, Key=f"{line.site.prefix}a", UploadId=upload_id
    )

    had_bytes = line.write()

    assert had_bytes == 0
    assert line.held() == WHOLE
    assert line.notes.noted == {}


def test_an_upload_that_fails_where_it_failed_before_is_begun_anew(weed: Line) -> None:
    """Whatever is wrong with it in the store: it must not fail for ever."""
    weed.break_off()
    [first_id] = weed.site.uploads()

    class Unreadable(BytesContent):
        def part(self, offset: int, size: int) -> bytes:
            raise TemporaryError("the disk gives no answer")

    with pytest.raises(TemporaryError):
        weed.write_content(Unreadable(WHOLE))

    assert first_id not in weed.site.uploads()
    assert weed.write() == 0


def test_what_came_to_nothing_leaves_no_parts(weed: Line) -> None:
    weed.break_off()
    weed.site.boto.put_object(Bucket=servers.BUCKET, Key=f"{weed.site.prefix}a", Body=b"theirs")

    with pytest.raises(StaleError):
        weed.write()

    assert weed.held() == b"theirs"
    assert weed.site.uploads() == []


def test_a_strangers_upload_to_the_very_key_is_neither_gone_on_with_nor_taken_away(
    weed: Line,
) -> None:
    theirs = weed.site.strange_upload("a")

    had_bytes = weed.write()

    assert had_bytes == 0
    assert weed.site.uploads() == [theirs]


def test_it_is_known_under_which_version_it_was_begun(weed: Line) -> None:
    weed.break_off()
    storage = weed.storage()
    anew = replace(FIRST, version="0" * 25 + "2")

    assert storage.begun_as("a", anew) == FIRST.version
    assert storage.begun_as("b", anew) is None
    assert storage.begun_as("a", replace(anew, mtime_ns=2)) is None
    assert storage.begun_as("a", replace(anew, sha256=sha256_of(b"another"))) is None


def test_a_sweep_leaves_what_is_wanted_and_asks_about_nothing_else(weed: Line) -> None:
    weed.break_off()
    weed.site.kill_in_mid_upload("copied in parts")
    asked: list[tuple[Path, int]] = []

    def is_wanted(path: Path, size: int, begun_at: datetime) -> bool:
        asked.append((path, size))
        return True

    failures: list[DocferryError] = weed.storage().sweep_uploads(is_wanted)

    assert failures == []
    assert asked == [("a", len(WHOLE))]
    assert len(weed.site.uploads()) == 1
    assert weed.write() > PART_BYTES


def test_parts_that_the_store_took_are_noted_as_they_come(weed: Line) -> None:
    weed.break_off(after=3)

    [parts] = weed.notes.sent_parts.values()

    assert {part.number for part in parts} == set(weed.sent)
    assert all(isinstance(part, SentPart) for part in parts)
