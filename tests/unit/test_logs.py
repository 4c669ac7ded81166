"""Logs: the closed list holds, secrets never show, each line is whole."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import pathlib
import re
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

import docferry
from docferry.logs import EVENTS, about, at_once, configure, get_logger, is_journal, mask

PACKAGE = pathlib.Path(docferry.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, ours = root.handlers, root.level, structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**ours)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("No space left on device")


def raise_with(message: str) -> None:
    raise OSError(message)


def logged(stream: io.StringIO) -> dict[str, object]:
    """The one line that was written, as a mapping."""
    (line,) = stream.getvalue().splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def fields_of(call: ast.Call) -> set[str]:
    """What a call of a logger tells, as far as it can be read; "**facts" for what cannot."""
    named = {word.arg for word in call.keywords if word.arg is not None}
    spread = {f"**{ast.unparse(word.value)}" for word in call.keywords if word.arg is None}
    return named | spread


def log_calls(source: pathlib.Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in *source*, with where it stands."""
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=level, value=ast.Name(id=name) | ast.Attribute(attr=name))
            ) if level in LEVELS and name in ("log", "_log", "logger", "_logger"):
                yield f"{source.name}:{node.lineno}", node
            case ast.Call(func=ast.Name(id="tell"), args=[ast.Constant()]):  # its level depends
                yield f"{source.name}:{node.lineno}", node
            case _:
                pass


def test_every_event_that_is_logged_anywhere_is_on_the_list() -> None:
    strays = [
        f"{where}: {ast.unparse(call.args[0])}"
        for source in PACKAGE.rglob("*.py")
        for where, call in log_calls(source)
        if not (isinstance(call.args[0], ast.Constant) and call.args[0].value in EVENTS)
    ]

    assert strays == []


#: What whoever is on night duty asks of an end: which story, how long, how much, how often.
OUTCOMES = {
    "operation.done": {"operation", "version", "took_s", "size_bytes", "moved_bytes", "attempts"},
    "operation.failed": {"attempts"},  # and what the carrier says they are about
    "conflict.found": {"operation"},
    "job.done": {"**ended", "took_s"},
    "job.shared": {"**ended", "took_s"},
    "job.failed": {"**facts(job)", "took_s"},
    "drop.taken": {"operation", "took_s", "size_bytes"},
    "run.done": {"took_s"},
    "snapshot.done": {"took_s", "size_bytes"},
    "patrol.done": {"took_s", "checked", "found"},
    "retention.done": {"took_s", "let_go", "removed_bytes"},
    "document.erased": {"took_s", "request"},
    "ledger.rebuilt": {"took_s", "files", "versions"},
}
#: Listed late, after a crash: of what was begun by an operation of an earlier daemon.
LATE = ("tidy.py", "conflict.found")


@pytest.mark.parametrize("event", OUTCOMES)
def test_the_end_of_a_story_says_which_it_was_and_what_it_cost(event: str) -> None:
    lacking = {
        where: OUTCOMES[event] - fields_of(call)
        for source in PACKAGE.rglob("*.py")
        for where, call in log_calls(source)
        if isinstance(call.args[0], ast.Constant) and call.args[0].value == event
        if (source.name, event) != LATE
    }

    assert lacking
    assert {where: fields for where, fields in lacking.items() if fields} == {}


def test_the_search_for_events_finds_those_that_are_there() -> None:
    found = [
        call.args[0].value
        for _, call in log_calls(PACKAGE / "probes.py")
        if isinstance(call.args[0], ast.Constant)
    ]

    assert found == ["request.failed"]


def test_events_read_noun_dot_verb() -> None:
    assert [event for event in EVENTS if not re.fullmatch(r"[a-z]+\.[a-z]+", event)] == []


def test_an_event_is_one_line_of_json_with_its_facts_as_fields() -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    get_logger("here").info("operation.done", kind="upload", path="a b/ü.pdf", size_bytes=3)

    line = logged(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(line.pop("timestamp")))
    assert line == {
        "level": "info",
        "event": "operation.done",
        "module": "here",
        "kind": "upload",
        "path": "a b/ü.pdf",
        "size_bytes": 3,
    }


