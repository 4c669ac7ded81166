"""Faults of what bounds the API: who is too slow, who are too many, who holds up the others."""

from __future__ import annotations

from fault import Fault

_SLOW = "integration/test_api_slow.py"
_SIEGE = "integration/test_api_siege.py"
_THREADS = "integration/test_api_threads.py"
_EVENTS = "integration/test_api_events.py"
_CONTENT = "integration/test_api_content.py"
_CROWD = "unit/test_crowd.py"
_INTAKE = "unit/test_local_intake.py::"

OF_THE_SLOW = (
    Fault(
        "a mirror that begins anew takes away a document that is being handed over",
        "storage/local_intake.py",
        "                held_fd = hold(place)\n",
        "                held_fd = place.open(os.O_RDONLY)\n",
        (_INTAKE + "test_a_mirror_that_begins_anew_leaves_what_is_on_its_way_in[all]",),
    ),
    Fault(
        "what a killed process was handed over stays for ever",
        "storage/local_staging.py",
        "name.endswith(_NEW) and is_held(staged)",
        "name.endswith(_NEW)",
        (_INTAKE + "test_a_mirror_that_begins_anew_removes_what_a_killed_process_left[all]",),
    ),
    Fault(
        "headers are waited for for ever",
        "web/protocol.py",
        "self.loop.call_later(self._patience.headers_s, self.transport.close)",
        "self.loop.call_later(3600, self.transport.close)",
        (f"{_SLOW}::test_a_request_that_does_not_come_ends",),
    ),
    Fault(
        "each byte of a header gives another ten seconds",
        "web/protocol.py",
        "        elif self._headers_due is None:\n            self._await_headers()\n",
        "        else:\n            self._stop_awaiting()\n            self._await_headers()\n",
        (f"{_SLOW}::test_a_request_that_does_not_come_ends",),
    ),
    Fault(
        "a byte now and then keeps an upload alive",
        "web/guard.py",
        "        if self._came >= self._patience.document_bytes:\n",
        "        if size:\n",
        (f"{_SLOW}::test_a_document_that_hardly_comes_is_not_waited_for",),
    ),
    Fault(
        "a slow line is too slow for a document",
        "web/guard.py",
        "            self._waited_s, self._came = 0.0, 0\n",
        "            self._came = 0\n",
        (f"{_SLOW}::test_a_document_that_comes_slowly_comes",),
    ),
    Fault(
        "a store that takes its time is the fault of who asked",
        "web/guard.py",
        "        return max(0.0, self._patience.body_s - self._waited_s)\n",
        "        return 0.0\n",
        ("unit/test_guard.py",),
    ),
    Fault(
        "what follows a refusal may be a body or a request",
        "web/guard.py",
        "            if self._may_lack_its_body:\n",
        "            if False:\n",
        (f"{_SLOW}::test_who_waits_to_be_told_to_go_on_is_refused_instead",),
    ),
    Fault(
        "over TLS no answer is ever sent",
        "web/protocol.py",
        "(high=1, low=0)",
        "(high=0, low=0)",
        ("system/test_faces.py::test_with_a_certificate_it_speaks_tls_alone",),
    ),
    Fault(
        "a reader who takes nothing is waited for",
        "web/protocol.py",
        "            self.transport.abort()  # to close it would wait until all of it is taken\n",
        "            self.transport.close()\n",
        (f"{_SLOW}::test_a_reader_who_takes_nothing_is_ended_and_leaves_a_place",),
    ),
    Fault(
        "a slow reader passes for a dead one",
        "web/protocol.py",
        "        if taken <= self._had:\n",
        "        if True:\n",
        (f"{_SLOW}::test_a_reader_who_takes_a_little_at_a_time_gets_it_all",),
    ),
    Fault(
        "over TLS a slow reader passes for a dead one",
        "web/protocol.py",
        "        if connection.family != socket.AF_UNIX:\n",
        "        if False:\n",
        (f"{_SLOW}::test_over_tls_too_who_takes_a_little_at_a_time_gets_it_all",),
    ),
    Fault(
        "whole contents lie in memory as long as somebody reads",
        "app/version_bytes.py",
        "SPOOL_BYTES = 1024 * 1024\n",
        "SPOOL_BYTES = 16 * 1024 * 1024\n",
        (f"{_CONTENT}::test_what_is_read_by_many_is_not_in_memory",),
    ),
    Fault(
        "contents to be checked fill the disk",
        "app/content.py",
        "            require_room(config, row, look)\n",
        "",
        (f"{_CONTENT}::test_what_has_no_room_to_be_checked_in_is_not_given",),
    ),
    Fault(
        "who has had an answer is never silent again",
        "web/protocol.py",
        "            self._crowd.falls_silent(self._number)\n",
        "            pass\n",
        (f"{_SIEGE}::test_who_keeps_a_connection_after_an_answer_is_silent",),
    ),
    Fault(
        "a connection that has ended keeps its place",
        "web/listening.py",
        "            self._door.forget(self.fileno())\n",
        "            pass\n",
        ("unit/test_listening.py::test_a_connection_that_is_closed_is_not_counted",),
    ),
    Fault(
        "whoever comes from this machine by IPv6 is a stranger",
        "web/listening.py",
        "peers.is_loopback(address[0])",
        "peers.is_loopback(network_of(address[0]))",
        ("unit/test_listening.py::test_who_comes_from_this_machine_by_ipv6_is_of_this_machine",),
    ),
    Fault(
        "who asks the ledger where to begin holds up all who come to listen",
        "web/feed.py",
        "            last = self._ledger.events.last()\n",
        "            with self._lock:\n                last = self._ledger.events.last()\n",
        (f"{_EVENTS}::test_who_waits_for_the_ledger_holds_up_nobody_else_who_comes",),
    ),
    Fault(
        "where no thread could be had, nobody looks any more",
        "web/feed.py",
        "                thread.start()  # or,",
        "                self._is_looking = True\n                thread.start()  # or,",
        (f"{_EVENTS}::test_where_no_thread_could_be_had_the_next_one_looks",),
    ),
    Fault(
        "who is being answered goes with the silent",
        "web/protocol.py",
        "                self._crowd.speaks(self._number)\n",
        "                pass\n",
        (f"{_SIEGE}::test_the_longest_silent_goes_and_who_is_answered_stays",),
    ),
    Fault(
        "who sends headers and no body is kept, and others are not let in",
        "web/protocol.py",
        "            if self._has_asked:\n",
        "            if True:\n",
        (f"{_SIEGE}::test_who_does_not_send_the_body_is_silent[first]",),
    ),
    Fault(
        "who does not send the body of a second request is kept",
        "web/protocol.py",
        "        if not self._is_answering or not self._has_asked:\n",
        "        if not self._is_answering:\n",
        (f"{_SIEGE}::test_who_does_not_send_the_body_is_silent[second]",),
    ),
    Fault(
        "who sends a document goes with the silent",
        "web/protocol.py",
        ' or (scope["method"], scope["path"]) in self._documents\n',
        "\n",
        (f"{_SIEGE}::test_who_sends_a_document_is_not_silent",),
    ),
    Fault(
        "the first who is silent goes, whosever it is",
        "core/crowd.py",
        "max(some, key=lambda one: self._names[self._all[one]], default=otherwise)",
        "next(some, otherwise)",
        (f"{_CROWD}::test_of_all_networks_together_those_go_of_whom_there_are_most",),
    ),
    Fault(
        "all networks together leave no room for this machine",
        "core/crowd.py",
        "        if whose.kind != BY_SOCKET and self._kinds[whose.kind] > bounds.of_kind:\n",
        "        if False:\n",
        (f"{_CROWD}::test_a_part_is_kept_for_this_machine_however_many_come_from_elsewhere",),
    ),
    Fault(
        "who compares texts holds the threads of all",
        "web/pages/file.py",
        '@router.get("/files/diff")\n@apart(CONTENTS)\n',
        '@router.get("/files/diff")\n',
        (f"{_THREADS}::test_those_who_wait_long_hold_no_thread_of_the_others",),
    ),
    Fault(
        "the line of those who wait for a thread has no end",
        "web/lanes.py",
        "        if line.begun >= self._threads + MOST_WAITING:\n",
        "        if False:\n",
        (f"{_THREADS}::test_who_would_wait_in_a_long_line_is_told_to_come_again",),
    ),
    Fault(
        "a mirror that hangs has all threads",
        "web/turns.py",
        "            if self._taken[mirror] >= self._of_one:\n                raise",
        "            if False:\n                raise",
        ("unit/test_turns.py::test_a_mirror_that_hangs_leaves_threads_for_the_others",),
    ),
    Fault(
        "who gives up waiting for a plan takes it from the others",
        "web/plans.py",
        "            await asyncio.wait({made}, timeout=wait_s)\n",
        "            await asyncio.wait_for(made, wait_s)\n",
        ("unit/test_plans.py::test_who_gives_up_waiting_takes_the_plan_from_nobody",),
    ),
)
