"""The audit for people: kept in a second place, listed, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from docferry.config import Config, SecretStr, WebhookConfig
from docferry.config.tables import Options, keys_of
from docferry.core.audit import FIRST, Action, AuditRow, Fault, Hash, checked, line_of
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.ledger.audit_file import AuditFile, seq_in
from docferry.logs import get_logger

log = get_logger(__name__)

_SECRETS = ("access_key_id", "secret_access_key", "session_token", "secret")


class AuditKeeper:
    """Notes what the ledger does not see by itself, and keeps the audit's file. A timer's job."""

    def __init__(self, ledger: Ledger, path: Path, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._file = AuditFile(path)
        self._now = now
        self._told: str | None = None  # what is wrong with the file

    def __call__(self) -> None:
        """Write the new rows to the file. Whatever is wrong with it stops nothing else."""
        try:
            count = self._file.catch_up(self._ledger.audit)
        except DocferryError as error:
            if str(error) != self._told:
                log.error("audit.failed", reason=str(error))  # noqa: TRY400
            self._told = str(error)
            return
        self._told = None
        if count:
            seq, head = self._ledger.audit.last()
            # In whatever keeps the log a second witness, should somebody write all of it anew.
            log.info("audit.written", rows=count, seq=seq, head=head)

    def note_configuration(self, config: Config) -> None:
        """Write down what of the configuration is not as the last daemon had it, and no value."""
        now = self._now()
        audit = self._ledger.audit
        audit.note_changes(Action.CONFIG_CHANGED, _digests(audit.chain, _keys_in(config)), now)
        secrets = _digests(audit.chain, _secrets_in(config))
        audit.note_changes(Action.CREDENTIALS_CHANGED, secrets, now)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What is known of the audit.

    head: the hash of its last row: to be noted where nobody of this machine writes.
    faults: where it is not what was written; empty: it is, as far as that can be known.
    """

    rows: int
    head: Hash
    file: Path
    rows_in_file: int
    faults: list[Fault]


def verified(ledger: Ledger, path: Path, noted: Hash | None = None) -> Verdict:
    """
    Hold the audit against itself, its file, and a hash that somebody noted once.

    What none of these can tell: rows taken off the end of both, without a hash noted since
    they were written; and what someone wrote anew, all of it, in both.
    """
    audit = ledger.audit
    file = _Copy(AuditFile(path), audit.chain)
    rows, head, faults, is_known = 0, FIRST, [], noted is None
    for one in checked(audit.chain, audit.rows()):
        if isinstance(one, Fault):
            faults.append(one)
            break
        rows, head = one.seq, one.hash
        is_known = is_known or one.hash == noted
        file.meet(one)
    else:
        file.end(rows)
        if not is_known:
            faults.append(Fault(rows, f"no row has the hash {noted}: it was one of its rows once"))
    return Verdict(rows, head, path, file.rows, [*faults, *([file.fault] if file.fault else [])])


class _Copy:
    """The file, beside the ledger's rows, up to the first difference."""

    def __init__(self, file: AuditFile, chain: str) -> None:
        self._chain = chain
        self.rows = 0
        self.fault: Fault | None = None
        self._lines = self._read(file)
        self._line = next(self._lines, None)  # before the ledger's rows: it may only be behind

    def meet(self, row: AuditRow) -> None:
        if self._line is None or self.fault is not None:
            return
        seq = seq_in(self._line)
        if self.rows == 0 and seq is not None and seq > row.seq:
            return  # it was begun anew since
        if self._line != line_of(self._chain, row):
            self.fault = Fault(row.seq, "the audit's file has another row here")
            return
        self.rows += 1
        self._line = next(self._lines, None)

    def end(self, last: int) -> None:
        """The ledger has no more rows."""
        if self._line is not None and self.fault is None:
            seq = seq_in(self._line)
            what = "the audit's file has this row, and the ledger has not"
            self.fault = Fault(last + 1 if seq is None else seq, what)

    def _read(self, file: AuditFile) -> Iterator[str]:
        try:
            yield from file.lines()
        except DocferryError as error:
            self.fault = Fault(0, str(error))


def _keys_in(config: Config) -> Iterator[tuple[str, object]]:
    tables: list[tuple[str, Options]] = [("", config)]
    tables += [(f"{kind}.{name}.", one) for kind, name, one in _named(config)]
    for prefix, options in tables:
        for key, attribute, _ in keys_of(type(options)):
            yield prefix + key.name, getattr(options, attribute)


def _secrets_in(config: Config) -> Iterator[tuple[str, object]]:
    if config.api_pepper is not None:
        yield "api.pepper", config.api_pepper.get_secret_value()
    if config.notifications_secret is not None:
        yield "notifications.secret", config.notifications_secret.get_secret_value()
    for kind, name, options in _named(config):
        for attribute in _SECRETS:
            secret = getattr(options, attribute, None)
            if secret is not None:
                is_hidden = isinstance(secret, SecretStr)
                yield (
                    f"{kind}.{name}.{attribute}",
                    secret.get_secret_value() if is_hidden else secret,
                )
        if isinstance(options, WebhookConfig):
            told = [secret.get_secret_value() for secret in options.secrets]
            yield f"{kind}.{name}.secrets", told


def _named(config: Config) -> Iterator[tuple[str, str, Options]]:
    tables: Mapping[str, Mapping[str, Options]] = {
        "store": config.stores,
        "mirror": config.mirrors,
        "drop": config.drops,
        "sqs": config.queues,
        "converter": config.converters,
        "convert": {rule.name: rule for rule in config.converts},
        "webhook": config.webhooks,
    }
    for kind, named in tables.items():
        for name, options in named.items():
            yield kind, name, options


def _digests(chain: str, values: Iterator[tuple[str, object]]) -> dict[str, str]:
    """Tell whether values are the same again, and not what they are."""
    return {
        key: hashlib.sha256(f"{chain} {key} {value!r}".encode()).hexdigest()[:16]
        for key, value in values
    }
