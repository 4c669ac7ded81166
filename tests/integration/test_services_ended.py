"""Requests that are ended from outside, and connections that never come to be: TLS, black holes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import servers
from conversion_desk import Desk, markdown_service
from conversion_servers import HANGS, FailingServer, Said
from docferry.convert.base import (
    ConversionError,
    ConversionStoppedError,
    ConverterDownError,
    Limits,
)
from docferry.convert.service import Access, ServiceConverter

AT_ONCE_S = 5.0  # far less than the limit of any conversion here


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, Limits(timeout_s=60.0))


@contextlib.contextmanager
def full() -> Iterator[str]:
    """Have a port that takes no connection any more, and refuses none."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def stopped(service: ServiceConverter, desk: Desk, *, after: threading.Event) -> BaseException:
    """Stop *service* while it converts; give what the conversion ended with."""
    with ThreadPoolExecutor() as pool:
        conversion = pool.submit(desk.convert, service)
        assert after.wait(20)
        service.stop()
        error = conversion.exception(AT_ONCE_S)
    assert error is not None
    return error


def arrived(server: FailingServer, calls: int = 1) -> threading.Event:
    """Give what is set when so many requests have arrived."""
    event = threading.Event()

    def wait() -> None:
        server.wait_for_calls(calls)
        event.set()

    threading.Thread(target=wait, daemon=True).start()
    return event


TRICKLES = Said(body=b"x" * 10_000, trickle_s=0.05)


@pytest.mark.parametrize(
    "said",
    [HANGS, TRICKLES, replace(TRICKLES, closes=True)],
    ids=["silent", "trickling", "closing"],
)
def test_a_running_request_ends_at_once_when_the_daemon_stops(desk: Desk, said: Said) -> None:
    with FailingServer() as server:
        server.answers(said)
        service = markdown_service(server.url)

        error = stopped(service, desk, after=arrived(server))

    assert isinstance(error, ConversionStoppedError)


@pytest.mark.parametrize("closes", [False, True], ids=["kept", "closing"])
def test_an_answer_that_falls_silent_is_cut_when_the_time_is_up(
    desk: Desk, *, closes: bool
) -> None:
    desk.limits = Limits(timeout_s=0.5)
    with FailingServer() as server, ThreadPoolExecutor() as pool:
        server.answers(Said(body=b"x" * 1000, trickle_s=60.0, closes=closes))

        conversion = pool.submit(desk.convert, markdown_service(server.url))
        error = conversion.exception(AT_ONCE_S)

    assert isinstance(error, ConversionError)


def test_after_a_stop_nothing_is_sent(desk: Desk) -> None:
    with FailingServer() as server:
        service = markdown_service(server.url)
        service.stop()

        with pytest.raises(ConversionStoppedError):
            desk.convert(service)

        assert server.calls == 0


