"""When a certificate ends: learned from a real handshake, without a request."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docferry.storage.certificate import certificate_end, end_in

pytestmark = pytest.mark.tools("openssl")


def make_certificate(folder: Path, *, days: int) -> Path:
    """Give a PEM file with a key and a certificate that its own key has signed."""
    file = folder / "server.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=store -days {days}"
    made = subprocess.run(
        [*command.split(), "-keyout", file], check=True, capture_output=True, text=True
    )
    file.write_text(file.read_text() + made.stdout)
    return file


@contextmanager
def tls_server(file: Path, heard: list[bytes]) -> Iterator[str]:
    """Answer one handshake; note what comes after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as talk:
                heard.append(talk.recv(100))

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("days", [1, 40 * 365])  # after 2049 a certificate writes times otherwise
def test_the_end_of_a_certificate_that_nobody_trusts_is_told(tmp_path: Path, days: int) -> None:
    heard: list[bytes] = []
    file = make_certificate(tmp_path, days=days)

    with tls_server(file, heard) as url:
        end = certificate_end(url)

    expected = datetime.now(UTC) + timedelta(days=days)
    assert end is not None
    assert abs(end - expected) < timedelta(minutes=5)
    assert heard == [b""]


def test_without_tls_there_is_none() -> None:
    assert certificate_end("http://127.0.0.1:1") is None


@pytest.mark.parametrize("shown", [b"", b"x", b"\x30\x03\x30\x01\x00", bytes(50)])
def test_what_is_no_certificate_is_refused(shown: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        end_in(shown)
