"""
Logging: one event an outcome, from a closed list, its facts as fields.

    log = get_logger(__name__)
    log.info("operation.done", mirror="inbox", kind="upload", path="a.pdf", size_bytes=12)

JSON lines, or columns on a terminal; to a file too, if one is configured. What libraries
log goes the same way, from WARNING on, as `library.*`. Secrets are masked before anything
is written. In the journal each line has its priority: `journalctl -p err`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from textwrap import indent
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from docferry.core.keys import PREFIX as KEY_PREFIX
from docferry.log_file import RotatedFile

#: Everything that docferry ever logs. A test holds the code to it; a person may grep for it.
EVENTS = frozenset(
    {
        # the daemon
        "audit.failed",
        "audit.written",
        "budget.eased",
        "budget.stretched",
        "config.refused",
        "config.reloaded",
        "config.waits",
        "config.warned",
        "daemon.hung",
        "daemon.started",
        "daemon.stopped",
        "daemon.stopping",
        "disk.recovered",
        "disk.short",
        "events.failed",
        "faces.crowded",
        "faces.failed",
        "faces.started",
        "file.removed",
        "hints.failed",
        "hints.recovered",
        "hints.unconfirmed",
        "ledger.damaged",
        "ledger.failed",
        "ledger.migrated",
        "ledger.rebuilt",
        "ledger.pruned",
        "ledger.recovered",
        "ledger.taken",
        "ledger.uncopied",
        "library.failed",
        "library.warned",
        "log.failed",
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
        "mirror.paused",
        "mirror.recovered",
        "mirror.resumed",
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
        "store.slowed",
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
        "file.received",
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
        "path.unaliased",
        "path.recovered",
        "path.unseen",
        "patrol.done",
        "rot.found",
        "rot.healed",
        "rot.lasting",
        "retention.done",
        "retention.waits",
        "upload.left",
        # canaries
        "canary.back",
        "canary.late",
        # the API
        "key.refused",
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
        # webhooks
        "webhook.dead",
        "webhook.delivered",
        "webhook.down",
        "webhook.failed",
        "webhook.lost",
        "webhook.missed",
        "webhook.unreadable",
        "webhook.up",
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
_API_KEY = re.compile(rf"({KEY_PREFIX}[0-9a-z]{{8}}_)[0-9a-z]{{8,}}", re.I)
_IN_TRACEBACKS = "\n\t"
_FIRST = ("timestamp", "level", "event")
_JSON = structlog.processors.JSONRenderer()
#: journald's, as `logger` and `journalctl -p` know them.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
#: journald cuts a line of 48 KiB in two (LineMax=), and then neither is JSON.
_LONGEST, _LONGEST_BEGIN = 12_000, 2_000
_QUIET = ("apscheduler", "botocore", "boto3", "urllib3", "watchdog")


def configure(
    level: str,
    format: str = "auto",
    *,
    stream: TextIO | None = None,
    file: RotatedFile | None = None,
) -> None:
    """
    Set up logging for the whole process.

    Args:
        level: The least serious level that is written: "debug" to "critical".
        format: "json", "console", or "auto": console when *stream* is a terminal.
        stream: None: standard error.
        file: Gets the same as JSON lines, whatever the format.
    """
    is_console = format == "console" or (format == "auto" and (stream or sys.stderr).isatty())
    sinks: list[_Sink] = [_Stream(stream, _on_console() if is_console else _as_json)]
    if file is not None:
        sinks.append(_File(file))
    _configure_structlog(level, sinks)
    root = logging.getLogger()
    root.handlers = [_FromLibraries()]
    root.setLevel(logging.WARNING)
    for library in _QUIET:  # some set a level of their own when they are imported
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def set_level(level: str) -> None:
    """Write from *level* on, and leave all else as `configure` has set it up."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


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
        for sink in dict.fromkeys(sink for sink, _ in waiting):
            sink.put("".join(text for to, text in waiting if to is sink))


@contextlib.contextmanager
def about(**facts: object) -> Iterator[None]:
    """Add *facts* to whatever this thread logs inside the block, libraries' warnings too."""
    before = _own.about
    _own.about = {**before, **facts}
    try:
        yield
    finally:
        _own.about = before


def mask(event: EventDict) -> EventDict:
    """Replace what must not be read in a log, in place, at any depth."""
    for key, value in event.items():
        event[key] = MASK if _is_secret(key) else _masked(value)
    return event


def _configure_structlog(level: str, sinks: Sequence[_Sink]) -> None:
    processors: list[Processor] = [
        _with_what_it_is_about,
        structlog.processors.format_exc_info,
        lambda _logger, _level, event: mask(event),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LinesTo(sinks),
        cache_logger_on_first_use=False,
    )


