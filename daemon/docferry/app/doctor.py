"""
A bundle of what whoever helps needs to know: `docferry doctor`.

Nothing in it is a secret or a document's content, and by default no name of a file. What
cannot be had is said so, and costs nothing else.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import secrets
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from docferry.app.check import check_all
from docferry.app.doctor_process import process_facts, stacks_of, system_facts
from docferry.app.mirrors import LEDGER_NAME
from docferry.config import Config
from docferry.config.faults import ConfigError
from docferry.config.options import ConverterConfig, SecretStr
from docferry.core.bundle import of_record, without
from docferry.core.pseudonyms import Pseudonyms
from docferry.errors import DocferryError, UserError
from docferry.ledger.lock import is_held
from docferry.ledger.summary import summary_of
from docferry.logs import MASK, mask
from docferry.metrics import release

_LIBRARIES = ("boto3", "botocore", "SQLAlchemy", "dataset", "alembic", "structlog", "watchdog")
_SECRET_NAME = re.compile(r"secret|password|passwd|token|credential|_key", re.I)
_SHORTEST_SECRET = 6  # what is shorter stands everywhere by chance
_MOST_LINES = 2000
_NOT_TO_BE_HAD = (DocferryError, OSError, ValueError, subprocess.SubprocessError)


class Doctor:
    """
    Looks at everything once.

    Args:
        with_names: Tell the names of files, and what was said of them.
        fetch: Gives the text at an address.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        *,
        with_names: bool,
        fetch: Callable[[str], str],
    ) -> None:
        self._config = config
        self._secrets = secrets_of(config, environ)
        self._hide = None if with_names else Pseudonyms(secrets.token_bytes(16)).of
        self._fetch = fetch

    def bundle(self) -> dict[str, str]:
        """Give the files of the bundle by their names, with what is in them."""
        config = self._config
        pid = is_held(config.state_dir)
        folders = [config.state_dir, *(one.local for one in config.mirrors.values())]
        gathered: dict[str, Callable[[], object]] = {
            "about.json": lambda: _about(pid),
            "config.json": lambda: shown(config, self._hide),
            "check.json": lambda: check_all(config),
            "ledger.json": lambda: self._ledger(config.state_dir / LEDGER_NAME),
            "system.json": lambda: system_facts(folders),
            "process.json": lambda: process_facts(pid),
            "stacks.txt": lambda: stacks_of(pid, config.state_dir),
            "metrics.txt": lambda: self._metrics(pid),
            "log.json": self._log,
        }
        return {name: self._member(gather) for name, gather in gathered.items()}

    def _member(self, gather: Callable[[], object]) -> str:
        try:
            found = gather()
        except _NOT_TO_BE_HAD as error:
            found = f"could not be had: {type(error).__name__}"  # its text may quote anything
        if isinstance(found, str):
            return self._clean(found)
        return json.dumps(_plain(found, self._clean), indent=1, ensure_ascii=False)

    def _clean(self, text: str) -> str:
        return without(self._secrets, str(mask({"text": text})["text"]), MASK)

    def _ledger(self, path: Path) -> dict[str, object]:
        facts, rows = summary_of(path)
        told = {what: [of_record(row, self._hide) for row in found] for what, found in rows.items()}
        return facts | told

    def _metrics(self, pid: int | None) -> str:
        if pid is None or self._config.metrics_port == 0:
            return "no daemon runs, or it tells none"
        address = self._config.metrics_address
        host = f"[{address}]" if ":" in address else address
        return self._fetch(f"http://{host}:{self._config.metrics_port}/metrics")

    def _log(self) -> list[dict[str, object]]:
        """Give the last lines of the journal, as far as they may be told."""
        done = subprocess.run(
            ["journalctl", "-u", "docferry", "-n", str(_MOST_LINES), "-o", "cat", "--no-pager"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
        return told_of_lines(done.stdout.splitlines(), self._hide)


def told_of_lines(
    lines: Sequence[str], hide: Callable[[str], str] | None
) -> list[dict[str, object]]:
    """Give of each line of a log what may be told; of what is no event of ours, nothing."""
    told = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            told.append(of_record(event, hide))
    return told


def of_faulty(error: ConfigError) -> dict[str, str]:
    """Give what can be told where the configuration cannot be used: its faults' keys."""
    told = {
        "about.json": _about(None),
        "config.json": {"faults": [fault.key for fault in error.faults]},
        "system.json": system_facts([]),
    }
    return {name: json.dumps(_plain(found, str), indent=1) for name, found in told.items()}


def write_bundle(members: Mapping[str, str], file: Path) -> None:
    """
    Write the bundle, for its owner alone.

    Raises:
        UserError: *file* exists, or cannot be written.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in members.items():
            content = text.encode(errors="replace")
            member = tarfile.TarInfo(f"docferry-doctor/{name}")
            member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
            tar.addfile(member, io.BytesIO(content))
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(fd, "wb") as opened:
                opened.write(packed.getvalue())
        except OSError:
            file.unlink(missing_ok=True)  # a part of it helps nobody, and takes the name
            raise
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from error


def secrets_of(config: Config, environ: Mapping[str, str]) -> set[str]:
    """Give every secret that docferry knows of, to be found wherever it slipped into."""
    found = {value for name, value in environ.items() if _SECRET_NAME.search(name)}
    for store in config.stores.values():
        found.add(store.access_key_id or "")
        found |= {_revealed(store.secret_access_key), _revealed(store.session_token)}
    found |= {_revealed(config.api_pepper), _revealed(config.notifications_secret)}
    for converter in config.converters.values():
        found.add(_revealed(converter.secret))
        given = converter.environment.items() | converter.options.items()
        found |= {str(value) for name, value in given if _SECRET_NAME.search(name)}
    for webhook in config.webhooks.values():
        found |= {_revealed(secret) for secret in webhook.secrets} | {webhook.url}
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def shown(config: Config, hide: Callable[[str], str] | None) -> dict[str, object]:
    """Give the configuration without secrets, and without names that patterns tell."""
    told: dict[str, Any] = {
        "state_dir": config.state_dir,
        "transfers": config.transfers,
        "disk_reserve": config.disk_reserve,
        "metrics": f"{config.metrics_address}:{config.metrics_port}",
        "log": f"{config.log_level}, {config.log_format}",
        "stores": [_fields(store) for store in config.stores.values()],
        "mirrors": [_fields(one) for one in config.mirrors.values()],
        "drops": [_fields(one) for one in config.drops.values()],
        "queues": [_fields(one) for one in config.queues.values()],
        "converters": [_converter(one) for one in config.converters.values()],
        "converts": [_fields(one) for one in config.converts],
        # A receiver's URL may hold its key.
        "webhooks": [_fields(one) | {"url": MASK} for one in config.webhooks.values()],
    }
    if hide is not None:
        for one in (*told["mirrors"], *told["converts"], *told["webhooks"]):
            for key in {"include", "exclude", "patterns"} & one.keys():
                one[key] = [hide(pattern) for pattern in one[key]]
    return told


def _fields(options: object) -> dict[str, Any]:
    told = {name: getattr(options, name) for name in options.__dataclass_fields__}  # type: ignore[attr-defined]
    if "access_key_id" in told:
        told["access_key_id"] = None if told["access_key_id"] is None else MASK
    return told


def _converter(options: ConverterConfig) -> dict[str, Any]:
    """Anything may be a secret that is given to a program or a service."""
    told = _fields(options)
    placeholders = ("{input}", "{output}")
    program, *arguments = options.command or ("",)
    told["command"] = [program, *(one if one in placeholders else MASK for one in arguments)]
    told["environment"] = sorted(options.environment)
    told["options"] = sorted(options.options)
    return told


def _about(pid: int | None) -> dict[str, object]:
    libraries: dict[str, str | None] = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            libraries[name] = None
    return {
        "taken_at": datetime.now(UTC),
        "docferry": release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": libraries,
        "uid": os.geteuid(),
        "is_running": pid is not None,
    }


def _revealed(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _plain(value: object, clean: Callable[[str], str]) -> object:
    match value:
        case SecretStr():
            return MASK
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _plain(item, clean) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item, clean) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _plain(asdict(value), clean)
        case _:
            return clean(str(value))
