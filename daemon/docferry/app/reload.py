"""A reload: read the configuration anew, refuse it as a whole or let it count."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from docferry import logs, notify
from docferry.app.parts import STOP_WITHIN_S, Parts
from docferry.app.sides import s3_options
from docferry.config import Config, Reading, Source
from docferry.config.changes import Changes, changes
from docferry.errors import DocferryError, PermanentError, UserError
from docferry.ledger import Ledger
from docferry.ledger.lock import MirrorLock
from docferry.ledger.refusals import RefusedConfig
from docferry.metrics import CONFIG_AT, CONFIG_GOOD
from docferry.storage.s3_connect import forget

log = logs.get_logger(__name__)

#: How often it is looked whether what is to end has ended.
LOOK_EVERY_S = 0.02


class Reloads:
    """
    Reloads, one after the other, in one thread.

    Args:
        waits: Waits for so many seconds, and says whether the daemon is to end.
        status: Says how the daemon is, in a line.
        on_taken: Told of a configuration that counts from now on.
    """

    def __init__(
        self,
        source: Source,
        reading: Reading,
        parts: Parts,
        ledger: Ledger,
        waits: Callable[[float], bool],
        status: Callable[[], str],
        on_taken: Callable[[Config], None],
    ) -> None:
        self._source = source
        self._reading = reading
        self._parts = parts
        self._ledger = ledger
        self._waits = waits
        self._status = status
        self._on_taken = on_taken
        self._refused_secrets = False
        self.remark = ""  #: what a person is to know of the last reload
        with suppress(DocferryError):
            ledger.refusals.clear()  # of an earlier daemon
        _tell_good()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._reading.config

    def state_of_secrets(self) -> object:
        """Give what differs when a file with a secret has changed."""
        return self._source.state_of_secrets(self.config)

    def reload(self, *, only_secrets: bool) -> None:
        """Let the configuration of now count, or say why it cannot."""
        notify.reloading()
        try:
            reading = self._read(only_secrets=only_secrets)
            found = changes(self.config, reading.config)
            self._refuse(found, reading.config)
            self._on_taken(reading.config)
        except DocferryError as error:
            self._tell_refused(str(error), only_secrets=only_secrets)
        else:
            self._take(reading, found, only_secrets=only_secrets)
            gc.collect()  # what has ended holds connections, and refers to itself
        if not self._waits(0.0):  # else the end has begun, and is told
            notify.ready(self._status())

    def _read(self, *, only_secrets: bool) -> Reading:
        return self._source.read_secrets(self._reading) if only_secrets else self._source.read()

    def _refuse(self, found: Changes, config: Config) -> None:
        """
        Raises:
            UserError: It cannot count as a whole.
        """
        if found.after_restart:
            keys = ", ".join(found.after_restart)
            raise UserError(
                f"{self._source.path}: only a restart changes {keys}. Restart docferry "
                "(systemctl restart docferry), or put back what was there"
            )
        ours = {mirror.local for mirror in self.config.mirrors.values()}
        for name in found.mirrors.begin:
            lock = MirrorLock(config.mirrors[name].local)
            if config.mirrors[name].local in ours or not lock.has_place:
                continue
            with suppress(PermanentError), lock:  # the mirror itself says what is wrong with it
                pass

    def _tell_refused(self, reason: str, *, only_secrets: bool) -> None:
        at = datetime.now(UTC)
        log.error("config.refused", reason=reason)
        CONFIG_GOOD.set(0)
        first = " ".join(reason.split())
        self.remark = (
            f"the configuration of {at:%H:%M:%S} UTC is refused, an older one counts: {first}"
        )
        self._refused_secrets = only_secrets
        try:
            self._ledger.refusals.put(RefusedConfig(at, reason))
        except DocferryError as error:
            log.error("ledger.failed", reason=str(error))  # noqa: TRY400

    def _take(self, reading: Reading, found: Changes, *, only_secrets: bool) -> None:
        before, self._reading = self.config, reading
        if not only_secrets or self._refused_secrets:
            self._forget_refusal()
        if only_secrets and found == Changes():
            return  # the files say what they said: nothing is disturbed, and nothing to be told
        logs.set_level(reading.config.log_level)
        self._parts.change(reading.config, found)
        for name in found.keys:  # by now nobody uses the old ones for anything new
            forget(s3_options(before.stores[name], before.transfers))
        self._wait_for_ends()
        log.info("config.reloaded", **_facts(found))
        for warning in reading.config.warnings:
            log.warning("config.warned", warning=warning)

    def _forget_refusal(self) -> None:
        self.remark = ""
        _tell_good()
        try:
            self._ledger.refusals.clear()
        except DocferryError as error:
            log.error("ledger.failed", reason=str(error))  # noqa: TRY400

    def _wait_for_ends(self) -> None:
        """Wait for what ends, so that a reload that is over is over; but not for what hangs."""
        until_s = time.monotonic() + STOP_WITHIN_S
        while self._parts.is_changing and not self._waits(LOOK_EVERY_S):
            self._parts.go_on()
            if time.monotonic() > until_s:
                for name in self._parts.ending_mirrors:
                    log.warning("mirror.stuck", mirror=name, after_s=STOP_WITHIN_S)
                return


def _tell_good() -> None:
    CONFIG_GOOD.set(1)
    CONFIG_AT.set_to_current_time()


def _facts(found: Changes) -> dict[str, object]:
    """What there is to be said."""
    kinds = {
        "mirrors": found.mirrors,
        "drops": found.drops,
        "queues": found.queues,
        "rules": found.rules,
        "webhooks": found.webhooks,
    }
    facts: dict[str, object] = {kind: named.facts for kind, named in kinds.items() if named.facts}
    facts |= {"new_keys_of": found.keys} if found.keys else {}
    return facts | ({"new_limits_of": found.limits} if found.limits else {})
