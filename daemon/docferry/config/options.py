"""
What can be configured: a class a table, a line a key, with its type, check and default.

The classes are plain values; only `tables` reads their keys. config/docferry.toml
says what each key is for, and a test holds it against this module.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from docferry.config.conversion_values import (
    CHAIN,
    COMMAND,
    EXTENSION,
    FILE,
    HEADER,
    LANGUAGES,
    OPTIONS,
    PLACES,
    SERVICE,
    TEMPLATE,
    TYPES,
    VARIABLES,
    patience,
)
from docferry.config.traffic_values import BANDWIDTH, BUDGET, REQUESTS
from docferry.config.values import (
    ADDRESS,
    BUCKET,
    ENDPOINT,
    EXCLUDES,
    FOLDER,
    NAME,
    PATTERNS,
    PREFIX,
    QUEUE_URL,
    SOME_PATTERNS,
    TARGET_FOLDER,
    TARGET_MIRROR,
    VERIFY_TLS,
    WRITTEN_FILE,
    Check,
    age,
    amount,
    choice,
    duration,
    maybe_text,
    memory,
    text,
    whole,
    words,
)
from docferry.config.webhook_values import EVENTS, FLAG, MIRRORS, URL
from docferry.core.brake import ChangeLimits
from docferry.core.filters import DEFAULT_EXCLUDES
from docferry.core.places import DEFAULT_TEMPLATE
from docferry.core.retention import Policy
from docferry.core.traffic import UNLIMITED, Limits, Timetable
from docferry.model import Mode


@dataclass(frozen=True, slots=True)
class Key:
    """The key that an attribute is read from. An attribute without one is not in the file."""

    name: str
    check: Check


class SecretStr:
    """A secret that shows itself only when asked: not in a log, a traceback or a repr."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "SecretStr('**********')"


class ConverterKind(StrEnum):
    """Which program, or which service, a converter is."""

    # in docferry's own child processes
    MARKDOWN = "markdown"
    TEXT = "text"
    PDF = "pdf"
    # programs
    LIBREOFFICE = "libreoffice"
    PANDOC = "pandoc"
    OCRMYPDF = "ocrmypdf"
    COMMAND = "command"
    # services over HTTP
    MULTIPART = "multipart"
    GOTENBERG = "gotenberg"
    DOCLING = "docling"
    TIKA = "tika"


_ORIGINS = words(
    r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?",
    'a list such as ["https://intranet.example.com"]',
)


def _kept(what: str) -> Check:
    return whole(0, 10**6, f"{what}, 0 for no such rule")


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """`[store.NAME]`: an S3 server and how to reach it."""

    name: str
    endpoint_url: Annotated[str | None, Key("endpoint_url", ENDPOINT)] = None  #: None: AWS
    region: Annotated[str, Key("region", text('the region, such as "us-east-1"'))] = "us-east-1"
    #: A text is the path of a file with the CA's certificate.
    verify_tls: Annotated[bool | str, Key("verify_tls", VERIFY_TLS)] = True
    addressing_style: Annotated[
        Literal["path", "virtual", "auto"],
        Key("addressing_style", choice("path", "virtual", "auto")),
    ] = "path"
    #: Bytes a second, by the hour of this machine's clock.
    bandwidth_up: Annotated[Timetable, Key("bandwidth_up", BANDWIDTH)] = UNLIMITED
    bandwidth_down: Annotated[Timetable, Key("bandwidth_down", BANDWIDTH)] = UNLIMITED
    #: None: as many as there are.
    requests_per_s: Annotated[float | None, Key("requests", REQUESTS)] = None
    #: Requests an hour, beyond which it is polled less often; None: none.
    budget: Annotated[float | None, Key("budget", BUDGET)] = None
    #: From $CREDENTIALS_DIRECTORY; all None: boto3's own chain (AWS_* variables, ~/.aws, roles).
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None

    @property
    def limits(self) -> Limits:
        """What may pass between docferry and the store."""
        return Limits(self.bandwidth_up, self.bandwidth_down, self.requests_per_s)


