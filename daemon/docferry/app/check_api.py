"""Check where the HTTP API listens, and with what."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator

from docferry.app.faces import require_port as require_api_port
from docferry.app.findings import Finding
from docferry.config import Config
from docferry.errors import UserError
from docferry.ledger.lock import is_held
from docferry.probes import require_port


def check_ports(config: Config) -> Iterator[Finding]:
    """Say which port a start would not get. A daemon that runs has them itself."""
    if is_held(config.state_dir) is not None:
        return
    try:
        if config.metrics_port:
            require_port(config.metrics_address, config.metrics_port)
    except UserError as error:
        yield Finding("config", "metrics", "error", str(error))
    try:
        if config.api_port:
            require_api_port(config.api_host, config.api_port)
    except UserError as error:
        yield Finding("config", "api", "error", str(error))


def check_api(config: Config) -> Iterator[Finding]:
    """Say what is wrong, or good to know, about how the API is reached."""
    if config.api_port == 0:
        return
    if config.api_tls_cert is not None:
        yield from _check_certificate(config)
    elif not _is_of_this_machine(config.api_host):
        yield Finding(
            "config",
            "api",
            "warning",
            f"listens on {config.api_host} without TLS: whoever is in between reads keys and "
            "documents",
            "tls_cert and tls_key in [api], or 127.0.0.1 and a proxy with TLS in front of it",
        )


def _check_certificate(config: Config) -> Iterator[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert config.api_tls_cert is not None
    try:
        context.load_cert_chain(config.api_tls_cert, config.api_tls_key)
    except PermissionError as error:
        what = f"{error.filename or config.api_tls_key} cannot be read by who asks"
        yield Finding("config", "api", "warning", what, "the user docferry must be able to")
    except (OSError, ssl.SSLError) as error:
        what = f"{config.api_tls_cert} and {config.api_tls_key} do not go together: {error}"
        yield Finding("config", "api", "error", what, "PEM files: the chain, and its key")


def _is_of_this_machine(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
