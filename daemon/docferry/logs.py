"""
Logging: one event an outcome, from a closed list, its facts as fields.

    log = get_logger(__name__)
    log.info("operation.done", mirror="inbox", kind="upload", path="a.pdf", size_bytes=12)

JSON lines, or columns on a terminal. What libraries log goes the same way, from
WARNING on, as `library.*`. Secrets are masked before anything is written.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

#: Everything that docferry ever logs. A test holds the code to it; a person may grep for it.
EVENTS = frozenset(
    {
        # the daemon
        "config.warned",
        "daemon.hung",
        "daemon.started",
        "daemon.stopped",
        "daemon.stopping",
        "ledger.damaged",
        "ledger.failed",
        "ledger.migrated",
        "ledger.rebuilt",
        "ledger.recovered",
        "library.failed",
        "library.warned",
        "request.failed",
        "timer.failed",
        "wake.failed",
        # what people and patrols ask for
        "asked.answered",
        "asked.failed",
        # what looks after the past
        "chore.failed",
        "version.copied",
        "version.found",
        "version.lost",
        "version.missed",
        "version.unshared",
        # a mirror and its two sides
        "mirror.blocked",
        "mirror.recovered",
        "mirror.silent",
        "mirror.started",
        "mirror.stopped",
        "mirror.stuck",
        "mirror.unreachable",
        "poll.done",
        "poll.failed",
        "run.done",
        "run.failed",
        "scan.done",
        "scan.failed",
        "store.probed",
        "store.recovered",
        "store.throttled",
        "store.unreachable",
        "store.weak",
        # snapshots of the ledger in the bucket
        "snapshot.done",
        "snapshot.missed",
        "snapshot.refused",
        # watching
        "watch.degraded",
        "watch.limited",
        "watch.lost",
        "watch.recovered",
        "watch.started",
        # documents
        "conflict.found",
        "document.erased",
        "drop.failed",
        "drop.taken",
        "drop.waiting",
        "hold.approved",
        "hold.discarded",
        "hold.done",
        "hold.opened",
        "hold.resolved",
        "loop.failed",
        "operation.done",
        "operation.failed",
        "operation.stale",
        "path.aliased",
        "path.recovered",
        "path.unseen",
        "patrol.done",
        "rot.found",
        "rot.healed",
        "rot.lasting",
        "retention.done",
        "retention.waits",
        "upload.left",
        # conversions
        "converter.down",
        "converter.up",
        "job.dead",
        "job.done",
        "job.expired",
        "job.failed",
        "job.mistyped",
        "job.requeued",
        "job.revived",
        "job.shared",
        "job.skipped",
        "job.stopped",
        "worker.failed",
    }
)

MASK = "***"

_SECRET_KEY = re.compile(
    r"secret|password|passwd|authorization|credential|cookie|_key$|_token$", re.I
)
_OUR_TOKENS = frozenset({"local_token", "remote_token"})  # ETags and the like: no secrets
_IN_URL = re.compile(r"([?&;](?:X-Amz-[\w-]+|sig|signature|AWSAccessKeyId)=)[^&\s\"'<>]+", re.I)
_USER_IN_URL = re.compile(r"(://)[^/\s:@]+:[^/\s@]+(@)")
_IN_HEADER = re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+", re.I)
_IN_TRACEBACKS = "\n\t"
_QUIET = ("apscheduler", "botocore", "boto3", "urllib3", "watchdog")


def configure(level: str, format: str = "auto", *, stream: TextIO | None = None) -> None:
    """
    Set up logging for the whole process.

    Args:
        level: The least serious level that is written: "debug" to "critical".
        format: "json", "console", or "auto": console when *stream* is a terminal.
        stream: None: standard error.
    """
    is_console = format == "console" or (format == "auto" and (stream or sys.stderr).isatty())
    _configure_structlog(level, is_console=is_console, stream=stream)
    root = logging.getLogger()
    root.handlers = [_FromLibraries()]
    root.setLevel(logging.WARNING)
    for library in _QUIET:  # some set a level of their own when they are imported
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def get_logger(name: str) -> FilteringBoundLogger:
    """Give the logger of a module: `get_logger(__name__)`."""
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """
    Write what this thread logs inside the block when it ends, in one go.

    For many events of one moment: each write to a file lets other threads in, and to get
    the interpreter back takes longer than the line itself.
    """
    if _own.waiting is not None:
        yield
        return
    waiting = _own.waiting = []
    try:
        yield
    finally:
        _own.waiting = None
        for lines, texts in groupby(waiting, key=itemgetter(0)):
            lines.put("".join(text for _, text in texts))


def mask(event: EventDict) -> EventDict:
    """Replace what must not be read in a log, in place, at any depth."""
    for key, value in event.items():
        event[key] = MASK if _is_secret(key) else _masked(value)
    return event


def _configure_structlog(level: str, *, is_console: bool, stream: TextIO | None) -> None:
    structlog.configure(
        processors=_processors(is_console=is_console),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LinesTo(stream),
        cache_logger_on_first_use=False,
    )


def _processors(*, is_console: bool) -> Sequence[Processor]:
    common: list[Processor] = [
        structlog.processors.format_exc_info,
        lambda _logger, _level, event: mask(event),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if is_console:
        # The plain formatter: the pretty one prints local variables, and those hold contents.
        formatter = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(exception_formatter=formatter)
        return [*common, _escape, console]
    return [*common, _most_important_first, structlog.processors.JSONRenderer()]


class _Lines:
    """
    Writes whole lines, one at a time.

    A log that cannot be written (disk full, reader gone) must not stop the mirroring.
    """

    _lock = threading.Lock()

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        waiting = _own.waiting
        if waiting is None:
            self.put(line + "\n")
        else:
            waiting.append((self, line + "\n"))

    def put(self, text: str) -> None:
        stream = self._stream or sys.stderr
        with self._lock, contextlib.suppress(OSError, ValueError):
            stream.write(text)
            stream.flush()

    debug = info = warning = error = critical = exception = write


class _Own(threading.local):
    waiting: list[tuple[_Lines, str]] | None = None  #: lines of this thread's `at_once`


_own = _Own()


class _LinesTo:
    def __init__(self, stream: TextIO | None) -> None:
        self._lines = _Lines(stream)

    def __call__(self, *_: object) -> _Lines:
        return self._lines


class _FromLibraries(logging.Handler):
    """Makes events of what libraries log through `logging` and `warnings`."""

    def emit(self, record: logging.LogRecord) -> None:
        log = get_logger(record.name)
        if record.levelno >= logging.ERROR:
            log.error("library.failed", message=record.getMessage(), exc_info=record.exc_info)
        else:
            log.warning("library.warned", message=record.getMessage(), exc_info=record.exc_info)


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    return key not in _OUR_TOKENS and _SECRET_KEY.search(key) is not None


def _masked(value: object) -> object:
    match value:
        case str():
            return _masked_text(value) if "=" in value or ":" in value else value
        case dict():
            return mask({str(key): item for key, item in value.items()})
        case list() | tuple() | set() | frozenset():
            return [_masked(item) for item in value]
        case None | bool() | int() | float():
            return value
        case datetime():  # as `timestamp` is written
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return _masked_text(str(value))


def _masked_text(text: str) -> str:
    text = _IN_URL.sub(rf"\1{MASK}", text)
    text = _USER_IN_URL.sub(rf"\1{MASK}\2", text)
    return _IN_HEADER.sub(rf"\1{MASK}", text)


def _escape(_logger: object, _level: str, event: EventDict) -> EventDict:
    """Keep file names from steering the terminal, and from looking like the next line."""
    for key, value in event.items():
        if isinstance(value, str):
            kept = _IN_TRACEBACKS if key == "exception" else ""
            event[key] = "".join(
                char if char.isprintable() or char in kept else repr(char)[1:-1] for char in value
            )
    return event


def _most_important_first(_logger: object, _level: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event")}
    return {**first, **event}


# Before `configure`: warnings only, on standard error. structlog's own default would
# print everything to standard output, into the middle of `--json`.
_configure_structlog("warning", is_console=False, stream=None)
