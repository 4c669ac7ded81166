"""Check who may read the files with secrets."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from docferry.app.findings import Finding
from docferry.config import Config
from docferry.config.credentials import folder_of


def check_secrets(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Name the files with secrets that every user of this machine can read."""
    folder = folder_of(config.credentials_dir, environ)
    if folder is None or not _may_all_enter(folder):
        return
    try:
        opened = sorted(file.name for file in folder.iterdir() if _may_all_read(file))
    except OSError:  # the configuration could be read all the same: files come and go
        return
    if opened:
        what = f"every user of this machine can read secrets: {', '.join(opened)} in {folder}"
        yield Finding("config", "secrets", "warning", what, f"chmod o-rwx {folder}/*")


def _may_all_enter(folder: Path) -> bool:
    above = folder.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (above, *above.parents))


def _may_all_read(file: Path) -> bool:
    try:
        seen = file.stat()
    except OSError:  # a link to nowhere, such as the lock of an editor
        return False
    return stat.S_ISREG(seen.st_mode) and bool(seen.st_mode & stat.S_IROTH)
