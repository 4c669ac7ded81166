"""
What a stranger calls a file, shown on a terminal by every command: nothing of it steers that.

Nor may a name look like docferry's own next line, or be read as the markup that colours them.
"""

from __future__ import annotations

import os
import pathlib
import pty
import re
import sys
import threading
import tty
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from types import SimpleNamespace
from typing import cast

import click
import pytest
import structlog
from rich.console import Console

import one_of_each
from commands import Desk, held
from conversion_rows import dead, queued
from docferry import logs
from docferry.app.chains import rules_of
from docferry.app.daemon import Daemon
from docferry.app.sending import webhooks_of
from docferry.cli import all_commands, main
from docferry.cli.progress import bars, counter, stages
from docferry.config import Config
from docferry.engine.webhooks import Webhooks
from docferry.errors import UnreachableError
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import MirrorHealth, OrderedRun, RequestKind
from ledger_rows import NOW, uploaded, version
from webhook_receiver import SECRET

FORGED = "forged: in-step since 1 s ago"
#: A title, a colour, a cleared screen; the same by one character; a line of its own; letters
#: the other way round; rich's markup, closed before it is opened; a link to click on.
STRANGE = (
    "\x1b]0;owned\x07\x1b[35;45m\x1b[2J\u009b2J\u009d0;owned\u009c\r\n" + FORGED + "\u2028" + FORGED
    + "\u202egpj.exe\u2066\u200f [/bold] [link=http://127.0.0.1/]x \x1b]8;;http://127.0.0.1/\x07\x08\x7f"
)  # fmt: skip
PATH = f"d/{STRANGE}.docx"

#: What rich and click say themselves: colours but for the name's, the cursor, a line cleared.
_OURS = re.compile(
    r"\x1b\[(?!35;45m)(?:\d{1,3}(?:;\d{1,3})*)?m|\x1b\[\?25[hl]|\x1b\[[12]K|\x1b\[1A"
)
_NEVER = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")

#: What a converter said comes in lines of its own, four blanks behind all that docferry says.
_LIES = re.compile(f" {{0,3}}{FORGED}")

#: How each command is asked. None: it does nothing but keep running, or there is a store to ask.
ASKED: Mapping[str, tuple[str, ...] | None] = {
    "audit list": (),
    "audit verify": (),
    "backup": (STRANGE,),
    "cat": (PATH + "x",),
    "check": None,
    "conflicts list": (),
    "conflicts settle": ("1",),
    "convert": (PATH, "--dry-run"),
    "dead discard": ("--path", PATH, "--yes"),
    "dead list": (),
    "dead replay": ("--path", PATH),
    "dead show": ("JOB",),
    "diff": (PATH, PATH + "x"),
    "doctor": None,
    "erase": (PATH, "--yes", "--timeout", "0"),
    "hold": (PATH + "x",),
    "holds approve": ("1",),
    "holds discard": ("1",),
    "holds list": (),
    "holds show": ("1",),
    "jobs": (),
    "keys create": (STRANGE, "--role", "viewer"),
    "keys list": ("--all",),
    "keys revoke": (STRANGE,),
    "keys rotate": (STRANGE,),
    "log": (PATH,),
    "ls": ("docs",),
    "mirrors list": (),
    "mirrors pause": ("docs", "--reason", STRANGE),
    "mirrors poll": ("docs", "--wait", "0"),
    "mirrors rescan": ("docs", "--wait", "0"),
    "mirrors resume": ("docs",),
    "plan": None,
    "process": (PATH,),
    "rebuild": None,
    "requests cancel": ("1",),
    "requests list": ("--all",),
    "restore": (PATH, "--wait", "0"),
    "restore-state": (STRANGE, "--yes"),
    "retention": (),
    "rewind": (f"docs:d/{STRANGE}", "2026-11-23T13:00:00Z"),
    "run": None,
    "status": (),
    "undelete": (PATH, "--wait", "0"),
    "unhold": (PATH + "x",),
    "verify": None,
    "versions": (PATH,),
    "webhooks deliveries": (),
    "webhooks discard": ("--all",),
    "webhooks list": (),
    "webhooks replay": ("--all",),
    "webhooks test": ("nobody" + STRANGE,),
    "why": (PATH,),
}


