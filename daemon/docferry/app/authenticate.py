"""Who is it that asks: by the key that they present, or by the session that began with one."""

from __future__ import annotations

import threading
from datetime import datetime

from docferry import logs
from docferry.config import SecretStr
from docferry.core.attempts import Attempts, Told
from docferry.core.keys import (
    Accepted,
    ApiKey,
    KeyId,
    Mark,
    Refused,
    Verdict,
    is_use_new,
    judged,
    judged_again,
    mark_of,
    parsed,
)
from docferry.errors import DocferryError
from docferry.ledger import Ledger

log = logs.get_logger(__name__)

#: In the audit: who presents what is no key, or none that counts.
NOBODY = "unknown"


class Authenticator:
    """
    Tells who presents a key. Thread-safe; each answer is of the ledger as it is at that moment.

    Args:
        pepper: The one of the configuration in force. It is written down, so that a command
            makes no key with another one.
    """

    def __init__(self, ledger: Ledger, pepper: SecretStr | None) -> None:
        self._ledger = ledger
        self._nobody = ledger.acting_as(NOBODY)
        self._pepper = None if pepper is None else pepper.get_secret_value()
        self._lock = threading.Lock()
        self._attempts = Attempts()
        self._used: dict[KeyId, datetime] = {}  # when a use was written down, or was tried to
        self._note_pepper(mark_of(self._pepper))

    def authenticate(self, presented: str, address: str, now: datetime) -> Verdict:
        """
        Say whose key *presented* is, or why it does not count.

        A use of it, and a refusal, are written down, though not each time. Where that cannot
        be done, as on a full disk, the answer stands: a look at what is wrong must be possible.

        Args:
            presented: Whatever somebody has sent.
            address: From where, for the audit.
        """
        text = parsed(presented)
        key = None if text is None else self._ledger.keys.get(text.id)
        return self._noted(judged(text, key, self._pepper, now), key, address, now)

    def still(self, key_id: KeyId, stamp: str, address: str, now: datetime) -> Verdict:
        """Say whether what `Accepted` told once is so still: for a session, at each request."""
        key = self._ledger.keys.get(key_id)
        verdict = judged_again(key_id, stamp, key, self._pepper, now)
        return self._noted(verdict, key, address, now)

    def _note_pepper(self, mark: Mark) -> None:
        try:
            if self._ledger.keys.pepper() != mark:
                self._ledger.keys.put_pepper(mark)
        except DocferryError as error:
            log.error("ledger.failed", reason=str(error))  # noqa: TRY400

    def _noted(self, verdict: Verdict, key: ApiKey | None, address: str, now: datetime) -> Verdict:
        try:
            match verdict:
                case Accepted():
                    self._note_use(key, now)
                case Refused():
                    self._note_refusal(verdict, key, address, now)
        except DocferryError as error:
            log.error("ledger.failed", reason=str(error))  # noqa: TRY400
        return verdict

    def _note_use(self, key: ApiKey | None, now: datetime) -> None:
        assert key is not None  # else it would not count
        with self._lock:
            tried_at = self._used.get(key.id)
            if not is_use_new(key.last_used_at, now) or not is_use_new(tried_at, now):
                return
            self._used[key.id] = now
        self._ledger.keys.note_use(key.id, now)

    def _note_refusal(
        self, refused: Refused, key: ApiKey | None, address: str, now: datetime
    ) -> None:
        with self._lock:
            told = self._attempts.count(address, now)
        if told is not None:
            facts = _facts(refused, key, address, told)
            log.warning("key.refused", **facts)
            self._nobody.keys.note_refused(now, facts)


def _facts(refused: Refused, key: ApiKey | None, address: str, told: Told) -> dict[str, object]:
    facts: dict[str, object] = {"address": address[:64], "why": refused.why.value}
    if refused.id is not None:
        facts["key"] = refused.id
    if key is not None:
        facts["name"] = key.name
    if told.attempts > 1:
        facts["attempts"] = told.attempts
    if told.others:
        facts["others"] = told.others
    return facts
