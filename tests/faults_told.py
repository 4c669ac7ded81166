"""Faults of what is said: that all is well, or as it was, where nobody knows that."""

from __future__ import annotations

from fault import Fault

_REPORT = "integration/test_report.py"
_WAITS = f"{_REPORT}::test_while_anything_waits_for_a_person_or_for_its_turn_nothing_is_in_step"

OF_WHAT_IS_TOLD = (
    Fault(
        "in step is said while a conflict is open",
        "app/report.py",
        "(self.holds or self.conflicts or self.asked",
        "(self.holds or self.asked",
        (f"{_WAITS}[conflict_is_open]",),
    ),
    Fault(
        "in step is said while a conversion waits",
        "app/report.py",
        "            and not self.converting\n",
        "",
        (f"{_WAITS}[conversion_waits]",),
    ),
    Fault(
        "a limited key is told of no dead letter of its own",
        "app/report.py",
        "                for one in self.dead_letters\n                if one.mirror in mirrors\n",
        "                for one in self.dead_letters[:0]\n",
        (
            "integration/test_unseen.py::test_a_dead_letter_of_its_mirror_is_told_to_a_limited_key"
            "_and_to_no_other",
        ),
    ),
)
