"""The bytes of versions for people and programs: read, and compared."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import IO

from docferry.app.onlooker import Onlooker, store_of
from docferry.app.sides import Sides, UlidSource, open_sides
from docferry.app.versions import let_go
from docferry.config import Config
from docferry.core.texts import Text, apart_from_lines, read_text
from docferry.engine.contents import gone
from docferry.errors import DocferryError, FullError, PermanentError, StaleError
from docferry.ledger import Ledger
from docferry.model import VersionRow
from docferry.storage.base import PART_BYTES

#: Of a content so much stays in memory; what is more goes to a file without a name.
SPOOL_BYTES = 1024 * 1024
#: Larger contents are not compared line by line.
DIFF_BYTES = 10 * 1024 * 1024


@contextmanager
def opened(
    config: Config,
    ledger: Ledger,
    row: VersionRow,
    onlooker: Onlooker | None = None,
    *,
    folder: FilePath | None = None,
) -> Iterator[IO[bytes]]:
    """
    Open the bytes of a version, checked, wherever they are by now.

    Args:
        onlooker: Hears of a place that does not answer.
        folder: Where they lie meanwhile; None: where programs put such files.

    Raises:
        UserError: They were let go, and the same were found nowhere else.
        PermanentError: They are nowhere, or damaged wherever they are.
        UnreachableError, TemporaryError: The place where they may be does not answer.
        FullError: There is no room for them.
    """
    sides = open_sides(config, row.mirror, ledger, UlidSource(), connections=4)
    whom = f"{store_of(config, row.mirror)}, or the folder {sides.options.local}"
    lies_in = None if folder is None else str(folder)
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=lies_in) as spool:
        with (onlooker or Onlooker()).waiting(whom) as heard:
            _fill(spool, row, sides, heard)
        spool.seek(0)
        yield spool


def _fill(spool: IO[bytes], row: VersionRow, sides: Sides, heard: Callable[[], None]) -> None:
    """Write the bytes of a version, as they are somewhere, to *spool*."""

    def write(part: bytes | memoryview) -> None:
        heard()
        try:
            spool.write(part)
        except OSError as error:
            raise FullError(f"cannot keep {row.path} while it is read: {error.strerror}") from error

    # Many small ones may be read at a time; of a large one a store is asked for large parts.
    part_bytes = SPOOL_BYTES if row.size <= PART_BYTES else PART_BYTES
    failure: DocferryError | None = None
    for opener in sides.contents.openers(row):
        spool.seek(0)
        spool.truncate()
        try:
            with opener() as content:
                sha256 = content.read_into(write, part_bytes)
        except StaleError:
            continue
        except FullError:
            raise  # wherever else it may be
        except DocferryError as error:
            failure = failure or error
            continue
        if sha256 == row.sha256:
            return
        failure = PermanentError(f"the bytes of version {row.id} are damaged")
    if row.gone_at is not None:
        raise let_go(row) from failure
    raise failure or gone(row)


def difference(config: Config, ledger: Ledger, a: VersionRow, b: VersionRow) -> list[str] | None:
    """
    Give the lines of a unified diff of two texts. None: one of them is no text, or too large.

    Those that begin with a backslash say in what they differ besides.
    """
    found = texts(config, ledger, (a, b), DIFF_BYTES)
    if found is None:
        return None
    before, after = found
    names = (f"{a.path}\t{a.id}", f"{b.path}\t{b.id}")
    unified = difflib.unified_diff(before.lines, after.lines, *names, lineterm="")
    return [*unified, *(f"\\ {one}" for one in apart_from_lines(before, after))]


def texts(
    config: Config, ledger: Ledger, rows: tuple[VersionRow, VersionRow], most: int
) -> tuple[Text, Text] | None:
    """Read two texts. None: one of them is no text, or has more than *most* bytes."""
    if any(row.size > most for row in rows):
        return None
    before, after = (_text(config, ledger, row) for row in rows)
    return None if before is None or after is None else (before, after)


def _text(config: Config, ledger: Ledger, row: VersionRow) -> Text | None:
    with opened(config, ledger, row) as file:
        return read_text(file.read())
