"""Faults of the API: what it takes for what was meant, and what it says of itself."""

from __future__ import annotations

from fault import Fault

_RANGES = "property/test_ranges.py"
_GUARD = "integration/test_api_guard.py"
_STRICT = "integration/test_api_strict.py"

OF_THE_API = (
    Fault(
        "a range that begins beyond the end gives all of the content",
        "web/headers.py",
        "int(found[2]) if found[2] else None\n",
        "int(found[2]) if found[2] else size\n",
        (f"{_RANGES}::test_from_a_position_on_all_of_the_rest_is_given_or_there_is_none",),
    ),
    Fault(
        "a mistyped filter gives everything",
        "web/parameters.py",
        "        raise _problem(unknown[:_MOST_TOLD], known)\n",
        "",
        (f"{_STRICT}::test_what_is_unknown_is_told_with_what_is_known",),
    ),
    Fault(
        "who has no key learns what a route takes",
        "web/parameters.py",
        "        await run_in_threadpool(caller_of, request)\n",
        "",
        (f"{_STRICT}::test_a_stranger_is_asked_for_a_key_whatever_else_is_wrong",),
    ),
    Fault(
        "a script of another origin may not say what it replaces",
        "web/api.py",
        '    "If-Match",\n',
        "",
        (f"{_GUARD}::test_a_script_of_another_origin_may_send_every_header_that_is_documented",),
    ),
)
