"""The log's file: whole lines, rotated, and never in the way of the work."""

from __future__ import annotations

import io
import json
import logging
import os
import pathlib
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import structlog

from docferry.log_file import RotatedFile
from docferry.logs import at_once, configure, get_logger


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


def test_a_file_gets_json_lines_whatever_the_terminal_gets(tmp_path: pathlib.Path) -> None:
    path, terminal = tmp_path / "docferry.log", Terminal()
    configure("info", "auto", stream=terminal, file=RotatedFile(path, 10_000, 1))

    with at_once():
        get_logger("here").info("operation.done", path="a\x1bb")
        get_logger("here").info("poll.done")

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["operation.done", "poll.done"]
    assert lines[0]["path"] == "a\x1bb"
    assert "\x1b[" in terminal.getvalue()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_is_rotated_by_size_and_as_many_are_kept_as_are_wanted(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "docferry.log"
    file = RotatedFile(path, 10, 2)

    for number in range(1, 10):
        file.write(f"{number:03}\n")

    found = {one.name: one.read_text().split() for one in tmp_path.iterdir()}
    assert found == {
        "docferry.log": ["009"],
        "docferry.log.1": ["007", "008"],
        "docferry.log.2": ["005", "006"],
    }


def test_with_none_to_be_kept_it_begins_anew(tmp_path: pathlib.Path) -> None:
    file = RotatedFile(tmp_path / "docferry.log", 10, 0)

    for number in range(1, 4):
        file.write(f"{number:03}\n")

    assert [one.read_text() for one in tmp_path.iterdir()] == ["003\n"]


def test_a_file_of_an_earlier_process_goes_on(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docferry.log"

    for text in ("one\n", "two\n"):
        RotatedFile(path, 100, 1).write(text)

    assert path.read_text() == "one\ntwo\n"


def test_what_an_earlier_process_wrote_in_part_does_not_spoil_the_next_line(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "docferry.log"
    path.write_text("whole\na pa")

    file = RotatedFile(path, 100, 1)
    file.write("one\n")
    file.write("two\n")

    assert path.read_text() == "whole\na pa\none\ntwo\n"


def test_many_threads_write_whole_lines_and_none_is_lost_where_files_change(
    tmp_path: pathlib.Path,
) -> None:
    configure("info", "json", stream=io.StringIO(), file=RotatedFile(tmp_path / "a", 4_000, 99))

    def log() -> None:
        for number in range(100):
            get_logger("here").info("job.done", job=number)

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = [
        json.loads(line) for one in tmp_path.iterdir() for line in one.read_text().splitlines()
    ]
    assert sorted(line["job"] for line in lines) == sorted([*range(100)] * 4)


def test_a_file_that_cannot_be_written_is_told_of_once_and_stops_nothing(
    tmp_path: pathlib.Path,
) -> None:
    folder, stream = tmp_path / "later", io.StringIO()
    configure("info", "json", stream=stream, file=RotatedFile(folder / "log", 10_000, 1))
    log = get_logger("here")

    log.info("poll.done")
    log.info("poll.done")
    folder.mkdir()
    log.info("scan.done")

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["poll.done", "log.failed", "poll.done", "scan.done"]
    assert json.loads((folder / "log").read_text())["event"] == "scan.done"


@pytest.mark.parametrize("is_read", [False, True])
def test_a_pipe_or_a_link_in_its_place_is_told_of_and_holds_nobody_up(
    tmp_path: pathlib.Path, *, is_read: bool
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "precious")

    with ExitStack() as readers:
        if is_read:
            fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            readers.callback(os.close, fd)
        for path in (pipe, link):
            with pytest.raises(OSError, match=path.name):
                RotatedFile(path, 100, 1).write("a line\n")

    assert not (tmp_path / "precious").exists()


def test_after_a_line_that_was_written_in_part_the_next_one_is_whole(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "log"
    file = RotatedFile(path, 10_000_000, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))  # as a disk that is full after 6 bytes
    try:
        with pytest.raises(OSError, match="too large"):
            file.write("a line\nanother\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)

    file.write("the next\n")

    assert path.read_text() == "a line\nthe next\n"
