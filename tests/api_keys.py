"""API keys for tests: always the same ones, and as the ledger keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from docferry.core.keys import ApiKey, KeyText, Role, hash_of, made_id, made_key, mark_of
from ledger_rows import NOW

PEPPER = "a pepper of sixteen or more"


def key_text(number: int = 1, secret: int = 1) -> KeyText:
    return made_key(made_id(bytes([number] * 5)), bytes([secret] * 20))


def kept(text: KeyText, name: str = "scanner", *, pepper: str | None = None, **more: Any) -> ApiKey:
    """Give *text* as it is kept; *more* says what is not as it mostly is."""
    key = ApiKey(text.id, name, Role.OPERATOR, None, hash_of(text, pepper), mark_of(pepper), NOW)
    return replace(key, **more)


def rotated(key: ApiKey, new: KeyText, until: datetime) -> ApiKey:
    return replace(key, hash=hash_of(new, None), previous_hash=key.hash, previous_until=until)
