"""What systemd is told, read at the other end of a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from tempfile import TemporaryDirectory

import pytest

from docferry import notify


@pytest.fixture(params=["a path", "an abstract name"])
def manager(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The end of the service manager, at a short path: 108 bytes are all that a socket's has."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        name = f"{folder}/notify" if request.param == "a path" else f"@docferry-{os.getpid()}"
        heard.bind(name.replace("@", "\0"))
        heard.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield heard


def said(manager: socket.socket) -> list[str]:
    return manager.recv(8192).decode().split("\n")


def test_a_files_name_in_a_status_does_not_speak_to_the_terminal(manager: socket.socket) -> None:
    notify.status("docs blocked (\x1b]0;root\x07\u202e\x00)")

    assert said(manager) == ["STATUS=docs blocked (?]0;root???)"]


@pytest.mark.parametrize(
    ("tell", "lines"),
    [
        (lambda: notify.ready("1 mirror in step"), ["READY=1", "STATUS=1 mirror in step"]),
        (lambda: notify.stopping(), ["STOPPING=1", "STATUS=stopping"]),
        (lambda: notify.status("reading docs"), ["STATUS=reading docs"]),
        (lambda: notify.watchdog(), ["WATCHDOG=1"]),
    ],
)
def test_each_message_is_one_datagram(
    manager: socket.socket, tell: Callable[[], None], lines: list[str]
) -> None:
    tell()

    assert said(manager) == lines


def test_a_reload_says_when_it_began(manager: socket.socket) -> None:
    before_us = time.monotonic_ns() // 1000

    notify.reloading()

    first, second = said(manager)
    key, _, value = second.partition("=")
    assert (first, key) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before_us <= int(value) <= time.monotonic_ns() // 1000


def test_a_status_of_several_lines_is_one_line_and_no_other_message(
    manager: socket.socket,
) -> None:
    notify.status("cannot read x\nWATCHDOG=1\n")

    assert said(manager) == ["STATUS=cannot read x WATCHDOG=1"]


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234", "/nowhere/notify", "@nobody"])
def test_where_nobody_listens_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    notify.ready("fine")


def test_a_manager_that_does_not_read_holds_up_nobody_for_long(manager: socket.socket) -> None:
    begin_s = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full, suppress(BlockingIOError):
        full.settimeout(0)
        full.connect(manager.getsockname())
        while True:
            full.send(b"x")

    notify.watchdog()

    assert time.monotonic() - begin_s < 4


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("60000000", None, 60.0),
        pytest.param("60000000", str(os.getpid()), 60.0, id="this process"),
        ("60000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_who_it_was_set_for(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, expected: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)

    assert notify.watchdog_s() == expected
