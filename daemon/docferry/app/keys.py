"""stub"""

from dataclasses import dataclass
from datetime import datetime

from docferry.config import Config
from docferry.core.keys import Role
from docferry.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    role: Role
    mirrors: frozenset[str] | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    why: str


def authenticate(
    ledger: Ledger, config: Config, presented: str, address: str, now: datetime
) -> Identity | Refusal:
    return Refusal("no keys yet")


def has_keys(ledger: Ledger) -> bool:
    return False
