"""What requests opened is closed by a thread, however they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import anyio
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Send

from docferry.web.closing import closed_by_thread
from docferry.web.file_content import Content


class Opened:
    """Something open, that remembers by whom it was closed, and on account of what."""

    def __init__(self) -> None:
        self.closed_by: list[int] = []
        self.because: list[type[BaseException] | None] = []

    @contextmanager
    def opened(self) -> Iterator[None]:
        because: type[BaseException] | None = None
        try:
            yield
        except BaseException as error:
            because = type(error)
            raise
        finally:
            self.closed_by.append(threading.get_ident())
            self.because.append(because)

    @property
    def is_closed_by_a_thread(self) -> bool:
        return len(self.closed_by) == 1 and self.closed_by[0] != threading.get_ident()


def test_what_ends_well_is_closed_by_a_thread() -> None:
    opened = Opened()

    async def run() -> None:
        async with closed_by_thread(ExitStack()) as stack:
            stack.enter_context(opened.opened())

    anyio.run(run)

    assert opened.is_closed_by_a_thread
    assert opened.because == [None]


def test_what_fails_is_closed_by_a_thread_and_fails_all_the_same() -> None:
    opened = Opened()

    async def run() -> None:
        async with closed_by_thread(ExitStack()) as stack:
            stack.enter_context(opened.opened())
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        anyio.run(run)

    assert opened.is_closed_by_a_thread
    assert opened.because == [ValueError]


def test_what_is_cancelled_is_closed_by_a_thread() -> None:
    opened = Opened()

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with closed_by_thread(ExitStack()) as stack:
                stack.enter_context(opened.opened())
                scope.cancel()
                await anyio.sleep_forever()

    anyio.run(run)

    assert opened.is_closed_by_a_thread


async def _never() -> MutableMapping[str, Any]:
    await anyio.sleep_forever()
    raise AssertionError


async def _take(message: MutableMapping[str, Any]) -> None:
    pass


async def _gone(message: MutableMapping[str, Any]) -> None:
    raise OSError("gone")


@pytest.mark.parametrize(
    ("send", "ends"), [(_take, nullcontext()), (_gone, pytest.raises(ClientDisconnect))]
)
def test_an_answer_closes_what_it_reads_from_by_a_thread(
    send: Send, ends: AbstractContextManager[object]
) -> None:
    opened, stack = Opened(), ExitStack()
    stack.enter_context(opened.opened())
    answer = Content(stack, iter([b"text"]))

    async def run() -> None:
        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}}
        await answer(scope, _never, send)

    with ends:
        anyio.run(run)

    assert opened.is_closed_by_a_thread
