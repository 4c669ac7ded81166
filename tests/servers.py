"""
Real S3 servers for tests: SeaweedFS, `rclone serve s3` and moto, as processes on loopback.

SeaweedFS is the store as it should be; rclone ignores every precondition; moto ignores
some. Each is a context manager that gives an `S3Server` once a document can be stored,
and kills the process at the end.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import boto3
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "documents"  # SeaweedFS runs out of volumes after about ten: prefixes, not buckets
ACCESS_KEY_ID = "test-key"
SECRET_ACCESS_KEY = "test-secret"

#: Answers one request, whatever its method.
Answer: TypeAlias = Callable[[http.server.BaseHTTPRequestHandler], None]

_READY_WITHIN_S = 60.0
#: Where somebody else was faster at the port, what answers may be no S3 at all.
_NOT_YET = (ClientError, BotoCoreError, ResponseParserError)
_LOOK_EVERY_S = 0.02
_STARTS = 3  # somebody else may take a free port before the server does


class ServerError(Exception):
    """A server did not come up; its output is in the message."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows over HTTPS: paths of PEM files."""

    certificate: Path
    key: Path
    ca: Path  #: who vouches for it


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server with one bucket, `BUCKET`."""

    name: str
    endpoint_url: str
    process: subprocess.Popen[bytes]

    def client(self, *, verify: bool = True) -> S3Client:
        """
        Give a plain client: the tool of somebody who does not know docferry.

        The same one each time. boto3 reads all that it knows of S3 for each that it makes.
        """
        return _client(self.endpoint_url, verify=verify)

    def make_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)


@functools.cache
def _client(endpoint_url: str, *, verify: bool) -> S3Client:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        verify=verify,
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=2,
            read_timeout=20,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


@contextlib.contextmanager
def seaweedfs(folder: Path, *, more_keys: Sequence[str] = ()) -> Iterator[S3Server]:
    """
    Run `weed mini` with only its S3 gateway open, its files below *folder*.

    Args:
        more_keys: It takes these too; the secret of KEY is "KEY-secret".
    """
    identities = folder / "identities.json"
    credentials = [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}]
    credentials += [{"accessKey": key, "secretKey": f"{key}-secret"} for key in more_keys]
    identity = {"name": "test", "credentials": credentials, "actions": ["Admin"]}
    identities.write_text(json.dumps({"identities": [identity]}))

    # Port and gRPC port (by default port + 10,000) of each part; no two servers may meet.
    flags = [f"-{part}.port" for part in ("master", "volume", "filer")]
    flags += [f"-{part}.port.grpc" for part in ("master", "volume", "filer", "s3", "admin")]
    used: list[int] = []

    def command(port: int) -> list[str]:
        ports = free_ports(len(flags))
        used.extend([port, *ports])
        return [
            _program("weed"),
            "mini",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-s3.config={identities}",
            f"-s3.port={port}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *(f"{flag}={free}" for flag, free in zip(flags, ports, strict=True)),
            "-master.telemetry=false",  # it is on by default
            "-webdav=false",
            "-admin.ui=false",
        ]

    try:
        with _running("seaweedfs", command, folder) as server:
            yield server
    finally:
        for free in used:  # it leaves its sockets where only it decides
            for left in Path("/tmp").glob(f"seaweedfs-*-{free}.sock"):
                with contextlib.suppress(PermissionError):  # another user's, by the same number
                    left.unlink(missing_ok=True)


@contextlib.contextmanager
def rclone(folder: Path, tls: Certificate | None = None) -> Iterator[S3Server]:
    """Run `rclone serve s3` over *folder*; each bucket is a folder in it."""
    root = folder / "root"
    root.mkdir(exist_ok=True)

    def command(port: int) -> list[str]:
        certificate = [f"--cert={tls.certificate}", f"--key={tls.key}"] if tls else []
        return [
            _program("rclone"),
            "serve",
            "s3",
            f"--config={folder / 'rclone.conf'}",
            f"--cache-dir={folder / 'cache'}",
            f"--addr=127.0.0.1:{port}",
            f"--auth-key={ACCESS_KEY_ID},{SECRET_ACCESS_KEY}",
            "--no-unicode-normalization",  # else NFC and NFD are one name
            *certificate,
            str(root),
        ]

    with _running("rclone", command, folder, scheme="https" if tls else "http") as server:
        yield server


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[S3Server]:
    """Run moto's server. It keeps everything in memory and believes any credentials."""

    def command(port: int) -> list[str]:
        return [_program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]

    with _running("moto", command, folder) as server:
        yield server


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Run something that speaks HTTP and answers each request by *answer*. Gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # says "100 Continue": boto3 waits a second for that

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer(self)
            self.close_connection = True

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_LOOK_EVERY_S,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Listen, take connections, and never say a word. Gives the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def make_certificate(folder: Path, *, ends_in: timedelta = timedelta(days=1)) -> Certificate:
    """Make a CA of our own and what it vouches for: a server at 127.0.0.1."""
    [made] = make_certificates(folder, ends_in)
    return made


def make_certificates(folder: Path, *ends_in: timedelta) -> list[Certificate]:
    """Make a CA of our own and several certificates, one for each time to live."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private CA")])
    is_ca = x509.BasicConstraints(ca=True, path_length=None)
    ca = _builder(ca_name, ca_key, timedelta(days=1)).issuer_name(ca_name)
    ca_path = folder / "ca.pem"
    ca_path.write_bytes(_signed(ca.add_extension(is_ca, critical=True), ca_key))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a store")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = []
    for number, lives in enumerate(ends_in):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _builder(name, key, lives).issuer_name(ca_name)
        paths = folder / f"certificate-{number}.pem", folder / f"key-{number}.pem"
        paths[0].write_bytes(_signed(leaf.add_extension(address, critical=False), ca_key))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        made.append(Certificate(*paths, ca_path))
    return made


def _signed(certificate: x509.CertificateBuilder, by: ec.EllipticCurvePrivateKey) -> bytes:
    return certificate.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, ends_in: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + ends_in) - timedelta(days=1))
        .not_valid_after(now + ends_in)
    )


@contextlib.contextmanager
def _running(
    name: str, command: Callable[[int], Sequence[str]], folder: Path, scheme: str = "http"
) -> Iterator[S3Server]:
    server = _started(name, command, folder, scheme)
    try:
        yield server
    finally:
        # Not SIGTERM: SeaweedFS takes four seconds to say goodbye.
        server.process.kill()
        server.process.wait()


def _started(
    name: str, command: Callable[[int], Sequence[str]], folder: Path, scheme: str
) -> S3Server:
    for attempt in range(1, _STARTS + 1):
        (port,) = free_ports(1)
        output = folder / f"{name}.log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                command(port),
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},  # SeaweedFS writes its logs there
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        server = S3Server(name, f"{scheme}://127.0.0.1:{port}", process)
        if _is_ready(server):
            return server
        process.kill()
        process.wait()
        if attempt == _STARTS:
            raise ServerError(f"{name} did not come up:\n{output.read_text(errors='replace')}")
    raise AssertionError


def _is_ready(server: S3Server) -> bool:
    """Wait until a document can be stored; False: the server ended, or took too long."""
    client = server.client(verify=False)
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    deadline_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(*_NOT_YET):
            client.create_bucket(Bucket=BUCKET)
        with contextlib.suppress(*_NOT_YET):
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(_LOOK_EVERY_S)
            return False
    return False


def _program(name: str) -> str:
    """Find a program that came with a package: it is next to the interpreter."""
    return str(Path(sys.executable).parent / name)


def free_ports(count: int) -> list[int]:
    """Give *count* ports of the loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
