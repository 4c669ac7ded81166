"""The whole way, from the path of the file to the options: all faults at once."""

from __future__ import annotations

import os
import pathlib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from docferry.config.across import check_across
from docferry.config.converters import check_converters, complete
from docferry.config.credentials import read_credentials
from docferry.config.environment import override
from docferry.config.faults import ConfigError, Fault
from docferry.config.options import (
    BUILT_IN,
    Config,
    ConvertConfig,
    ConverterConfig,
    DropConfig,
    MirrorConfig,
    SqsConfig,
    StoreConfig,
    WebhookConfig,
)
from docferry.config.rules import check_rules, warnings_of
from docferry.config.tables import Table, tables_in

T = TypeVar("T")

DEFAULT_PATH = pathlib.Path("/etc/docferry/docferry.toml")
VARIABLE = "DOCFERRY_CONFIG"


def config_path(option: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> pathlib.Path:
    """Choose the file: what `--config` says, else $DOCFERRY_CONFIG, else /etc."""
    return pathlib.Path(option or environ.get(VARIABLE) or DEFAULT_PATH)


def load(path: pathlib.Path, environ: Mapping[str, str], text: str | None = None) -> Config:
    """
    Read the file, lay the environment over it, and check all of it.

    Args:
        text: What the file says; None: it is to be read.

    Raises:
        ConfigError: It cannot be used; has every fault, with what would be right.
    """
    faults: list[Fault] = []
    tables = tables_in(_parsed(path, read_text(path) if text is None else text), faults)
    override(tables, environ, faults)
    complete(tables)
    for table in tables:
        table.read(faults)
    check_converters(tables, faults)
    read_credentials(tables, environ, faults)
    check_across(tables, faults)
    check_rules(tables, faults)
    if faults:
        raise ConfigError(path, faults, state_dir=_state_dir(tables[0]))
    return _config(tables)


def read_text(path: pathlib.Path) -> str:
    """
    Read the file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        fault = Fault(
            "the file",
            "is not there",
            f"a file named by --config FILE, else by ${VARIABLE}, else {DEFAULT_PATH}: "
            "these three places are looked at, in this order",
        )
        raise ConfigError(path, [fault]) from error
    except OSError as error:
        fault = Fault("the file", f"cannot be read: {error.strerror}", "a readable file")
        raise ConfigError(path, [fault]) from error
    except UnicodeDecodeError as error:
        fault = Fault("the file", f"is not UTF-8 at byte {error.start}", "text in UTF-8")
        raise ConfigError(path, [fault]) from error


def _parsed(path: pathlib.Path, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [_syntax_fault(str(error))]) from error
    except RecursionError as error:
        raise ConfigError(path, [_syntax_fault("nested too deeply")]) from error


def _state_dir(top: Table) -> pathlib.Path | None:
    """Give the `state_dir` of a file that has faults elsewhere."""
    found = top.sound.get("state_dir")
    return found if isinstance(found, pathlib.Path) else None


def _syntax_fault(message: str) -> Fault:
    """Read the place out of "Invalid value (at line 3, column 9)": there is no other access."""
    what, _, where = message.partition(" (at ")
    is_place = re.fullmatch(r"(line \d+, column \d+|end of document)\)", where)
    return Fault(
        where.rstrip(")") if is_place else "the file",
        what if is_place else message,
        "TOML: key = value, one a line; text in quotes; a table under its [header], and only once",
    )


def _config(tables: Sequence[Table]) -> Config:
    stores = _made(StoreConfig, "store", tables)
    made = {one.name: one for one in _made(ConverterConfig, "converter", tables)}
    converts = _made(ConvertConfig, "convert", tables)
    converters = {**BUILT_IN, **made}
    webhooks = _made(WebhookConfig, "webhook", tables)
    top: Callable[..., Config] = Config
    return top(
        **tables[0].sound,
        stores={store.name: store for store in stores},
        mirrors={mirror.name: mirror for mirror in _made(MirrorConfig, "mirror", tables)},
        queues={queue.name: queue for queue in _made(SqsConfig, "sqs", tables)},
        drops={drop.name: drop for drop in _made(DropConfig, "drop", tables)},
        converters=converters,
        converts=tuple(converts),
        webhooks={webhook.name: webhook for webhook in webhooks},
        warnings=(
            *_warnings(stores),
            *_converter_warnings(made.values()),
            *_rule_warnings(converts, converters),
            *_webhook_warnings(webhooks),
        ),
    )


def _made(options: Callable[..., T], section: str, tables: Sequence[Table]) -> list[T]:
    return [options(**table.sound) for table in tables if table.section == section]


def _warnings(stores: Sequence[StoreConfig]) -> list[str]:
    return [
        f"store.{store.name}.verify_tls is false: anyone between here and "
        f"{store.endpoint_url or 'AWS'} can read and change the documents; "
        "give the path of the CA's file instead"
        for store in stores
        if store.verify_tls is False
    ]


def _converter_warnings(converters: Iterable[ConverterConfig]) -> Iterator[str]:
    for one in converters:
        if one.verify_tls is False:
            yield (
                f"converter.{one.name}.verify_tls is false: anyone between here and {one.url} can "
                "read and change the documents; give the path of the CA's file instead"
            )
        if one.secret is not None and one.url is not None and _is_open(one.url):
            yield (
                f"converter.{one.name}.url is http: anyone between here and {one.url} can read "
                "the secret and the documents; use https"
            )


def _webhook_warnings(webhooks: Iterable[WebhookConfig]) -> Iterator[str]:
    for one in webhooks:
        if one.verify_tls is False:
            yield (
                f"webhook.{one.name}.verify_tls is false: anyone in between can read what is told; "
                "give the path of the CA's file instead"
            )
        if _is_open(one.url):
            yield (
                f"webhook.{one.name}.url is http: anyone in between can read what is told, and "
                "the names of documents; use https"
            )


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


def _rule_warnings(
    rules: Sequence[ConvertConfig], converters: Mapping[str, ConverterConfig]
) -> Iterator[str]:
    for rule in rules:
        extension = converters[rule.chain[-1]].produces
        yield from warnings_of(rule.name, rule.patterns, rule.template, extension)
