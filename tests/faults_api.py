"""Faults of the API: what it takes for what was meant, and what it says of itself."""

from __future__ import annotations

from fault import Fault

_RANGES = "property/test_ranges.py"

OF_THE_API = (
    Fault(
        "a range that begins beyond the end gives all of the content",
        "web/headers.py",
        "int(found[2]) if found[2] else None\n",
        "int(found[2]) if found[2] else size\n",
        (f"{_RANGES}::test_from_a_position_on_all_of_the_rest_is_given_or_there_is_none",),
    ),
)
