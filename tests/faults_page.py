"""Faults of the page: who is let in, whose forms count, what a document may do to who looks."""

from __future__ import annotations

from fault import Fault

_SESSIONS = "integration/test_page_sessions.py"
_FORMS = "integration/test_page_forms.py"
_DOCUMENTS = "integration/test_page_documents.py"
_LISTS = "unit/test_ledger_files.py"
_PDF = "integration/test_page_pdf.py"

OF_THE_PAGE = (
    Fault(
        "a session outlives its key",
        "web/pages/visit.py",
        "    if not isinstance(verdict, Accepted):\n        with",
        "    assert isinstance(verdict, Accepted)\n    if False:\n        with",
        (f"{_SESSIONS}::test_a_session_ends_with_its_key",),
    ),
    Fault(
        "a session lasts for ever",
        "web/sessions.py",
        "        return not session.began_at <= self._now() < session.began_at + LASTS\n",
        "        return False\n",
        (f"{_SESSIONS}::test_a_session_ends_after_its_time",),
    ),
    Fault(
        "a session of before a pepper was changed counts",
        "web/sessions.py",
        '_bytes(self._pepper() or "")',
        'b""',
        (f"{_SESSIONS}::test_who_can_write_to_the_ledger_alone_makes_no_session",),
    ),
    Fault(
        "a ledger of a backup logs in who was logged in then",
        "ledger/keys.py",
        "    tx.run(session.delete())",
        "    tx.run(session.select())",
        ("integration/test_backup.py::test_a_ledger_of_a_backup_logs_nobody_in",),
    ),
    Fault(
        "who logs out is still let in",
        "web/sessions.py",
        "        self._ledger.sessions.drop(session.digest)\n",
        "        self._ledger.sessions.get(session.digest)\n",
        (f"{_SESSIONS}::test_who_logs_out_has_no_session_any_more",),
    ),
    Fault(
        "a script may read the cookie of a session",
        "web/pages/login.py",
        "        secure=is_tls(request),\n        httponly=True,\n",
        "        secure=is_tls(request),\n        httponly=False,\n",
        (f"{_SESSIONS}::test_a_session_lies_in_a_cookie_that_no_script_and_no_other_page_gets",),
    ),
    Fault(
        "who logs in is led to wherever a link says",
        "web/pages/login.py",
        "    return then if is_ours else",
        "    return then if then else",
        (f"{_SESSIONS}::test_who_logs_in_is_led_to_no_other_place",),
    ),
    Fault(
        "a form needs no proof",
        "web/pages/visit.py",
        "        if not visitor.is_proof(proof):\n",
        "        if proof is None:\n",
        (f"{_FORMS}::test_a_form_without_its_proof_does_nothing",),
    ),
    Fault(
        "the proof of one session is good for another",
        "web/pages/visit.py",
        "            return self.session.proof\n",
        '            return "0" * 64\n',
        (f"{_FORMS}::test_the_proof_of_one_session_is_none_of_another",),
    ),
    Fault(
        "a page of another place may send our forms",
        "web/pages/visit.py",
        '    if not is_ours:\n        raise _forbidden("this was sent',
        '    if False:\n        raise _forbidden("this was sent',
        (f"{_FORMS}::test_a_form_of_another_place_does_nothing",),
    ),
    Fault(
        "whoever may look may decide",
        "web/pages/visit.py",
        "        if not visitor.role.may(needed):\n",
        "        if visitor.role is None:\n",
        (f"{_FORMS}::test_a_form_is_for_its_role_and_above",),
    ),
    Fault(
        "a hold is approved without a second look",
        "web/pages/holds.py",
        "    if not is_sure:\n",
        "    if is_sure is None:\n",
        (f"{_FORMS}::test_a_hold_is_shown_then_asked_about_then_approved",),
    ),
    Fault(
        "a name of a file is markup",
        "web/pages/words.py",
        '            parts.append(str(escape("".join(run))))\n',
        '            parts.append("".join(run))\n',
        (f"{_DOCUMENTS}::test_a_name_is_text_wherever_it_is_shown",),
    ),
    Fault(
        "HTML in Markdown is HTML of the page",
        "web/preview.py",
        '{"html": False}',
        '{"html": True}',
        (f"{_DOCUMENTS}::test_html_in_markdown_is_text",),
    ),
    Fault(
        "a link in Markdown may be a script",
        "web/preview.py",
        "        return urlsplit(url).scheme.lower() in _SCHEMES\n",
        "        return urlsplit(url).scheme is not None\n",
        (f"{_DOCUMENTS}::test_a_link_in_markdown_leads_only_where_links_may",),
    ),
    Fault(
        "pictures in Markdown are fetched from wherever they are",
        "web/preview.py",
        '    maker.add_render_rule("image", _image)\n',
        "",
        (f"{_DOCUMENTS}::test_pictures_in_markdown_are_not_fetched",),
    ),
    Fault(
        "a document is opened as what it says it is",
        "web/pages/content.py",
        '    return _answer(visitor, row, "application/octet-stream", **named)\n',
        '    return _answer(visitor, row, "text/html", **named)\n',
        (f"{_DOCUMENTS}::test_what_a_browser_would_run_is_shown_as_text_and_saved_as_bytes",),
    ),
    Fault(
        "a page of a PDF is shown to who may not see its mirror",
        "web/pages/content.py",
        "    row = _row(visitor, version)\n    tag =",
        "    row = visitor.asker.ledger.versions.get(version)\n    assert row\n    tag =",
        (f"{_PDF}::test_a_key_of_another_mirror_sees_no_page",),
    ),
    Fault(
        "a page of a PDF is drawn for as long as it takes",
        "convert/drawing.py",
        "            limits=limits,\n            environment",
        "            limits=Limits(),\n            environment",
        (f"{_PDF}::test_a_page_that_takes_too_long_is_given_up_on",),
    ),
    Fault(
        "any number of pages are drawn at once",
        "app/drawings.py",
        "_AT_ONCE = 2\n",
        "_AT_ONCE = 3\n",
        (f"{_PDF}::test_more_than_two_drawings_at_once_are_refused",),
    ),
    Fault(
        "documents are staged to be drawn until the disk is full",
        "app/drawings.py",
        "                require_room(config, row, self._look)\n",
        "",
        (f"{_PDF}::test_no_document_is_staged_on_a_disk_that_is_to_take_no_more",),
    ),
    Fault(
        "what a drawing left that was cut off stays until somebody draws again",
        "web/serve.py",
        "        desk.drawings.sweep()\n",
        "",
        ("integration/test_arrivals.py",),
    ),
    Fault(
        "what draws a page may read every document",
        "convert/drawing.py",
        "            readable=(document, pathlib.Path(command[0])),\n",
        "            readable=(document, pathlib.Path(command[0]), document.parent),\n",
        (f"{_PDF}::test_what_draws_sees_its_own_document_alone",),
    ),
    Fault(
        "all pages of a version are one to a browser",
        "web/pages/content.py",
        'f"{row.sha256}-{number}-{REVISION}"',
        'f"{row.sha256}-{REVISION}"',
        (f"{_PDF}::test_pages_and_versions_have_pictures_of_their_own",),
    ),
    Fault(
        "a search that has not looked through all says that there is nothing",
        "app/files.py",
        "        is_end = len(rows) < wanted.limit and not (rows and rows[-1][1] is None)\n",
        "        is_end = len(rows) < wanted.limit\n",
        (f"{_DOCUMENTS}::test_a_search_that_has_not_looked_through_all_says_so",),
    ),
    Fault(
        "a search knows an umlaut only as it is written",
        "ledger/path_parts.py",
        'for form in ("NFC", "NFD"))',
        'for form in ("NFC", "NFC"))',
        (f"{_LISTS}::test_a_part_of_a_path_is_found_wherever_it_is",),
    ),
    Fault(
        "a search of several mirrors passes over files",
        "ledger/file_keys.py",
        "        if len(found) >= limit or (found and found[-1].is_passed):\n",
        "        if len(found) >= limit:\n",
        (f"{_LISTS}::test_a_part_of_a_path_is_found_wherever_it_is",),
    ),
    Fault(
        "a percent sign in a search is anything",
        "ledger/path_parts.py",
        '.replace("%", "\\\\%")',
        "",
        (f"{_DOCUMENTS}::test_a_file_is_found_by_a_part_of_its_path",),
    ),
    Fault(
        "a session over our own TLS is sent in the clear, too",
        "web/pages/visit.py",
        '    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))\n',
        '    return request.headers.get("x-forwarded-proto") == "https"\n',
        ("system/test_faces.py::test_over_tls_a_session_is_for_tls_alone",),
    ),
)
