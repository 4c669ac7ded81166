"""
Sessions of people at the page: who has shown an API key stays known for a while.

Kept in the memory of this process, by the hash of a random word that only a cookie has: a
restart ends them, nothing that is written down brings one back, and one ends with its key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from docferry.core.keys import Accepted, KeyId

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
    """

    digest: str
    key: KeyId
    stamp: str
    began_at: datetime


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
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}  # the oldest first
        self._notices: dict[str, tuple[str, Notice]] = {}
        self._secret = secrets.token_bytes(_WORD_BYTES)

    def begin(self, accepted: Accepted) -> str:
        """Begin one for who has shown a key, and give the word for their cookie."""
        word = secrets.token_urlsafe(_WORD_BYTES)
        session = Session(_digest(word), accepted.identity.id, accepted.stamp, self._now())
        with self._lock:
            self._drop_old(session.key)
            self._sessions[session.digest] = session
        return word

    def get(self, word: str) -> Session | None:
        """Give the session of that word; None: there is none, or it is over."""
        with self._lock:
            session = self._sessions.get(_digest(word))
            if session is None or self._is_over(session):
                return None
            return session

    def end(self, session: Session) -> None:
        with self._lock:
            self._sessions.pop(session.digest, None)

    def proof(self, of: str) -> str:
        """Give the word by which a form shows that it came from a page shown to *of*."""
        return hmac.digest(self._secret, of.encode("utf-8", "backslashreplace"), "sha256").hex()

    def is_proof(self, given: str, of: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.proof(of).encode())

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

    def _drop_old(self, key: KeyId) -> None:
        over = [one.digest for one in self._sessions.values() if self._is_over(one)]
        of_key = [one.digest for one in self._sessions.values() if one.key == key]
        for digest in {*over, *of_key[: max(0, len(of_key) - MOST_OF_A_KEY + 1)]}:
            del self._sessions[digest]

    def _is_over(self, session: Session) -> bool:
        # A clock that was put back makes none last longer.
        return not session.began_at <= self._now() < session.began_at + LASTS


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode("utf-8", "replace")).hexdigest()
