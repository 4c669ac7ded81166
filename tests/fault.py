"""What a planted fault is: one mistake, as a change of docferry's code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake, and the tests of which at least one must note it."""

    name: str
    module: str  #: below daemon/docferry, or ../../packaging/…
    old: str  #: stands there exactly once
    new: str
    tests: tuple[str, ...]  #: below tests
