"""
Sessions of people at the page: who has shown an API key stays known for a while.

Each is known by a random word that only a cookie has. The ledger keeps what it hashes to, so
that a restart, and so an upgrade, logs nobody out; and with the pepper of the configuration, so
that who can write to the ledger alone can make none. One ends with its key, with the secret that
it began with, and with its time.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from docferry import logs
from docferry.core.keys import Accepted, KeyId
from docferry.errors import DocferryError
from docferry.ledger import Ledger
from docferry.ledger.sessions import SessionRow

log = logs.get_logger(__name__)

LASTS = timedelta(hours=12)
#: Of one key at the same time; the oldest makes room.
MOST_OF_A_KEY = 20
#: What is to be told once, after an act; nobody fetches more than the next page.
_MOST_NOTICES = 1000
_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """
    Somebody who has shown a key.

    digest: of the word in their cookie.
    stamp: of the key's secret: see `Accepted`.
    proof: by which a form shows that it came from a page of theirs. Of the word itself, so that
        what is written down is of no use to make one.
    """

    digest: str
    key: KeyId
    stamp: str
    began_at: datetime
    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of an act, for the page that comes after it."""

    text: str
    is_trouble: bool = False


class Sessions:
    """
    Thread-safe.

    Args:
        now: The clock by which they end.
        pepper: The one in force; with another one no session is known.
    """

    def __init__(
        self, ledger: Ledger, now: Callable[[], datetime], pepper: Callable[[], str | None]
    ) -> None:
        self._ledger = ledger
        self._now = now
        self._pepper = pepper
        self._lock = threading.Lock()
        self._unwritten: dict[str, SessionRow] = {}  # the oldest first
        self._notices: dict[str, tuple[str, Notice]] = {}
        self._secret = secrets.token_bytes(_WORD_BYTES)

    def begin(self, accepted: Accepted) -> str:
        """
        Begin one for who has shown a key, and give the word for their cookie.

        Where it cannot be written down, as on a full disk, it lasts as long as this process:
        somebody has to be able to look.
        """
        word = secrets.token_urlsafe(_WORD_BYTES)
        now = self._now()
        row = SessionRow(self._digest(word), accepted.identity.id, accepted.stamp, now)
        try:
            self._ledger.sessions.put(row, over_before=now - LASTS, most=MOST_OF_A_KEY)
        except DocferryError as error:
            log.error("ledger.failed", reason=str(error))  # noqa: TRY400
            self._keep(row)
        return word

    def get(self, word: str) -> Session | None:
        """Give the session of that word; None: there is none, or it is over."""
        digest = self._digest(word)
        with self._lock:
            row = self._unwritten.get(digest)
        row = row or self._ledger.sessions.get(digest)
        if row is None or self._is_over(row):
            return None
        proof = hmac.digest(_bytes(word), b"form", "sha256").hex()
        return Session(row.digest, row.key, row.stamp, row.began_at, proof)

    def end(self, session: Session) -> None:
        """
        Raises:
            DocferryError: It could not be written down: it is not over.
        """
        with self._lock:
            if self._unwritten.pop(session.digest, None) is not None:
                return
        self._ledger.sessions.drop(session.digest)

    def proof_without_session(self, of: str) -> str:
        """Give what the forms of a user of this machine send along, until a restart."""
        return hmac.digest(self._secret, of.encode("utf-8", "backslashreplace"), "sha256").hex()

    def note(self, of: str, notice: Notice) -> str:
        """Keep a notice for *of*, and give the word for which it is had, once."""
        word = secrets.token_urlsafe(9)
        with self._lock:
            self._notices[word] = (of, notice)
            while len(self._notices) > _MOST_NOTICES:
                del self._notices[next(iter(self._notices))]
        return word

    def noted(self, of: str, word: str) -> Notice | None:
        """Give a notice, and forget it."""
        with self._lock:
            found = self._notices.get(word)
            if found is None or found[0] != of:
                return None
            del self._notices[word]
            return found[1]

    def _digest(self, word: str) -> str:
        return hmac.digest(_bytes(self._pepper() or ""), _bytes(word), "sha256").hex()

    def _keep(self, row: SessionRow) -> None:
        with self._lock:
            old = [one.digest for one in self._unwritten.values() if self._is_over(one)]
            of_key = [one.digest for one in self._unwritten.values() if one.key == row.key]
            for digest in {*old, *of_key[: max(0, len(of_key) - MOST_OF_A_KEY + 1)]}:
                del self._unwritten[digest]
            self._unwritten[row.digest] = row

    def _is_over(self, session: SessionRow) -> bool:
        # A clock that was put back makes none last longer.
        return not session.began_at <= self._now() < session.began_at + LASTS


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
