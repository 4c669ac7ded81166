"""How a service is reached, and how it knows us. Secrets stay in here."""

from __future__ import annotations

import base64
import ipaddress
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

import requests
import urllib3

from docferry.errors import UserError

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_SECRET_PARAMETER = re.compile(r"key|token|secret|passw|sig(nature)?$|auth|credential", re.I)


@dataclass(frozen=True, slots=True)
class Access:
    """
    How a service knows us, and we it.

    The secret is what the header says: "Bearer abc", "Basic abc". In `Authorization` a
    single word is a bearer's, and "Basic user:password" is encoded here.
    """

    header: str = "Authorization"  #: docling-serve looks into "X-Api-Key"
    secret: str | None = field(default=None, repr=False)
    verify: bool | str = True  #: False: any certificate; a path: the CA that vouches for it
    client_certificate: str | None = None  #: path of a PEM file: our certificate and its key
    uses_proxies: bool = False  #: those of the environment; never for the machine itself

    def __post_init__(self) -> None:
        """
        Raises:
            UserError: The header cannot be sent, or a file is not there.
        """
        if not _HEADER.fullmatch(self.header):
            raise UserError(f"{self.header!r} cannot be the name of a header")
        # requests would show the secret in its own complaint.
        if self.secret is not None and not _PRINTABLE.fullmatch(self.secret.strip()):
            raise UserError(f"the secret for {self.header} is empty, or no header may have it")
        files = (self.verify if isinstance(self.verify, str) else None, self.client_certificate)
        for file in filter(None, files):
            if not pathlib.Path(file).exists():
                raise UserError(f"there is no certificate {file}")
        if self.verify is False:  # said once by whoever set it, not with every request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def headers(self) -> dict[str, str]:
        secret = self.secret.strip() if self.secret else ""
        if not secret:
            return {}
        if self.header.lower() == "authorization":
            secret = _as_authorization(secret)
        return {self.header: secret}

    def hide(self, text: str) -> str:
        """Take the secret out of what a service said: error pages repeat what they were asked."""
        for secret in (self.secret and self.secret.strip(), *self.headers().values()):
            for known in {secret or "", (secret or "").partition(" ")[2]} - {""}:
                text = text.replace(known, "***")
        return text


@dataclass(frozen=True, slots=True)
class Service:
    """A service, as its conversions know it."""

    shape: str
    origin: str  #: "https://host:8443"
    access: Access
    proxies: Mapping[str, str]  #: by scheme

    @property
    def name(self) -> str:
        """Give "gotenberg https://host", for people."""
        return f"{self.shape} {self.origin}"


def service_at(shape: str, url: str, access: Access) -> Service:
    """
    Look at *url*, which is as the configuration has it.

    Raises:
        UserError: Nothing can be reached by it, or it holds a secret.
    """
    parts = _parts_of(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "")
    proxies: Mapping[str, str] = {}
    if access.uses_proxies and not _is_this_machine(host):
        proxies = requests.utils.get_environ_proxies(url)
    return Service(shape, origin, access, proxies)


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UserError(f"a service's url cannot be read: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UserError("a service's url begins with http:// or https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise UserError(
            f"the url of {parts.hostname} names a user; put name and password into its secret "
            '("Basic user:password")'
        )
    if not _PRINTABLE.fullmatch(url) or " " in url or parts.fragment:
        raise UserError(f"the url of {parts.hostname} has characters that no url may have")
    for name, _value in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET_PARAMETER.search(name):
            raise UserError(
                f"the url of {parts.hostname} seems to hold a secret ({name}); urls are logged: "
                "send it in a header"
            )
    return parts


def _as_authorization(secret: str) -> str:
    scheme, _, rest = secret.partition(" ")
    if not rest:
        return f"Bearer {secret}"
    if scheme.lower() == "basic" and ":" in rest:  # no letter of Base64
        return f"Basic {base64.b64encode(rest.encode()).decode()}"
    return secret


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
