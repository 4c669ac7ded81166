"""What `docferry check` finds, and the exit code for each kind of trouble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["config", "store", "folder", "clock", "watch", "converter", "webhook"]
EXIT_CODES: dict[Kind, int] = {
    "config": 2,
    "store": 3,
    "folder": 4,
    "clock": 5,
    "watch": 6,
    "converter": 7,
    "webhook": 8,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    kind: Kind
    subject: str  #: what was looked at
    level: Literal["ok", "warning", "error"]
    what: str  #: what was found
    remedy: str = ""