def test_a_request_that_is_still_being_sent_ends_at_once(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        service = markdown_service(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        document = desk.document(b"x" * 50_000_000)
        with ThreadPoolExecutor() as pool:
            conversion = pool.submit(desk.convert, service, document)
            connection, _ = deaf.accept()
            assert connection.recv(10)
            service.stop()
            error = conversion.exception(AT_ONCE_S)
        connection.close()

    assert isinstance(error, ConversionStoppedError)


def test_a_service_that_does_not_read_is_in_doubt_when_the_time_is_up(desk: Desk) -> None:
    desk.limits = Limits(timeout_s=1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        service = markdown_service(f"http://127.0.0.1:{deaf.getsockname()[1]}")

        with pytest.raises(ConverterDownError) as caught:
            desk.convert(service, desk.document(b"x" * 50_000_000))

    assert caught.value.is_in_doubt


def test_a_connection_that_does_not_come_to_be_is_given_up_in_time(desk: Desk) -> None:
    desk.limits = Limits(timeout_s=1.0)
    with full() as url:
        down = desk.let_down_by(markdown_service(url))

    assert not down.is_in_doubt


def test_connecting_ends_at_once_when_the_daemon_stops(desk: Desk) -> None:
    begun = threading.Event()
    with full() as url:
        threading.Timer(0.2, begun.set).start()

        error = stopped(markdown_service(url), desk, after=begun)

    assert isinstance(error, ConversionStoppedError)


def secured(url: str, access: Access) -> ServiceConverter:
    return ServiceConverter("service", url, "multipart", ".md", access=access)


def test_a_service_with_a_certificate_of_ones_own_is_trusted_by_its_ca(
    desk: Desk, tmp_path: Path
) -> None:
    certificate = servers.make_certificate(tmp_path)
    with FailingServer(certificate=certificate) as server:
        access = Access(secret="very-secret", verify=str(certificate.ca))

        result = desk.result_of(secured(server.url, access))

        assert server.received[0].headers["authorization"] == "Bearer very-secret"
    assert result == b"# Converted\n\nHELLO"


@pytest.mark.parametrize("ends_in", [timedelta(days=1), timedelta(days=-1)])
def test_a_service_that_nobody_vouches_for_gets_no_document(
    desk: Desk, tmp_path: Path, ends_in: timedelta
) -> None:
    certificate = servers.make_certificate(tmp_path, ends_in=ends_in)
    trusted = True if ends_in > timedelta(0) else str(certificate.ca)
    with FailingServer(certificate=certificate) as server:
        down = desk.let_down_by(secured(server.url, Access(verify=trusted)))

        assert server.calls == 0
    assert not down.is_in_doubt
    assert "TLS" in str(down)


def test_any_certificate_will_do_where_that_is_wished(desk: Desk, tmp_path: Path) -> None:
    with FailingServer(certificate=servers.make_certificate(tmp_path)) as server:
        assert desk.result_of(secured(server.url, Access(verify=False)))


def test_a_service_that_wants_our_certificate_is_shown_it(desk: Desk, tmp_path: Path) -> None:
    day = timedelta(days=1)
    certificate, own = servers.make_certificates(tmp_path, day, day)
    (shown := tmp_path / "me.pem").write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
    trusted = str(certificate.ca)
    with FailingServer(certificate=certificate, wants_certificates=True) as server:
        desk.let_down_by(secured(server.url, Access(verify=trusted)))
        known = Access(verify=trusted, client_certificate=str(shown))

        assert desk.result_of(secured(server.url, known))
        assert server.calls == 1


def test_a_running_request_over_tls_ends_at_once_when_the_daemon_stops(
    desk: Desk, tmp_path: Path
) -> None:
    certificate = servers.make_certificate(tmp_path)
    with FailingServer(certificate=certificate) as server:
        server.answers(TRICKLES)
        service = secured(server.url, Access(verify=str(certificate.ca)))

        error = stopped(service, desk, after=arrived(server))

    assert isinstance(error, ConversionStoppedError)


def test_a_handshake_that_is_never_answered_ends_at_once(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        service = markdown_service(f"https://127.0.0.1:{deaf.getsockname()[1]}")
        with ThreadPoolExecutor() as pool:
            conversion = pool.submit(desk.convert, service)
            connection, _ = deaf.accept()
            assert connection.recv(10)
            service.stop()
            error = conversion.exception(AT_ONCE_S)
        connection.close()

    assert isinstance(error, ConversionStoppedError)


def test_conversions_at_the_same_time_do_not_end_each_other(desk: Desk) -> None:
    desk.limits = Limits(timeout_s=1.0)
    with FailingServer() as server:
        service = markdown_service(server.url)
        server.answers(HANGS)
        slow = desk.document(b"slow")
        with ThreadPoolExecutor() as pool:
            hanging = pool.submit(desk.convert, service, slow)
            server.wait_for_calls(1)
            results = [desk.result_of(service, f"{number}".encode()) for number in range(5)]

            assert isinstance(hanging.exception(AT_ONCE_S), ConverterDownError)
    assert results == [f"# Converted\n\n{number}".encode() for number in range(5)]
