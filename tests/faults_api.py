"""Faults of the API: what it takes for what was meant, and what it says of itself."""

from __future__ import annotations

from fault import Fault

_RANGES = "property/test_ranges.py"
_DESCRIPTION = "integration/test_api_description.py"
_GUARD = "integration/test_api_guard.py"
_STRICT = "integration/test_api_strict.py"

OF_THE_API = (
    Fault(
        "a range that begins beyond the end gives all of the content",
        "web/headers.py",
        "_number(found[2]) if found[2] else None\n",
        "_number(found[2]) if found[2] else size\n",
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
    Fault(
        "an answer leads to nothing",
        "web/verify.py",
        'follow(response, f"/verify/{run.id}")',
        'follow(response, f"/verifications/{run.id}")',
        (f"{_STRICT}::test_what_is_to_be_done_can_be_seen_where_the_answer_says",),
    ),
    Fault(
        "a call that comes again is not told where to look",
        "web/repeatable.py",
        'location = answer.headers.get("location")',
        "location = None",
        (f"{_STRICT}::test_what_is_to_be_done_can_be_seen_where_the_answer_says",),
    ),
    Fault(
        "a limited key reads what is asked of another mirror",
        "app/requests.py",
        "if row is None or (mirrors is not None and row.mirror not in mirrors):",
        "if row is None:",
        (f"{_STRICT}::test_a_request_of_a_mirror_that_a_key_may_not_see_is_not_there",),
    ),
    Fault(
        "events tell times in a form of their own",
        "web/event_lines.py",
        'value.isoformat().replace("+00:00", "Z")',
        "value.isoformat()",
        (f"{_STRICT}::test_events_tell_times_as_all_other_answers_do",),
    ),
    Fault(
        "a verification wants a body",
        "web/verify.py",
        "response: Response, wanted: Verification = _EVERYTHING\n",
        "response: Response, wanted: Verification\n",
        (f"{_STRICT}::test_no_body_is_the_same_as_an_empty_one",),
    ),
    Fault(
        "an example of a body cannot be sent",
        "web/file_shapes.py",
        'sent(to="reports/2026-before.docx")',
        'sent(too="reports/2026-before.docx")',
        (f"{_DESCRIPTION}::test_every_body_has_an_example_that_can_be_sent_as_it_is",),
    ),
    Fault(
        "an answer is described as successful",
        "web/description.py",
        '_about(answer, schemas) or operation["summary"]',
        "_about(answer, schemas) or _SAYS_NOTHING",
        (f"{_DESCRIPTION}::test_every_answer_says_what_it_is_and_every_problem_has_an_example",),
    ),
    Fault(
        "whoever has another answer is told that nothing has changed",
        "web/conditional.py",
        'names(request.headers.get("if-none-match"), digest)',
        '"if-none-match" in request.headers',
        (f"{_STRICT}::test_what_somebody_has_already_is_not_sent_again",),
    ),
)
