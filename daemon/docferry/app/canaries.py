"""Canaries, wired to the mirrors that have one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from docferry.app.sides import Sides
from docferry.core.canary import CANARY_PATH
from docferry.core.rules import Rule, jobs_for
from docferry.engine.canary import Canary, Way
from docferry.engine.loop import MirrorLoop
from docferry.ledger import Ledger
from docferry.model import Ulid


def canary_of(
    sides: Sides,
    loop: MirrorLoop,
    ledger: Ledger,
    rules: Callable[[], Sequence[Rule]],
    new_ulid: Callable[[], Ulid],
) -> Canary | None:
    """Make the canary of a mirror; None: it has none."""
    options = sides.options
    if not options.canary_s:
        return None
    way = Way(
        mirror=options.name,
        mode=options.mode,
        local=sides.local,
        remote=sides.remote,
        ledger=ledger,
        is_open=lambda: loop.is_proven,
        is_paused=loop.ordered.is_paused,
        is_converted=partial(_is_converted, options.name, rules),
        results_of=lambda version: len(jobs_for(version, rules())),
        new_ulid=new_ulid,
    )
    return Canary(way, options.canary_s)


def _is_converted(mirror: str, rules: Callable[[], Sequence[Rule]]) -> bool:
    return any(r.from_mirror == mirror and r.patterns.takes(CANARY_PATH) for r in rules())
