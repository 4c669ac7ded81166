"""Whatever a command writes down, the daemon is woken for it: before it is waited for."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator

import pytest

from commands import Desk, held
from docferry.app.wake import NAME, WakeUps
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.ledger.requests import NewRequest
from docferry.model import FileState, KeepBoth, Outcome, RequestKind, RequestState
from ledger_rows import MINUTE, NOW, agreed, deleted, ulid_of, uploaded

FIRST = ulid_of("aone")
#: What a daemon notes of an erasure that found nothing.
NOTE = '{"versions": [], "searched": [], "left": [], "newer": [], "copies": []}'


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    """A document with an older content, one that is gone, a hold and a conflict."""
    with desk.ledger() as ledger:
        ledger.record("docs", [uploaded("a", "one"), uploaded("b", "b")], at=NOW)
        ledger.record("docs", [uploaded("a", "two"), deleted("b")], at=NOW + MINUTE)
        yield ledger


@pytest.fixture
def heard(desk: Desk, ledger: Ledger) -> Iterator[int]:
    """The FIFO of a daemon that listens and does nothing."""
    os.mkfifo(desk.state / NAME)
    fd = os.open(desk.state / NAME, os.O_RDWR | os.O_NONBLOCK)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    "command",
    [
        "restore a --wait 0",
        "undelete b --wait 0",
        f"rewind docs --to {FIRST}",
        "holds approve 1",
        "holds discard 1",
        "conflicts settle 1",
        f"hold {FIRST}",
        f"unhold {FIRST}",
        "retention docs --now",
        "erase a --all-versions --yes",
    ],
)
def test_a_command_that_writes_something_down_wakes_the_daemon(
    desk: Desk, ledger: Ledger, heard: int, command: str
) -> None:
    held(ledger, "b")
    _conflict(ledger)

    said = desk.asks(*command.split())

    assert said.errors == ""
    assert set(os.read(heard, 100)) == {0}


@pytest.mark.parametrize(
    "command",
    ["restore a --wait 9", "undelete b --wait 9", "erase a --all-versions --yes --timeout 9"],
)
def test_a_command_that_waits_has_woken_the_daemon_before(
    desk: Desk, ledger: Ledger, command: str
) -> None:
    def answer() -> None:
        for request in ledger.requests.open("docs", 10):
            ledger.requests.finish(request.id, RequestState.DONE, NOW, NOTE)

    wake_ups = WakeUps(desk.state, answer)
    with StateLock(desk.state):
        wake_ups.start()
        said = desk.asks(*command.split())
        wake_ups.stop()

    assert (said.code, said.errors) == (0, "")


def test_what_follows_from_an_erasure_wakes_the_daemon_too(desk: Desk, ledger: Ledger) -> None:
    """It is asked for in another mirror, whose loop was not woken by the command's first word."""
    follows = NewRequest("docs", "a.md", RequestKind.ERASE)

    def answer() -> None:
        for request in ledger.requests.open("docs", 1):
            facts = json.loads(NOTE)
            if request.path == "a":
                facts |= {"results": ledger.requests.add([follows], NOW)}
            ledger.requests.finish(request.id, RequestState.DONE, NOW, json.dumps(facts))

    wake_ups = WakeUps(desk.state, answer)
    with StateLock(desk.state):
        wake_ups.start()
        said = desk.asks("erase", "a", "--all-versions", "--yes", "--timeout", "9", "--json")
        wake_ups.stop()

    assert said.code == 0
    assert [one["state"] for one in said.json["ended"]] == ["done", "done"]


def _conflict(ledger: Ledger) -> None:
    state = FileState("token", None, 1)
    operation = KeepBoth("c", "c.conflict", state, state)
    outcome = Outcome(operation, agreed("c"), conflict_copy=operation.copy_path)
    ledger.record("docs", [outcome], at=NOW)
