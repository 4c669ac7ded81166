"""An object's content: whole in memory where it is small, read in parts where it is large."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

from docferry.errors import StaleError, TemporaryError
from docferry.model import Sha256, Token
from docferry.storage.base import PART_BYTES, PARTS_AT_ONCE, Content, Give
from docferry.storage.hashing import HashAside
from docferry.storage.s3_client import S3Client
from docferry.storage.s3_errors import without_login
from docferry.storage.s3_metadata import Fetched, ObjectHead

_IS_MD5 = re.compile(r"[0-9a-f]{32}")  # the ETag of a multipart upload is "...-7"


class S3Content(Content):
    """
    One object as it was when it was opened.

    Args:
        etag_is_md5: The store gives the MD5 of the bytes as the ETag, where it looks so.
        version_id: Of a version that the bucket keeps; None: the object as it is now.
    """

    def __init__(
        self,
        client: S3Client,
        key: str,
        fetched: Fetched,
        *,
        etag_is_md5: bool,
        version_id: str | None = None,
    ) -> None:
        self.size = fetched.head.size
        self.attributes = fetched.head.attributes
        self.identity = _identity(client, key, version_id, fetched.head)
        self._client = client
        self._key = key
        self._version_id = version_id
        self._token = fetched.head.token
        self._body = fetched.body
        self._etag_is_md5 = etag_is_md5 and _IS_MD5.fullmatch(self._token) is not None
        self._is_of_one_answer = False
        self._give: Give = lambda offset, size: None
        self._found: str | None = None  # the hash of what was last read to its end

    def part(self, offset: int, size: int) -> bytes:
        if offset + size > self.size:
            raise StaleError(f"{self._key} has only {self.size} bytes")
        if self._body is not None:
            self._is_of_one_answer = True
            return self._body[offset : offset + size]
        if size == 0:
            return b""
        return self._client.get_range(self._key, self._token, offset, size, self._version_id)

    def parts(self, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
        if self._body is not None:
            found = hashlib.new(self._algorithm, self._body, usedforsecurity=False)
            yield from self._read(part_bytes)
            self._found = found.hexdigest()
            return
        with HashAside(self._algorithm) as aside:
            for part in self._read(part_bytes):
                aside.update(part)
                yield part
            self._found = aside.hexdigest()

    def read_into(self, take: Callable[[bytes], object], part_bytes: int = PART_BYTES) -> Sha256:
        if self._algorithm != "sha256":
            return super().read_into(take, part_bytes)
        for part in self.parts(
            part_bytes
        ):  # hashes it already: twice would be the slowest step of all
            take(part)
        assert self._found is not None
        return self._found

    def take_from(self, give: Give) -> None:
        self._give = give

    def confirm(self) -> None:
        """
        Check what was read against what the store and the object itself say of it.

        Raises:
            StaleError: Another object is there.
            TemporaryError: The bytes came damaged.
        """
        if not self._is_of_one_answer:
            self._look_again()
        expected = self.attributes.sha256 or (self._token if self._etag_is_md5 else None)
        if None in (self._found, expected) or self._found == expected:
            return
        if self._etag_is_md5 and self._client.hides_md5(*self._which):
            self._etag_is_md5 = False
            if self.attributes.sha256 is None:
                return  # nothing tells what it should be
        if self.attributes.sha256 is None or not self._is_only_the_claim_wrong():
            raise TemporaryError(
                f"cannot read {self._key} on "
                f"{without_login(self._client.connections.endpoint_url)}: it came damaged, its "
                f"hash is not {expected}: if that goes on, the store or a proxy alters bytes"
            )

    def close(self) -> None:
        """Do nothing: every request is a connection's loan."""

    @property
    def _which(self) -> tuple[str, Token, str | None]:
        return self._key, self._token, self._version_id

    @property
    def _algorithm(self) -> Literal["sha256", "md5"]:
        return "md5" if self.attributes.sha256 is None and self._etag_is_md5 else "sha256"

    def _is_only_the_claim_wrong(self) -> bool:
        """
        Tell damaged bytes from a claimed SHA-256 that is another content's.

        Tools that edit an object in place, or copy it, take its metadata along.
        """
        self._give = lambda offset, size: None
        again = hashlib.new("md5" if self._etag_is_md5 else "sha256", usedforsecurity=False)
        if self._body is not None and not self._etag_is_md5:
            self._body = self._client.get(*self._which).body
        for part in self._read(PART_BYTES):
            again.update(part)
        return again.hexdigest() == (self._token if self._etag_is_md5 else self._found)

    def _look_again(self) -> None:
        found = self._client.head(self._key, self._version_id)
        if found is None or found.token != self._token:
            raise StaleError(f"{self._key} is another content by now, or gone")

    def _read(self, part_bytes: int) -> Iterator[bytes]:
        if self._body is None:
            yield from self._read_ahead(part_bytes)
        else:
            for offset in range(0, self.size, part_bytes):
                yield self.part(offset, min(part_bytes, self.size - offset))

    def _had_or_part(self, offset: int, size: int) -> bytes:
        had = self._give(offset, size)
        return self.part(offset, size) if had is None else had

    def _read_ahead(self, part_bytes: int) -> Iterator[bytes]:
        """Fetch some parts at once and give them in order, in bounded memory."""
        offsets = iter(range(0, self.size, part_bytes))
        coming: deque[Future[bytes]] = deque()
        pool = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="part")
        permits = self._client.part_permits
        try:
            while True:
                # Only who holds no part waits for a permit: so nobody waits in a circle.
                while len(coming) < PARTS_AT_ONCE and permits.acquire(blocking=not coming):
                    offset = next(offsets, None)
                    if offset is None:
                        permits.release()
                        break
                    size = min(part_bytes, self.size - offset)
                    coming.append(pool.submit(self._had_or_part, offset, size))
                if not coming:
                    return
                yield coming[0].result()
                coming.popleft()
                permits.release()
        finally:
            pool.shutdown(cancel_futures=True)
            for _ in coming:
                permits.release()


def _identity(client: S3Client, key: str, version_id: str | None, head: ObjectHead) -> str:
    """Name the very bytes: two objects of one ETag that were not written at once are two."""
    where = client.connections.endpoint_url, client.bucket, key, version_id
    return "\n".join(map(str, (*where, head.token, head.size, head.modified_ns)))
