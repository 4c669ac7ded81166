"""
When the certificate ends that a server shows.

Learned from a handshake, without a request. Whether it is to be trusted the clients decide
that talk to the server; an end is to be told of one that has passed, too, or that nobody
checks. So the handshake takes any certificate, and no more is sent than that.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

_TIMEOUT_S = 10.0
_UTC_TIME, _VERSION = 0x17, 0xA0  # tags of DER (X.690)


def certificate_end(url: str) -> datetime | None:
    """Give the time after which the certificate at *url* is not valid. None: there is no TLS."""
    server = urlsplit(url)
    if server.scheme != "https" or server.hostname is None:
        return None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = server.hostname, server.port or 443
    with (
        socket.create_connection(address, timeout=_TIMEOUT_S) as connection,
        context.wrap_socket(connection, server_hostname=server.hostname) as talk,
    ):
        shown = talk.getpeercert(binary_form=True)
    return None if shown is None else end_in(shown)


def end_in(certificate: bytes) -> datetime:
    """
    Read `notAfter` out of a certificate in DER.

    Python does not: it parses only those that it has verified.

    Raises:
        ValueError: It is none.
    """
    # Certificate { tbsCertificate { [0] version?, serialNumber, signature, issuer,
    # validity { notBefore, notAfter } ... } ... } (RFC 5280, 4.1)
    (_, whole), *_ = _elements(certificate)
    (_, signed), *_ = _elements(whole)
    fields = [content for tag, content in _elements(signed) if tag != _VERSION]
    _, _, _, validity, *_ = fields
    _, (tag, text) = _elements(validity)
    written = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), written).replace(tzinfo=UTC)


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each element; one cut short has less content."""
    rest = content
    while len(rest) > 1:
        tag, length, start = rest[0], rest[1], 2
        if length > 127:  # the length takes so many bytes
            start += length - 128
            length = int.from_bytes(rest[2:start])
        yield tag, rest[start : start + length]
        rest = rest[start + length :]
