"""Commands that wait for a store that does not answer, or work for long, say so."""

from __future__ import annotations

import contextlib
import io
import pathlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from rich.console import Console

import servers
from commands import Desk
from docferry.app.check import check_all
from docferry.app.onlooker import Onlooker
from docferry.app.rebuild import rebuild
from docferry.app.rehearse import rehearse
from docferry.app.verify import verify
from docferry.app.version_bytes import opened
from docferry.cli.progress import counter
from docferry.config import Config, config_path, load
from docferry.core.guards import marker
from docferry.errors import DocferryError
from docferry.model import MARKER_PATH, Side
from docferry.storage.local import LocalStorage
from ledger_rows import NOW, uploaded
from processes import wait_for

SOON_S = 0.3


class SilentStore:
    """Takes connections and never answers, until it ends."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{self.name}"

    def end(self) -> None:
        self._socket.close()


@pytest.fixture
def store() -> Iterator[SilentStore]:
    store = SilentStore()
    yield store
    store.end()


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.SECRET_ACCESS_KEY)
    desk = Desk(tmp_path, capsys, monkeypatch)
    with desk.ledger() as ledger:
        ledger.mirrors.put("docs", marker_id="M")
    folder = LocalStorage(tmp_path / "docs")
    folder.root.mkdir()
    folder.write_marker(marker("M"))
    return desk


def config_of(desk: Desk, store: SilentStore) -> Config:
    desk.configure(endpoint=store.url)
    return load(config_path(desk.config, {}), {})


Command = Callable[[Config, Desk, Onlooker], object]


def _verify(config: Config, desk: Desk, onlooker: Onlooker) -> None:
    with desk.ledger() as ledger:
        verify(config, ledger, ["docs"], onlooker=onlooker)


def _check(config: Config, _: Desk, onlooker: Onlooker) -> None:
    check_all(config, onlooker)


def _plan(config: Config, _: Desk, onlooker: Onlooker) -> None:
    rehearse(config, ["docs"], onlooker)


def _rebuild(config: Config, desk: Desk, onlooker: Onlooker) -> None:
    (desk.state / "ledger.sqlite3").unlink()
    rebuild(config, from_objects=True, onlooker=onlooker)


def _cat(config: Config, desk: Desk, onlooker: Onlooker) -> None:
    with desk.ledger() as ledger:
        outcome = uploaded("a", "text")
        assert outcome.version is not None
        ledger.versions.add([replace(outcome.version, left_at=NOW, archived_remote=True)])
        with opened(config, ledger, outcome.version, onlooker):
            pass


@pytest.mark.parametrize("command", [_verify, _check, _plan, _rebuild, _cat])
def test_whoever_waits_for_a_silent_store_is_told_once_for_which(
    desk: Desk, store: SilentStore, command: Command
) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        store.end()

    with contextlib.suppress(DocferryError):  # what becomes of it when the store ends
        command(config_of(desk, store), desk, Onlooker(say, after_s=SOON_S))

    [text] = said
    assert text.startswith(f"waiting for the store main ({store.name})")


def test_a_program_that_waits_reads_its_json_alone(desk: Desk, store: SilentStore) -> None:
    config_of(desk, store)

    def end_when_told() -> None:
        told = sys.stderr
        assert isinstance(told, io.TextIOWrapper)
        wait_for(lambda: b"waiting for" in told.buffer.getvalue(), timeout_s=30)
        store.end()

    teller = threading.Thread(target=end_when_told)
    teller.start()
    said = desk.asks("check", "--json")
    teller.join()

    assert any(one["kind"] == "store" and one["level"] == "error" for one in said.json)
    assert said.errors == f"docferry: waiting for the store main ({store.name}), 5 s by now\n"


def test_nothing_is_said_where_the_answer_comes_in_time() -> None:
    said: list[str] = []

    with Onlooker(said.append, after_s=1000).waiting("the store"):
        pass

    assert said == []


def test_whatever_comes_begins_the_time_anew() -> None:
    said: list[str] = []
    until_s = time.monotonic() + 3 * SOON_S

    with Onlooker(said.append, after_s=SOON_S).waiting("the store") as heard:
        while time.monotonic() < until_s:
            heard()

    assert said == []


def test_how_many_were_verified_is_counted(desk: Desk, store: SilentStore) -> None:
    counted: list[tuple[str, int]] = []
    folder = LocalStorage(desk.folder / "docs")
    (folder.root / "a").write_text("a")
    (folder.root / "b").write_text("b")
    with desk.ledger() as ledger:
        verify(
            config_of(desk, store),
            ledger,
            ["docs"],
            side=Side.LOCAL,
            onlooker=Onlooker(count=lambda *each: counted.append(each)),
        )

    assert counted == [("docs", 1), ("docs", 2)]


def test_how_many_a_rebuild_looked_at_is_counted(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counted: list[tuple[str, int]] = []
    (desk.state / "ledger.sqlite3").unlink()

    with servers.moto(tmp_path_factory.mktemp("moto")) as server:
        client = server.client()
        client.create_bucket(Bucket="documents")
        for key, body in ((MARKER_PATH, marker("M")), ("a", b"a"), ("b", b"b")):
            client.put_object(Bucket="documents", Key=f"docs/{key}", Body=body)
        desk.configure(endpoint=server.endpoint_url)
        config = load(config_path(desk.config, {}), {})
        rebuild(
            config,
            from_objects=True,
            onlooker=Onlooker(count=lambda *each: counted.append(each)),
        )

    assert counted == [("docs", 1), ("docs", 2)]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_count_is_shown_on_a_terminal_only(*, is_terminal: bool) -> None:
    screen = io.StringIO()

    with counter(Console(file=screen, force_terminal=is_terminal, width=80)) as count:
        count("docs", 1)
        count("docs", 250)

    assert ("docs: 250 looked at" in screen.getvalue()) is is_terminal
    assert bool(screen.getvalue()) is is_terminal
