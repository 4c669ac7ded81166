"""Faults of what people order of mirrors: a pause that lets things through, an answer too early."""

from __future__ import annotations

from fault import Fault

LOOP = "integration/test_loop_orders.py"
LEDGER = ("unit/test_ledger_orders.py",)
HEEDED = ("unit/test_ordered.py",)
DAEMON = ("system/test_pause.py",)

OF_ORDERS = (
    Fault(
        "a paused mirror goes on",
        "engine/loop.py",
        "        return pause is not None\n",
        "        return False\n",
        (LOOP,),
    ),
    Fault(
        "what waits for a thread is begun in a pause",
        "engine/carry.py",
        "if not (self._stopping or self.is_to_rest()):",
        "if not self._stopping:",
        (f"{LOOP}::test_what_is_under_way_ends_and_what_waits_for_a_thread_is_not_begun",),
    ),
    Fault(
        "a long run does not notice that the mirror is paused",
        "engine/loop.py",
        "        if self.ordered.is_paused() and not self._is_finishing:\n"
        '            raise RestingError("paused")\n',
        "",
        (f"{LOOP}::test_a_run_that_waits_for_a_thread_is_left_and_all_of_it_done_afterwards",),
    ),
    Fault(
        "what was broken off by a pause is not found again",
        "engine/loop.py",
        "        self._outage.ask_now()\n        self.request(Run.FULL)\n",
        "        self._outage.ask_now()\n",
        (f"{LOOP}::test_a_deletion_that_waited_for_its_turn_is_found_again_after_the_pause",),
    ),
    Fault(
        "a pause ends with the daemon",
        "engine/ordered.py",
        "Pause | None = ledger.orders.pause_of(mirror)",
        "Pause | None = None",
        HEEDED,
    ),
    Fault(
        "chores go on in a pause",
        "engine/keeper.py",
        "lambda: self._is_stopping or self._is_paused()",
        "lambda: self._is_stopping",
        ("unit/test_keeper.py",),
    ),
    Fault(
        "a chore that left off for a pause is forgotten",
        "engine/keeper.py",
        "                self.poke(chore.name)\n",
        "                pass\n",
        ("unit/test_keeper.py",),
    ),
    Fault(
        "what is dropped is moved into a paused mirror",
        "app/drops.py",
        "            trouble=self._trouble,\n",
        "",
        DAEMON,
    ),
    Fault(
        "a drop folder goes on to its end though the mirror was paused meanwhile",
        "engine/drop.py",
        "        if self._to.trouble() is not None:\n"
        "            self._dirty.mark(_EVERYTHING)\n"
        "            return\n",
        "",
        ("integration/test_drop_rests.py",),
    ),
    Fault(
        "a canary is late because its mirror is paused",
        "engine/canary.py",
        "            if self._way.is_paused():\n                raise _PausedError\n",
        "",
        ("system/test_pause.py::test_what_comes_to_a_paused_mirror_waits_until_it_is_resumed",),
    ),
    Fault(
        "a paused mirror is not ready",
        "app/figures.py",
        "facts.last_full_at is not None or is_paused",
        "facts.last_full_at is not None",
        ("unit/test_readiness.py",),
    ),
    Fault(
        "status says that all is in step until the loop has heard of a pause",
        "app/report.py",
        "            and self.pause is None",
        "            and True",
        ("integration/test_report.py",),
    ),
    Fault(
        "a run that broke off counts as an answer",
        "engine/ordered.py",
        "            if look() and ids:\n",
        "            look()\n            if ids:\n",
        HEEDED,
    ),
    Fault(
        "a run that has begun answers what is ordered afterwards",
        "ledger/orders.py",
        "            run_order.c.begun_at.is_(null()),\n",
        "",
        LEDGER,
    ),
    Fault(
        "a pause leaves no trace in the audit",
        "ledger/orders.py",
        "            note(tx, Action.MIRROR_PAUSED, at, mirror, {})\n",
        "",
        LEDGER,
    ),
    Fault(
        "the audit keeps what a person wrote",
        "ledger/orders.py",
        "note(tx, Action.MIRROR_PAUSED, at, mirror, {})",
        'note(tx, Action.MIRROR_PAUSED, at, mirror, {"reason": reason})',
        LEDGER,
    ),
    Fault(
        "an open order is forgotten after a day",
        "ledger/orders.py",
        "run_order.c.answered_at < at - ANSWERS_STAY",
        "run_order.c.asked_at < at - ANSWERS_STAY",
        LEDGER,
    ),
    Fault(
        "a daemon hears of a pause when it is started the next time",
        "app/one_mirror.py",
        "            self.loop.heed()\n",
        "            pass\n",
        DAEMON,
    ),
    Fault(
        "a key of one mirror pauses another",
        "web/mirrors.py",
        "    name, now = asker.mirror(mirror).name, ",
        "    name, now = mirror, ",
        ("integration/test_api_mirrors.py",),
    ),
    Fault(
        "a plan that takes long is made anew for who comes back",
        "web/plans.py",
        "        if not plan.made.done():\n            return None\n",
        "        if not plan.made.done():\n"
        "            self._take(mirror, plan)\n"
        "            return None\n",
        ("unit/test_plans.py",),
    ),
)
