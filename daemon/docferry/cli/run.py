"""Commands that work or look at everything: run, check."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docferry import notify
from docferry.cli import EXIT_TAKEN, EXIT_TROUBLE, Context, as_json, pass_context
from docferry.cli.output import aside, complain, emit_json, line
from docferry.errors import DocferryError, TakenError, UserError

if TYPE_CHECKING:
    from docferry.app.daemon import Daemon
    from docferry.app.findings import Finding
    from docferry.config import Config

#: After SIGTERM, in every case. Longer than a daemon takes that waits for hanging transfers.
ENDED_WITHIN_S = 9.0
_NO_DROP_IN = "no drop-in is needed: all folders lie where the unit may write"


@click.command()
@click.option(
    "--once", is_flag=True, help="Do what there is to do, then exit. Code 1: not in step."
)
@pass_context
def run(context: Context, *, once: bool) -> None:
    """
    Keep every configured mirror the same, until SIGTERM or Ctrl-C. SIGHUP: reload.

    A reload reads the configuration and the secrets anew. What is wrong is refused as a whole,
    and the older configuration stays in force; what has not changed goes on undisturbed.

    Exit code: 0 it was told to end; 1 it failed, and may be started again; 2 a person must act;
    75 somebody else has the port, the state directory or a folder.
    """
    try:
        _run(context, once=once)
    except TakenError as error:
        notify.status(str(error))
        complain(error)
        sys.exit(EXIT_TAKEN)
    except DocferryError as error:
        notify.status(str(error))  # `systemctl status` goes on showing it
        raise


def _run(context: Context, *, once: bool) -> None:
    from docferry import logs
    from docferry.app.daemon import Daemon
    from docferry.app.memory import collect_seldom
    from docferry.cli.progress import bars

    # A watchdog's SIGABRT, or a crash in a library, says where each thread stood.
    with suppress(OSError, RuntimeError):  # there is no standard error
        faulthandler.enable()
    config = context.config
    is_watched = once and sys.stdout.isatty() and config.log_format == "auto"
    _configure_logs(config, is_watched=is_watched)
    log = logs.get_logger(__name__)
    for warning in config.warnings:
        log.warning("config.warned", warning=warning)
    notify.status("starting: opening the ledger and the folders")
    if not once:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until somebody listens: what is read is new
    collect_seldom()
    with Daemon(context.reading, source=None if once else context.source) as daemon:
        _heed_signals(daemon, reloads=not once)
        _tell_stacks_on_signal(config.state_dir)
        with bars(daemon) if is_watched else nullcontext():
            is_in_step = daemon.run(once=once)
    if daemon.failure is not None:
        notify.status(daemon.failure)
        aside(daemon.failure)
    is_trouble = daemon.failure is not None or (once and not is_in_step)
    # Not sys.exit: a thread may still wait for a store's answer, and the interpreter would
    # wait for the thread. What is not written down is found again at the next start.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_TROUBLE if is_trouble else 0)


@click.command()
@click.option("--systemd", "is_unit", is_flag=True, help="Show the unit's drop-in for the folders.")
@click.option("--write", "is_to_write", is_flag=True, help="With --systemd: put it to its place.")
@as_json
@pass_context
def check(context: Context, *, is_json: bool, is_unit: bool, is_to_write: bool) -> None:
    """
    Check configuration, stores, folders, clock, watch limits, converters and webhooks.

    Exit code: 0 all is well; 2 the configuration is wrong; 3 a store, 4 a folder,
    5 the clock, 6 the watch limits, 7 a converter, 8 a webhook (the first kind that is
    wrong, in this order). To the receivers of webhooks nothing is sent.
    """
    from docferry.app.check import check_all, exit_code
    from docferry.app.onlooker import Onlooker

    if is_to_write and not is_unit:
        raise UserError("--write belongs to --systemd")
    if is_unit:
        _let_the_unit_write(context.config, is_to_write=is_to_write)
        return
    findings = check_all(context.config, Onlooker(aside))
    if is_json:
        emit_json(findings)
    else:
        for finding in findings:
            _show(finding)
    sys.exit(exit_code(findings))


def _configure_logs(config: Config, *, is_watched: bool) -> None:
    """Log to the standard output. Whoever looks on sees bars there; then only trouble, beside."""
    from docferry import logs
    from docferry.log_file import RotatedFile

    file = None
    if config.log_file is not None:
        file = RotatedFile(config.log_file, config.log_size, config.log_count)
    level, stream = ("warning", None) if is_watched else (config.log_level, sys.stdout)
    logs.configure(level, config.log_format, stream=stream, file=file)


def _let_the_unit_write(config: Config, *, is_to_write: bool) -> None:
    from docferry.app.unit_folders import DROP_IN, drop_in, write

    text = drop_in(config)
    if not is_to_write:
        # What is not for the file is for whoever looks: `docferry check --systemd > FILE` works.
        click.echo(text, nl=False)
        aside(f"for {DROP_IN}: --write puts it there" if text else _NO_DROP_IN)
    elif write(text):
        line(f"{DROP_IN} is {'written' if text else 'taken away'}; now:")
        line("    systemctl daemon-reload && systemctl restart docferry")
    else:
        line(f"{DROP_IN} says so already" if text else _NO_DROP_IN)


def _heed_signals(daemon: Daemon, *, reloads: bool) -> None:
    """
    Let SIGTERM and Ctrl-C stop *daemon*, and SIGHUP reload, whichever thread they are given to.

    A handler in Python runs in the main thread, when that next wakes. The kernel may wake
    another thread, and the main one waits on and never stops (3 of 380 stops under load).
    So the byte that Python's handler in C writes at once is what counts.
    """
    heard, told = socket.socketpair()
    told.settimeout(0)  # a handler must not wait
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if reloads else [])):
        signal.signal(number, lambda *_: None)

    def wait(_keep_open: socket.socket = told) -> None:
        while heard.recv(1)[0] == signal.SIGHUP:
            daemon.reload()
        daemon.stop()
        # Whatever hangs, and be it the ledger's disk: tell where, and end (exit code 1).
        faulthandler.dump_traceback_later(ENDED_WITHIN_S, exit=True)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _tell_stacks_on_signal(state_dir: Path) -> None:
    """Let SIGUSR1 have each thread's stack written beside the ledger: `docferry doctor` asks."""
    from docferry.app.doctor_process import STACKS_NAME

    with suppress(OSError):  # a full disk must not keep docferry from working
        fd = os.open(state_dir / STACKS_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        faulthandler.register(signal.SIGUSR1, file=fd, all_threads=True)


def _show(finding: Finding) -> None:
    mark, colour = {"ok": ("ok", "green"), "warning": ("!!", "yellow")}.get(
        finding.level, ("XX", "red")
    )
    line(f"{mark}  {finding.subject}: {finding.what}", colour=colour)
    if finding.remedy:
        line(f"    {finding.remedy}")
