"""
A file per secret: `main.access_key_id` and so on in `credentials_dir`, or $CREDENTIALS_DIRECTORY.

A service that converts documents has one, `office.secret`; the API may have one, `api.pepper`, and
another, `notifications.secret`, with which stores tell of changes.
A webhook has `crm.webhook`, and while that is exchanged for another one `crm.webhook.previous`.

The variable names where systemd's LoadCredential= puts them: copies, made at the start. In
`credentials_dir` they may be exchanged while docferry runs, by root, Kubernetes or Vault. A store
without such files is left to boto3's own chain: AWS_* variables, ~/.aws, roles.
Commands that root gives have no such variable: they read the folder that the unit loads.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence

from docferry.config.converters import SERVICES
from docferry.config.faults import Fault, did_you_mean
from docferry.config.options import SecretStr
from docferry.config.tables import Table
from docferry.config.webhook_values import SECRET, is_secret

_VARIABLE = "CREDENTIALS_DIRECTORY"
_ID, _SECRET, _TOKEN = "access_key_id", "secret_access_key", "session_token"
_OF_STORES = (_ID, _SECRET, _TOKEN)
_OF_CONVERTER = "secret"
_OF_WEBHOOK, _PREVIOUS = "webhook", "webhook.previous"
_OF_WEBHOOKS = (_OF_WEBHOOK, _PREVIOUS)
_API, _PEPPER = "api", "pepper"
_SHORTEST = 16  # characters of a secret that is only between two programs
_NOTIFICATIONS = "notifications"
#: The unit has `LoadCredential=docferry:FOLDER`: systemd names each copy after that and its file.
_FROM_FOLDER = "docferry_"
#: Whose files the unit hands over; root's alone.
_FOLDER = "/etc/docferry/credentials"


def read_credentials(
    tables: Sequence[Table], environ: Mapping[str, str], faults: list[Fault]
) -> None:
    """Add to each store and each service the secrets that have a file."""
    chosen = tables[0].sound.get("credentials_dir")
    directory = folder_of(chosen if isinstance(chosen, pathlib.Path) else None, environ)
    webhooks = {table.name: table for table in tables if table.section == "webhook"}
    if directory is None:
        _add_to_webhooks(webhooks, {}, f"${_VARIABLE}", faults)
        return
    where = "credentials_dir"
    if chosen is None:
        where = f"${_VARIABLE}" if environ.get(_VARIABLE) else _FOLDER
    found = _read_all(directory, where, faults)
    stores = [table for table in tables if table.section == "store"]
    _add_to_stores(stores, found, where, faults)
    converters = [table for table in tables if table.section == "converter"]
    _add_notifications(tables[0], converters, found, where, faults)
    _add_to_converters(converters, found, where, faults)
    _add_to_webhooks(webhooks, found, where, faults)
    _add_pepper(tables[0], found, where, faults)


def folder_of(chosen: pathlib.Path | None, environ: Mapping[str, str]) -> pathlib.Path | None:
    """Say where the files are; None: there are none."""
    named = environ.get(_VARIABLE) or (_FOLDER if os.access(_FOLDER, os.R_OK) else None)
    return chosen or (pathlib.Path(named) if named else None)


def state_of(folder: pathlib.Path) -> tuple[tuple[str, int, int, int], ...]:
    """Tell the files of *folder* from what they were before, without reading them."""
    found = []
    try:
        for file in sorted(folder.iterdir()):
            seen = file.stat()  # of what a link leads to: Kubernetes exchanges links
            found.append((file.name, seen.st_ino, seen.st_size, seen.st_mtime_ns))
    except OSError:
        return ()
    return tuple(found)


def _add_to_stores(
    stores: Sequence[Table],
    found: Mapping[tuple[str, str], str],
    where: str,
    faults: list[Fault],
) -> None:
    names = {store.name for store in stores}
    for store, key in found:
        if store not in names and key in _OF_STORES:
            right = did_you_mean(store, names)
            faults.append(Fault(f"{where}/{store}.{key}", f"there is no store {store}", right))
    for table in stores:
        secrets = {
            key: value
            for (store, key), value in found.items()
            if store == table.name and key in _OF_STORES
        }
        for missing in _missing(secrets):
            file = f"{table.name}.{missing}"
            faults.append(Fault(f"{where}/{file}", "is missing", f"{file} beside {table.name}.*"))
        table.sound |= {
            key: value if key == _ID else SecretStr(value) for key, value in secrets.items()
        }


def _add_to_converters(
    converters: Sequence[Table],
    found: Mapping[tuple[str, str], str],
    where: str,
    faults: list[Fault],
) -> None:
    services = {one.name: one for one in converters if one.get("kind", str) in SERVICES}
    for (name, key), secret in found.items():
        if key != _OF_CONVERTER:
            continue
        if name in services:
            services[name].sound["secret"] = SecretStr(secret)
            continue
        file = f"{where}/{name}.{key}"
        if name in {one.name for one in converters}:
            faults.append(Fault(file, f"converter.{name} is no service", "take the file away"))
        else:
            right = did_you_mean(name, services)
            faults.append(Fault(file, f"there is no converter {name}", right))


def _add_to_webhooks(
    webhooks: Mapping[str, Table],
    found: Mapping[tuple[str, str], str],
    where: str,
    faults: list[Fault],
) -> None:
    for (name, key), secret in found.items():
        file = f"{where}/{name}.{key}"
        if key in _OF_WEBHOOKS and name not in webhooks:
            right = did_you_mean(name, webhooks)
            faults.append(Fault(file, f"there is no webhook {name}", right))
        elif key in _OF_WEBHOOKS and secret and not is_secret(secret):
            faults.append(Fault(file, "is no secret that can sign", SECRET))
    for name, table in webhooks.items():
        if (name, _OF_WEBHOOK) not in found:
            file = f"{where}/{name}.{_OF_WEBHOOK}"
            faults.append(Fault(file, "is missing: nothing is sent unsigned", SECRET))
        secrets = [found[name, key] for key in _OF_WEBHOOKS if (name, key) in found]
        table.sound["secrets"] = tuple(SecretStr(secret) for secret in secrets)


def _add_pepper(
    top: Table, found: Mapping[tuple[str, str], str], where: str, faults: list[Fault]
) -> None:
    for name, key in found:
        if key == _PEPPER and name != _API:
            wrong = "is of nothing that has a pepper"
            faults.append(Fault(f"{where}/{name}.{key}", wrong, f"{_API}.{_PEPPER}, for API keys"))
    pepper = found.get((_API, _PEPPER))
    if not pepper:
        return
    _require_length(pepper, f"{where}/{_API}.{_PEPPER}", faults)
    top.sound["api_pepper"] = SecretStr(pepper)


def _add_notifications(
    top: Table,
    converters: Sequence[Table],
    found: dict[tuple[str, str], str],
    where: str,
    faults: list[Fault],
) -> None:
    """Take the secret out of *found*: it looks like that of a converter."""
    secret = found.pop((_NOTIFICATIONS, _OF_CONVERTER), None)
    if not secret:
        return
    file = f"{where}/{_NOTIFICATIONS}.{_OF_CONVERTER}"
    if any(one.name == _NOTIFICATIONS for one in converters):
        wrong = f"is of what stores tell, and not of converter.{_NOTIFICATIONS}"
        faults.append(Fault(file, wrong, "another name for the converter"))
    _require_length(secret, file, faults)
    top.sound["notifications_secret"] = SecretStr(secret)


def _require_length(secret: str, file: str, faults: list[Fault]) -> None:
    if len(secret) < _SHORTEST:
        right = f"at least {_SHORTEST} random characters: openssl rand -hex 32"
        faults.append(Fault(file, "is too short", right))


def _missing(secrets: Mapping[str, str]) -> list[str]:
    return [key for key in (_ID, _SECRET) if key not in secrets] if secrets else []


def _read_all(
    directory: pathlib.Path, where: str, faults: list[Fault]
) -> dict[tuple[str, str], str]:
    """Give the secrets by (store, converter, webhook or "api"; key)."""
    found = {}
    try:
        files = sorted(directory.iterdir())
    except OSError as error:
        faults.append(Fault(where, f"cannot be listed: {error.strerror}", "a readable folder"))
        return {}
    for file in files:
        store, _, key = _parted(file.name.removeprefix(_FROM_FOLDER))
        if not store and key in _OF_STORES:
            wrong = "does not tell which store it is for"
            faults.append(Fault(f"{where}/{key}", wrong, f"STORE.{key}, such as main.{key}"))
        if store and key in (*_OF_STORES, _OF_CONVERTER, *_OF_WEBHOOKS, _PEPPER):
            found[store, key] = _read(file, where, faults)
    return found


def _parted(name: str) -> tuple[str, str, str]:
    end = f".{_PREVIOUS}"
    return (name.removesuffix(end), ".", _PREVIOUS) if name.endswith(end) else name.rpartition(".")


def _read(file: pathlib.Path, where: str, faults: list[Fault]) -> str:
    key = f"{where}/{file.name}"
    right = "a readable file with the secret and nothing else"
    try:
        secret = file.read_text(encoding="ascii").strip()
    except OSError as error:
        faults.append(Fault(key, f"cannot be read: {error.strerror}", right))
        return ""
    except UnicodeDecodeError:
        faults.append(Fault(key, "holds more than plain characters", right))
        return ""
    if not secret or any(character.isspace() for character in secret):
        faults.append(Fault(key, "is empty or has blanks in it", right))
    return secret
