"""Large contents go up in parts that every store takes, and no part is held in memory if large."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest

from docferry.core.parts import MAX_PART_BYTES, MAX_PARTS, part_bytes_for
from docferry.errors import PermanentError, StaleError
from docferry.model import Attributes
from docferry.storage.base import PART_BYTES
from docferry.storage.memory import BytesContent
from docferry.storage.part_reader import PartReader

MIB, GIB, TIB = 1024**2, 1024**3, 1024**4


@pytest.mark.parametrize(
    ("size", "part_bytes"),
    [
        (1, PART_BYTES),
        (20 * GIB, PART_BYTES),
        (MAX_PARTS * PART_BYTES, PART_BYTES),
        (MAX_PARTS * PART_BYTES + 1, PART_BYTES + MIB),
        (TIB, 105 * MIB),
        (5 * TIB, 525 * MIB),
        (MAX_PARTS * MAX_PART_BYTES, MAX_PART_BYTES),
    ],
)
def test_parts_are_as_large_as_their_number_makes_them(size: int, part_bytes: int) -> None:
    found = part_bytes_for(size, PART_BYTES)

    assert found == part_bytes
    assert -(-size // found) <= MAX_PARTS


def test_what_no_store_takes_is_refused_before_a_byte_is_sent() -> None:
    with pytest.raises(PermanentError, match="larger than S3 takes"):
        part_bytes_for(MAX_PARTS * MAX_PART_BYTES + 1, PART_BYTES)


class Endless(BytesContent):
    """A content that takes no memory."""

    def __init__(self, size: int) -> None:
        super().__init__(b"", Attributes())
        self.size = size
        self.is_edited = False

    def part(self, offset: int, size: int) -> bytes:
        return size * (b"y" if self.is_edited else b"x")


def test_a_part_of_a_hundred_megabytes_takes_no_more_memory_than_a_usual_one() -> None:
    content, digest = Endless(5 * TIB), hashlib.sha256()
    tracemalloc.start()
    try:
        reader = PartReader(content, TIB, 105 * MIB, digest.update)
        while reader.read(MIB):
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    reader.check()
    assert peak_bytes < 4 * PART_BYTES


def test_a_part_can_be_read_again_from_its_begin() -> None:
    whole = bytes(range(256)) * 10
    found: list[bytes] = []
    reader = PartReader(BytesContent(whole), 256, 512, found.append)

    first = reader.read(100)
    reader.seek(0)
    again = reader.read(4096) + reader.read(4096)

    reader.check()
    assert first == whole[256:356]
    assert again == b"".join(found) == whole[256:768]
    assert len(reader) == 512
    assert reader.seek(0, 2) == reader.tell() == 512


def test_other_bytes_than_were_hashed_are_noticed() -> None:
    content = Endless(PART_BYTES)
    reader = PartReader(content, 0, 10 * MIB, lambda piece: None)

    content.is_edited = True
    reader.seek(0)
    while reader.read(MIB):
        pass

    with pytest.raises(StaleError):
        reader.check()


def test_a_part_that_was_not_read_to_its_end_was_not_sent() -> None:
    reader = PartReader(BytesContent(bytes(100)), 0, 100, lambda piece: None)

    reader.seek(0)
    reader.read(50)

    with pytest.raises(StaleError):
        reader.check()
