"""Webhooks in the configuration: who is told what, and with which secrets it is signed."""

from __future__ import annotations

import pathlib
import re

import pytest

from config_files import BASE, OTHER, Written
from docferry.app.audit import _keys_in, _secrets_in
from docferry.app.doctor import secrets_of, shown
from docferry.app.sending import webhooks_of
from docferry.config import Config, SecretStr, WebhookConfig
from docferry.config.changes import Named, changes
from webhook_receiver import OLDER, SECRET

EXAMPLE = pathlib.Path(__file__).parents[2] / "config" / "docferry.toml"
URL = "https://crm.example.com/hooks?key=hidden-key"
CRM = f'[webhook.crm]\nurl = "{URL}"\n'


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    (tmp_path / "crm.webhook").write_text(SECRET + "\n")
    return Written(tmp_path / "docferry.toml")


def load(file: Written, more: str = "") -> Config:
    return file.load(BASE + OTHER + CRM + more, environ_of(file))


def environ_of(file: Written) -> dict[str, str]:
    return {"CREDENTIALS_DIRECTORY": str(file.path.parent)}


def test_a_url_and_a_secret_are_enough(file: Written) -> None:
    options = load(file).webhooks["crm"]

    assert (options.url, options.secrets) == (URL, (SecretStr(SECRET),))
    assert (options.events, options.mirrors, options.allow_private) == (("*",), (), False)


def test_the_example_comments_out_nothing_but_defaults(file: Written) -> None:
    [shown] = re.findall(r"#\[webhook\.crm\].*?\n\n\n", EXAMPLE.read_text(), flags=re.DOTALL)
    text = re.sub(r"^#(?=\w|\[)", "", shown, flags=re.MULTILINE)

    options = file.load(BASE + text, environ_of(file)).webhooks["crm"]

    assert options == WebhookConfig(
        "crm", "https://crm.example.com/hooks/docferry", secrets=(SecretStr(SECRET),)
    )


def test_while_secrets_rotate_the_new_one_signs_first(file: Written) -> None:
    (file.path.parent / "crm.webhook.previous").write_text(OLDER)

    assert load(file).webhooks["crm"].secrets == (SecretStr(SECRET), SecretStr(OLDER))


def test_a_unit_hands_secrets_over_under_names_of_its_own(file: Written) -> None:
    folder = file.path.parent
    (folder / "crm.webhook").rename(folder / "docferry_crm.webhook")
    (folder / "docferry_crm.webhook.previous").write_text(OLDER)

    assert len(load(file).webhooks["crm"].secrets) == 2


def test_nothing_is_sent_unsigned(file: Written) -> None:
    (file.path.parent / "crm.webhook").unlink()

    by_folder = file.faults(BASE + CRM, environ_of(file))
    without = file.faults(BASE + CRM)

    assert [fault.wrong for fault in by_folder.values()] == ["is missing: nothing is sent unsigned"]
    assert len(without) == 1


@pytest.mark.parametrize("secret", ["short", "whsec_AAAA", "whsec_!" + "A" * 40])
def test_a_secret_that_cannot_sign_is_refused_and_not_shown(file: Written, secret: str) -> None:
    (file.path.parent / "crm.webhook").write_text(secret)

    [fault] = file.faults(BASE + CRM, environ_of(file)).values()

    assert fault.wrong == "is no secret that can sign"
    assert secret not in f"{fault}"


@pytest.mark.parametrize("name", ["cmr.webhook", "cmr.webhook.previous"])
def test_a_secret_of_no_webhook_is_a_mistake(file: Written, name: str) -> None:
    (file.path.parent / name).write_text(SECRET)

    [fault] = file.faults(BASE + CRM, environ_of(file)).values()

    assert (fault.wrong, fault.right) == ("there is no webhook cmr", "did you mean crm?")


@pytest.mark.parametrize(
    ("line", "key", "wrong"),
    [
        ('events = ["file.add"]', "events", "no event is called so"),
        ('events = ["webhook.test"]', "events", "no event is called so"),
        ("events = []", "events", "is empty"),
        ('mirrors = ["doc"]', "mirrors", "there is no [mirror.doc]"),
        ('patterns = ["# a"]', "patterns", "a comment"),
        ('allow_private = "perhaps"', "allow_private", "perhaps"),
        ('timeout = "0s"', "timeout", "0s"),
        ('secret = "x"', "secret", "secrets are not written here"),
    ],
)
def test_what_cannot_be_meant_is_refused(file: Written, line: str, key: str, wrong: str) -> None:
    faults = file.faults(BASE + CRM + line, environ_of(file))

    assert list(faults) == [f"webhook.crm.{key}"]
    assert wrong in faults[f"webhook.crm.{key}"].wrong


@pytest.mark.parametrize(
    "url",
    [
        "ftp://crm.example.com/hidden-key",
        "https://user:hidden-key@crm.example.com/",
        "https:///hidden-key",
        "https://crm.example.com/hidden-key#a",
        "https://crm.example.com/hidden key",
        "https://crm.example.com:99999/hidden-key",
        "https://crm.example.com/hidden-key\\u0001",
    ],
)
def test_a_url_that_is_refused_is_not_shown(file: Written, url: str) -> None:
    [fault] = file.faults(BASE + f'[webhook.crm]\nurl = "{url}"\n', environ_of(file)).values()

    assert fault.key == "webhook.crm.url"
    assert "hidden" not in f"{fault}"


def test_what_others_can_read_is_warned_of(file: Written) -> None:
    content = BASE + CRM.replace("https", "http") + "verify_tls = false\n"

    warnings = file.load(content, environ_of(file)).warnings

    assert len(warnings) == 2
    assert all("webhook.crm" in one and "hidden" not in one for one in warnings)


def test_a_variable_reaches_a_webhook(file: Written) -> None:
    environ = environ_of(file) | {"DOCFERRY_WEBHOOK__CRM__EVENTS": '["file.*"]'}

    assert file.load(BASE + CRM, environ).webhooks["crm"].events == ("file.*",)


def test_a_new_secret_changes_its_webhook_alone(file: Written) -> None:
    old = load(file)
    (file.path.parent / "crm.webhook").write_text(OLDER)

    found = changes(old, load(file))

    assert found.webhooks == Named(change=("crm",))
    assert (found.mirrors, found.rules, found.keys) == (Named(), Named(), ())


def test_a_webhook_read_again_is_the_same(file: Written) -> None:
    text = 'patterns = ["*.pdf"]\nmirrors = ["docs"]\n'

    assert webhooks_of(load(file, text)) == webhooks_of(load(file, text))


def test_the_audit_sees_urls_and_secrets_change(file: Written) -> None:
    config = load(file)

    assert ("webhook.crm.url", URL) in list(_keys_in(config))
    assert ("webhook.crm.secrets", [SECRET]) in list(_secrets_in(config))


def test_a_bundle_for_helpers_has_neither_url_nor_secret(file: Written) -> None:
    config = load(file)

    told = shown(config, None)

    assert "hidden-key" not in f"{told}"
    assert SECRET not in f"{told}"
    assert {SECRET, URL} <= secrets_of(config, {})