@dataclass(frozen=True, slots=True)
class MirrorConfig:
    """`[mirror.NAME]`: one folder and one prefix that hold the same files."""

    name: str
    store: Annotated[str, Key("store", text("the NAME of a [store.NAME]"))]
    bucket: Annotated[str, Key("bucket", BUCKET)]
    local: Annotated[pathlib.Path, Key("local", FOLDER)]  #: absolute; links are not resolved
    prefix: Annotated[str, Key("prefix", PREFIX)] = ""  #: "" (the whole bucket) or "a/b/"
    mode: Annotated[Mode, Key("mode", choice(*Mode))] = Mode.TWO_WAY
    poll_s: Annotated[float, Key("poll", duration(0.1))] = 30.0
    #: How often all is listed, where files are named by ULIDs; 0: by each poll.
    relist_s: Annotated[float, Key("relist", duration())] = 0.0
    rescan_s: Annotated[float, Key("rescan", duration(0.1))] = 3600.0
    settle_s: Annotated[float, Key("settle", duration())] = 2.0
    snapshot_s: Annotated[float, Key("snapshot", duration(1))] = 900.0
    delete_limit: Annotated[
        int, Key("delete_limit", whole(0, 10**9, "deletions that may travel without a person"))
    ] = 100
    suspicious_limit: Annotated[
        int,
        Key(
            "suspicious_limit",
            whole(0, 10**9, "suspicious changes that may travel without a person"),
        ),
    ] = 20
    #: 0: however many.
    change_limit: Annotated[
        int,
        Key("change_limit", whole(0, 10**9, "overwrites that may travel, 0 for no such limit")),
    ] = 0
    include: Annotated[tuple[str, ...], Key("include", PATTERNS)] = ()  #: (): everything
    #: Complete: the defaults first, then what the file adds.
    exclude: Annotated[tuple[str, ...], Key("exclude", EXCLUDES)] = DEFAULT_EXCLUDES
    #: In which everything is read once, on both sides; 0: never.
    patrol_s: Annotated[float, Key("patrol", duration())] = 30 * 86400.0
    patrol_rate_mib: Annotated[int, Key("patrol_rate", memory(1))] = 10  #: a second
    watch: Annotated[
        Literal["auto", "inotify", "polling"],
        Key("watch", choice("auto", "inotify", "polling")),
    ] = "auto"
    #: How often a canary goes the whole way; 0: never.
    canary_s: Annotated[float, Key("canary", duration())] = 0.0
    #: 0: no such rule. Without any, every version stays for ever.
    keep_last: Annotated[int, Key("keep_last", _kept("versions of a file"))] = 0
    keep_for_s: Annotated[float, Key("keep_for", age())] = 0.0
    keep_hourly: Annotated[int, Key("keep_hourly", _kept("hours"))] = 0
    keep_daily: Annotated[int, Key("keep_daily", _kept("days"))] = 0
    keep_weekly: Annotated[int, Key("keep_weekly", _kept("weeks"))] = 0

    @property
    def limits(self) -> ChangeLimits:
        """What may be changed before a person is asked."""
        return ChangeLimits(self.suspicious_limit, self.change_limit or None)

    @property
    def retention(self) -> Policy:
        """Which displaced versions stay."""
        return Policy(
            self.keep_last,
            timedelta(seconds=self.keep_for_s),
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
        )


@dataclass(frozen=True, slots=True)
class DropConfig:
    """`[drop.NAME]`: a folder whose settled files are moved into a mirror's folder."""

    name: str
    folder: Annotated[pathlib.Path, Key("folder", FOLDER)]
    into: Annotated[str, Key("into", TARGET_MIRROR)]  #: the mirror
    subfolder: Annotated[str, Key("into", TARGET_FOLDER)]  #: "" or "inbox/"
    naming: Annotated[Literal["path", "ulid"], Key("naming", choice("path", "ulid"))] = "path"
    settle_s: Annotated[float, Key("settle", duration())] = 2.0


@dataclass(frozen=True, slots=True)
class SqsConfig:
    """`[sqs.NAME]`: a queue of AWS into which a store's buckets tell what changes."""

    name: str
    store: Annotated[str, Key("store", text("the NAME of a [store.NAME]"))]  #: its keys, too
    queue_url: Annotated[str, Key("queue_url", QUEUE_URL)]


