"""`docferry check`, of webhooks and their secrets: who can be reached, and what is open to all."""

from __future__ import annotations

import pathlib
import socket
from collections.abc import Iterator

import pytest

from config_files import BASE, Written
from docferry.app.check import exit_code
from docferry.app.check_secrets import check_secrets
from docferry.app.check_webhooks import check_webhooks
from docferry.app.findings import Finding
from docferry.app.onlooker import Onlooker
from docferry.config import Config
from docferry.deliver.wire import Found
from servers import make_certificate
from webhook_receiver import OLDER, SECRET, ReceiverServer, receiving


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "crm.webhook").write_text(SECRET)
    return folder


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiving() as server:
        yield server


def configured(keys: pathlib.Path, url: str, more: str = "allow_private = true\n") -> Config:
    file = Written(keys.parent / "docferry.toml")
    table = f'[webhook.crm]\nurl = "{url}"\n{more}'
    return file.load(f'credentials_dir = "{keys}"\n{BASE}{table}')


def found(config: Config) -> Finding:
    [only] = check_webhooks(config, Onlooker())
    return only


def test_a_receiver_that_can_be_reached_is_well_and_is_sent_nothing(
    keys: pathlib.Path, server: ReceiverServer
) -> None:
    config = configured(keys, server.url)

    seen = found(config)

    assert (seen.kind, seen.subject, seen.level) == ("webhook", "webhook crm", "ok")
    assert "docferry webhooks test crm" in seen.what
    assert "key=k" not in seen.what
    assert server.got == []


def test_nobody_there_just_now_is_a_warning(keys: pathlib.Path) -> None:
    with receiving(is_open=False) as away:
        seen = found(configured(keys, away.url))

    assert (seen.level, "refused" in seen.what) == ("warning", True)
    assert "three days" in seen.remedy


def test_a_name_that_leads_nowhere_is_a_warning(keys: pathlib.Path) -> None:
    def nowhere(host: str, port: int) -> list[Found]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    config = configured(keys, "https://crm.example.com/")

    [seen] = check_webhooks(config, Onlooker(), nowhere)

    assert (seen.level, exit_code([seen])) == ("warning", 0)
    assert "crm.example.com leads nowhere" in seen.what


def test_a_receiver_that_nothing_is_sent_to_is_an_error(
    keys: pathlib.Path, server: ReceiverServer
) -> None:
    seen = found(configured(keys, server.url, ""))

    assert (seen.level, exit_code([seen])) == ("error", 8)
    assert "allow_private = true" in seen.what


def test_a_certificate_that_does_not_hold_is_an_error_and_our_own_ca_is_not(
    keys: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    made = make_certificate(tmp_path)
    with receiving(tls=made) as server:
        unknown = found(configured(keys, server.url))
        own = f'allow_private = true\nverify_tls = "{made.ca}"\n'
        known = found(configured(keys, server.url, own))

    assert (unknown.level, "TLS: " in unknown.what) == ("error", True)
    assert known.level == "ok"


def test_a_secret_that_is_being_exchanged_is_told(
    keys: pathlib.Path, server: ReceiverServer
) -> None:
    (keys / "crm.webhook.previous").write_text(OLDER)

    _, seen = check_webhooks(configured(keys, server.url), Onlooker())

    assert (seen.level, "two secrets" in seen.what) == ("warning", True)


def test_secrets_that_everybody_can_read_are_told_and_others_are_not(
    keys: pathlib.Path, server: ReceiverServer
) -> None:
    for folder in (keys, *keys.parents[:-2]):  # what pytest makes is closed to others
        folder.chmod(0o755)
    config = configured(keys, server.url)
    (keys / "crm.webhook").chmod(0o640)
    closed = [*check_secrets(config, {})]
    (keys / "crm.webhook").chmod(0o644)
    [opened] = check_secrets(config, {})
    keys.chmod(0o750)
    behind = [*check_secrets(config, {})]

    assert (closed, behind) == ([], [])
    assert (opened.level, "crm.webhook" in opened.what) == ("warning", True)
    assert opened.remedy == f"chmod o-rwx {keys}/*"
