"""A part of a large content as a file, for who sends it: never in memory as a whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from docferry.errors import StaleError
from docferry.storage.base import PART_BYTES, Content

if TYPE_CHECKING:
    from typing_extensions import Buffer


class PartReader(io.RawIOBase):
    """
    A piece of a content of which each reading must give the same bytes.

    It is read when it is made, to be hashed, and by the client once or twice more: for its
    own checksum, and to be sent, again if the line breaks.

    Args:
        hashed: Told of all its bytes, in order, before it is sent.
    """

    def __init__(
        self, content: Content, offset: int, size: int, hashed: Callable[[bytes], object]
    ) -> None:
        super().__init__()
        self._content = content
        self._offset = offset
        self._size = size
        self._at = 0
        self._digest = hashlib.sha256()
        self._hashed_to = 0  # of the reading under way: what was sent in the end must be the same
        while piece := self._next(PART_BYTES):
            hashed(piece)
        self._expected = self._digest.digest()
        self._at = 0  # the client reads from where it finds it

    def __len__(self) -> int:
        return self._size

    def check(self) -> None:
        """
        Check that the last reading gave the bytes of the first.

        Raises:
            StaleError: The content is another by now, or was in between.
        """
        if self._hashed_to != self._size or self._digest.digest() != self._expected:
            raise StaleError("it changed while it was read")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, into: Buffer) -> int:
        with memoryview(into).cast("B") as view:
            piece = self._next(len(view))
            view[: len(piece)] = piece
        return len(piece)

    def _next(self, most: int) -> bytes:
        if self._at == 0:
            self._digest, self._hashed_to = hashlib.sha256(), 0
        piece = self._content.part(
            self._offset + self._at, max(0, min(most, PART_BYTES, self._size - self._at))
        )
        if self._at == self._hashed_to:
            self._digest.update(piece)
            self._hashed_to += len(piece)
        self._at += len(piece)
        return piece
