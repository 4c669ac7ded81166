"""Connect to a store: the options, and boto3 and obstore set up to say the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast
from urllib.parse import urlsplit

import botocore.session
import urllib3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, NoCredentialsError, TokenRetrievalError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from docferry.errors import PermanentError
from docferry.storage.base import PARTS_AT_ONCE
from docferry.storage.listing import lift_objects
from docferry.storage.s3_errors import without_login
from docferry.storage.s3_meter import Meter, MirrorMeter, watch

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client as BotoClient
    from obstore.store import ClientConfig, S3Credential

#: botocore renews credentials that end in less than 10 minutes, obstore asks for new
#: ones when 5 are left: so it asks every 5 minutes.
_CREDENTIALS_LAST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where a store is and how to talk to it."""

    endpoint_url: str | None = None  #: None: AWS, or what AWS_ENDPOINT_URL says
    region: str = "us-east-1"
    verify_tls: bool | str = True  #: or the path of a file of CA certificates
    addressing_style: Literal["path", "virtual", "auto"] = "path"
    access_key_id: str | None = None  #: None: boto3's own chain
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    max_connections: int = 16
    connect_timeout_s: float = 5.0
    timeout_s: float = 60.0  #: of silence, not for a large body as a whole
    attempts: int = 2  #: for one request; whole operations are repeated by the engine


class Connections:
    """
    Both clients of one bucket, built when they are first used. Thread-safe.

    meter: counts what they send, and keeps it within limits.
    """

    def __init__(self, options: S3Options, bucket: str, meter: MirrorMeter | None = None) -> None:
        self.meter = meter or Meter().of("")
        self._bucket = bucket
        self._clients = _Clients(options)

    def use(self, options: S3Options) -> None:
        """
        Connect in another way from now on, with other keys perhaps.

        A request that is under way ends with the clients with which it began.
        """
        self._clients = _Clients(options)

    @property
    def endpoint_url(self) -> str:
        return self.boto.meta.endpoint_url

    @property
    def boto(self) -> BotoClient:
        return self._clients.connected.boto

    @property
    def lean(self) -> S3Store:
        """obstore's client."""
        clients = self._clients
        if clients.lean is None:
            with _set_up(clients.options):
                clients.lean = self._make_lean(clients)
        return clients.lean

    def credentials_end_at(self) -> datetime | None:
        """Say when the keys in use end; None: they do not, or nobody tells (a session token)."""
        found = self._clients.connected.session.get_credentials()
        ends_at: datetime | None = getattr(found, "_expiry_time", None)  # botocore only tells if
        return ends_at

    def _make_lean(self, clients: _Clients) -> S3Store:
        options, url = clients.options, urlsplit(clients.connected.boto.meta.endpoint_url)
        is_virtual = options.addressing_style == "virtual" or (
            options.addressing_style == "auto" and options.endpoint_url is None
        )
        host = f"{self._bucket}.{url.netloc}" if is_virtual else url.netloc
        return S3Store(
            self._bucket,
            config={
                "endpoint": url._replace(netloc=host).geturl(),
                "region": options.region,
                "virtual_hosted_style_request": is_virtual,
                "checksum_algorithm": "SHA256",  # it is computed for the signature anyway
                "conditional_put": "etag",
            },
            client_options=_lean_client_options(options, url.scheme),
            retry_config={"max_retries": 0},  # boto3 is the second attempt
            # It must not lead back to the client: of such a circle through Rust neither the
            # client nor its open connections would ever be freed.
            credential_provider=partial(_credentials_of, clients.connected),
        )


