"""The drop-in by which the service may write to the configured folders, wherever they lie."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterable

from docferry.config import Config
from docferry.errors import UserError

DROP_IN = pathlib.Path("/etc/systemd/system/docferry.service.d/folders.conf")
#: Where the unit lets it write anyway: StateDirectory=, and ReadWritePaths= for mirrors.
STATE_DIR = pathlib.Path("/var/lib/docferry")
_OPEN = (STATE_DIR, pathlib.Path("/srv/docferry"))
#: ProtectHome= and PrivateTmp= put something else there; what lies below is bound into that.
_HOMES = tuple(map(pathlib.Path, ("/home", "/root", "/run/user")))
_HIDDEN = (*_HOMES, pathlib.Path("/tmp"), pathlib.Path("/var/tmp"))
_HEAD = """\
# Written by `docferry check --systemd --write`: the folders of docferry.toml, and nothing else.
# "-": one that is missing is no reason not to start, but docferry may write there only after
# the next start. A file system that is mounted later, onto a folder that is there, is seen at once.
"""


def drop_in(config: Config) -> str:
    """Give the text of the drop-in. "": the unit as it is will do."""
    folders = sorted(set(_outside(config)))
    if not folders:
        return ""
    lines = [_HEAD, "[Service]"]
    if any(_is_below(folder, _HOMES) for folder in folders):
        lines.append("# Other homes stay empty.\nProtectHome=tmpfs")
    for folder in folders:
        key = "BindPaths" if _is_below(folder, _HIDDEN) else "ReadWritePaths"
        lines.append(f"{key}={_quoted(folder)}")
    return "\n".join(lines) + "\n"


def is_said(text: str, file: pathlib.Path = DROP_IN) -> bool:
    """Whether *file* says all of *text*; more does no harm to what is configured."""
    try:
        said = file.read_text().splitlines() if file.exists() else []
    except OSError:
        return False
    return set(text.splitlines()) <= set(said)


def write(text: str, file: pathlib.Path = DROP_IN) -> bool:
    """
    Make *file* say *text*, or take it away if that is empty; say whether anything changed.

    Raises:
        UserError: It cannot be written.
    """
    try:
        if (file.read_text() if file.exists() else "") == text:
            return False
        if not text:
            file.unlink()
            return True
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, text)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}; root can") from error
    return True


def _replace(file: pathlib.Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".", delete=False) as new:
        new.write(text)
        os.fchmod(new.fileno(), 0o644)
    pathlib.Path(new.name).replace(file)


def _outside(config: Config) -> Iterable[pathlib.Path]:
    folders = [config.state_dir, *(mirror.local for mirror in config.mirrors.values())]
    folders += [drop.folder for drop in config.drops.values()]
    return (folder for folder in folders if not _is_below(folder, _OPEN))


def _is_below(folder: pathlib.Path, above: Iterable[pathlib.Path]) -> bool:
    return any(folder.is_relative_to(each) for each in above)


def _quoted(folder: pathlib.Path) -> str:
    """
    Write a path as systemd reads it: in quotes, and "%%" for "%".

    Raises:
        UserError: It cannot be written.
    """
    if not str(folder).isprintable():
        raise UserError(f"{str(folder)!r}: a unit cannot name a folder with such characters")
    text = str(folder).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"-{text}"'
