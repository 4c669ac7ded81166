"""What is wrong with a configuration, and what would be right: all of it at once."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from docferry.errors import UserError

_LONGEST_SHOWN = 200  # characters of a value


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct."""

    key: str  #: "mirror.docs.prefix", a variable's name, or a place in the file
    wrong: str  #: goes on after the key: "is missing"
    right: str  #: what to write instead


class ConfigError(UserError):
    """
    The configuration cannot be used. The message lists every fault that was found.

    Args:
        state_dir: As the file has it, if that is sound.
    """

    has_lines = True

    def __init__(
        self, path: pathlib.Path, faults: Sequence[Fault], *, state_dir: pathlib.Path | None = None
    ) -> None:
        number = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = [f"{path} has {number}:"]
        for fault in faults:
            lines += [f"  {fault.key}", f"    wrong: {fault.wrong}", f"    right: {fault.right}"]
        super().__init__("\n".join(lines))
        self.faults = tuple(faults)
        self.state_dir = state_dir


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say what a mistyped *name* may have been, or else what there is."""
    known = sorted(known)
    if not known:
        return "there is none yet"
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"one of: {', '.join(known)}"


def shown(value: object) -> str:
    """Write *value* the way the file would, shortened."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > _LONGEST_SHOWN:
        text = text[:_LONGEST_SHOWN] + "…"
    # A variable may hold bytes that are not UTF-8: print them, never fail on them.
    return text.encode(errors="backslashreplace").decode()
