"""The daemon: what there is one of, built, started and stopped in order; and reloads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from docferry import metrics, notify
from docferry.app.api_figures import LiveApi
from docferry.app.audit import AuditKeeper
from docferry.app.faces import Faces
from docferry.app.figures import is_alive, job_figures, mirror_figures, readiness
from docferry.app.give_way import give_way
from docferry.app.hints import HintSocket
from docferry.app.housekeeping import start_housekeeping
from docferry.app.ledger_check import LOOK_EVERY_S as LEDGER_EVERY_S
from docferry.app.ledger_check import LedgerCheck
from docferry.app.machine import LOOK_EVERY_S, Machine
from docferry.app.memory import GIVE_BACK_EVERY_S, give_back
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.parts import STOP_WITHIN_S, Parts
from docferry.app.reload import Reloads
from docferry.app.sending import webhook_figures
from docferry.app.sides import Clock, UlidSource
from docferry.app.supervision import BEAT_EVERY_S, Pool, Supervision
from docferry.app.traffic_figures import LiveTraffic
from docferry.app.wake import WakeUps
from docferry.config import Config, Reading, Source
from docferry.deliver.figures import LiveWebhooks
from docferry.engine.loop import MirrorLoop
from docferry.engine.timers import Timers
from docferry.ledger import Ledger
from docferry.ledger.damage import refuse_damaged, refuse_lost
from docferry.ledger.lock import StateLock
from docferry.logs import get_logger
from docferry.model import MirrorHealth
from docferry.probes import Probes

log = get_logger(__name__)

#: How often it is looked whether files with secrets have changed; they count once they rest.
SECRETS_EVERY_S = 2.0
#: How often it is looked whether what takes long to end has ended.
ENDED_EVERY_S = 0.5
AUDIT_EVERY_S = 2.0
_ONCE_STEP_S = 0.02
_ONCE_MOST_S = 0.5


class Daemon:
    """
    Everything that runs. A context manager: leaving it stops all, in the reverse order.

    Args:
        source: Where to read the configuration again; None: there are no reloads.
        is_rebuilt: The ledger is fresh from the buckets, and the folders are to follow:
            nothing is tried out in a store before, nothing converted, and no archive brought up.

    Raises:
        UserError: Another daemon has the state directory or a folder, or the ledger is newer,
            or it is damaged.
    """

    def __init__(
        self,
        config: Config | Reading,
        *,
        source: Source | None = None,
        is_rebuilt: bool = False,
    ) -> None:
        self._reading = config if isinstance(config, Reading) else Reading("", config)
        self._source = source
        self._is_rebuilt = is_rebuilt
        self._on_exit = ExitStack()
        self._timers = Timers()
        self._reloads: Reloads | None = None
        self._faces = Faces(
            lambda: self._config,
            lambda: (is_alive(self.loops), readiness(self.loops, self._parts.canaries)),
        )
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._is_reload_asked = threading.Event()
        self._are_secrets_new = threading.Event()
        self._stop_by_s = 0.0  # monotonic; set when the end begins
        self._is_ledger_taken = False
        self.failure: str | None = None  #: once it has ended: why, if nobody told it to

    def __enter__(self) -> Daemon:
        with ExitStack() as on_failure:
            on_failure.callback(self._on_exit.close)
            self._build()
            on_failure.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        log.info("daemon.stopping")
        self._stop_by_s = time.monotonic() + STOP_WITHIN_S
        self._parts.begin_stop()  # now: it need not wait for the end of what is stopped before it
        self._on_exit.close()
        log.info("daemon.stopped")

    @property
    def loops(self) -> Mapping[str, MirrorLoop]:
        """The loops of the mirrors that run at the moment."""
        return self._parts.loops

    def run(self, *, once: bool) -> bool:
        """
        Work until `stop` is called; with *once*, until there is nothing left to do.

        Returns:
            Whether every mirror was in step at the end.
        """
        if once:
            self._parts.start_once()
            self._wait_until_quiet()
            if not self._is_rebuilt:
                self._parts.run_keepers_once()
        else:
            self._start_probes()  # before anything travels: they may be refused
            self._start_faces()
            self._parts.start()
            self._start_reloads()
            self._start_timers()
            self._start_wake_ups()
            self._start_hints()
            log.info("daemon.started", mirrors=sorted(self.loops))
            notify.ready(self._status())
            self._serve()
        return all(loop.facts.health is MirrorHealth.IN_STEP for loop in self.loops.values())

    def stop(self) -> None:
        """Ask `run` to return. For any thread."""
        self._supervision.end()
        self._stop.set()
        self._woken.set()

    def reload(self) -> None:
        """Ask for the configuration to be read anew. For any thread; often is no more than once."""
        self._is_reload_asked.set()
        self._woken.set()

    # Building.

    def _build(self) -> None:
        give_way()  # before there are threads: each is as the one that began it
        config, on_exit = self._config, self._on_exit
        on_exit.enter_context(StateLock(config.state_dir))
        refuse_damaged(config.state_dir / LEDGER_NAME)
        refuse_lost(config.state_dir / LEDGER_NAME, config.audit_path)
        self._ledger = on_exit.enter_context(Ledger.open(config.state_dir / LEDGER_NAME))
        on_exit.callback(self._put_ledger_back)  # after all that writes
        last = self._ledger.versions.last()
        now = Clock(after=last and last[1])
        self._audit = AuditKeeper(self._ledger, config.audit_path, now)
        on_exit.callback(self._audit)  # after all that writes
        self._audit.note_configuration(config)
        self._parts = Parts(
            config,
            self._ledger,
            UlidSource(after=last and last[0]),
            now,
            self._timers,
            is_rebuilt=self._is_rebuilt,
        )
        self._supervision = Supervision(
            self.loops, self._pools, lambda: self._parts.conversions.told
        )
        on_exit.callback(self._parts.stop, self._time_left_s)
        self._parts.build()

    @property
    def _config(self) -> Config:
        """The configuration in force."""
        return self._reading.config if self._reloads is None else self._reloads.config

    def _pools(self) -> Iterator[tuple[str, Pool]]:
        for store, threads in self._parts.threads.items():
            yield f"store {store} that carry", threads.carry
            yield f"store {store} that look", threads.look

    # Starting.

    def _start_reloads(self) -> None:
        if self._source is None:
            return
        self._reloads = Reloads(
            self._source,
            self._reading,
            self._parts,
            self._ledger,
            self._stop.wait,
            self._status,
            self._audit.note_configuration,
        )
        look = _SecretsCheck(self._reloads, self._on_new_secrets)
        self._timers.every(SECRETS_EVERY_S, "secrets", look, at_once=True)

    def _start_timers(self) -> None:
        start_housekeeping(
            lambda: self._config,
            self._ledger,
            self._parts.sides,
            lambda: {rule.recipe for rule in self._parts.conversions.rules},
            self._timers,
        )
        self._timers.every(AUDIT_EVERY_S, "audit", self._audit, at_once=True)
        ledger_check = LedgerCheck(self._ledger, self._on_ledger_taken)
        self._timers.every(LEDGER_EVERY_S, "ledger", ledger_check)
        self._timers.every(GIVE_BACK_EVERY_S, "memory", give_back)
        if notify.is_heard():
            self._timers.every(BEAT_EVERY_S, "supervision", self._supervision.beat)
        self._timers.start()
        self._on_exit.callback(self._timers.stop)

    def _start_wake_ups(self) -> None:
        wake_ups = WakeUps(self._config.state_dir, self._parts.ask_people)
        wake_ups.start()
        self._on_exit.callback(wake_ups.stop)

    def _start_hints(self) -> None:
        hints = HintSocket(self._config.state_dir, self._parts.hints, lambda: self._config.stores)
        hints.start()
        self._on_exit.callback(hints.stop)

    def _start_probes(self) -> None:
        if self._config.metrics_port == 0:
            return
        machine = Machine(
            lambda: self._config, self._parts.sides, self._ledger.path, self._parts.traffic.poll_s
        )
        self._timers.every(LOOK_EVERY_S, "machine", machine.look, at_once=True)
        figures = metrics.LiveFigures(
            lambda: mirror_figures(self.loops, self._ledger),
            lambda: job_figures(self._config, self._ledger),
            machine=machine.figures,
        )
        webhooks = LiveWebhooks(lambda: webhook_figures(self._config, self._ledger))
        api = LiveApi(lambda: self._faces.figures)
        traffic = LiveTraffic(
            lambda: self._parts.traffic.figures(self._faces.figures.store_requests)
        )
        for each in (figures, webhooks, api, traffic):
            metrics.publish(each)
            self._on_exit.callback(metrics.withdraw, each)
        probes = Probes(
            self._config.metrics_address,
            self._config.metrics_port,
            lambda: is_alive(self.loops),
            lambda: readiness(self.loops, self._parts.canaries),
        )
        probes.start()
        self._on_exit.callback(probes.stop)

    def _start_faces(self) -> None:
        self._faces.start()
        self._on_exit.callback(self._faces.stop)

    # In between.

    def _serve(self) -> None:
        """Carry out reloads until the end. The last one that is asked for counts."""
        while not self._stop.is_set():
            self._woken.wait(None if self._parts.is_settled else ENDED_EVERY_S)
            self._woken.clear()
            if self._reloads is not None and not self._stop.is_set():
                self._reload(self._reloads)
                self._faces.look()
            if not self._stop.is_set():  # or it would begin what is to end
                self._parts.go_on()

    def _reload(self, reloads: Reloads) -> None:
        if self._is_reload_asked.is_set():
            self._is_reload_asked.clear()  # first: who asks from now on has another one
            self._are_secrets_new.clear()
            reloads.reload(only_secrets=False)
        elif self._are_secrets_new.is_set():
            self._are_secrets_new.clear()
            reloads.reload(only_secrets=True)

    def _on_new_secrets(self) -> None:
        self._are_secrets_new.set()
        self._woken.set()

    def _status(self) -> str:
        """Say how the daemon is, in a line."""
        if self._reloads is not None:
            self._supervision.remark = self._reloads.remark
        return self._supervision.line()

    # Stopping.

    def _on_ledger_taken(self) -> None:
        """What is written down from now on would be lost: end, and have it put back."""
        self._is_ledger_taken = True
        self.stop()

    def _put_ledger_back(self) -> None:
        if self._is_ledger_taken:
            self.failure = self._ledger.put_back()

    def _time_left_s(self) -> float:
        """Say how long whoever is to end may still take: one time for all of them."""
        return max(0.0, self._stop_by_s - time.monotonic())

    def _wait_until_quiet(self) -> None:
        step_s = _ONCE_STEP_S
        while not self._stop.wait(step_s):
            step_s = min(step_s + _ONCE_STEP_S / 50, _ONCE_MOST_S)  # who works long is asked less
            loops = self.loops.values()
            is_over = all(loop.has_given_up or loop.is_quiet() for loop in loops)
            if is_over and (self._is_rebuilt or self._parts.conversions.is_quiet()):
                return


class _SecretsCheck:
    """Looks whether files with secrets have changed, and says so once they rest."""

    def __init__(self, reloads: Reloads, on_change: Callable[[], None]) -> None:
        self._reloads = reloads
        self._on_change = on_change
        self._seen: object = None
        self._read: object = self  # not known: they may have changed since they were read

    def __call__(self) -> None:
        before, self._seen = self._seen, self._reloads.state_of_secrets()
        if self._seen == before and self._seen != self._read:
            self._read = self._seen
            self._on_change()
