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
) -> tuple[dict[str, object], bool]:
    """
    Say how a mirror is, and why, as `Health.note` takes it.

    And whether something that people decided is still to be done.

    Args:
        is_working: At something else than that.
        problems, unsettled: As for `judge`.
    """
    found = ledger.holds.all(mirror, (HoldState.OPEN, *DECIDED))
    holds = [hold for hold in found if hold.kind != "rewind"]  # that keeps nothing back
    decided = [hold for hold in holds if hold.state in DECIDED]
    is_to_do = bool(decisions.waiting_among(decided)) or any(h.kind == "identity" for h in decided)
    held = next((hold for hold in holds if hold.state is HoldState.OPEN), None)
    health, reason = judge(
        held=None if held is None else held.reason,
        is_working=is_to_do or is_working,
        problems=problems,
        unsettled=unsettled,
    )
    if decided and health is MirrorHealth.IN_STEP:
        # Approved, and nothing will come of what is left unless it is looked at.
        decisions.begin_anew()
        return {"health": MirrorHealth.WORKING, "reason": None}, True
    return {"health": health, "reason": reason, "hold": None if held is None else held.id}, is_to_do
