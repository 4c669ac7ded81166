"""One request of a webhook, to a real server: how it is signed, and where it does not go."""

from __future__ import annotations

import gzip
import pathlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from docferry.core.webhooks import Answer, Delivered, Missed
from docferry.deliver.send import Receiver, reach, send
from docferry.deliver.wire import Found, Wire
from docferry.errors import UnreachableError, UserError
from processes import wait_for
from servers import make_certificate, silent
from webhook_receiver import OLDER, SECRET, ReceiverServer, Said, receiving

ID = "01M8E60EE03JVKHPSM3ZWMD0D2"
PAYLOAD = '{"type":"file.added","data":{"mirror":"docs","path":"grüße.pdf"}}'


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


def deliver(receiver: Receiver, **more: Any) -> Answer:
    with Wire(receiver.timeout_s) as wire:
        return send(receiver, ID, PAYLOAD, datetime.now(UTC), wire, **more)


def missed(receiver: Receiver, **more: Any) -> Missed:
    answer = deliver(receiver, **more)
    assert isinstance(answer, Missed)
    return answer


@contextmanager
def _dripping() -> Iterator[int]:
    """Say a byte of a header now and then, and never come to its end."""
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join(5)


class Names:
    """What leads names to addresses, in the order in which it is asked; the last one stays."""

    def __init__(self, *addresses: Sequence[str]) -> None:
        self._answers = [*addresses]
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[Found]:
        self.asked.append(host)
        if self._answers == [[]]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]


# What is sent.


def test_a_message_is_verified_by_the_library_of_the_receiver(server: ReceiverServer) -> None:
    answer = deliver(server.receiver())

    [got] = server.got
    assert answer == Delivered(204)
    assert got.body == PAYLOAD.encode()
    assert Webhook(SECRET).verify(got.body, dict(got.headers)) == got.told
    assert (got.id, got.headers["content-type"]) == (ID, "application/json")


def test_a_key_in_the_url_arrives_and_is_nowhere_shown(server: ReceiverServer) -> None:
    receiver = server.receiver()

    deliver(receiver)

    assert server.got[0].path == "/hooks?key=k"
    assert "key=k" not in repr(receiver) + receiver.origin
    assert SECRET not in repr(receiver)


@pytest.mark.parametrize("known", [SECRET, OLDER])
def test_while_secrets_rotate_the_receiver_may_know_either(
    server: ReceiverServer, known: str
) -> None:
    deliver(server.receiver(secrets=(SECRET, OLDER)))

    [got] = server.got
    assert Webhook(known).verify(got.body, dict(got.headers)) == got.told


def test_after_a_rotation_the_older_secret_verifies_nothing(server: ReceiverServer) -> None:
    deliver(server.receiver(secrets=(SECRET,)))

    with pytest.raises(WebhookVerificationError):
        Webhook(OLDER).verify(server.got[0].body, dict(server.got[0].headers))


# What comes back.


def test_a_refusal_is_told_with_the_begin_of_what_was_said(server: ReceiverServer) -> None:
    words = b"no such\n  tenant \x1b[31m" + b"x" * 10_000
    server.answers = lambda _: Said(422, {"Content-Length": str(len(words))}, words)

    answer = missed(server.receiver())

    assert answer.status == 422
    assert answer.reason.startswith("the receiver answered 422: no such tenant [31mxxx")
    assert len(answer.reason) < 300


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 1e9),
        ("soon", None),
        ("-5", None),
        ("Mon, 01 Jan 2001 00:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    server: ReceiverServer, said: str, seconds: float | None
) -> None:
    server.answers = lambda _: Said(503, {"Retry-After": said})

    answer = missed(server.receiver())

    asked = answer.retry_after_s
    assert asked == seconds or (asked or 0.0) > (seconds or 0.0) > 1e6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: ReceiverServer, status: int) -> None:
    with receiving() as other:
        server.answers = lambda _: Said(status, {"Location": other.url})

        answer = missed(server.receiver())

        assert other.got == []
    assert answer.status == status
    assert "redirect" in answer.reason


def test_nobody_there_is_an_outage_that_had_nothing_in_its_hands() -> None:
    with receiving(is_open=False) as server:
        answer = missed(server.receiver())

    assert (answer.was_sent, answer.is_outage, answer.status) == (False, True, None)
    assert "refused" in answer.reason


