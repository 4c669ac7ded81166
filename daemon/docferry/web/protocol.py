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
#: Of struct tcp_info, since Linux 4.1: tcpi_bytes_acked (linux/tcp.h).
_TCP_INFO_BYTES, _ACKED_AT, _ACKED = 256, 120, struct.Struct("Q")


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
        self._had = 0  # when it was last looked whether anything is taken

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
        self._had = self._taken()
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
        taken = self._taken()
        if taken <= self._had:
            self.transport.abort()  # to close it would wait until all of it is taken
            return
        self._had = taken
        self._taken_due = self.loop.call_later(self._patience.taken_s, self._look_whether_taken)

    def _taken(self) -> int:
        """
        Give a count that has grown where more has come to the other end.

        By TCP the kernel counts what was acknowledged (RFC 4898, ThruOctetsAcked). What is left
        with it and with us tells less: of TLS pieces lie between, in the transport below, and
        come after as the kernel gets rid of others.
        """
        connection = self.transport.get_extra_info("socket")
        if connection.family != socket.AF_UNIX:
            told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            return int(_ACKED.unpack_from(told, _ACKED_AT)[0])
        told = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, _INT.pack(0))
        (with_kernel,) = _INT.unpack(told)
        return -self.transport.get_write_buffer_size() - int(with_kernel)
