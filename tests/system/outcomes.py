"""
What becomes of a fault, as the operating manual promises it, beside the test that shows it.

A test of a fault is marked `@outcome("the store is gone", HEALS)`, a case of a table by
`pytest.param(…, marks=outcome(…))`. Each mark is a row of "When something fails" in
daemon/OPERATING.md, word for word, and each row has a mark: `unit/test_outcomes.py` compares them.
"""

from __future__ import annotations

from enum import StrEnum

import pytest


class Outcome(StrEnum):
    """What a row's second column begins with."""

    HEALS = "heals by itself"
    ASKS = "asks for a decision"
    REFUSES = "refuses to start"


HEALS, ASKS, REFUSES = Outcome.HEALS, Outcome.ASKS, Outcome.REFUSES


def outcome(fault: str, becomes: Outcome, *, sees: str = "") -> pytest.MarkDecorator:
    """
    Mark a test as the one that shows what becomes of a fault.

    Args:
        fault: The first column of its row.
        becomes: What the second column begins with.
        sees: What the test asks docferry to say; the third column has these words.
    """
    return pytest.mark.outcome(fault, becomes, sees)