Option: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ConverterConfig:
    """
    `[converter.NAME]`: what turns one document into another, as rules name it.

    Which keys have a meaning depends on the kind: `converters` knows, and refuses the others.
    """

    name: str
    kind: Annotated[ConverterKind, Key("kind", choice(*ConverterKind))]
    #: What LibreOffice and pandoc make; "" for the others.
    format: Annotated[str, Key("format", text('what it makes, such as "pdf"'))] = ""
    #: Of a command: with {input} and {output}, each as often as needed.
    command: Annotated[tuple[str, ...], Key("command", COMMAND)] = ()
    #: Files and folders that a command may read besides its document and the system's programs.
    readable: Annotated[tuple[pathlib.Path, ...], Key("readable", PLACES)] = ()
    environment: Annotated[Mapping[str, str], Key("environment", VARIABLES)] = field(
        default_factory=dict
    )
    #: The end of its results' names, with the dot; always there, whatever says it.
    produces: Annotated[str, Key("produces", EXTENSION)] = ""
    url: Annotated[str | None, Key("url", SERVICE)] = None
    options: Annotated[Mapping[str, Option], Key("options", OPTIONS)] = field(default_factory=dict)
    #: For OCR; (): those that are installed, or English.
    languages: Annotated[tuple[str, ...], Key("languages", LANGUAGES)] = ()
    #: None: as many as its kind bears.
    at_once: Annotated[int | None, Key("at_once", whole(1, 64, "documents at a time"))] = None
    #: A text is the path of a file with the CA's certificate.
    verify_tls: Annotated[bool | str, Key("verify_tls", VERIFY_TLS)] = True
    #: A PEM file with the certificate and its key.
    client_certificate: Annotated[pathlib.Path | None, Key("client_certificate", FILE)] = None
    header: Annotated[str, Key("header", HEADER)] = "Authorization"  #: that has the secret
    part: Annotated[str, Key("part", text('the part of the form, such as "file"'))] = "file"
    #: Of an answer in JSON: where the result is, such as "document.md"; "": the answer is it.
    json_field: Annotated[str, Key("json_field", maybe_text('a name, or "a.b" for b in a'))] = ""
    json_encoding: Annotated[
        Literal["text", "base64"], Key("json_encoding", choice("text", "base64"))
    ] = "text"
    wait: Annotated[Literal["answer", "poll"], Key("wait", choice("answer", "poll"))] = "poll"
    #: Any text; another one than before has everything converted anew.
    revision: Annotated[str, Key("revision", maybe_text("any text, such as the version"))] = ""
    #: From NAME.secret in $CREDENTIALS_DIRECTORY.
    secret: SecretStr | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The options as a service takes them."""
        return {name: _written(value) for name, value in self.options.items()}

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options as a program takes them: `toc = true` is "--toc", `dpi = 300` "--dpi=300"."""
        return tuple(
            f"--{name}" if value is True else f"--{name}={_written(value)}"
            for name, value in self.options.items()
            if value is not False
        )


def _written(value: Option) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


#: Converters that rules may name without a table; one of that name sets their options.
BUILT_IN: Mapping[str, ConverterConfig] = {
    one.name: one
    for one in (
        ConverterConfig("markdown", ConverterKind.MARKDOWN, produces=".md"),
        ConverterConfig("text", ConverterKind.TEXT, produces=".txt"),
        ConverterConfig("pdf", ConverterKind.PDF, produces=".pdf"),
        ConverterConfig("libreoffice", ConverterKind.LIBREOFFICE, "pdf", produces=".pdf"),
        ConverterConfig("ocrmypdf", ConverterKind.OCRMYPDF, produces=".pdf"),
    )
}


