"""Faults of what stores are asked for: uncounted, beyond limits, a budget that costs documents."""

from __future__ import annotations

from fault import Fault

METER = "contract/test_s3_meter.py::test_"
COUNTED = (METER + "every_request_that_a_store_gets_is_counted_by_its_kind",)
EACH_TRY = (METER + "each_try_of_a_request_counts_that_the_store_refuses",)
UP = (METER + "what_goes_up_takes_the_time_that_its_limit_says",)
DOWN = (METER + "what_comes_down_takes_the_time_that_its_limit_says",)
TRAFFIC = ("unit/test_traffic.py",)
STORES = ("unit/test_store_traffic.py",)
CONCURRENCY = ("unit/test_concurrency.py",)

OF_TRAFFIC = (
    Fault(
        "what boto3 sends is not counted",
        "storage/s3_client.py",
        "        with self.connections.meter.sending():\n            return request(",
        "        if True:\n            return request(",
        COUNTED,
    ),
    Fault(
        "what obstore sends is not counted",
        "storage/s3_lean.py",
        "    began_s = meter.begin(ask)\n",
        "    began_s = 0.0\n",
        COUNTED,
    ),
    Fault(
        "what boto3 repeats by itself is not counted",
        "storage/s3_meter.py",
        "    if meter is None:\n        return\n    ask = ",
        '    if meter is None or request.context["retries"]["attempt"] > 1:\n'
        "        return\n    ask = ",
        EACH_TRY,
    ),
    Fault(
        "a refusal that a second try makes good is not heard",
        "storage/s3_meter.py",
        "        if status in _ASKS_FOR_LESS:\n",
        "        if status is None:\n",
        EACH_TRY,
    ),
    Fault(
        "large bodies go up as fast as they can",
        "storage/s3_meter.py",
        "    if size and meter.store.up.rate is not None:\n",
        "    if not size and meter.store.up.rate is not None:\n",
        UP,
    ),
    Fault(
        "small bodies go up as fast as they can",
        "storage/s3_lean.py",
        "    connections.meter.store.up.take(len(body))\n",
        "",
        UP,
    ),
    Fault(
        "large bodies come down as fast as they can",
        "storage/s3_client.py",
        "            down.take(len(piece))\n",
        "",
        DOWN,
    ),
    Fault(
        "small bodies come down as fast as they can",
        "storage/s3_lean.py",
        "        down.take(len(piece))\n",
        "",
        DOWN,
    ),
    Fault(
        "who waits for a limit that is lifted waits on",
        "storage/pacer.py",
        "self._wait(min(left_s, _LOOK_AGAIN_S))",
        "self._wait(left_s)",
        ("unit/test_pacer.py",),
    ),
    Fault(
        "each thread has the whole rate for itself",
        "storage/pacer.py",
        "self._queue = self._queue.after(",
        "self._queue = Queue().after(",
        UP,
    ),
    Fault(
        "an idle night may all be used up in the morning",
        "core/traffic.py",
        "Queue(max(free_s, now_s - burst_s) + amount / rate, rate)",
        "Queue(free_s + amount / rate, rate)",
        TRAFFIC,
    ),
    Fault(
        "the hours after midnight are of another day",
        "core/traffic.py",
        "((day - 1) % 7 in self.days and",
        "(day in self.days and",
        TRAFFIC,
    ),
    Fault(
        "a budget forgets what documents take",
        "core/traffic.py",
        "    if budget is None or others + _cost(polls, 1.0) <= budget:\n",
        "    if budget is None or _cost(polls, 1.0) <= budget:\n",
        (*TRAFFIC, *STORES),
    ),
    Fault(
        "a budget lets nobody look at the bucket any more",
        "core/traffic.py",
        "    return min(every_s * stretch, max(every_s, SELDOM_S))\n",
        "    return every_s * stretch * 1000\n",
        (*TRAFFIC, *STORES),
    ),
    Fault(
        "a mirror that is polled seldom is polled more often for a budget",
        "core/traffic.py",
        "max(every_s, SELDOM_S))",
        "SELDOM_S)",
        TRAFFIC,
    ),
    Fault(
        "one large listing makes all polls seem dear",
        "core/traffic.py",
        "max(1, min(self._listed, default=1))",
        "max(1, max(self._listed, default=1))",
        TRAFFIC,
    ),
    Fault(
        "after a restart a part of an hour passes for a whole one",
        "app/traffic.py",
        "            max(since, now - _HOUR),\n",
        "            now - _HOUR,\n",
        STORES,
    ),
    Fault(
        "a new budget waits for the next look, or longer",
        "app/traffic.py",
        "            METERS.of(store)\n        self.look()\n",
        "            METERS.of(store)\n",
        ("system/test_store_traffic.py",),
    ),
    Fault(
        "a new limit ends the mirrors of its store",
        "config/changes.py",
        "        bandwidth_up=UNLIMITED,\n",
        "",
        ("unit/test_reload_changes.py",),
    ),
    Fault(
        "one burst of refusals leaves a store with one at a time",
        "core/concurrency.py",
        "        if now_s - self.lowered_s < SETTLE_S:\n",
        "        if self.limit < 0:\n",
        CONCURRENCY,
    ),
    Fault(
        "a store that is slow by others' doing is left with one at a time",
        "core/concurrency.py",
        "        least = max(1, self.most // _LEAST_PART)\n",
        "        least = 1\n",
        CONCURRENCY,
    ),
    Fault(
        "one slow answer makes a store slow",
        "core/concurrency.py",
        "middle_s, self._took_s = median(self._took_s), []",
        "middle_s, self._took_s = max(self._took_s), []",
        CONCURRENCY,
    ),
    Fault(
        "a store that stays slow never gets more again",
        "core/concurrency.py",
        "1 - math.exp(-passed_s / _BECOMES_USUAL_S)",
        "0.0",
        CONCURRENCY,
    ),
    Fault(
        "a refusal that a second try makes good lowers nothing",
        "app/one_mirror.py",
        "        meter.on_refusal, meter.on_rise = self._slow_down, self._ease\n",
        "        meter.on_rise = self._ease\n",
        ("system/test_store_traffic.py",),
    ),
    Fault(
        "who carries a file by itself stays where many small ones were carried",
        "engine/carry.py",
        "            run_anywhere()\n",
        "            pass\n",
        ("unit/test_carry.py",),
    ),
    Fault(
        "what is there from the start is looked at again and again",
        "app/memory.py",
        "    gc.collect()\n    gc.freeze()\n    gc.set_threshold",
        "    gc.collect()\n    gc.set_threshold",
        ("unit/test_memory.py",),
    ),
    Fault(
        "who has carried many small files stays on their processor",
        "engine/one_processor.py",
        "        _run_on(_allowed())\n",
        "        pass\n",
        ("unit/test_one_processor.py",),
    ),
    Fault(
        "who carries many small files runs on any processor",
        "engine/carry.py",
        "            run_on_one_processor()\n",
        "            pass\n",
        ("unit/test_carry.py",),
    ),
    Fault(
        "who carries a large file shares a processor with all others",
        "engine/carry.py",
        "            run_anywhere()\n",
        "            run_on_one_processor()\n",
        ("unit/test_carry.py",),
    ),
)
