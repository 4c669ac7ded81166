"""Documents named as a shell does: by a path of this machine, in a mirror's folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path as FolderPath

from docferry.app.process import IdentifierType
from docferry.app.versions import looks_like_version
from docferry.config import Config
from docferry.core.paths import is_plain
from docferry.core.words import counted
from docferry.errors import ConflictError, NotFoundError
from docferry.ledger import Ledger
from docferry.model import Path


@dataclass(frozen=True, slots=True)
class Meant:
    """What a person names: *identifier*, read as *by* says, in one of *mirrors*."""

    mirrors: tuple[str, ...]
    identifier: str
    by: IdentifierType


def meant(config: Config, ledger: Ledger, mirrors: Collection[str], what: str) -> Meant:
    """
    Say which document *what* is: a version, a path of this machine, else one of a mirror.

    A path of this machine is absolute, or relative to the present folder; it counts where it
    lies in a mirror's folder. What reads as a path of a mirror as well has to be there, too.

    Raises:
        NotFoundError: It can only be a path of this machine, and lies in no mirror's folder.
        ConflictError: Both ways of reading it name a document, and not the same one.
    """
    if looks_like_version(what):
        return Meant((*mirrors,), what, IdentifierType.ID)
    here = _in_a_mirror(config, mirrors, what)
    if _is_of_this_machine(what):
        if here is None:
            raise NotFoundError(
                f"{what!r} is in the folder of no mirror ({', '.join(sorted(mirrors))})"
            )
        return here
    if here is None or not (what.startswith("/") or _is_file(config, here)):
        return Meant((*mirrors,), what, IdentifierType.FILENAME)
    if not what.startswith("/"):
        _require_one(ledger, mirrors, what, here)
    return here


def in_folder(config: Config, mirror: str, path: Path) -> FolderPath | None:
    """Give where a mirror's folder has a file; None: it has none, as far as can be seen."""
    at = config.mirrors[mirror].local / path.strip("/")
    try:
        return at if is_plain(path.strip("/")) and at.is_file() else None
    except (OSError, ValueError):
        return None


def _is_of_this_machine(what: str) -> bool:
    """Say whether it can be no path of a mirror."""
    return not what.startswith("/") and any(part in (".", "..") for part in what.split("/"))


def _in_a_mirror(config: Config, mirrors: Collection[str], what: str) -> Meant | None:
    try:
        folder, name = os.path.split(what)
        at = FolderPath(os.path.realpath(folder or "."), name)  # of links in it as the shell does
    except (OSError, ValueError):
        return None
    for mirror in mirrors:
        root = os.path.realpath(config.mirrors[mirror].local)
        path = str(at.relative_to(root)) if at.is_relative_to(root) else "."
        if is_plain(path):
            return Meant((mirror,), path, IdentifierType.PATH)
    return None


def _is_file(config: Config, here: Meant) -> bool:
    return in_folder(config, here.mirrors[0], here.identifier) is not None


def _require_one(ledger: Ledger, mirrors: Collection[str], what: str, here: Meant) -> None:
    """Refuse a path of this machine that is another document's path in a mirror."""
    path = what.strip("/")
    pairs = sorted({(mirror, path) for mirror in mirrors} - {(here.mirrors[0], here.identifier)})
    others = [f"{one.mirror}: {one.path}" for one in ledger.files.at(pairs) if one.agreed]
    if others:
        raise ConflictError(
            f"{counted(1 + len(others), 'file')} may be meant: {here.mirrors[0]}: "
            f"{here.identifier}, and {', '.join(others)}; ./{what} is the first, /{what} is not"
        )
