"""
Bodies of requests that are read from disk while they are sent.

requests holds a whole multipart body in memory when it makes one itself. requests-toolbelt
would not, but its last release is of 2023; what we need of it are these few lines.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import secrets
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from docferry.errors import TemporaryError

#: Names and values of a form, in order; a name may come several times.
Fields: TypeAlias = Sequence[tuple[str, str]]

_PART_BYTES = 256 * 1024
_ANYTHING = "application/octet-stream"


class FileBody:
    """
    A file as it is.

    `sent` counts the bytes that were taken to be sent: what failed before the first has
    never had anything of the document.
    """

    def __init__(self, path: pathlib.Path, media_type: str) -> None:
        self.sent = 0
        self.content_type = media_type or _ANYTHING
        self._path = path
        self._size = path.stat().st_size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts():
            self.sent += len(part)
            yield part

    @property
    def is_sent(self) -> bool:
        """Say whether all of it was taken to be sent."""
        return self.sent >= len(self)

    def _parts(self) -> Iterator[bytes]:
        """
        Raises:
            TemporaryError: It cannot be read. No OSError: that is what connections fail with.
        """
        left = self._size
        try:
            with self._path.open("rb") as file:
                while left:
                    part = file.read(min(left, _PART_BYTES))
                    if not part:
                        raise TemporaryError(f"{self._path} became shorter while it was sent")
                    left -= len(part)
                    yield part
        except OSError as error:
            raise TemporaryError(f"cannot read {self._path}: {error}") from error


class FormBody(FileBody):
    """A form (multipart/form-data, RFC 7578) with one file and some fields."""

    def __init__(
        self, path: pathlib.Path, media_type: str, *, part: str, fields: Fields = ()
    ) -> None:
        super().__init__(path, media_type)
        boundary = secrets.token_hex(16)
        texts = [_text(boundary, name, value) for name, value in fields]
        self._head = b"".join(texts) + _file(boundary, part, path.name, self.content_type)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        for part in itertools.chain([self._head], self._parts(), [self._tail]):
            self.sent += len(part)
            yield part


def _text(boundary: str, name: str, value: str) -> bytes:
    return f"{_head(boundary, name)}\r\n\r\n{value}\r\n".encode()


def _file(boundary: str, name: str, filename: str, content_type: str) -> bytes:
    head = f'{_head(boundary, name)}; filename="{_quoted(filename)}"'
    return f"{head}\r\nContent-Type: {content_type}\r\n\r\n".encode()


def _head(boundary: str, name: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'


def _quoted(name: str) -> str:
    """Write a name as browsers do: nothing in it can end its quotes or its line."""
    name = os.fsencode(name).decode(errors="replace")
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