def test_a_receiver_that_says_nothing_is_given_up_in_time() -> None:
    with silent() as url:
        began_s = time.monotonic()
        answer = missed(Receiver("crm", url, (SECRET,), timeout_s=0.3, allows_private=True))

    assert answer.was_sent
    assert "has not answered within 0.3 s" in answer.reason
    assert time.monotonic() - began_s < 5


def test_a_receiver_that_says_a_byte_now_and_then_is_given_up_in_time() -> None:
    with _dripping() as port:
        began_s = time.monotonic()
        url = f"http://127.0.0.1:{port}/"
        answer = missed(Receiver("crm", url, (SECRET,), timeout_s=0.5, allows_private=True))

    assert "has not answered within 0.5 s" in answer.reason
    assert time.monotonic() - began_s < 5


def test_what_is_under_way_can_be_cut() -> None:
    with silent() as url, Wire(60) as wire:
        receiver = Receiver("crm", url, (SECRET,), timeout_s=60, allows_private=True)
        answers: list[Answer] = []
        thread = threading.Thread(
            target=lambda: answers.append(send(receiver, ID, PAYLOAD, datetime.now(UTC), wire))
        )
        thread.start()
        wait_for(lambda: wire.is_connected)
        wire.cut()
        thread.join(5)

    assert isinstance(answers[0], Missed)


# Where it does not go.


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.1:{port}/",
        "http://0x7f000001:{port}/",
        "http://2130706433:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://0:{port}/",
        "http://017700000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://[::127.0.0.1]:{port}/",
        "http://[::1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://LOCALHOST:{port}/",
    ],
)
def test_nothing_is_sent_to_this_machine_however_it_is_written(
    server: ReceiverServer, url: str
) -> None:
    receiver = server.receiver(url=url.format(port=server.port), allows_private=False)

    answer = missed(receiver)

    assert "allow_private = true" in answer.reason
    assert not answer.was_sent
    assert server.got == []


def test_a_name_that_leads_to_a_private_address_is_refused(server: ReceiverServer) -> None:
    names = Names(["127.0.0.1"])
    url = f"http://hooks.example.com:{server.port}/"

    answer = missed(server.receiver(url=url, allows_private=False), resolve=names)

    assert "hooks.example.com leads to 127.0.0.1" in answer.reason
    assert server.got == []


def test_a_name_that_leads_to_a_private_address_too_is_refused(server: ReceiverServer) -> None:
    names = Names(["93.184.216.34", "10.0.0.1"])
    url = f"http://hooks.example.com:{server.port}/"

    answer = missed(server.receiver(url=url, allows_private=False), resolve=names)

    assert "10.0.0.1" in answer.reason


def test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere(server: ReceiverServer) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])  # whoever asks twice goes to the second
    url = f"http://hooks.example.com:{server.port}/"

    answer = deliver(server.receiver(url=url), resolve=names)

    assert answer == Delivered(204)
    assert names.asked == ["hooks.example.com"]
    assert server.got[0].headers["host"] == f"hooks.example.com:{server.port}"


def test_a_name_that_leads_nowhere_is_an_outage() -> None:
    receiver = Receiver("crm", "http://nowhere.invalid/", (SECRET,))

    answer = missed(receiver, resolve=Names([]))

    assert (answer.was_sent, answer.is_outage) == (False, True)
    assert "nowhere.invalid" in answer.reason


