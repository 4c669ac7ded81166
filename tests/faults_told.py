"""Faults of what is said: that all is well, or as it was, where nobody knows that."""

from __future__ import annotations

from fault import Fault

_REPORT = "integration/test_in_step.py"
_WAITS = f"{_REPORT}::test_while_anything_waits_for_a_person_or_for_its_turn_nothing_is_in_step"
_CONNECTION = "system/test_page_connection.py"
_EQUAL = "unit/test_equal_documents.py"
_FILES = "integration/test_api_files.py"
_OVERVIEW = "integration/test_page_overview.py"

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
    Fault(
        "a page that nobody answers says nothing",
        "web/assets/live.js",
        "      tell(await refresh());\n",
        "      await refresh();\n",
        (f"{_CONNECTION}::test_a_page_says_that_nobody_answers_and_comes_back_by_itself",),
    ),
    Fault(
        "a page whose login is over says nothing",
        "web/assets/live.js",
        '=== "/login") return loggedOut(answer.url);',
        '=== "/login") return null;',
        (f"{_CONNECTION}::test_a_page_whose_key_was_revoked_says_so_and_leads_back_to_itself",),
    ),
    Fault(
        "what makes no event is shown as it was",
        "web/assets/live.js",
        "    if (stream.isOpen) return EVERY_MS;\n",
        "    if (stream.isOpen) return 100 * EVERY_MS;\n",
        (f"{_CONNECTION}::test_what_makes_no_event_is_asked_for_while_a_page_is_open",),
    ),
    Fault(
        "a chart tells what nobody knows as nothing",
        "web/pages/overview.py",
        '    return ", as far back as is known" if None in values else ""\n',
        '    return ""\n',
        ("unit/test_page_charts.py",),
    ),
    Fault(
        "what was given up is no error",
        "web/pages/overview.py",
        "sorted((*problems, *letters)",
        "sorted((*problems,)",
        (f"{_OVERVIEW}::test_a_conversion_that_was_given_up_is_among_the_last_errors",),
    ),
    Fault(
        "that a file is on no side is only seen",
        "web/templates/_parts.html",
        '<span class="sr">{{ words }}</span>',
        "",
        (f"{_OVERVIEW}::test_on_which_sides_a_file_is_is_said_and_not_only_struck_out",),
    ),
    Fault(
        "a file is found by its name in a mirror that is not seen",
        "app/called.py",
        "        mirrors, name = sorted(wanted.mirrors), wanted",
        "        mirrors, name = [], wanted",
        (f"{_FILES}::test_a_file_of_a_mirror_that_is_not_seen_is_not_found_by_its_name",),
    ),
    Fault(
        "a list of files of one name ends with its first page",
        "app/called.py",
        "wanted.limit + 1, after)",
        "wanted.limit, after)",
        (f"{_FILES}::test_files_are_found_by_their_name_in_any_folder_page_by_page",),
    ),
    Fault(
        "of two equal files with one place the older has no conversion",
        "app/renditions.py",
        " or job.place in places\n",
        "\n",
        (f"{_FILES}::test_equal_files_whose_results_have_one_place_both_have_the_conversion",),
    ),
    Fault(
        "an equal document takes the conversion of the first away",
        "ledger/jobs.py",
        ", *known, *is_done, ~is_of_another)",
        ", *known, *is_done)",
        (
            f"{_EQUAL}::test_a_job_stays_that_of_the_first_document_while_its_path_holds"
            "_the_content",
        ),
    ),
    Fault(
        "who asks gets the job of a document that is gone",
        "ledger/job_letters.py",
        "(is_by_path(new.place) and not _holds_it(tx, known))",
        "False",
        (f"{_EQUAL}::test_who_asks_for_an_equal_document_gets_its_job_once_the_first_is_gone",),
    ),
)
