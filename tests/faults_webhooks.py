"""Faults of webhooks: events that are lost, told out of order, or sent where they must not go."""

from __future__ import annotations

from fault import Fault

_LEDGER = "unit/test_ledger_webhooks.py"
_DELIVER = "integration/test_deliver.py"
_ALL = "integration/test_webhooks.py"
_DECIDED = "unit/test_webhooks.py"
_NOTES = "integration/test_webhook_notes.py"
_RELOAD = "integration/test_webhook_reload.py"
_LANES = "integration/test_webhook_lanes.py"
_CHECK = "integration/test_check_webhooks.py"
_ADDRESSES = "unit/test_addresses.py"

OF_WEBHOOKS = (
    Fault(
        "a webhook's name is asked for a second time when it is connected to",
        "deliver/wire.py",
        "        self.sock = self._wire.connected(self._found)\n",
        "        self.sock = self._wire.connected(resolve(self.host, self.port))\n",
        (f"{_DELIVER}::test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere",),
    ),
    Fault(
        "a webhook goes to the first of several addresses without a look at the others",
        "deliver/wire.py",
        "    for *_, address in found:\n",
        "    for *_, address in found[:1]:\n",
        (f"{_DELIVER}::test_a_name_that_leads_to_a_private_address_too_is_refused",),
    ),
    Fault(
        "a webhook's certificate is checked for the address",
        "deliver/wire.py",
        "server_hostname=self.host)",
        "server_hostname=str(self._found[0][4][0]))",
        (f"{_DELIVER}::test_the_certificate_is_checked_for_the_name_and_not_for_the_address",),
    ),
    Fault(
        "a webhook takes an IPv4 address in IPv6's clothes for another one",
        "core/addresses.py",
        "        return address.ipv4_mapped\n",
        "        return address\n",
        (f"{_ADDRESSES}::test_the_open_internet_may_be_told",),
    ),
    Fault(
        "a webhook goes to this machine as an old form of IPv6 writes it",
        "core/addresses.py",
        "    return address.is_global and address in _OPEN and not is_tunnel\n",
        "    return address.is_global and not is_tunnel\n",
        (f"{_ADDRESSES}::test_nothing_is_sent_to_where_only_we_can_reach",),
    ),
    Fault(
        "a webhook's answer that was cut off counts",
        "deliver/send.py",
        "    if wire.is_cut:",
        "    if False:",
        (f"{_DELIVER}::test_a_receiver_that_says_a_byte_now_and_then_is_given_up_in_time",),
    ),
    Fault(
        "a webhook is signed with the first of its secrets alone",
        "deliver/send.py",
        "for secret in receiver.secrets]",
        "for secret in receiver.secrets[:1]]",
        (f"{_DELIVER}::test_while_secrets_rotate_the_receiver_may_know_either",),
    ),
    Fault(
        "a webhook's message is sent with the time of the event",
        "deliver/send.py",
        '"webhook-timestamp": str(int(at.timestamp())),',
        '"webhook-timestamp": "0",',
        (f"{_DELIVER}::test_a_message_is_verified_by_the_library_of_the_receiver",),
    ),
    Fault(
        "a webhook's later delivery of a file overtakes the one that is tried again",
        "ledger/webhook_deliveries.py",
        ".where(*_due(webhook, now), ~_IS_BLOCKED)",
        ".where(*_due(webhook, now))",
        (
            f"{_LEDGER}::test_the_next_delivery_of_a_file_waits_for_the_one_before",
            f"{_ALL}::test_a_receiver_that_is_down_for_ten_minutes_gets_all_of_it_in_order",
        ),
    ),
    Fault(
        "a webhook's delivery is taken from whoever has it by now",
        "ledger/webhook_deliveries.py",
        "        webhook_delivery.c.claimed_at == claimed.claimed_at,\n",
        "",
        (f"{_LEDGER}::test_whoever_comes_late_changes_nothing_but_what_is_delivered_is",),
    ),
    Fault(
        "a webhook loses what was under way at a kill",
        "engine/webhooks.py",
        "requeue_lost(self._now(), is_all=True)",
        "requeue_lost(self._now())",
        (f"{_ALL}::test_what_was_under_way_at_a_kill_is_sent_again_under_its_id",),
    ),
    Fault(
        "a webhook's cursor is found again after the last note went",
        "ledger/webhook_events.py",
        "webhook_event.c.id <= least, webhook_event.c.id < last)",
        "webhook_event.c.id <= least)",
        (f"{_LEDGER}::test_what_everybody_was_told_is_noted_no_more_and_no_number_comes_twice",),
    ),
    Fault(
        "a new webhook is told what was before it",
        "engine/webhooks.py",
        "            if told.get(name, seq) < seq\n",
        "",
        (f"{_RELOAD}::test_a_new_webhook_is_told_nothing_of_before",),
    ),
    Fault(
        "a webhook's erased file stays in its deliveries",
        "ledger/erasures.py",
        "alias, result, webhook_delivery, arrival)",
        "alias, result, arrival)",
        (f"{_LEDGER}::test_what_was_erased_is_told_to_nobody",),
    ),
    Fault(
        "a webhook that is down is tried with every delivery",
        "engine/webhook_lane.py",
        "            if self._is_retired or not breakers.may_start(self._breaker, now):\n",
        "            if self._is_retired:\n",
        (f"{_ALL}::test_a_receiver_that_is_down_is_tried_by_one_delivery_now_and_then",),
    ),
    Fault(
        "a webhook that stays away keeps what waits for ever",
        "engine/webhook_lane.py",
        "            self._give_up_all(now, decided.reason)\n",
        "            pass\n",
        (f"{_ALL}::test_a_receiver_that_stays_away_has_all_given_up_after_three_days",),
    ),
    Fault(
        "a webhook's stop counts as a try",
        "engine/webhook_lane.py",
        "        return None if is_lost else answer\n",
        "        return answer\n",
        (f"{_ALL}::test_a_stop_does_not_wait_for_a_silent_receiver_and_loses_nothing",),
    ),
    Fault(
        "a webhook's message that was refused is tried in vain for ever",
        "core/webhooks.py",
        "    if missed.was_sent and attempts > len(SCHEDULE_S):\n",
        "    if missed.was_sent and attempts > 10 * len(SCHEDULE_S):\n",
        (f"{_DECIDED}::test_what_was_not_taken_is_tried_by_the_schedule_for_about_three_days",),
    ),
    Fault(
        "a webhook tells what a converter said",
        "ledger/webhook_facts.py",
        'facts |= {"failure": row.failure, ',
        'facts |= {"failure": row.failure, "reason": row.last_error, ',
        (f"{_LEDGER}::test_conversions_are_told_done_and_dead_and_not_what_they_said",),
    ),
    Fault(
        "a webhook's replay leaves no audit row",
        "ledger/webhook_deliveries.py",
        '                note(tx, action, at, None, {"deliveries": found})\n',
        "                pass\n",
        (f"{_LEDGER}::test_a_persons_word_leaves_one_audit_row",),
    ),
    Fault(
        "a webhook's event that cannot be read is told nobody, and nobody hears of that",
        "engine/webhook_telling.py",
        "        return Told(_given_up(noted, noted.fault, wants, now, new_id), noted.fault)\n",
        "        return Told([], noted.fault)\n",
        (f"{_NOTES}::test_what_was_noted_and_cannot_be_read_is_given_up_and_keeps_nothing_else",),
    ),
    Fault(
        "a webhook's event that cannot be written down stops all webhooks",
        "engine/webhook_telling.py",
        "    except Exception as error:",
        "    except KeyError as error:",
        ("unit/test_webhook_telling.py::test_what_cannot_be_written_down_is_given_up",),
    ),
    Fault(
        "a webhook's event that is no text stops all webhooks",
        "ledger/webhook_events.py",
        "        if not is_undecodable(error):\n",
        "        if True:\n",
        (f"{_NOTES}::test_what_is_no_text_is_given_up_and_keeps_nothing_else",),
    ),
    Fault(
        "a webhook's replay tells what its filter keeps from it",
        "app/webhooks.py",
        "    if noted.event is None or not wants_of(options).takes(noted.event):\n",
        "    if noted.event is None:\n",
        (f"{_NOTES}::test_a_replay_tells_nobody_what_he_does_not_want",),
    ),
    Fault(
        "a webhook's replay sends the note in the place of the event",
        "ledger/webhook_deliveries.py",
        "            for one in read.keys() & {*found}:\n",
        "            for one in []:\n",
        (f"{_NOTES}::test_a_replay_reads_what_could_not_be_read_before",),
    ),
    Fault(
        "a webhook is told of a change only when somebody looks",
        "engine/webhooks.py",
        "        with self._ledger.webhook_events.noting(self.wake):\n",
        "        with self._ledger.webhook_events.noting(int):\n",
        (f"{_LANES}::test_what_is_recorded_is_told_at_once_though_nobody_wakes_the_webhooks",),
    ),
    Fault(
        "a webhook asks the ledger for each change by itself",
        "engine/webhooks.py",
        "            left_s = began_s + APART_S - time.monotonic()\n",
        "            left_s = 0.0\n",
        (f"{_LANES}::test_however_much_is_recorded_the_ledger_is_asked_only_so_often",),
    ),
    Fault(
        "the thread of webhooks goes round without any",
        "engine/webhooks.py",
        "            if self._lanes and not self._is_stopping:\n",
        "            if not self._is_stopping:\n",
        (f"{_LANES}::test_without_a_webhook_no_thread_runs_and_with_one_it_does",),
    ),
    Fault(
        "a change that is undone wakes who waits for it",
        "ledger/database.py",
        "        for tables, tell in [*self._told]:\n",
        "            for tables, tell in [*self._told]:\n                tell()\n"
        "        for tables, tell in ():\n",
        (
            "unit/test_ledger_database.py"
            "::test_who_waits_for_changes_of_a_table_is_told_of_each_that_is_kept",
        ),
    ),
    Fault(
        "a check of webhooks goes on to where nothing is sent",
        "deliver/send.py",
        "        is_tls = isinstance(error, ssl.SSLError) and not is_broken_off\n",
        "        is_tls = False\n",
        (f"{_CHECK}::test_a_certificate_that_does_not_hold_is_an_error_and_our_own_ca_is_not",),
    ),
    Fault(
        "secrets that everybody can read are not told",
        "app/check_secrets.py",
        "stat.S_IROTH)",
        "stat.S_IWOTH)",
        (f"{_CHECK}::test_secrets_that_everybody_can_read_are_told_and_others_are_not",),
    ),
    Fault(
        "a webhook's stop forgets the thread that begins just then",
        "engine/webhooks.py",
        "        has_ended = _have_ended(own, until_s)  # first: it begins the others\n"
        "        threads = [thread for lane in lanes for thread in lane.threads]\n",
        "        threads = [thread for lane in lanes for thread in lane.threads]\n"
        "        has_ended = _have_ended(own, until_s)\n",
        (f"{_LANES}::test_a_stop_waits_for_a_thread_that_begins_just_then",),
    ),
    Fault(
        "a webhook's tries that a kill cut off count",
        "ledger/webhook_deliveries.py",
        '            "attempts": _UNCOUNTED,\n            "last_error": LOST,\n',
        '            "last_error": LOST,\n',
        (f"{_LEDGER}::test_a_try_of_which_nobody_saw_the_end_costs_no_attempt",),
    ),
    Fault(
        "a webhook's new filter keeps from it what happened before",
        "engine/webhooks.py",
        "        self._derive_all()\n        wanted = ",
        "        wanted = ",
        (f"{_RELOAD}::test_what_happened_before_a_reload_is_for_whoever_wanted_it_then",),
    ),
)
