"""Faults of canaries: they take a document for one of theirs, or sing while they do not fly."""

from __future__ import annotations

from fault import Fault

CANARY = "system/test_canary.py::"

CANARIES = (
    Fault(
        "a canary takes the place of a document",
        "engine/canary.py",
        "if any(content is not None and not is_canary(content) for content in (here, there)):",
        "if False:",
        (CANARY + "test_a_document_of_that_name_is_left_alone_and_keeps_its_versions",),
    ),
    Fault(
        "versions of a document that took the canary's name go with the canaries",
        "engine/canary.py",
        "            self._way.ledger.canaries.disown(self._way.mirror, CANARY_PATH)\n",
        "",
        (CANARY + "test_a_document_of_that_name_is_left_alone_and_keeps_its_versions",),
    ),
    Fault(
        "whatever begins as a canary does is one",
        "core/canary.py",
        "len(content) <= MOST_BYTES and ",
        "",
        ("unit/test_canary.py::test_a_document_that_is_called_so_is_no_canary",),
    ),
    Fault(
        "a canary is back before it is in the folder",
        "engine/canary.py",
        'self._wait("the folder", lambda: self._here() == text, "it has not come back")',
        "pass",
        (CANARY + "test_one_that_no_poll_brings_back_is_late_where_it_stays_away",),
    ),
    Fault(
        "late canaries leave the daemon ready",
        "app/figures.py",
        "if is_paused or late < LATE_IN_A_ROW:",
        "if late >= 0:",
        (CANARY + "test_two_late_ones_make_it_unready_and_one_that_comes_through_ready_again",),
    ),
    Fault(
        "versions of a document that had the canary's name go with the canaries",
        "engine/retention.py",
        "    yield [row for row in rows if row.id < since], policy\n",
        "    yield [row for row in rows if row.id < since], CANARY_POLICY\n",
        (
            "unit/test_retention_round.py::"
            "test_what_somebody_had_at_the_path_of_the_canary_before_follows_the_rules",
        ),
    ),
    Fault(
        "canaries pile up where no rule lets anything go",
        "engine/retention.py",
        "judge_all = verdicts if self._policy.lets_go else canary_verdicts",
        "judge_all = verdicts if self._policy.lets_go else lambda *_: iter(())",
        (
            "unit/test_retention_round.py::"
            "test_of_the_canaries_that_flew_the_last_one_stays_even_without_a_rule",
        ),
    ),
)