@dataclass(frozen=True, slots=True)
class ConvertConfig:
    """`[[convert]]`: which documents of a mirror are converted, how, and where the results go."""

    name: Annotated[str, Key("name", NAME)]
    from_mirror: Annotated[str, Key("from", text("the NAME of a [mirror.NAME]"))]
    patterns: Annotated[tuple[str, ...], Key("patterns", SOME_PATTERNS)]
    to_mirror: Annotated[str, Key("to", TARGET_MIRROR)]
    chain: Annotated[tuple[str, ...], Key("with", CHAIN)]  #: names of converters, in their order
    template: Annotated[str, Key("to", TEMPLATE)] = DEFAULT_TEMPLATE  #: see `core.places`
    types: Annotated[tuple[str, ...], Key("types", TYPES)] = ()  #: (): any
    smallest: Annotated[int, Key("min_size", amount())] = 0  #: bytes
    largest: Annotated[int | None, Key("max_size", amount())] = None  #: bytes; None: any size
    timeout_s: Annotated[float, Key("timeout", duration(1))] = 120.0  #: of each step
    memory_mib: Annotated[int, Key("memory", memory(64))] = 2048  #: of each process
    output_mib: Annotated[int, Key("output", memory(1))] = 64  #: of the result
    attempts: Annotated[int, Key("attempts", whole(1, 100, "tries before it is given up"))] = 4
    #: How long a document may wait for its turn; None: for ever.
    waits_s: Annotated[float | None, Key("wait", patience())] = None

    @property
    def converter(self) -> str:
        """The name of the converter; of a chain, all of them, joined by "+"."""
        return "+".join(self.chain)


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """`[webhook.NAME]`: who is told what happens, and how that is signed."""

    name: str
    #: It may hold a key of the receiver's.
    url: Annotated[str, Key("url", URL)] = field(repr=False)
    events: Annotated[tuple[str, ...], Key("events", EVENTS)] = ("*",)
    mirrors: Annotated[tuple[str, ...], Key("mirrors", MIRRORS)] = ()  #: (): all
    patterns: Annotated[tuple[str, ...], Key("patterns", PATTERNS)] = ()  #: (): any file
    allow_private: Annotated[bool, Key("allow_private", FLAG)] = False
    timeout_s: Annotated[float, Key("timeout", duration(1))] = 15.0
    #: A text is the path of a file with the CA's certificate.
    verify_tls: Annotated[bool | str, Key("verify_tls", VERIFY_TLS)] = True
    #: From NAME.webhook and, while it rotates, NAME.webhook.previous; each of them signs.
    secrets: tuple[SecretStr, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. The tables are keyed by their names."""

    state_dir: Annotated[pathlib.Path, Key("state_dir", FOLDER)] = pathlib.Path("/var/lib/docferry")
    #: With a file per secret; None: $CREDENTIALS_DIRECTORY.
    credentials_dir: Annotated[pathlib.Path | None, Key("credentials_dir", FOLDER)] = None
    #: Made into the hashes of API keys; None: there is no file `api.pepper`.
    api_pepper: SecretStr | None = None
    #: Whoever has it may tell what changes in buckets; None: there is no `notifications.secret`.
    notifications_secret: SecretStr | None = None
    transfers: Annotated[int, Key("transfers", whole(1, 256, "operations at a time"))] = 16
    #: Bytes of each disk that are kept free.
    disk_reserve: Annotated[int, Key("disk_reserve", amount())] = 1 << 30
    metrics_address: Annotated[str, Key("metrics.address", ADDRESS)] = "127.0.0.1"
    metrics_port: Annotated[int, Key("metrics.port", whole(0, 65535, "0 for none, or a port"))] = (
        9412
    )
    #: Of the HTTP API and the page; port 0: none.
    api_host: Annotated[str, Key("api.host", ADDRESS)] = "127.0.0.1"
    api_port: Annotated[int, Key("api.port", whole(0, 65535, "0 for none, or a port"))] = 8420
    #: A unix socket besides; None: none.
    api_socket: Annotated[pathlib.Path | None, Key("api.socket", WRITTEN_FILE)] = None
    #: PEM files; both None: plain HTTP.
    api_tls_cert: Annotated[pathlib.Path | None, Key("api.tls_cert", FILE)] = None
    api_tls_key: Annotated[pathlib.Path | None, Key("api.tls_key", FILE)] = None
    #: Bytes of a document that comes by the API.
    api_max_upload: Annotated[int, Key("api.max_upload", amount())] = 5 << 30
    #: Of each API key, user of this machine, and address from which strangers ask, within a minute.
    api_rate: Annotated[int, Key("api.rate", whole(1, 10**6, "requests a minute"))] = 6000
    #: Pages of which other places may ask from a browser; (): none.
    api_origins: Annotated[tuple[str, ...], Key("api.origins", _ORIGINS)] = ()
    log_level: Annotated[str, Key("log.level", choice("debug", "info", "warning", "error"))] = (
        "info"
    )
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Key("log.format", choice("auto", "json", "console")),
    ] = "auto"
    #: None: the standard output alone.
    log_file: Annotated[pathlib.Path | None, Key("log.file", WRITTEN_FILE)] = None
    log_size: Annotated[int, Key("log.size", amount())] = 10 * 1024 * 1024  #: bytes
    log_count: Annotated[int, Key("log.count", whole(0, 1000, "older files that are kept"))] = 5
    #: None: `audit.jsonl` in the state directory.
    audit_file: Annotated[pathlib.Path | None, Key("audit.file", WRITTEN_FILE)] = None
    stores: dict[str, StoreConfig] = field(default_factory=dict)
    mirrors: dict[str, MirrorConfig] = field(default_factory=dict)
    drops: dict[str, DropConfig] = field(default_factory=dict)
    queues: dict[str, SqsConfig] = field(default_factory=dict)
    #: Those too that have no table.
    converters: dict[str, ConverterConfig] = field(default_factory=lambda: dict(BUILT_IN))
    converts: tuple[ConvertConfig, ...] = ()
    webhooks: dict[str, WebhookConfig] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  #: valid, but to be said at every start

    @property
    def audit_path(self) -> pathlib.Path:
        """Where the audit is kept a second time."""
        return self.audit_file or self.state_dir / "audit.jsonl"