def _with_what_it_is_about(_logger: object, _level: str, event: EventDict) -> EventDict:
    return {**_own.about, **event} if _own.about else event


def _as_json(event: EventDict) -> str:
    first = {key: event[key] for key in _FIRST}
    text = _JSON(None, "", {**first, **event})
    return text if isinstance(text, str) else text.decode()


def _on_console() -> Callable[[EventDict], str]:
    # The plain formatter: the pretty one prints local variables, and those hold contents.
    render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return lambda event: render(None, "", _escaped(event))


class _Sink:
    """
    Writes whole lines, one at a time.

    A log that cannot be written (disk full, reader gone) must not stop the mirroring.
    """

    _lock = threading.Lock()

    def line(self, event: EventDict) -> str:
        raise NotImplementedError

    def put(self, text: str) -> None:
        raise NotImplementedError


class _Stream(_Sink):
    def __init__(self, stream: TextIO | None, render: Callable[[EventDict], str]) -> None:
        self._stream = stream
        self._render = render
        self._is_journal = is_journal(stream or sys.stderr, os.environ)

    def line(self, event: EventDict) -> str:
        priority = f"<{_PRIORITIES[event['level']]}>" if self._is_journal else ""
        return f"{priority}{self._render(event)}\n"

    def put(self, text: str) -> None:
        stream = self._stream or sys.stderr
        with self._lock, contextlib.suppress(OSError, ValueError):
            stream.write(text)
            stream.flush()


class _File(_Sink):
    def __init__(self, file: RotatedFile) -> None:
        self._file = file
        self._is_failing = False

    def line(self, event: EventDict) -> str:
        return _as_json(event) + "\n"

    def put(self, text: str) -> None:
        failed: OSError | None = None
        with self._lock:
            try:
                self._file.write(text)
            except OSError as error:
                failed = error
            was_failing, self._is_failing = self._is_failing, failed is not None
        if failed is not None and not was_failing:  # the stream has it, and all that follows
            get_logger(__name__).error("log.failed", reason=str(failed))


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether systemd has connected *stream* to the journal: systemd.exec(5)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file, or one that is closed
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class _Lines:
    """What structlog hands events to."""

    def __init__(self, sinks: Sequence[_Sink]) -> None:
        self._sinks = sinks

    def write(self, **event: object) -> None:
        lines = [(sink, sink.line(event)) for sink in self._sinks]
        if _own.waiting is not None:
            _own.waiting += lines
            return
        for sink, text in lines:
            sink.put(text)

    debug = info = warning = error = critical = exception = write


class _Own(threading.local):
    waiting: list[tuple[_Sink, str]] | None = None  #: lines of this thread's `at_once`
    about: Mapping[str, object] = {}


_own = _Own()


class _LinesTo:
    def __init__(self, sinks: Sequence[_Sink]) -> None:
        self._lines = _Lines(sinks)

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
            value = _shortened(value) if len(value) > _LONGEST else value
            may_have_one = "=" in value or ":" in value or KEY_PREFIX in value
            return _masked_text(value) if may_have_one else value
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


def _shortened(text: str) -> str:
    """Keep the beginning, and the end, where a traceback says what it was."""
    left_out = len(text) - _LONGEST
    kept = _LONGEST - _LONGEST_BEGIN
    return f"{text[:_LONGEST_BEGIN]} (… {left_out} characters …) {text[-kept:]}"


def _masked_text(text: str) -> str:
    text = _IN_URL.sub(rf"\1{MASK}", text)
    text = _USER_IN_URL.sub(rf"\1{MASK}\2", text)
    text = _API_KEY.sub(rf"\1{MASK}", text)
    return _IN_HEADER.sub(rf"\1{MASK}", text)


def _escaped(event: EventDict) -> EventDict:
    """Keep file names from steering the terminal, and from looking like the next line."""
    shown = dict(event)
    for key, value in event.items():
        if isinstance(value, str):
            is_traceback = key == "exception"
            kept = _IN_TRACEBACKS if is_traceback else ""
            text = "".join(
                char if char.isprintable() or char in kept else repr(char)[1:-1] for char in value
            )
            # A line break may be one of a name that the error speaks of: no line begins as ours do.
            shown[key] = indent(text, "    ") if is_traceback else text
    return shown


# Before `configure`: warnings only, on standard error. structlog's own default would
# print everything to standard output, into the middle of `--json`.
_configure_structlog("warning", [_Stream(None, _as_json)])
