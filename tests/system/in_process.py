"""docferry in the test's own process: the same code in a tenth of the time."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import structlog

from docferry import logs
from docferry.app.daemon import Daemon
from docferry.cli import main
from docferry.config import load


def ask(command: Sequence[str], environ: Mapping[str, str]) -> CompletedProcess[str]:
    """Run a command that looks, asks or decides."""
    said, complained, code = _text(), _text(), 0
    with _as_if_started(command, environ), redirect_stdout(said), redirect_stderr(complained):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return CompletedProcess(command, code, _read(said), _read(complained))


def _text() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _read(written: io.TextIOWrapper) -> str:
    written.seek(0)
    return written.read()


def run_once(path: Path, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Do what `docferry run --once` does; say whether all is in step then, and what is logged."""
    logged = io.StringIO()
    with _as_if_started(["docferry", "--config", str(path), "run", "--once"], environ):
        config = load(path, os.environ)
        logs.configure(config.log_level, config.log_format, stream=logged)
        with Daemon(config) as daemon:
            is_in_step = daemon.run(once=True)
    return is_in_step, logged.getvalue()


@contextmanager
def _as_if_started(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, _logging_as_before():
        patch.setattr(sys, "argv", list(command))
        for name, value in environ.items():
            patch.setenv(name, value)
        yield


@contextmanager
def _logging_as_before() -> Iterator[None]:
    """Undo what a command sets up for its whole process."""
    root, ours = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**ours)
