"""docferry in the test's own process: the same code in a tenth of the time."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import structlog

from docferry.app.daemon import Daemon
from docferry.cli import main
from docferry.config import load


def ask(command: Sequence[str], environ: Mapping[str, str]) -> CompletedProcess[str]:
    """Run a command that only looks, or decides."""
    said, code = io.StringIO(), 0
    with _as_if_started(command, environ), redirect_stdout(said):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return CompletedProcess(command, code, said.getvalue(), "")


def work_off(config: Path, environ: Mapping[str, str]) -> bool:
    """Do what there is to do, as `docferry run --once`; say whether all is in step then."""
    command = ["docferry", "--config", str(config), "run", "--once"]
    with _as_if_started(command, environ), Daemon(load(config, os.environ)) as daemon:
        return daemon.run(once=True)


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
