"""
The audit's file: the rows of the ledger once more, a line each, for whoever keeps them elsewhere.

It is written after the ledger, by the daemon alone: rows of which a crash kept the line,
or a part of it, come with the next ones.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from docferry.core.audit import Hash, line_of
from docferry.errors import PermanentError, TemporaryError
from docferry.ledger.audit import Audit

_TAIL_BYTES = 64 * 1024
_MODE = 0o640  # for a group that ships it; it names no documents


class AuditFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: tuple[int, Hash] | None = None  # that was found in it, or written to it

    def catch_up(self, audit: Audit) -> int:
        """
        Append the rows that it lacks, and give their number.

        Raises:
            TemporaryError: It cannot be written.
            PermanentError: What it ends with is not in the ledger. It is left as it is.
        """
        last = audit.last()
        if last == self._last:
            return 0
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _MODE)
            try:
                # Whoever may read it may lock it, for as long as they like.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                count = _append_missing(descriptor, audit, self.path)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise TemporaryError(
                f"cannot write the audit's file {self.path}: {error.strerror}"
            ) from error
        self._last = last
        return count

    def set_aside(self, at: datetime) -> None:
        """
        Let a new one begin, for another ledger: what there is gets another name.

        Raises:
            PermanentError: It cannot be renamed.
        """
        try:
            with suppress(FileNotFoundError):
                self.path.rename(f"{self.path}.until-{at:%Y%m%dT%H%M%SZ}")
        except OSError as error:
            raise PermanentError(
                f"cannot rename the audit's file {self.path}: {error.strerror}"
            ) from error

    def lines(self) -> Iterator[str]:
        """
        Yield its whole lines, as far as it goes now.

        Raises:
            PermanentError: It cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                ends_at = os.fstat(file.fileno()).st_size
                for line in file:
                    if not line.endswith(b"\n") or file.tell() > ends_at:
                        return  # it is being written, or a crash left a part of it
                    yield line.decode(errors="replace")
        except OSError as error:
            raise PermanentError(
                f"cannot read the audit's file {self.path}: {error.strerror}"
            ) from error


def seq_in(line: str) -> int | None:
    """Give the number of the row that a line is of; None: it is no such line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    seq = found.get("seq") if isinstance(found, dict) else None
    return seq if isinstance(seq, int) else None


def _append_missing(file: int, audit: Audit, path: Path) -> int:
    _cut_off_zeros(file)
    whole, torn = _end_of(file)
    chain, after = audit.chain, 0
    if whole is not None:
        after = seq_in(whole) or 0
        there = next(iter(audit.rows(after - 1)), None) if after else None
        if there is None or line_of(chain, there) != whole:
            raise _stranger(path)
    count = 0
    for row in audit.rows(after):
        line = line_of(chain, row).encode()
        if not line.startswith(torn):
            raise _stranger(path)
        _write(file, line[len(torn) :])
        torn = b""
        count += 1
    os.fsync(file)
    return count


def _cut_off_zeros(file: int) -> None:
    """Cut off what no line has: a power cut can leave the length of a line without its bytes."""
    size = end = os.fstat(file).st_size
    while end:
        start = max(0, end - _TAIL_BYTES)
        sound = len(os.pread(file, end - start, start).rstrip(b"\0"))
        end = start + sound
        if sound:
            break
    if end != size:
        os.ftruncate(file, end)


def _end_of(file: int) -> tuple[str | None, bytes]:
    """Give the last whole line, and what a crash left of another one after it."""
    size = os.fstat(file).st_size
    length = _TAIL_BYTES
    while True:
        tail = os.pread(file, length, max(0, size - length))
        *lines, torn = tail.split(b"\n")
        if len(lines) > 1 or (lines and length >= size):
            return lines[-1].decode(errors="replace") + "\n", torn
        if length >= size:
            return None, torn
        length *= 2


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _stranger(path: Path) -> PermanentError:
    return PermanentError(
        f"the end of the audit's file {path} is not in the ledger: `docferry audit verify` tells "
        "where they part. Rows may have been taken out of the ledger. If it is another ledger "
        "(rebuilt, or an older one put back), move the file away: a new one begins"
    )
