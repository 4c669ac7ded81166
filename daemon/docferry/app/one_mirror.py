"""One mirror with all that belongs to it: built, started and stopped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from docferry.app.canaries import canary_of
from docferry.app.conversion import Conversions
from docferry.app.disks import Disks
from docferry.app.keepers import MirrorKeeper
from docferry.app.meters import METERS
from docferry.app.prepare import Preparation
from docferry.app.sides import (
    PRECONDITIONS,
    Clock,
    UlidSource,
    note_mirror,
    open_sides,
    s3_options,
)
from docferry.app.supervision import Pool
from docferry.app.traffic import Polls
from docferry.config import Config
from docferry.core.concurrency import Rise
from docferry.core.rules import jobs_for
from docferry.engine.consider import Tools
from docferry.engine.gate import Gate
from docferry.engine.look import Looks
from docferry.engine.loop import MirrorLoop
from docferry.engine.runs import Run
from docferry.engine.timers import Timers
from docferry.engine.transfers import TransferNotes
from docferry.engine.watch import Watch, log_loss
from docferry.errors import DocferryError
from docferry.job import NewJob
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import LEDGER_SNAPSHOT, STORE_PRECONDITIONS
from docferry.model import Outcome, VersionRow
from docferry.storage.s3_meter import Meter

log = get_logger(__name__)

#: How often the loops look whether a person has decided about a hold, or asked for something,
#: if no wake-up tells them.
PEOPLE_EVERY_S = 2.0
WATCH_CHECK_EVERY_S = 2.0
SILENCE_EVERY_S = 1.0
TRANSFERS_EVERY_S = 1.0
TIDY_EVERY_S = 6 * 3600.0
LOOKERS = 8


class StoreThreads:
    """
    The threads of one store, and how many of them may work at a time.

    Of one store: where it hangs, all of them may wait for an answer for minutes.
    """

    def __init__(self, store: str, transfers: int, meter: Meter) -> None:
        self._store = store
        self.carry = Pool(transfers, "carry")
        self.gate = Gate(transfers)
        self.look = Pool(LOOKERS, "look")
        self.looks = Looks(self.look, Gate(LOOKERS))
        meter.on_refusal, meter.on_rise = self._slow_down, self._ease

    def shutdown(self) -> None:
        for pool in (self.carry, self.look):
            pool.shutdown(wait=False, cancel_futures=True)

    def _slow_down(self) -> None:
        self.gate.slow_down()
        self.looks.gate.slow_down()

    def _ease(self, rise: Rise) -> None:
        before, limit = self.gate.limit, self.gate.ease(rise.times)
        self.looks.gate.ease(rise.times)
        if limit < before:
            log.warning(
                "store.slowed",
                store=self._store,
                at_a_time=limit,
                took_s=round(rise.took_s, 3),
                usual_s=round(rise.usual_s, 3),
            )


@dataclass(frozen=True, slots=True)
class Common:
    """
    What all mirrors of a daemon share.

    disks: Say whether they take more.
    conversions: Those of now: a reload may replace them.
    stretch: How many times longer than configured polls are apart, of a store's mirrors.
    """

    ledger: Ledger
    new_ulid: UlidSource
    now: Clock
    disks: Disks
    conversions: Callable[[], Conversions]
    is_rebuilt: bool
    stretch: Callable[[str], float] = lambda store: 1.0


class OneMirror:
    """What works for one mirror. Once stopped it is never started again: another one is built."""

    def __init__(self, config: Config, name: str, common: Common, threads: StoreThreads) -> None:
        self.options = config.mirrors[name]
        self.is_leaving = False  #: nobody follows once it is stopped
        self._ledger = common.ledger
        self._timers: Timers | None = None
        self._timer_names: list[str] = []
        self.sides = open_sides(
            config,
            name,
            common.ledger,
            common.new_ulid,
            connections=config.transfers,
            is_daemon=True,
            takes_results=lambda: name in common.conversions().takers,
            room=common.disks.room_in(name, self.options.local),
            now=common.now,
        )
        self._preparation = Preparation(self.sides, common.ledger, is_rebuilt=common.is_rebuilt)
        self.keeper = MirrorKeeper(
            self.sides,
            common.ledger,
            common.new_ulid,
            common.now,
            lambda: self.loop.is_proven,
            lambda: self.loop.ordered.is_paused(),
        )
        tools = self._tools(common, threads)
        self.loop = MirrorLoop(tools, self.sides.executor, self.sides.places)
        self.canary = canary_of(
            self.sides,
            self.loop,
            common.ledger,
            lambda: common.conversions().rules,
            common.new_ulid,
        )
        self._transfer_notes = TransferNotes(name, self.sides.under_way.transfers, common.ledger)
        options = self.options
        self.polls = Polls(
            options,
            METERS.of(config.stores[options.store]).of(name),
            partial(self.loop.request, Run.POLL),
            partial(common.stretch, options.store),
        )
        rescan = partial(_rescan, self.loop)
        self._watch = Watch(options.local, self.loop.mark, rescan, kind=options.watch)

    def claim(self) -> None:
        """
        Take the folder, if it is there; else, or where that fails, the loop tries it again.

        Raises:
            UserError: Another daemon works in the folder.
        """
        note_mirror(self._ledger, self.options)
        self._preparation.at_start()

    def start(self, timers: Timers) -> None:
        """Begin, and go on until it is stopped."""
        self._timers = timers
        self._watch.start()
        self._every(
            WATCH_CHECK_EVERY_S,
            "watch",
            _WatchCheck(self.options.name, self._watch, self._ledger),
            at_once=True,
        )
        self.loop.start()
        self.keeper.start(partial(self._every, at_once=True))
        self._every(self.options.poll_s, Run.POLL, self.polls)
        for seconds, run in (
            (self.options.rescan_s, Run.RESCAN),
            (TIDY_EVERY_S, Run.TIDY),
        ):
            self._every(seconds, run, partial(self.loop.request, run))
        self._every(TRANSFERS_EVERY_S, "transfers", self._tell_transfers, at_once=True)
        self._every(PEOPLE_EVERY_S, "people", self.ask_people)
        self._every(SILENCE_EVERY_S, "silence", self.loop.tell_silence)
        if self.canary is not None:
            self.canary.start()

    def ask_people(self) -> None:
        """Look whether a person has decided about a hold, or asked for or ordered something."""
        with suppress(DocferryError):  # the loop finds out, and says, that the ledger fails
            self.loop.heed()
        self.loop.request(Run.HOLDS)
        self.loop.request(Run.ASKED)

    def _tell_transfers(self) -> None:
        with suppress(DocferryError):  # it is told again soon
            self._transfer_notes()

    def use_keys(self, config: Config) -> None:
        """Go on with the store's new keys; what it refused before is tried anew."""
        store = config.stores[self.options.store]
        self.sides.remote.use(s3_options(store, config.transfers))
        self.loop.request(Run.KEYS)

    def begin_stop(self) -> None:
        """Begin nothing more."""
        self.loop.stop()
        for name in self._timer_names:
            if self._timers is not None:
                self._timers.remove(name)

    def stop(self, time_left_s: Callable[[], float]) -> bool:
        """
        End what is under way, and let another daemon have the folder.

        Returns:
            False: Something goes on for longer. Nothing else may work for the mirror until then.
        """
        self.begin_stop()
        if self.canary is not None:
            self.canary.stop(time_left_s())
        is_over = self.keeper.stop(time_left_s())
        self._watch.stop()
        is_over = self.loop.join(time_left_s()) and is_over
        self._tell_transfers()
        if is_over:
            self._preparation.release()
            if self.is_leaving:
                self._leave()
        return is_over

    def _leave(self) -> None:
        """Say no more how it is; what was counted of it stays."""
        LEDGER_SNAPSHOT.remove(self.options.name)
        for feature in PRECONDITIONS:
            STORE_PRECONDITIONS.remove(self.options.name, feature)

    def _tools(self, common: Common, threads: StoreThreads) -> Tools:
        sides = self.sides
        return Tools(
            self.options,
            common.ledger,
            sides.local,
            threads.carry,
            threads.looks,
            threads.gate,
            sides.aliases,
            partial(_jobs_for, common),
            common.new_ulid,
            self._preparation,
            lambda: common.conversions().wake(),
            on_asked=self.keeper.asked,
            on_displaced=partial(self.keeper.poke, "bring-up"),
            on_remote_change=self.keeper.remote_changed,
            with_origins=partial(_with_origins, common, self.options.name),
            now=common.now,
            named_limits=partial(METERS.named_limits, self.options.store),
        )

    def _every(
        self, seconds: float, what: str, function: Callable[[], None], *, at_once: bool = False
    ) -> None:
        name = f"{what}-{self.options.name}"
        self._timer_names.append(name)
        assert self._timers is not None
        self._timers.every(seconds, name, function, at_once=at_once)


class _WatchCheck:
    """Looks after a watch, and shows what is wrong with it among the mirror's problems."""

    def __init__(self, mirror: str, watch: Watch, ledger: Ledger) -> None:
        self._mirror = mirror
        self._watch = watch
        self._ledger = ledger
        self._shown: str | None = ""  # not known: an earlier daemon's problem may stand there

    def __call__(self) -> None:
        self._watch.check()
        problem = self._watch.state.problem
        if problem == self._shown:
            return
        self._shown = problem
        if problem is None:
            self._ledger.problems.clear(self._mirror, [""])
            return
        self._ledger.problems.put(
            self._mirror, "", kind="watch", message=problem, at=datetime.now(UTC), retry_at=None
        )


def _jobs_for(common: Common, version: VersionRow) -> tuple[NewJob, ...]:
    return jobs_for(version, common.conversions().rules)


def _with_origins(common: Common, mirror: str, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    return common.conversions().with_origins(mirror, outcomes)


def _rescan(loop: MirrorLoop, reason: str) -> None:
    log_loss(reason, mirror=loop.name)
    loop.request(Run.RESCAN)
