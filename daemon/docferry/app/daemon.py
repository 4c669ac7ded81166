"""The daemon: build every object, start and stop them in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

from docferry import metrics, notify
from docferry.app.audit import AuditKeeper
from docferry.app.canaries import canary_of
from docferry.app.conversion import Conversions
from docferry.app.disks import Disks
from docferry.app.drops import start_drops
from docferry.app.figures import is_alive, job_figures, mirror_figures, readiness
from docferry.app.housekeeping import start_housekeeping
from docferry.app.keepers import Keepers
from docferry.app.machine import LOOK_EVERY_S, Machine
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.prepare import Preparation
from docferry.app.sides import Clock, Sides, UlidSource, note_mirror, open_sides
from docferry.app.supervision import BEAT_EVERY_S, Pool, Supervision
from docferry.app.wake import WakeUps
from docferry.config import Config
from docferry.core.rules import jobs_for
from docferry.engine.canary import Canary
from docferry.engine.consider import Tools
from docferry.engine.gate import Gate
from docferry.engine.look import Looks
from docferry.engine.loop import MirrorLoop
from docferry.engine.runs import Run
from docferry.engine.timers import Timers
from docferry.engine.watch import Watch, log_loss
from docferry.job import NewJob
from docferry.ledger import Ledger
from docferry.ledger.damage import refuse_damaged
from docferry.ledger.lock import StateLock
from docferry.logs import get_logger
from docferry.model import MirrorHealth, VersionRow
from docferry.web.probes import Probes

log = get_logger(__name__)

#: How often the loops look whether a person has decided about a hold, or asked for something,
#: if no wake-up tells them.
PEOPLE_EVERY_S = 2.0
WATCH_CHECK_EVERY_S = 2.0
SILENCE_EVERY_S = 1.0
TIDY_EVERY_S = 6 * 3600.0
#: After the last of it, `docferry run` ends whatever still waits for an answer.
STOP_WITHIN_S = 5.0
LOOKERS = 8
_ONCE_STEP_S = 0.02


class Daemon:
    """
    Everything that runs. A context manager: leaving it stops all, in the reverse order.

    Args:
        is_rebuilt: The ledger is fresh from the buckets, and the folders are to follow:
            nothing is tried out in a store before, nothing converted, and no archive brought up.

    Raises:
        UserError: Another daemon has the state directory or a folder, or the ledger is newer,
            or it is damaged.
    """

    def __init__(self, config: Config, *, is_rebuilt: bool = False) -> None:
        self._config = config
        self._is_rebuilt = is_rebuilt
        self._on_exit = ExitStack()
        self.loops: dict[str, MirrorLoop] = {}
        self._sides: dict[str, Sides] = {}
        self._canaries: dict[str, Canary] = {}
        self._threads: dict[str, _Threads] = {}
        self._timers = Timers()
        self._supervision = Supervision(self.loops, self._pools)
        self._stop = threading.Event()
        self._stop_by_s = 0.0  # monotonic; set when the end begins

    def __enter__(self) -> Daemon:
        with ExitStack() as on_failure:
            on_failure.callback(self._on_exit.close)
            self._build()
            on_failure.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        log.info("daemon.stopping")
        self._stop_by_s = time.monotonic() + STOP_WITHIN_S
        for loop in self.loops.values():
            loop.stop()  # now: it need not wait for the end of what is stopped before it
        self._on_exit.close()
        log.info("daemon.stopped")

    def run(self, *, once: bool) -> bool:
        """
        Work until `stop` is called; with *once*, until there is nothing left to do.

        Returns:
            Whether every mirror was in step at the end.
        """
        if once:
            self._start_loops()
            self._wait_until_quiet()
            if not self._is_rebuilt:
                self._keepers.run_once()
        else:
            self._start_watching()
            self._start_probes()  # before anything travels: it may be refused
            self._start_loops()
            self._keepers.start(self._timers, self._on_exit, self._time_left_s)
            self._start_timers()
            self._start_wake_ups()
            self._start_drops()
            self._start_canaries()
            log.info("daemon.started", mirrors=sorted(self.loops))
            notify.ready(self._supervision.line())
            self._stop.wait()
        return all(loop.facts.health is MirrorHealth.IN_STEP for loop in self.loops.values())

    def stop(self) -> None:
        """Ask `run` to return."""
        self._supervision.end()
        self._stop.set()

    # Building.

    def _build(self) -> None:
        config, on_exit = self._config, self._on_exit
        on_exit.enter_context(StateLock(config.state_dir))
        refuse_damaged(config.state_dir / LEDGER_NAME)
        self._ledger = on_exit.enter_context(Ledger.open(config.state_dir / LEDGER_NAME))
        last = self._ledger.versions.last()
        self._new_ulid = UlidSource(after=last and last[0])
        self._now = Clock(after=last and last[1])
        self._audit = AuditKeeper(self._ledger, config.audit_path, self._now)
        on_exit.callback(self._audit)  # after all that writes
        self._audit.note_configuration(config)
        self._disks = Disks(config, self._ledger, self.loops)
        self._conversions = Conversions(
            config, self._ledger, self._sides, self._now, room=self._disks.for_conversion
        )
        self._keepers = Keepers(self._ledger, self._new_ulid, self._now)
        for name in config.mirrors:
            self._build_mirror(name)
        on_exit.callback(self._stop_loops)

    def _build_mirror(self, name: str) -> None:
        options = self._config.mirrors[name]
        sides = open_sides(
            self._config,
            name,
            self._ledger,
            self._new_ulid,
            connections=self._config.transfers,
            is_daemon=True,
            room=self._disks.room_in(name, options.local),
            now=self._now,
        )
        note_mirror(self._ledger, options)
        preparation = Preparation(sides, self._ledger, is_rebuilt=self._is_rebuilt)
        self._on_exit.callback(preparation.release)
        preparation.at_start()
        threads = self._threads_of(options.store)
        tools = Tools(
            options,
            self._ledger,
            sides.local,
            threads.carry,
            threads.looks,
            threads.gate,
            sides.aliases,
            self._jobs_for,
            self._new_ulid,
            preparation,
            self._conversions.wake,
            on_asked=partial(self._keepers.asked, name),
            on_displaced=partial(self._keepers.poke, name, "bring-up"),
            on_remote_change=partial(self._keepers.remote_changed, name),
            with_origins=partial(self._conversions.with_origins, name),
            now=self._now,
        )
        self._sides[name] = sides
        self.loops[name] = loop = MirrorLoop(tools, sides.executor, sides.places)
        self._keepers.add(sides, lambda: loop.is_proven)
        canary = canary_of(
            sides, loop, self._ledger, lambda: self._conversions.rules, self._new_ulid
        )
        if canary is not None:
            self._canaries[name] = canary

    def _jobs_for(self, version: VersionRow) -> tuple[NewJob, ...]:
        return jobs_for(version, self._conversions.rules)

    def _threads_of(self, store: str) -> _Threads:
        if store not in self._threads:
            self._threads[store] = threads = _Threads(self._config.transfers)
            self._on_exit.callback(threads.shutdown)
        return self._threads[store]

    def _pools(self) -> Iterator[tuple[str, Pool]]:
        for store, threads in self._threads.items():
            yield f"store {store} that carry", threads.carry
            yield f"store {store} that look", threads.look

    # Starting.

    def _start_loops(self) -> None:
        if not self._is_rebuilt:
            self._conversions.start(self._on_exit, self.loops, self._time_left_s)
        for loop in self.loops.values():
            loop.start()

    def _start_watching(self) -> None:
        for name, loop in self.loops.items():
            options = self._config.mirrors[name]
            watch = Watch(options.local, loop.mark, partial(_rescan, loop), kind=options.watch)
            watch.start()
            self._on_exit.callback(watch.stop)
            check = _WatchCheck(name, watch, self._ledger)
            self._timers.every(WATCH_CHECK_EVERY_S, f"watch-{name}", check, at_once=True)

    def _start_timers(self) -> None:
        for name, loop in self.loops.items():
            options = self._config.mirrors[name]
            self._every(options.poll_s, name, loop, Run.POLL)
            self._every(options.rescan_s, name, loop, Run.RESCAN)
            self._timers.every(PEOPLE_EVERY_S, f"people-{name}", partial(_ask_people, loop))
            self._every(TIDY_EVERY_S, name, loop, Run.TIDY)
            self._timers.every(SILENCE_EVERY_S, f"silence-{name}", loop.tell_silence)
        self._disks.start(self._timers)
        start_housekeeping(
            self._config,
            self._ledger,
            self._sides,
            lambda: {rule.recipe for rule in self._conversions.rules},
            self._timers,
        )
        if not self._is_rebuilt:
            self._conversions.start_timers(self._timers)
        self._timers.every(PEOPLE_EVERY_S, "audit", self._audit, at_once=True)
        if notify.is_heard():
            self._timers.every(BEAT_EVERY_S, "supervision", self._supervision.beat)
        self._timers.start()
        self._on_exit.callback(self._timers.stop)

    def _every(self, seconds: float, name: str, loop: MirrorLoop, run: Run) -> None:
        self._timers.every(seconds, f"{run}-{name}", partial(loop.request, run))

    def _start_wake_ups(self) -> None:
        wake_ups = WakeUps(self._config.state_dir, self._ask_all)
        wake_ups.start()
        self._on_exit.callback(wake_ups.stop)

    def _ask_all(self) -> None:
        for loop in self.loops.values():
            _ask_people(loop)
        self._conversions.wake()

    def _start_drops(self) -> None:
        start_drops(
            self._config, self._sides, self.loops, self._ledger, self._on_exit, self._time_left_s
        )

    def _start_canaries(self) -> None:
        for canary in self._canaries.values():
            canary.start()
            self._on_exit.callback(partial(_stop_canary, canary, self._time_left_s))

    def _start_probes(self) -> None:
        if self._config.metrics_port == 0:
            return
        machine = Machine(lambda: self._config, self._sides, self._ledger.path)
        self._timers.every(LOOK_EVERY_S, "machine", machine.look, at_once=True)
        figures = metrics.LiveFigures(
            lambda: mirror_figures(self.loops, self._ledger),
            lambda: job_figures(self._config, self._ledger),
            machine=machine.figures,
        )
        metrics.publish(figures)
        self._on_exit.callback(metrics.withdraw, figures)
        probes = Probes(
            self._config.metrics_address,
            self._config.metrics_port,
            lambda: is_alive(self.loops),
            lambda: readiness(self.loops, self._canaries),
        )
        probes.start()
        self._on_exit.callback(probes.stop)

    # Stopping.

    def _stop_loops(self) -> None:
        for loop in self.loops.values():
            if not loop.join(self._time_left_s()):
                log.warning("mirror.stuck", mirror=loop.name, after_s=STOP_WITHIN_S)

    def _time_left_s(self) -> float:
        """Say how long whoever is to end may still take: one time for all of them."""
        return max(0.0, self._stop_by_s - time.monotonic())

    def _wait_until_quiet(self) -> None:
        while not self._stop.wait(_ONCE_STEP_S):
            loops = self.loops.values()
            is_over = all(loop.has_given_up or loop.is_quiet() for loop in loops)
            if is_over and (self._is_rebuilt or self._conversions.is_quiet()):
                return


class _Threads:
    """
    The threads of one store, and how many of them may work at a time.

    Of one store: where it hangs, all of them may wait for an answer for minutes.
    """

    def __init__(self, transfers: int) -> None:
        self.carry = Pool(transfers, "carry")
        self.gate = Gate(transfers)
        self.look = Pool(LOOKERS, "look")
        self.looks = Looks(self.look, Gate(LOOKERS))

    def shutdown(self) -> None:
        for pool in (self.carry, self.look):
            pool.shutdown(wait=False, cancel_futures=True)


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


def _stop_canary(canary: Canary, time_left_s: Callable[[], float]) -> None:
    canary.stop(time_left_s())


def _ask_people(loop: MirrorLoop) -> None:
    loop.request(Run.HOLDS)
    loop.request(Run.ASKED)


def _rescan(loop: MirrorLoop, reason: str) -> None:
    log_loss(reason, mirror=loop.name)
    loop.request(Run.RESCAN)
