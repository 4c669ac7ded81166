"""What runs by the configuration: mirrors, drop folders and conversions. They come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from docferry.app.conversion import Conversions
from docferry.app.disks import Disks
from docferry.app.drops import Drop
from docferry.app.hints import Followed
from docferry.app.meters import METERS
from docferry.app.one_mirror import Common, OneMirror, StoreThreads
from docferry.app.queue_readers import QueueReaders
from docferry.app.running import Running
from docferry.app.sending import webhooks_of
from docferry.app.sides import Clock, Sides, UlidSource
from docferry.app.traffic import LOOK_EVERY_S, StoreTraffic
from docferry.config import Config
from docferry.config.changes import Changes, may_meet
from docferry.engine.canary import Canary
from docferry.engine.loop import MirrorLoop
from docferry.engine.timers import Timers
from docferry.engine.webhooks import Webhooks
from docferry.errors import DocferryError, UserError
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.model import Key, MirrorHealth, Path

log = get_logger(__name__)

#: After the last of it, `docferry run` ends whatever still waits for an answer.
STOP_WITHIN_S = 5.0


class Parts:
    """
    For one thread. `loops`, `sides` and `canaries` are for any: they hold what runs at the moment.

    Args:
        timers: They call what looks after all this now and then.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        new_ulid: UlidSource,
        now: Clock,
        timers: Timers,
        *,
        is_rebuilt: bool,
    ) -> None:
        self.loops = Running[MirrorLoop]()
        self.sides = Running[Sides]()
        self.canaries = Running[Canary]()
        self._config = config
        self._ledger = ledger
        self._now = now
        self._timers = timers
        self._is_rebuilt = is_rebuilt
        self._disks = Disks(config, ledger, self.loops)
        self._mirrors = Running[OneMirror]()
        self.threads = Running[StoreThreads]()
        self.traffic = StoreTraffic(
            lambda: self._config,
            ledger,
            lambda: [mirror.polls for mirror in self._mirrors.values()],
            self.threads.get,
        )
        self._common = Common(
            ledger,
            new_ulid,
            now,
            self._disks,
            lambda: self.conversions,
            is_rebuilt,
            self.traffic.stretch,
        )
        self._drops = Running[Drop]()
        self.hints = Followed(lambda: self._config, self.loops, self._aliases_of)
        self._queues = QueueReaders(self.hints)
        self._ending: list[OneMirror | Drop] = []
        self._retired: list[Conversions] = []
        self._reasons: dict[str, str] = {}  # why a mirror, or a drop folder, does not begin
        self._mirrors_to_come: list[str] = []
        self._drops_to_come: list[str] = []
        self._are_rules_to_come = self._are_webhooks_to_come = False
        self.conversions = self._make_conversions()
        self.webhooks = Webhooks(ledger, webhooks_of(config), polls=self._polls, now=now)

    # At the start.

    def build(self) -> None:
        """
        Build all mirrors, and take their folders.

        Raises:
            UserError: Another daemon works in one of them.
        """
        for name in self._config.mirrors:
            mirror = self._build(name)
            self._show(mirror)  # first: it may have to be taken down again
            mirror.claim()

    def start_once(self) -> None:
        """Let the loops run, and conversions: until all is done, but for no longer."""
        if not self._is_rebuilt:
            self.conversions.start()
            self.webhooks.prepare()
        for mirror in self._mirrors.values():
            mirror.loop.start()

    def start(self) -> None:
        """Let everything run until it is stopped."""
        self._disks.start(self._timers)
        self._timers.every(LOOK_EVERY_S, "traffic", self.traffic.look, at_once=True)
        if not self._is_rebuilt:
            self.conversions.start()
            self.conversions.start_timers(self._timers)
            self.webhooks.start()
        for mirror in self._mirrors.values():
            mirror.start(self._timers)
        self._queues.start(self._config)
        self._drops_to_come = list(self._config.drops)
        self.go_on()

    # In between.

    def change(self, config: Config, changes: Changes) -> None:
        """
        Let what is not as *config* has it end, and what *config* has begin.

        What ends takes its time, and its successor waits for that: see `go_on`. All else goes on
        as if nothing had happened.
        """
        self._config = config
        self.traffic.use_limits()
        # First: should the ledger fail in between, it is still known what is to begin.
        coming = [*self._mirrors_to_come, *changes.mirrors.begin]
        self._mirrors_to_come = [name for name in dict.fromkeys(coming) if name in config.mirrors]
        coming = [*self._drops_to_come, *changes.drops.begin]
        self._drops_to_come = [name for name in dict.fromkeys(coming) if name in config.drops]
        if changes.rules.facts or self.conversions.are_some_broken:
            self._are_rules_to_come = True
        self._queues.change(config, changes.queues)
        if changes.webhooks.facts:
            self._are_webhooks_to_come = True
        for name in changes.drops.end:
            self._end_drop(name, is_gone=name in changes.drops.go)
        for name in changes.mirrors.end:
            self._end_mirror(name, is_gone=name in changes.mirrors.go)
        for mirror in self._mirrors.values():
            if mirror.options.store in changes.keys:
                mirror.use_keys(config)
        self.go_on()

    @property
    def is_changing(self) -> bool:
        """Whether something has not ended yet, or waits for that to begin; but for conversions."""
        return bool(
            self._ending
            or self._mirrors_to_come
            or self._drops_to_come
            or self._are_rules_to_come
            or self._are_webhooks_to_come
        )

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be done by `go_on`."""
        return not self.is_changing and not self._retired

    @property
    def ending_mirrors(self) -> list[str]:
        """Names of mirrors that have not ended yet."""
        return [part.options.name for part in self._ending if isinstance(part, OneMirror)]

    def go_on(self) -> None:
        """Find what has ended, and begin what has waited for it. Never blocks long."""
        self._retired = [one for one in self._retired if not one.is_over()]
        self._ending = [part for part in self._ending if not part.stop(_no_time)]
        if self._are_rules_to_come:
            self._are_rules_to_come = not self._begins("rules", self._replace_conversions)
        if self._are_webhooks_to_come:
            self._are_webhooks_to_come = not self._begins("webhooks", self._change_webhooks)
        self._mirrors_to_come = [
            name for name in self._mirrors_to_come if not self._begins(name, self._start_mirror)
        ]
        self._drops_to_come = [
            name for name in self._drops_to_come if not self._begins(name, self._start_drop)
        ]
        self._end_threads()

    def ask_people(self) -> None:
        """Let all loops look whether a person has decided or asked."""
        for mirror in self._mirrors.values():
            mirror.ask_people()
        self.conversions.wake()
        self.webhooks.wake()

    # At the end.

    def run_keepers_once(self) -> None:
        """Do now what is not to be left for a daemon that stays."""
        for mirror in self._mirrors.values():
            mirror.keeper.run_once()
        self.webhooks.work_off()

    def begin_stop(self) -> None:
        """Let all begin nothing more: none of them need wait for the end of the others."""
        self._queues.begin_stop()
        for mirror in self._mirrors.values():
            mirror.begin_stop()

    def stop(self, time_left_s: Callable[[], float]) -> None:
        """End everything, and wait for it."""
        self.webhooks.stop(time_left_s())
        for conversions in [*self._retired, self.conversions]:
            conversions.stop(time_left_s())
        for part in [*self._ending, *self._drops.values(), *self._mirrors.values()]:
            if not part.stop(time_left_s) and isinstance(part, OneMirror):
                log.warning("mirror.stuck", mirror=part.options.name, after_s=STOP_WITHIN_S)
        for threads in self.threads.values():
            threads.shutdown()

    # How.

    def _aliases_of(self, mirror: str) -> Mapping[Key, Path]:
        sides = self.sides.get(mirror)
        return {} if sides is None else sides.aliases

    def _build(self, name: str) -> OneMirror:
        store = self._config.mirrors[name].store
        if store not in self.threads:
            meter = METERS.of(self._config.stores[store])
            self.threads.put(store, StoreThreads(store, self._config.transfers, meter))
        return OneMirror(self._config, name, self._common, self.threads[store])

    def _show(self, mirror: OneMirror) -> None:
        name = mirror.options.name
        self._mirrors.put(name, mirror)
        self.sides.put(name, mirror.sides)
        self.loops.put(name, mirror.loop)
        if mirror.canary is not None:
            self.canaries.put(name, mirror.canary)

    def _begins(self, name: str, start: Callable[[str], bool]) -> bool:
        try:
            return start(name)
        except DocferryError as error:  # the ledger, mostly; it is tried again
            if self._reasons.get(name) != str(error):
                log.error("config.waits", name=name, reason=str(error))  # noqa: TRY400
            self._reasons[name] = str(error)
            return False

    def _start_mirror(self, name: str) -> bool:
        options = self._config.mirrors[name]
        mirrors = [part for part in self._ending if isinstance(part, OneMirror)]
        if any(may_meet(options, one.options) for one in mirrors):
            return False
        mirror = self._build(name)
        try:
            with suppress(UserError):  # its loop says that it is blocked, and by whom
                mirror.claim()
            mirror.start(self._timers)
        except DocferryError:
            self._ending.append(mirror)
            raise
        self._show(mirror)
        return True

    def _start_drop(self, name: str) -> bool:
        options = self._config.drops[name]
        is_any_ending = any(isinstance(part, Drop) for part in self._ending)
        if options.into not in self._mirrors or is_any_ending:
            return False
        mirror = self._mirrors[options.into]
        drop = Drop(options, mirror.sides, mirror.loop, self._ledger)
        drop.start()
        self._drops.put(name, drop)
        return True

    def _end_mirror(self, name: str, *, is_gone: bool) -> None:
        if name not in self._mirrors:
            return  # it has not begun yet
        self.loops.take(name)
        self.sides.take(name)
        if name in self.canaries:
            self.canaries.take(name)
        mirror = self._mirrors.take(name)
        mirror.is_leaving = is_gone
        if is_gone:
            self._disks.leave(name)
        mirror.begin_stop()
        self._ending.append(mirror)

    def _end_drop(self, name: str, *, is_gone: bool) -> None:
        if name not in self._drops:
            return
        drop = self._drops.take(name)
        drop.is_leaving = is_gone
        self._ending.append(drop)

    def _end_threads(self) -> None:
        """A store that no mirror uses any more needs none."""
        mirrors = [part for part in self._ending if isinstance(part, OneMirror)]
        used = {one.options.store for one in [*mirrors, *self._mirrors.values()]}
        for store in [store for store in self.threads if store not in used]:
            self.threads.take(store).shutdown()

    def _polls(self) -> dict[str, tuple[datetime | None, float]]:
        configured = self._config.mirrors
        return {
            name: (loop.facts.last_poll_at, self.traffic.poll_s(configured[name]))
            for name, loop in self.loops.items()
            if name in configured and loop.facts.health is not MirrorHealth.PAUSED
        }

    def _make_conversions(self) -> Conversions:
        return Conversions(
            self._config,
            self._ledger,
            self.sides,
            self.loops,
            self._now,
            room=self._disks.for_conversion,
        )

    def _replace_conversions(self, _: str) -> bool:
        old = self.conversions
        old.retire()
        new = self._make_conversions()
        new.start(takes_over=False)
        new.start_timers(self._timers, at_once=False)
        self._retired.append(old)
        self.conversions = new
        return True

    def _change_webhooks(self, _: str) -> bool:
        self.webhooks.change(webhooks_of(self._config))
        return True


def _no_time() -> float:
    return 0.0
