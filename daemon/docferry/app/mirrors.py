"""Which mirror is meant, and where its ledger is: for commands that need nothing heavier."""

from __future__ import annotations

from docferry.config import Config, MirrorConfig
from docferry.errors import NotFoundError, UserError

LEDGER_NAME = "ledger.sqlite3"


def mirror_named(config: Config, mirror: str) -> MirrorConfig:
    """
    Raises:
        NotFoundError: There is no such mirror.
    """
    if mirror not in config.mirrors:
        known = ", ".join(sorted(config.mirrors)) or "none"
        raise NotFoundError(
            f"there is no mirror {mirror!r} in the configuration; there is: {known}"
        )
    return config.mirrors[mirror]


def only_mirror(config: Config, mirror: str | None) -> str:
    """
    Name the mirror that is meant: the one asked for, or the only one there is.

    Raises:
        UserError: There is no such mirror, or there are several and none was named.
    """
    if mirror is not None:
        return mirror_named(config, mirror).name
    if len(config.mirrors) != 1:
        raise UserError(f"which mirror? --mirror one of: {', '.join(sorted(config.mirrors))}")
    return next(iter(config.mirrors))
