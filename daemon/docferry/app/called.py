"""Files by what they are called: by a whole path, or by a name in whatever folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from docferry.app.files import FilePage, entries
from docferry.config import Config
from docferry.core.cursors import cursor_of, key_in
from docferry.core.standing import LISTED, Standing
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.files import FileRow
from docferry.model import Path


@dataclass(frozen=True, slots=True)
class Called:
    """
    Which files are meant.

    mirrors: in which they are.
    path: their whole path; name: else the last part of it, of files that both sides agreed on.
    standing: only those that stand so; None: however they stand.
    cursor: `FilePage.next` of the page before.
    """

    mirrors: tuple[str, ...]
    path: Path | None
    name: str | None
    standing: Standing | None = None
    limit: int = 100
    cursor: str | None = None


def files_called(
    config: Config, ledger: Ledger, wanted: Called, visible: Collection[str]
) -> FilePage:
    """
    Give a page of them, by mirror and path, with their conversions; empty: there are none.

    Args:
        visible: The mirrors of which whoever asks may know.

    Raises:
        UserError: Both a path and a name are given, the cursor is none of this list, or files
            are not listed by that standing.
    """
    if (wanted.path is None) == (wanted.name is None):
        raise UserError("a file is looked for by its path or by its name: give one of them")
    if wanted.standing not in (None, *LISTED):
        raise UserError(f"files are not listed by {wanted.standing}: {', '.join(LISTED)}")
    listed = replace(wanted, cursor=None, limit=0)
    after = ("", "") if wanted.cursor is None else _place_in(wanted.cursor, listed)
    found = _found(ledger, wanted, after)
    rows = found[: wanted.limit]
    shown = [row for row in rows if wanted.standing in (None, *row.standings)]
    is_end = len(found) == len(rows)
    following = None if is_end else cursor_of(listed, (rows[-1].mirror, rows[-1].path))
    return FilePage(entries(config, ledger, shown, visible), following)


def _place_in(cursor: str, listed: Called) -> tuple[str, Path]:
    mirror, path = key_in(cursor, listed, 2)
    return mirror, path


def _found(ledger: Ledger, wanted: Called, after: tuple[str, Path]) -> list[FileRow]:
    """Give one more than is wanted, if there is one."""
    if wanted.path is None:
        mirrors, name = sorted(wanted.mirrors), wanted.name or ""
        return ledger.files.named(mirrors, name, wanted.limit + 1, after) if wanted.mirrors else []
    pairs = [(mirror, wanted.path) for mirror in sorted(wanted.mirrors)]
    return [row for row in ledger.files.at([one for one in pairs if one > after]) if row.standings]
