"""A machine after a power cut: its disk as it may be, and its store as it was at that moment."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from docferry.app.mirrors import LEDGER_NAME
from system.disk import Found

#: A local token: size, mtime and inode. In the ledger, and in the names of staged files.
_TOKEN = re.compile(r"(?<!\d)(\d+)-(\d{10,})-(\d+)(?!\d)")


def lay_out(root: Path, state: Path, files: Mapping[Path, Found | None]) -> None:
    """
    Let *root* hold *files* and nothing else, as the disk does when the machine is up again.

    The inodes' numbers are others than they were. Tokens have them, so what was noted of them is
    changed alike: in the names of staged files, and in the ledger below *state*.
    """
    shutil.rmtree(root)
    root.mkdir()
    numbers: dict[str, str] = {}
    tokens: dict[str, str] = {}
    for path, found in files.items():
        if found is None:
            (root / path).mkdir()
            continue
        (root / path).write_bytes(found.content)
        (root / path).chmod(found.mode & 0o7777)
        os.utime(root / path, ns=(found.mtime_ns, found.mtime_ns))
        number = (root / path).stat().st_ino
        numbers[str(found.inode)] = str(number)
        before = f"{len(found.content)}-{found.mtime_ns}"
        tokens[f"{before}-{found.inode}"] = f"{before}-{number}"

    def as_now(token: re.Match[str]) -> str:
        size, mtime, number = token.groups()
        return tokens.get(token[0]) or f"{size}-{mtime}-{numbers.get(number, number)}"

    _rename_staged(root, lambda name: _TOKEN.sub(as_now, name))
    if (state / LEDGER_NAME).exists():
        _rewrite(state / LEDGER_NAME, lambda text: _TOKEN.sub(as_now, text))


def _rename_staged(root: Path, as_now: Callable[[str], str]) -> None:
    for file in [*root.glob("*/.docferry/staging/*"), *root.glob("*/.docferry/kept/*")]:
        file.rename(file.with_name(as_now(file.name)))


def _rewrite(ledger: Path, as_now: Callable[[str], str]) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.create_function("as_now", 1, as_now)
        tables = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        for (table,) in connection.execute(tables).fetchall():
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
            for column in columns:
                connection.execute(
                    f"update {table} set {column} = as_now({column}) "
                    f"where {column} glob '*[0-9]-[0-9]*-[0-9]*' and {column} <> as_now({column})"
                )
        connection.commit()
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
