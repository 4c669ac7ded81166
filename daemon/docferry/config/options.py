"""
What can be configured: a class a table, a line a key, with its type, check and default.

The classes are plain values; only `tables` reads their keys. config/docferry.toml
says what each key is for, and a test holds it against this module.
"""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from docferry.config.values import (
    ADDRESS,
    BUCKET,
    ENDPOINT,
    EXCLUDES,
    FOLDER,
    NAME,
    PATTERNS,
    PREFIX,
    SOME_PATTERNS,
    TARGET_FOLDER,
    TARGET_MIRROR,
    VERIFY_TLS,
    Check,
    age,
    choice,
    duration,
    memory,
    text,
    whole,
)
from docferry.core.filters import DEFAULT_EXCLUDES
from docferry.core.retention import Policy
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
    #: From $CREDENTIALS_DIRECTORY; all None: boto3's own chain (AWS_* variables, ~/.aws, roles).
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None


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
    rescan_s: Annotated[float, Key("rescan", duration(0.1))] = 3600.0
    settle_s: Annotated[float, Key("settle", duration())] = 2.0
    snapshot_s: Annotated[float, Key("snapshot", duration(1))] = 900.0
    delete_limit: Annotated[
        int, Key("delete_limit", whole(0, 10**9, "deletions that may travel without a person"))
    ] = 100
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
    #: 0: no such rule. Without any, every version stays for ever.
    keep_last: Annotated[int, Key("keep_last", _kept("versions of a file"))] = 0
    keep_for_s: Annotated[float, Key("keep_for", age())] = 0.0
    keep_hourly: Annotated[int, Key("keep_hourly", _kept("hours"))] = 0
    keep_daily: Annotated[int, Key("keep_daily", _kept("days"))] = 0
    keep_weekly: Annotated[int, Key("keep_weekly", _kept("weeks"))] = 0

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
class ConvertConfig:
    """`[[convert]]`: which documents of a mirror are converted, how, and where the results go."""

    name: Annotated[str, Key("name", NAME)]
    from_mirror: Annotated[str, Key("from", text("the NAME of a [mirror.NAME]"))]
    patterns: Annotated[tuple[str, ...], Key("patterns", SOME_PATTERNS)]
    to_mirror: Annotated[str, Key("to", text("the NAME of a [mirror.NAME]"))]
    converter: Annotated[Literal["markdown"], Key("with", choice("markdown"))]
    timeout_s: Annotated[float, Key("timeout", duration(1))] = 120.0
    memory_mib: Annotated[int, Key("memory", memory(64))] = 2048
    attempts: Annotated[int, Key("attempts", whole(1, 100, "tries before it is given up"))] = 4


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. The tables are keyed by their names."""

    state_dir: Annotated[pathlib.Path, Key("state_dir", FOLDER)] = pathlib.Path("/var/lib/docferry")
    transfers: Annotated[int, Key("transfers", whole(1, 256, "operations at a time"))] = 16
    metrics_address: Annotated[str, Key("metrics.address", ADDRESS)] = "127.0.0.1"
    metrics_port: Annotated[int, Key("metrics.port", whole(0, 65535, "0 for none, or a port"))] = (
        9412
    )
    log_level: Annotated[str, Key("log.level", choice("debug", "info", "warning", "error"))] = (
        "info"
    )
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Key("log.format", choice("auto", "json", "console")),
    ] = "auto"
    stores: dict[str, StoreConfig] = field(default_factory=dict)
    mirrors: dict[str, MirrorConfig] = field(default_factory=dict)
    drops: dict[str, DropConfig] = field(default_factory=dict)
    converts: tuple[ConvertConfig, ...] = ()
    warnings: tuple[str, ...] = ()  #: valid, but to be said at every start