class _Clients:
    """What is connected by some options, and lasts as long as they count."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.lean: S3Store | None = None

    @cached_property
    def connected(self) -> _Connected:
        return _connected(self.options)


def _credentials_of(connected: _Connected) -> S3Credential:
    found = connected.session.get_credentials()
    if found is None:
        raise NoCredentialsError
    frozen = found.get_frozen_credentials()
    ends = isinstance(found, RefreshableCredentials)
    return {
        "access_key_id": frozen.access_key or "",
        "secret_access_key": frozen.secret_key or "",
        "token": frozen.token,
        "expires_at": datetime.now(UTC) + _CREDENTIALS_LAST if ends else None,
    }


def _lean_client_options(options: S3Options, scheme: str) -> ClientConfig:
    client_options: ClientConfig = {
        "allow_http": scheme == "http",
        "allow_invalid_certificates": options.verify_tls is False,
        "connect_timeout": timedelta(seconds=options.connect_timeout_s),
        "read_timeout": timedelta(seconds=options.timeout_s),
        "timeout": timedelta(hours=1),  # by default 30 s for a whole body
    }
    if isinstance(options.verify_tls, str):
        client_options["root_certificate"] = FilePath(options.verify_tls).read_bytes()
    return client_options


class _Connected(NamedTuple):
    session: botocore.session.Session
    boto: BotoClient


_connecting = threading.Lock()
_known: dict[S3Options, _Connected] = {}


def forget(options: S3Options) -> None:
    """Keep no client by *options* for who may yet come: nobody is to use them any more."""
    with _connecting:
        _known.pop(options, None)


def _connected(options: S3Options) -> _Connected:
    """Give the one boto3 client of a store, to all its mirrors: each takes 12 MB and 0.1 s."""
    found = _known.get(options)
    if found is None:
        with _connecting:
            found = _known.get(options)
            if found is None:
                with _set_up(options):
                    found = _known[options] = _connect(options)
    return found


@contextmanager
def _set_up(options: S3Options) -> Iterator[None]:
    """Say what is wrong with *options* where a client does not take them."""
    try:
        yield
    except (BaseError, BotoCoreError, OSError, ValueError) as error:
        where = without_login(options.endpoint_url or "AWS")
        said = str(error).replace(options.endpoint_url or "AWS", where)  # it may hold a password
        raise PermanentError(f"cannot set up a connection to {where}: {said}") from error


def _connect(options: S3Options) -> _Connected:
    if options.verify_tls is False:
        # One for each request, otherwise. `docferry` itself warns at every start.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    session = botocore.session.Session()
    # dateutil takes 59 of the 75 microseconds that a listed key costs.
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=lambda text: text)
    if options.access_key_id is not None:
        session.set_credentials(
            options.access_key_id, options.secret_access_key or "", options.session_token
        )
    client = session.create_client(
        "s3",
        region_name=options.region,
        endpoint_url=options.endpoint_url,
        verify=options.verify_tls,
        config=Config(
            # What AWS, MinIO, SeaweedFS, rclone and moto all understand.
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=options.connect_timeout_s,
            read_timeout=options.timeout_s,
            max_pool_connections=options.max_connections + 2 * PARTS_AT_ONCE,
            retries={"total_max_attempts": options.attempts, "mode": "standard"},
            s3={"addressing_style": options.addressing_style},
        ),
    )
    # With the asterisk here it comes before botocore's own, which parse each page again.
    client.meta.events.register("before-parse.*.ListObjectsV2", lift_objects)
    client.meta.events.register("before-call.s3.HeadBucket", _follow_no_redirect)
    client.meta.events.register("before-sign.s3", partial(_refuse_ended_keys, session))
    watch(client.meta.events)
    return _Connected(session, cast("BotoClient", client))


def _refuse_ended_keys(session: botocore.session.Session, **_: object) -> None:
    """
    Raises:
        TokenRetrievalError: Who hands out the keys gives ended ones: botocore says that by a
            RuntimeError, which would pass for a bug.
    """
    found = session.get_credentials()
    try:
        if found is not None:
            found.get_frozen_credentials()
    except RuntimeError as error:
        raise TokenRetrievalError(provider="boto3's chain", error_msg=str(error)) from error


def _follow_no_redirect(params: dict[str, Any], **_: object) -> None:
    """
    Let botocore take the answer to a question of its own as it comes.

    Where a store answers 301, 302 or 307 it asks for the bucket's region; where the answer to that
    is one as well, it asks again, until Python's stack is full.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True
