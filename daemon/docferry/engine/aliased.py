"""Another local name for an object whose own is blocked."""

from __future__ import annotations

from docferry.core.paths import alias_for, key_of
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Key, Path

log = get_logger(__name__)


def give_alias(
    mirror: str, ledger: Ledger, aliases: dict[Key, Path], path: Path, *, blocked_by: Path
) -> Path:
    """Give the object whose local name is *path* another one, for good; note it in *aliases*."""
    key = key_of(path)
    alias = alias_for(key, blocked_by=blocked_by)
    ledger.aliases.add(mirror, key, alias)
    aliases[key] = alias
    log.warning("path.aliased", mirror=mirror, path=path, alias=alias)
    return alias
