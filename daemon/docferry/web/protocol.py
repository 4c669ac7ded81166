"""HTTP/1.1 as uvicorn speaks it, with what it lacks: who connects, and an end for the silent."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from docferry.core.crowd import Crowd
from docferry.web import peers
from docferry.web.patience import Patience

#: In the state of a request: what is remembered as long as its connection lasts.
CONNECTION = "connection"
_INT = struct.Struct("i")


class Http(H11Protocol):
    """
    Names who has connected to a unix socket as the client, and ends who sends or takes nothing.

    uvicorn waits for headers, and for an answer to be taken, for ever: each such connection would
    hold a place, and what its answer holds.

    Args:
        crowd: Hears who is silent.
        documents: (method, path) of requests whose bodies are documents: who sends one speaks
            before all of it is there. They are refused before it is read.
    """

    def __init__(
        self,
        *args: Any,
        crowd: Crowd,
        patience: Patience,
        documents: Collection[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._crowd = crowd
        self._documents = frozenset(documents)
        self._patience = patience
        self._headers_due: asyncio.TimerHandle | None = None
        self._taken_due: asyncio.TimerHandle | None = None
        self._number = -1
        self._left = 0  # bytes of answers, when it was last looked whether they are taken

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Each request has it in its state: what is found out about who connected is so for all.
        self.app_state = self.app_state | {CONNECTION: {}}
        super().connection_made(transport)
        # Whatever is not with the kernel yet is waited for: it is never more than one piece.
        # Not 0: a transport of TLS would wait for nothing to become less.
        transport.set_write_buffer_limits(high=1, low=0)
        connection = transport.get_extra_info("socket")
        self._number = connection.fileno()
        if connection.family == socket.AF_UNIX:
            self.client = (f"{peers.UNIX}{peers.of_unix(connection).uid}", 0)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering:
            self._stop_awaiting()
            if self._has_asked:
                self._crowd.speaks(self._number)
        elif self._headers_due is None:
            self._await_headers()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # which may find that the next request is here already
        if not self._is_answering or not self._has_asked:
            self._crowd.falls_silent(self._number)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._left = self._untaken()
        self._taken_due = self.loop.call_later(self._patience.taken_s, self._look_whether_taken)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._taken_due is not None:
            self._taken_due.cancel()
            self._taken_due = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_awaiting()
        super().connection_lost(exc)  # which resumes writing, for whoever waits for that
        self.resume_writing()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _has_asked(self) -> bool:
        """Whether the request is there: anybody can send headers, and no body, for a while."""
        scope = self.cycle.scope
        return not self.cycle.more_body or (scope["method"], scope["path"]) in self._documents

    def _await_headers(self) -> None:
        self._headers_due = self.loop.call_later(self._patience.headers_s, self.transport.close)

    def _stop_awaiting(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _look_whether_taken(self) -> None:
        left = self._untaken()
        if left >= self._left:
            self.transport.abort()  # to close it would wait until all of it is taken
            return
        self._left = left
        self._taken_due = self.loop.call_later(self._patience.taken_s, self._look_whether_taken)

    def _untaken(self) -> int:
        """
        Say how many bytes have not come to the other end.

        Of those that the kernel has, megabytes may be on their way to a slow one: what leaves us
        alone would tell for a minute and more that it takes nothing (tcp(7), SIOCOUTQ).
        """
        connection = self.transport.get_extra_info("socket")
        told = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, _INT.pack(0))
        (with_kernel,) = _INT.unpack(told)
        return self.transport.get_write_buffer_size() + int(with_kernel)
