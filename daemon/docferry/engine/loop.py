"""
The loop of one mirror: the only thread that decides about it.

Hints come from all sides (watcher, timers, other processes) and only mark paths or ask for a run.
The loop looks at the three trees, decides, hands operations to the pool and writes down what came.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

from docferry.core.guards import Refused
from docferry.core.merge import Seen, Unseen
from docferry.core.orders import why_paused
from docferry.core.outage import health_after
from docferry.engine.asked import AskedFor
from docferry.engine.consider import Planner, Tools
from docferry.engine.deletions import Deletions
from docferry.engine.dirty import DirtyPaths
from docferry.engine.execute import Executor
from docferry.engine.health import Facts, Health
from docferry.engine.holds import DecidedHolds, join_decided, prove_or_hold
from docferry.engine.identity import Places
from docferry.engine.judged import judged
from docferry.engine.look import all_trees, expand, is_empty, look_at
from docferry.engine.one_side import MOST_MARKS, OneSide
from docferry.engine.ordered import Ordered, RestingError
from docferry.engine.outage import Outage
from docferry.engine.patience import ForRenames
from docferry.engine.runs import Requests, Run, StoppedError, seconds_between
from docferry.engine.tidy import recover_conflicts, tidy
from docferry.errors import DocferryError, PermanentError, ThrottledError
from docferry.logs import get_logger
from docferry.metrics import ERRORS, LOOP_FAILURES
from docferry.model import Deletion, MirrorHealth, Operation, OrderedRun, Origin, Path, Side

log = get_logger(__name__)

LOOK_AT_ONCE = 1000
#: A loop that nobody wakes goes round this often, to show that it lives.
IDLE_S = 5.0
#: A paused loop looks so often whether what was under way has ended.
ENDING_S = 0.1
#: `work_off` waits for what is due so soon: a second look, or what others are about to finish.
SOON_S = 0.2
#: How often a long run stops for the paths that became dirty meanwhile.
INTERLEAVE_S = 0.2


class MirrorLoop:
    """Keeps one folder and one prefix the same. What is not for any thread is the loop's own."""

    def __init__(self, tools: Tools, executor: Executor, places: Places) -> None:
        self.name = tools.options.name
        self._tools, self._timing = tools, tools.timing
        self._places = places
        self._ledger = tools.ledger
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._requests = Requests(self._wake)
        self.request = self._requests.add  #: for any thread
        self.dirty = DirtyPaths(self._wake, tools.timing)
        self._deletions = Deletions(
            self.name, tools.ledger, tools.options.delete_limit, tools.before_judging
        )
        self._decided = DecidedHolds(self.name, tools.ledger, tools.timing.now)
        self.health = Health(self.name, tools.ledger, tools.timing)
        self._asked = AskedFor(self.name, tools.ledger, tools.now, tools.on_asked, tools.timing)
        self._planner = Planner(
            tools, executor, self.dirty, self._deletions, self._wake.set, self._on_wait, self._asked
        )
        self.ordered = Ordered(self.name, tools.ledger, tools.now)
        self._planner.carrier.is_to_rest = self.ordered.is_paused
        self.is_on_its_way = self._planner.carrier.is_busy  #: of a path, for any thread
        self.hint = self._planner.hint  #: as `mark`, and gives the id of what was dropped
        self._outage = Outage(tools.timing)
        self._for_renames = ForRenames(tools.timing, self._planner.patience)
        self._one_side = OneSide(
            places,
            tools,
            self._planner,
            self.dirty,
            self._deletions,
            self.health,
            self._on_wait,
            self.request,
        )
        self._interleaved_s = 0.0
        self._is_finishing = self._in_round = False
        self._rounds = 0
        self._thread = threading.Thread(target=self.run, name=f"loop-{self.name}", daemon=True)

    # For any thread.

    def start(self) -> None:
        self.health.publish(now=True)  # what an earlier daemon wrote is not so any more
        self._thread.start()

    def work_off(self) -> None:
        """
        Go round in the caller's thread, instead of `start`, until nothing more is due soon.

        Raises:
            DocferryError: A side does not answer, or not to us.
        """
        while True:
            self._wake.clear()
            self._round()
            due_s = self.dirty.next_due_s()
            if self._outage.is_on or (self._is_idle and (due_s is None or due_s > SOON_S)):
                return
            self._timing.wait(self._wake, self._sleep_s())

    def mark(self, path: Path, origin: Origin | None = None) -> None:
        """Hint that something changed at *path* ("folder/": at or below it)."""
        self._planner.hint(path, origin)

    def heed(self) -> None:
        """Look what people have ordered: it counts at once."""
        for run in self.ordered.look():
            self.request(Run(run.value))
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def tell_silence(self) -> None:
        """Say so where a side lets the loop wait for an answer. For a timer."""
        if self._in_round:
            self.health.tell_silence(*self._places.names, self._tools.named_limits())

    def join(self, timeout_s: float) -> bool:
        if self._thread.ident is not None:  # else it was never started
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def facts(self) -> Facts:
        return self.health.facts

    @property
    def went_round_s(self) -> float:
        """When the loop last showed life (monotonic)."""
        return self.health.went_round_s

    @property
    def done(self) -> int:
        """Operations carried out and written down since the start."""
        return self._planner.carrier.done

    @property
    def waiting(self) -> int:
        """Operations that are begun, and paths that wait to be looked at."""
        return self._planner.carrier.under_way + len(self.dirty)

    @property
    def has_run(self) -> bool:
        """Whether a full run has been completed since the start."""
        return self.health.facts.last_full_at is not None

    @property
    def is_proven(self) -> bool:
        """Whether both sides have proven themselves since the start, answer, and are not paused."""
        return self.has_run and not self._outage.is_on and not self.ordered.is_paused()

    @property
    def has_given_up(self) -> bool:
        """Whether a person or a guard says no, or a side has failed several times in a row."""
        # An open hold of deletions also blocks, but all the other work goes on.
        is_blocked = self.facts.health is MirrorHealth.BLOCKED
        is_out = self._outage.is_on and (is_blocked or self._outage.is_lasting)
        return is_out or self.ordered.is_paused()

    def is_quiet(self) -> bool:
        """Say whether nothing is asked for, under way or waiting, but for what a person must do."""
        rounds = self._rounds
        if self._in_round:  # then work is in nobody's list for a moment
            return False
        is_quiet = (
            self.has_run
            and self._is_idle
            and not self._is_anything_on_its_way()
            and not any(map(self._planner.problems.blocker_of, self.dirty.paths()))
        )
        return is_quiet and not self._in_round and rounds == self._rounds

    @property
    def _is_working(self) -> bool:
        return self._planner.carrier.under_way > 0 or self._deletions.are_to_be_judged

    @property
    def _is_idle(self) -> bool:
        return len(self._requests) == 0 and not self._is_working and not self._asked.is_any

    # The thread.

    def run(self) -> None:
        """Go round until it is stopped, as the thread that `start` begins."""
        while not self._is_stopped():
            self._in_round = True
            self._rounds += 1
            try:
                self._round()
            except StoppedError:
                break
            except RestingError:
                self._begin_anew()  # as soon as it may
            except DocferryError as error:
                self._pause(error, health_after(error))
            except Exception as error:  # one round of the loop
                LOOP_FAILURES.labels(self.name).inc()
                log.exception("loop.failed", mirror=self.name)
                self._pause(error, MirrorHealth.WAITING)
            self._in_round = False
            self._timing.wait(self._wake, self._sleep_s())
        self._finish()

    def _is_stopped(self) -> bool:
        self._wake.clear()  # first: who stops it between the two wakes it, too
        return self._stopping.is_set()

    def _round(self) -> None:
        self.health.round()
        self._planner.carrier.collect()
        if self._rests():
            return
        if self._planner.side_is_down is not None:
            error, self._planner.side_is_down = self._planner.side_is_down, None
            raise error
        if self._requests.take(Run.HOLDS):
            self._decided_holds()
        if self._requests.take(Run.KEYS):
            self._outage.ask_now()
            self._planner.problems.try_again_below("")
        if self._outage.wait_s:
            return
        self._asked_runs()
        if self._outage.is_on:  # a side is not itself: what is dirty waits as well
            return
        if self._requests.take(Run.ASKED) or self._asked.is_due:
            self._asked.begin(self._planner.hands(self._looks, self._places))
        if self._requests.take(Run.TIDY):
            tidy(self.name, self._places, self._ledger, self._tools.looks, self._timing.now())
        self._work_off_dirty()
        self._planner.carrier.collect()
        self._judge_deletions()
        self._planner.carrier.collect()
        self._tell_health()

    def _rests(self) -> bool:
        """Say whether the mirror is paused: then nothing is begun."""
        pause = self.ordered.pause
        if pause is not None:
            self._planner.side_is_down = None  # it is asked again
            self.health.rest(why_paused(pause), **self._waiting())
        elif self.facts.health is MirrorHealth.PAUSED:
            self.health.note(health=MirrorHealth.WORKING, reason=None)
            self._begin_anew()
        return pause is not None

    def _begin_anew(self) -> None:
        """Find again what was broken off."""
        self._forget_plan()
        self._one_side.forget()
        self._outage.ask_now()
        self.request(Run.FULL)

    def _asked_runs(self) -> None:
        if self._outage.is_on or not self.has_run:
            self._requests.add(Run.FULL)
        if not self._requests.are_for_a_run:
            return
        if not self._prove():
            return
        if self._outage.is_on:
            self._carry_out_decided()
        asked = self._requests.take_trees()
        if Run.FULL in asked:
            self.ordered.carry_out(OrderedRun.FULL, self._full_run)
            return
        if Run.POLL in asked:
            self.ordered.carry_out(OrderedRun.POLL, partial(self._one_side.run, Side.REMOTE))
        if Run.RESCAN in asked:
            self.ordered.carry_out(OrderedRun.RESCAN, partial(self._one_side.run, Side.LOCAL))

    # Runs.

    def _full_run(self) -> bool:
        """Read all three trees side by side and set everything on its way."""
        self._forget_plan()
        self._one_side.forget()
        self._planner.problems.walk_begins()
        began = self._timing.now()
        is_busy = self._planner.carrier.is_busy
        recover_conflicts(self.name, self._places, self._ledger, is_busy, began)
        self._planner.run_begins()
        differs = False
        try:
            for seen in all_trees(self.name, self._places, self._ledger, self._on_wait):
                if not self._planner.is_outdated(seen):
                    self._planner.consider(seen, is_snapshot=True)
                differs = True
                self._interleave()
        except DocferryError:
            self._forget_plan()
            self.request(Run.FULL)
            raise
        finally:
            self._planner.run_ended()
        self._planner.full_run_ended()
        self._deletions.saw_all()
        self._one_side.listed(differs=differs)
        self._outage.end()
        self.health.note(last_full_at=began, last_poll_at=began, last_scan_at=began, progress=None)
        took_s = seconds_between(began, self._timing.now())
        log.info("run.done", mirror=self.name, run="full", took_s=took_s)
        return True

    def _work_off_dirty(self) -> None:
        """Look at the dirty paths that are due."""
        while not self._stopping.is_set() and (due := self.dirty.take_due(LOOK_AT_ONCE)):
            try:
                self._look_at(due)
            except DocferryError:
                for path in due:
                    self.dirty.mark(path)
                raise
            self._planner.carrier.collect()

    def _look_at(self, due: dict[Path, float]) -> None:
        if self._planner.problems.changed_above(due):
            self.request(Run.RESCAN)
        marks = [*due, *self._planner.carrier.busy_below(due)]  # in no tree yet
        found = expand(marks, self.name, self._places, self._ledger, most=MOST_MARKS)
        if found is None:
            self.request(Run.FULL)
            return
        for what in found.unseen:
            self._planner.problems.unseen(Unseen(Side.LOCAL, what))
        for seen in self._looks(self._planner.to_be_looked_at(found.paths, due)):
            self._on_wait()
            since_s = due.get(seen.what.path if isinstance(seen, Unseen) else seen.path)
            self._planner.consider(seen, is_snapshot=False, since_s=since_s)

    def _looks(self, paths: Sequence[Path]) -> Iterator[Seen]:
        return look_at(paths, self.name, self._places, self._ledger, self._tools.looks)

    def _interleave(self) -> None:
        """In the middle of a long run: serve what became dirty, show life."""
        if self._timing.monotonic() - self._interleaved_s < INTERLEAVE_S:
            return
        self._interleaved_s = self._timing.monotonic()
        self._on_wait()
        self._planner.carrier.collect()
        if self._planner.side_is_down is not None:
            raise self._planner.side_is_down
        self._work_off_dirty()
        self.health.note(health=MirrorHealth.WORKING, progress=self._planner.carrier.progress)

    def _on_wait(self) -> None:
        """Show life, and end if asked to, where the loop waits for others."""
        self.health.round()
        if self.facts.health is MirrorHealth.IN_STEP and self._is_anything_on_its_way():
            self.health.note(health=MirrorHealth.WORKING, **self._waiting())
        if self._stopping.is_set() and not self._is_finishing:
            raise StoppedError("stopping")
        if self.ordered.is_paused() and not self._is_finishing:
            raise RestingError("paused")

    # Deletions and holds.

    def _judge_deletions(self) -> None:
        """Once nothing else is under way, let the parked deletions travel or hold them."""
        if not self._deletions.are_to_be_judged or self._planner.carrier.under_way:
            return
        if self._deletions.is_anything_at_stake and self._may_be_renames():
            return
        if self._deletions.parked and not self._prove():
            self._forget_plan()
            return
        if self._decided.waiting():
            self.request(Run.HOLDS)  # they go first, and then count
            return
        if self._deletions.parked and (again := self._deletions.take_approved(self._timing.now())):
            self._carry_deletions(again)
            return
        self._for_renames.begin_anew()
        for group in self._deletions.judge(
            self._timing.now(), lambda side: is_empty(self._places.side(side), self._planner.takes)
        ):
            self._carry_deletions(group)

    def _forget_plan(self) -> None:
        """Half a plan must neither delete nor end a hold that it did not find again."""
        self._deletions.forget()
        self._for_renames.begin_anew()

    def _may_be_renames(self) -> bool:
        """Say whether files that are still settling may be the deleted ones under new names."""
        is_over = self._for_renames.is_over()
        is_any = self._is_anything_on_its_way() or self._planner.is_any_to_be_renamed()
        return is_any and not is_over

    def _carry_deletions(self, group: list[Deletion]) -> None:
        wanted: dict[Path, Operation] = {deletion.path: deletion for deletion in group}
        self._planner.carry_deletions(list(self._looks(list(wanted))), wanted)
        self._planner.carrier.collect()

    def _decided_holds(self) -> None:
        """Carry out what people decided: deletions only while both sides are themselves."""
        if join_decided(self._tools, self._places):
            self._outage.end()
            self._one_side.forget()
            self.request(Run.FULL)
        is_time = not self._outage.wait_s and self._decided.waiting()
        if is_time and self._prove():  # else as soon as it can, before the full run that comes then
            self._carry_out_decided()

    def _carry_out_decided(self) -> None:
        if not self._decided.waiting():
            return
        self._forget_plan()  # what is to be deleted beside them is found anew
        self._decided.carry_out(self.mark, self._carry_deletions, self._one_side.gone_from)
        self.request(Run.ASKED)  # a refusal asks for what it takes
        self._planner.carrier.drain()  # a full run that comes now must not find half of it
        self._one_side.forget()
        self.request(Run.FULL)

    def _prove(self) -> bool:
        """Check that both sides are themselves; if one is not, hold everything."""
        self._tools.prepare()
        proof = prove_or_hold(self._tools, self._places)
        if isinstance(proof, Refused):
            self._pause(PermanentError(proof.reason), MirrorHealth.BLOCKED)
            return False
        self._tools.prepare()  # a new folder can be claimed only now that it has a marker
        return True

    # How it is.

    def _pause(self, error: Exception, health: MirrorHealth) -> None:
        if isinstance(error, ThrottledError):
            self._planner.throttled()
        ERRORS.labels(self.name, type(error).__name__).inc()
        self._outage.note()
        if health is MirrorHealth.WAITING and self.facts.reason != str(error):
            log.warning("run.failed", mirror=self.name, reason=str(error))
        self.health.note(health=health, reason=str(error), progress=None, **self._waiting())

    def _tell_health(self) -> None:
        if self._outage.is_on or self.health.is_told(self._planner.carrier.under_way):
            return
        told, is_to_do = judged(
            self.name,
            self._ledger,
            self._decided,
            is_working=self._is_working or self._asked.is_any or self._planner.are_results_coming(),
            problems=len(self._planner.problems),
            unsettled=len(self.dirty),
        )
        if is_to_do:
            self.request(Run.HOLDS)
        self.health.note(**told, **self._waiting())

    def _waiting(self) -> dict[str, object]:
        oldest_at = self.dirty.oldest_at(self._timing.now()) if self.waiting else None
        return {"dirty": self.waiting, "oldest_dirty_at": oldest_at}

    def _is_anything_on_its_way(self) -> bool:
        """Say whether a path waits that has not failed: one that settles, or was just noticed."""
        return not all(map(self._planner.problems.is_retrying, self.dirty.paths()))

    def _sleep_s(self) -> float | None:
        if self.ordered.is_paused():
            return ENDING_S if self._planner.carrier.under_way else IDLE_S
        if self._outage.is_on:
            return self._outage.wait_s
        if self._requests.are_for_a_run:
            return 0.0
        is_to_judge = self._deletions.are_to_be_judged and not self._planner.carrier.under_way
        if is_to_judge or self._asked.is_due:
            return 0.05
        due_s = self.dirty.next_due_s()
        return IDLE_S if due_s is None else min(due_s, IDLE_S)

    def _finish(self) -> None:
        """Write down what was done; what was not begun is found again at the next start."""
        self._is_finishing = True
        try:
            self._planner.carrier.finish()
        except DocferryError as error:  # what is not written down is found again
            log.warning("run.failed", mirror=self.name, reason=str(error))
        self.health.publish(now=True)