class Writes(io.StringIO):
    """Counts what is written at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def write(self, text: str, /) -> int:
        self.texts.append(text)
        return super().write(text)


def test_what_is_logged_at_once_is_written_in_one_go_and_in_order() -> None:
    stream = Writes()
    configure("info", "json", stream=stream)
    log = get_logger("here")

    with at_once():
        log.info("job.done", job=1)
        with at_once():
            log.info("job.done", job=2)
        assert stream.texts == []
    log.info("job.done", job=3)

    assert [text.count("\n") for text in stream.texts] == [2, 1]
    assert [json.loads(line)["job"] for line in stream.getvalue().splitlines()] == [1, 2, 3]


def test_what_was_logged_before_an_error_is_written_all_the_same() -> None:
    stream = Writes()
    configure("info", "json", stream=stream)

    def log_and_fail() -> None:
        with at_once():
            get_logger("here").info("job.done", job=1)
            raise KeyError

    with pytest.raises(KeyError):
        log_and_fail()

    assert json.loads(stream.getvalue())["job"] == 1


def test_what_other_threads_log_meanwhile_does_not_wait() -> None:
    stream = Writes()
    configure("info", "json", stream=stream)

    with at_once():
        get_logger("here").info("job.done", job=1)
        other = threading.Thread(target=lambda: get_logger("there").info("job.done", job=2))
        other.start()
        other.join()

        assert [json.loads(text)["job"] for text in stream.texts] == [2]


def test_what_a_thread_works_on_is_in_all_that_it_logs_and_in_nothing_after() -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    def log_of_another() -> None:
        get_logger("there").info("poll.done")

    with about(operation="01A", job="01J"):
        logging.getLogger("botocore.retry").warning("again")
        with about(operation="01B"):
            get_logger("here").info("job.done", job="its own")
        other = threading.Thread(target=log_of_another)
        other.start()
        other.join()
    get_logger("here").info("poll.done")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line.get("operation"), line.get("job")) for line in lines] == [
        ("01A", "01J"),
        ("01B", "its own"),
        (None, None),
        (None, None),
    ]


def test_in_the_journal_each_line_has_its_priority(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stream"
    with path.open("w") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        configure("debug", "json", stream=stream)
        log = get_logger("here")

        with at_once():
            log.debug("run.done")
            log.info("run.done")
            log.warning("run.failed")
        log.error("run.failed")

    starts = [line[:4] for line in path.read_text().splitlines()]
    assert starts == ["<7>{", "<6>{", "<4>{", "<3>{"]


@pytest.mark.parametrize("value", ["", "1:1", "nonsense"])
def test_elsewhere_no_line_has_a_priority(value: str, tmp_path: pathlib.Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        assert not is_journal(stream, {"JOURNAL_STREAM": value})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": value})


def test_a_line_is_never_so_long_that_the_journal_cuts_it() -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    get_logger("here").error("loop.failed", exception="Traceback" + "\n" * 60_000 + "KeyError: 'a'")

    assert len(stream.getvalue()) < 48 * 1024
    told = str(logged(stream)["exception"])
    assert told.startswith("Traceback")
    assert told.endswith("KeyError: 'a'")


def test_auto_means_columns_on_a_terminal_and_json_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()

    for stream in (terminal, file):
        configure("info", "auto", stream=stream)
        get_logger("here").info("poll.done")

    assert "\x1b[" in terminal.getvalue()
    assert logged(file)["event"] == "poll.done"


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    configure("warning", "json", stream=stream)

    get_logger("here").info("poll.done")

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "key",
    ["secret", "secret_access_key", "password", "Authorization", "api_key", "session_token"],
)
def test_a_field_that_is_named_like_a_secret_is_masked(key: str) -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    get_logger("here").info("store.probed", facts={key: "hush"}, **{key: "hush"})

    assert "hush" not in stream.getvalue()
    assert logged(stream)[key] == "***"


def test_an_etag_is_no_secret() -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    get_logger("here").info("operation.stale", remote_token="etag", key="a/b", keys=3)

    assert logged(stream).items() >= {"remote_token": "etag", "key": "a/b", "keys": 3}.items()


@pytest.mark.parametrize(
    "text",
    [
        "GET https://s3.example/b/k?X-Amz-Date=1&X-Amz-Signature=hush&partNumber=2",
        "GET https://s3.example/b/k?X-Amz-Security-Token=hush",
        "cannot connect to https://me:hush@s3.example/",
        "sent Authorization: AWS4-HMAC-SHA256 Credential=hush, Signature=hush",
        "{'Authorization': 'Bearer hush'}",
    ],
)
def test_a_secret_inside_a_text_is_masked(text: str) -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    get_logger("here").info("store.unreachable", reason=text, nested=[{"urls": (text,)}])

    assert "hush" not in stream.getvalue()
    assert "s3.example" not in text or "s3.example" in stream.getvalue()


def test_an_api_key_is_masked_wherever_it_stands_and_its_id_is_not() -> None:
    secret = "0123456789abcdefghjkmnpqrstvwxyz"

    told = mask({"reason": f"of dfk_01234567_{secret} and DFK_01234567_{secret.upper()}"})
    path = mask({"path": "in/dfk_report_final.pdf"})

    assert told == {"reason": "of dfk_01234567_*** and DFK_01234567_***"}
    assert path == {"path": "in/dfk_report_final.pdf"}


def test_a_secret_inside_a_traceback_is_masked() -> None:
    stream = io.StringIO()
    configure("info", "json", stream=stream)

    try:
        raise_with("https://s3.example/?X-Amz-Signature=" + "hu" + "sh")
    except OSError:
        get_logger("here").exception("loop.failed")

    assert "hush" not in stream.getvalue()
    assert "OSError" in str(logged(stream)["exception"])


def test_libraries_are_heard_from_warnings_on_and_their_secrets_are_masked() -> None:
    stream = io.StringIO()
    configure("debug", "json", stream=stream)

    logging.getLogger("urllib3.connectionpool").debug("Starting new connection")
    logging.getLogger("botocore.retry").warning("Retry %s", "https://s/?X-Amz-Signature=hush")

    line = logged(stream)
    assert line.items() >= {"event": "library.warned", "module": "botocore.retry"}.items()
    assert line["message"] == "Retry https://s/?X-Amz-Signature=***"


def test_a_python_warning_is_an_event_too() -> None:
    stream = io.StringIO()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure("info", "json", stream=stream)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert "old ways" in str(logged(stream)["message"])


def test_a_file_name_cannot_steer_the_terminal() -> None:
    terminal = Terminal()
    configure("info", "console", stream=terminal)

    get_logger("here").info("operation.done", path="evil\x1b]0;title\x07.pdf")

    assert "evil\\x1b]0;title\\x07.pdf" in terminal.getvalue().replace("\\\\", "\\")


@pytest.mark.parametrize("name", ["a\u202egpj.exe", "a\u2028b", "a\n2026-11-26 [info] done"])
def test_a_file_name_cannot_pass_for_another_or_for_the_next_line(name: str) -> None:
    terminal = Terminal()
    configure("info", "console", stream=terminal)

    get_logger("here").info("operation.done", path=name)

    assert len(terminal.getvalue().splitlines()) == 1
    assert "\u202e" not in terminal.getvalue()


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    configure("info", "json", stream=Broken())

    get_logger("here").info("operation.done")


def test_nothing_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("here").warning("store.throttled")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "store.throttled" in captured.err


def test_a_time_is_written_as_the_timestamp_is() -> None:
    at = datetime(2026, 11, 26, 8, 0, 0, 5, tzinfo=UTC)

    assert mask({"again_at": at}) == {"again_at": "2026-11-26T08:00:00.000005Z"}
