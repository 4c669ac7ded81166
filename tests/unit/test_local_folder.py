"""What the system says about a path, as people are told of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from docferry.errors import (
    DocferryError,
    FullError,
    PermanentError,
    ReadOnlyError,
    TemporaryError,
    UnreachableError,
)
from docferry.storage.local_folder import Folder


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, FullError, "the disk of /docs is full"),
        (errno.EDQUOT, FullError, "the disk of /docs is full"),
        (errno.EROFS, ReadOnlyError, "mounted read-only"),
        (errno.EACCES, PermanentError, "/docs/a: Permission denied. Give docferry's user"),
        (errno.EPERM, PermanentError, "/docs/a: Operation not permitted. Give"),
        (errno.ENAMETOOLONG, PermanentError, "too long"),
        (errno.EXDEV, PermanentError, "not on the file system of /docs"),
        (errno.ESTALE, UnreachableError, "is it mounted"),
        (errno.EIO, TemporaryError, "/docs/a: Input/output error"),
    ],
)
def test_what_the_system_says_is_told_with_what_to_do(
    number: int, kind: type[DocferryError], words: str
) -> None:
    error = Folder(Path("/docs")).translate(OSError(number, os.strerror(number)), "a")

    assert type(error) is kind
    assert words in str(error)
