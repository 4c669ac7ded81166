"""
What of docferry's own records may leave the machine for whoever helps.

By default only what cannot tell of a document: numbers, times, and words of docferry's own.
A text of an error may quote a name; one of a converter may quote the document itself, and is
never given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from docferry.model import Path

#: Fields whose texts are docferry's own words, or names from the configuration.
_OWN_WORDS = frozenset(
    {
        *("timestamp", "level", "event", "module", "mirror", "drop", "rule", "converter", "chore"),
        *("kind", "run", "result", "side", "state", "stage", "health", "failure", "mode", "was"),
        *("job", "snapshot", "version", "schema", "timer", "origin", "phase", "name", "profile"),
    }
)
_PATHS = frozenset({"path", "target", "copy", "copy_path", "result_path"})
#: Texts that may quote a document, of events and rows about conversions.
_OF_CONVERTERS = frozenset(
    {"last_error", "output", "reason", "error", "note", "exception", "message"}
)
_EVENTS_OF_CONVERTERS = ("job.", "converter.", "worker.", "library.")
_FRAME = re.compile(r'^\s+File "[^"]*", line \d+, in \S+$', re.M)
_RAISED = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit))\b", re.M)


def of_record(
    record: Mapping[str, object], hide: Callable[[Path], Path] | None
) -> dict[str, object]:
    """
    Give what may be told of a row or a line of the log.

    Args:
        hide: Gives another name for a path; None: names, and what is said of them, may be told.
    """
    event = str(record.get("event", ""))
    is_of_a_conversion = "rule" in record or event.startswith(_EVENTS_OF_CONVERTERS)
    told: dict[str, object] = {}
    for key, value in record.items():
        if is_of_a_conversion and key in _OF_CONVERTERS:
            continue
        if hide is None or value is None or isinstance(value, bool | int | float):
            told[key] = value
        elif key == "exception":
            told[key] = places_in(str(value))
        elif key in _PATHS:
            told[key] = hide(str(value))
        elif key in _OWN_WORDS or key.endswith("_at") or key == "since":
            told[key] = str(value)
    return told


def places_in(traceback: str) -> list[str]:
    """Give where a traceback leads through, and what was raised, without what it says."""
    return [*(line.strip() for line in _FRAME.findall(traceback)), *_RAISED.findall(traceback)]


def without(secrets: Iterable[str], text: str, mask: str = "***") -> str:
    """Replace what is secret, wherever it stands in *text*; the longest first."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, mask)
    return text
