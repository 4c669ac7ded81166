"""How a mirror is whose sides answer, with what people have decided about its holds."""

from __future__ import annotations

from docferry.engine.health import judge
from docferry.engine.holds import DecidedHolds
from docferry.ledger import Ledger
from docferry.ledger.holds import DECIDED
from docferry.model import HoldState, MirrorHealth


def judged(
    mirror: str,
    ledger: Ledger,
    decisions: DecidedHolds,
    *,
    is_working: bool,
    problems: int,
    unsettled: int,
) -> tuple[tuple[MirrorHealth, str | None], bool]:
    """
    Say how a mirror is, and why; and whether something that people decided is still to be done.

    Args:
        is_working: At something else than that.
        problems, unsettled: As for `judge`.
    """
    found = ledger.holds.all(mirror, (HoldState.OPEN, *DECIDED))
    holds = [hold for hold in found if hold.kind != "rewind"]  # that keeps nothing back
    decided = [hold for hold in holds if hold.state in DECIDED]
    is_to_do = bool(decisions.waiting_among(decided)) or any(h.kind == "identity" for h in decided)
    verdict = judge(
        held=next((hold.reason for hold in holds if hold.state is HoldState.OPEN), None),
        is_working=is_to_do or is_working,
        problems=problems,
        unsettled=unsettled,
    )
    if decided and verdict[0] is MirrorHealth.IN_STEP:
        # Approved, and nothing will come of what is left unless it is looked at.
        decisions.begin_anew()
        return (MirrorHealth.WORKING, None), True
    return verdict, is_to_do