def commands_of(group: click.Group, above: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{above}{name} ")
        else:
            yield above + name


@contextmanager
def terminal() -> Iterator[list[str]]:
    """Make the output and errors of this process those of a terminal; give what it was sent."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    sent, pieces = [""], list[bytes]()

    def read() -> None:
        try:
            while piece := os.read(ours, 1 << 16):
                pieces.append(piece)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with ExitStack() as stack:
            out = stack.enter_context(os.fdopen(theirs, "w", encoding="utf-8", newline="\r\n"))
            stack.enter_context(redirect_stdout(out))
            stack.enter_context(redirect_stderr(out))
            assert sys.stdout.isatty()
            yield sent
    finally:
        reader.join()
        os.close(ours)
        sent[0] = b"".join(pieces).decode()


def refuse(sent: str) -> None:
    """Refuse what would steer a terminal, or lie on it."""
    left = _OURS.sub("", sent)
    found = _NEVER.search(left)
    assert found is None, left[max(0, found.start() - 40) : found.end() + 40]
    assert not [line for line in left.splitlines() if _LIES.match(line)]


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/crm.webhook").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "keys"))
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "processed", more=one_of_each.CONFIG)
    return desk


@pytest.fixture
def strange(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Give a ledger in which whatever strangers name is called that, and what was said."""
    monkeypatch.setenv("COLUMNS", "4000")  # a name that is folded could begin a line by chance
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    (desk.folder / "docs").mkdir()
    with desk.ledger() as ledger:
        return fill(ledger, desk.loaded)


def fill(ledger: Ledger, config: Config) -> Mapping[str, str]:
    told, recipe = (
        Webhooks(ledger, webhooks_of(config), now=lambda: NOW),
        rules_of(config)[0].recipe,
    )
    told.prepare()
    ledger.record("docs", [uploaded(PATH), uploaded(PATH, "again")], at=NOW)
    told.work_off()
    failed = dead(ledger, f"dead-{PATH}", reason=STRANGE, output=STRANGE, recipe=recipe)
    queued(ledger, f"queued-{PATH}", recipe=recipe)
    held(ledger, f"held-{PATH}", reason=f"too many: {STRANGE}")
    for kind in ("failed", "rot", "unseen"):
        ledger.problems.put(
            "docs", f"{kind}-{PATH}", kind=kind, message=STRANGE, at=NOW, retry_at=None
        )
    wanted = NewRequest("docs", PATH, RequestKind.RESTORE, version(PATH).id)
    ledger.requests.add([wanted], NOW)
    ledger.orders.ask("docs", OrderedRun.POLL, NOW)
    one_of_each.conflict(ledger)
    return {"JOB": failed.id}


def test_each_command_is_asked() -> None:
    assert sorted(ASKED) == sorted(commands_of(all_commands()))


@pytest.mark.parametrize("command", [name for name, words in ASKED.items() if words is not None])
def test_no_name_steers_the_terminal(
    command: str, strange: Mapping[str, str], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [strange.get(word, word) for word in ASKED[command] or ()]
    given = ["docferry", "--config", str(desk.config), *command.split(), *words]
    monkeypatch.setattr(sys, "argv", given)

    with terminal() as sent, suppress(SystemExit):
        main()

    assert sent[0]
    refuse(sent[0])


@pytest.mark.parametrize("shows", ["stage", "entries", "reason"])
def test_no_name_steers_what_shows_how_far_it_is(
    shows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    with terminal() as sent:
        console = Console(force_terminal=True)
        match shows:
            case "stage":
                with stages(console) as stage:
                    stage(STRANGE)
            case "entries":
                with counter(console) as count:
                    count(STRANGE, 1)
            case _:
                facts = SimpleNamespace(reason=STRANGE, health=MirrorHealth.WAITING)
                loop = SimpleNamespace(done=1, waiting=1, facts=facts)
                with bars(cast(Daemon, SimpleNamespace(loops={STRANGE: loop}))):
                    pass

    assert "[/bold]" in sent[0]
    refuse(sent[0])


def test_no_name_steers_the_log_on_a_terminal() -> None:
    before = structlog.get_config()
    try:
        with terminal() as sent:
            logs.configure("info", stream=sys.stdout)
            log = logs.get_logger(__name__)
            log.error("operation.failed", path=PATH, reason=STRANGE, paths=[PATH], told={PATH: 1})
            log.error("loop.failed", mirror=STRANGE, exc_info=UnreachableError(STRANGE))
    finally:
        structlog.configure(**before)

    assert "loop.failed" in sent[0]
    refuse(sent[0])
