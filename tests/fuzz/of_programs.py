"""What other programs say: stores that tell of changes, converters, receivers of webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message

from docferry.convert.service_answers import (
    LONGEST_WAIT_S,
    Refusal,
    error_for,
    first_line,
    in_words,
    retry_after_s,
    why_not,
)
from docferry.core.hinted import Told, led, told_in
from docferry.core.notifications import Hint, Nothing, hints_in
from docferry.core.paths import is_plain
from docferry.core.webhooks import after_miss, judged
from docferry.deliver.send import _retry_after_s
from docferry.errors import DocferryError

_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
_STATUSES = (200, 204, 301, 400, 401, 404, 410, 413, 429, 500, 503, 504)


def notifications(data: bytes) -> None:
    """A notification: hints that can be followed, inside of the mirror, or a reason why not."""
    found = hints_in(data)
    if isinstance(found, Nothing):
        assert found.why
        return
    _follow(found)


def datagrams(data: bytes) -> None:
    """What comes to the socket between processes."""
    told = told_in(data)
    if isinstance(told, Told) and not isinstance(told.found, Nothing):
        _follow(told.found)


def service_answers(data: bytes) -> None:
    """What a converter's service answers: words that steer nothing, and one of our errors."""
    status, said = _STATUSES[(data[:1] or b"\0")[0] % len(_STATUSES)], data[1:]
    words = in_words(said)
    assert "\x1b" not in words
    line = first_line(words)
    assert len(line) <= 300
    headers = {"Retry-After": said.decode("latin-1"), "Location": said.decode("latin-1")}
    error = error_for(Refusal("service", "a.docx", status, words, headers), _NOW)
    assert isinstance(error, DocferryError)
    assert len(str(error)) < 1000
    why_not(".pdf", said.decode("latin-1"), said)


def retries(data: bytes) -> None:
    """Retry-After of a service and of a receiver: a time that can be waited for, or none."""
    text = data.decode("latin-1")
    waits = retry_after_s(text, _NOW)
    assert waits is None or 0 <= waits <= LONGEST_WAIT_S
    headers = Message()
    headers["Retry-After"] = " ".join(text.split())
    told = _retry_after_s(headers, _NOW)
    assert told is None or told >= 0
    missed = judged(503, "", told)
    after_miss(missed, attempts=1, wanted_at=_NOW, now=_NOW, jitter=0.5)  # type: ignore[arg-type]


def _follow(hints: tuple[Hint, ...]) -> None:
    for hint in hints:
        hint.key.encode()
        for path in led([hint], hint.bucket, "docs/", {}).paths:
            assert is_plain(path)
