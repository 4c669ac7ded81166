"""Events as they are sent: written once, however many listen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from docferry.app.events import Event, told
from docferry.ledger import Ledger
from docferry.ledger.events import EventRow
from docferry.web.problems import shown


@dataclass(frozen=True, slots=True)
class Line:
    """One event, in the form of server-sent events."""

    id: int
    mirror: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """Those of one look, in their order; *whole* is all of them."""

    lines: Sequence[Line] = ()
    whole: bytes = b""

    def __len__(self) -> int:
        return len(self.lines)

    def after(self, cursor: int, sees: Callable[[str], bool] | None) -> bytes:
        """Give those after *cursor* that are of mirrors which may be seen; None: any may."""
        if sees is None and self.lines and self.lines[0].id > cursor:
            return self.whole
        return b"".join(
            line.text
            for line in self.lines
            if line.id > cursor and (sees is None or sees(line.mirror))
        )


def lines_of(ledger: Ledger, rows: Sequence[EventRow]) -> Lines:
    """Write down what *rows* tell, with what is known of them."""
    lines = [Line(event.id, event.mirror, _text(event)) for event in told(ledger, rows)]
    return Lines(lines, b"".join(line.text for line in lines))


def _text(event: Event) -> bytes:
    facts = {"mirror": event.mirror, "ref": event.ref} | event.facts
    data = shown(json.dumps(facts, default=_as_text, ensure_ascii=False))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()


def _as_text(value: object) -> str:
    if isinstance(value, datetime):  # in the form of all other answers
        return value.isoformat().replace("+00:00", "Z")
    return str(value)