def test_no_proxy_of_the_environment_is_asked(
    server: ReceiverServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        deliver(server.receiver())

        assert (len(server.got), proxy.got) == (1, [])


# TLS.


def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(
    tmp_path: pathlib.Path,
) -> None:
    made = make_certificate(tmp_path)
    with receiving(tls=made) as server:
        ours = server.receiver(verify_tls=str(made.ca))
        named = server.receiver(
            url=f"https://hooks.example.com:{server.port}/", verify_tls=str(made.ca)
        )

        right, wrong = deliver(ours), missed(named, resolve=Names(["127.0.0.1"]))

    assert right == Delivered(204)
    assert "TLS: " in wrong.reason
    assert "hooks.example.com" in wrong.reason
    assert len(server.got) == 1


def test_a_certificate_of_nobody_is_refused_unless_any_will_do(tmp_path: pathlib.Path) -> None:
    with receiving(tls=make_certificate(tmp_path)) as server:
        wrong, right = missed(server.receiver()), deliver(server.receiver(verify_tls=False))

    assert "TLS: " in wrong.reason
    assert not wrong.was_sent
    assert right == Delivered(204)


def test_a_file_of_a_ca_that_is_gone_is_told(
    server: ReceiverServer, tmp_path: pathlib.Path
) -> None:
    url = f"https://127.0.0.1:{server.port}/"

    answer = missed(server.receiver(url=url, verify_tls=str(tmp_path / "none.pem")))

    assert (answer.was_sent, server.got) == (False, [])


# Hostile and broken answers.


@contextmanager
def _answering(*parts: bytes, is_endless: bool = False) -> Iterator[str]:
    """Answer each request with *parts* and the end, or the last of them again and again."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            for part in parts:
                connection.sendall(part)
            while is_endless:
                connection.sendall(parts[-1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


def at(url: str, timeout_s: float = 5.0) -> Receiver:
    return Receiver("crm", url, (SECRET,), timeout_s=timeout_s, allows_private=True)


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\x16\x03\x01",
    ],
)
def test_half_an_answer_is_none_and_is_tried_again(half: bytes) -> None:
    with _answering(half) as url:
        answer = missed(at(url))

    assert (answer.was_sent, answer.is_outage, answer.is_final) == (True, True, False)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"])
def test_an_answer_without_end_is_read_no_further_than_its_begin(head: bytes) -> None:
    with _answering(head, b"x" * 65536, is_endless=True) as url:
        began_s = time.monotonic()
        answer = deliver(at(url, 30))

    assert time.monotonic() - began_s < 5
    assert answer.status == int(head[9:12])


@pytest.mark.parametrize(
    "more", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X-More: x\r\n"], ids=["continues", "headers"]
)
def test_headers_without_end_are_given_up(more: bytes) -> None:
    with _answering(b"HTTP/1.1 100 Continue\r\n", more, is_endless=True) as url:
        answer = missed(at(url, 1.0))

    assert answer.is_outage


def test_what_is_packed_is_not_unpacked(server: ReceiverServer) -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    server.answers = lambda _: Said(500, {"Content-Encoding": "gzip"}, bomb)

    answer = missed(server.receiver())

    assert answer.status == 500
    assert len(answer.reason) < 300
    assert answer.reason.isprintable()


def test_headers_of_a_receiver_get_into_no_request_of_ours(server: ReceiverServer) -> None:
    server.answers = lambda _: Said(503, {"Set-Cookie": "a=b", "Retry-After": "1"})

    missed(server.receiver())
    missed(server.receiver())

    assert "cookie" not in server.got[1].headers


# Whether it can be reached.


def test_who_asks_whether_it_can_be_reached_sends_nothing(
    server: ReceiverServer, tmp_path: pathlib.Path
) -> None:
    made = make_certificate(tmp_path)
    with receiving(tls=made) as other:
        for receiver in (server.receiver(), other.receiver(verify_tls=str(made.ca))):
            with Wire(5) as wire:
                reach(receiver, wire)

        assert server.got + other.got == []


def test_who_can_not_be_reached_now_is_told_from_who_never_can(tmp_path: pathlib.Path) -> None:
    with receiving(is_open=False) as away, pytest.raises(UnreachableError, match="refused"):
        _reach(away.receiver())
    with receiving(tls=make_certificate(tmp_path)) as server:
        with pytest.raises(UserError, match="TLS: "):
            _reach(server.receiver())
        with pytest.raises(UserError, match=r"none\.pem"):
            _reach(server.receiver(verify_tls=str(tmp_path / "none.pem")))
        with pytest.raises(UserError, match="no certificate"):
            _reach(server.receiver(verify_tls=str(made_empty(tmp_path))))
        with pytest.raises(UserError, match="this machine"):
            _reach(server.receiver(allows_private=False))


def made_empty(folder: pathlib.Path) -> pathlib.Path:
    (folder / "empty.pem").write_text("")
    return folder / "empty.pem"


def _reach(receiver: Receiver) -> None:
    with Wire(5) as wire:
        reach(receiver, wire)
