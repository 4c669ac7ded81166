"""The configuration that ships, as an example: valid, complete, and nothing but defaults."""

from __future__ import annotations

import pathlib
import re
from dataclasses import replace
from typing import get_args

import pytest

import demo
from config_files import NOTHING, Written
from docferry.config import (
    BUILT_IN,
    ConvertConfig,
    ConverterConfig,
    ConverterKind,
    DropConfig,
    SqsConfig,
    load,
)
from docferry.config.tables import Options, keys_of

EXAMPLE = pathlib.Path(__file__).parents[2] / "config" / "docferry.toml"


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def test_the_example_is_valid_as_shipped() -> None:
    config = load(EXAMPLE, NOTHING)

    assert list(config.mirrors) == ["docs"]
    assert config.warnings == ()


def test_the_demo_shows_nothing_that_docferry_warns_of(
    file: Written, tmp_path: pathlib.Path
) -> None:
    text = demo.CONFIG.format(
        mark=demo.MARK,
        folder=tmp_path,
        endpoint_url="http://127.0.0.1:1",
        bucket="demo",
        port=9433,
        api_port=8420,
    )

    assert file.load(text).warnings == ()
    (warning,) = file.load(text.replace("{dir}", "")).warnings
    assert warning.startswith(
        "convert.printed.to: x/a.docx and y/a.docx would have one result: while one is there, "
        "the other is given up"
    )


def test_the_example_comments_out_nothing_but_defaults_and_whole_tables(
    file: Written, tmp_path: pathlib.Path
) -> None:
    shipped = load(EXAMPLE, NOTHING)
    certificate = tmp_path / "client.pem"
    certificate.touch()
    (tmp_path / "crm.webhook").write_text("whsec_" + "QUFB" * 8)

    text = _uncommented().replace("/etc/docferry/client.pem", str(certificate))
    text = re.sub(r"/etc/docferry/tls/\w+.pem", str(certificate), text)
    full = file.load(text.replace("/etc/docferry/keys", str(tmp_path)))

    assert full.api_tls_cert == full.api_tls_key == certificate
    assert full.mirrors.pop("processed").prefix == "processed/"
    assert full.drops["scans"] == DropConfig(
        "scans", pathlib.Path("/srv/docferry/scans"), "docs", "inbox/"
    )
    (rule,) = full.converts
    assert rule == ConvertConfig(
        "text", "docs", rule.patterns, "processed", ("markdown",), largest=1 << 30
    )
    assert full.converters["ocrmypdf"] == BUILT_IN["ocrmypdf"]
    office, kind = full.converters["office"], ConverterKind.MULTIPART
    assert office == ConverterConfig(
        "office",
        kind,
        produces=".md",
        url="https://convert.example.org/v1/convert",
        options={"quality": "high", "pages": 10, "draft": False},
        client_certificate=certificate,
    )
    assert full.queues == {
        "events": SqsConfig(
            "events",
            "main",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/documents",
        )
    }
    assert full.credentials_dir == tmp_path
    assert full.log_file == pathlib.Path("/var/log/docferry/docferry.log")
    assert full.audit_path == pathlib.Path("/var/log/docferry/audit.jsonl")
    assert shipped.audit_path == shipped.state_dir / "audit.jsonl"
    full = replace(full, credentials_dir=None, log_file=None, audit_file=None)
    full = replace(full, api_socket=None, api_tls_cert=None, api_tls_key=None)
    full = replace(full, queues={})
    full = replace(full, drops={}, converts=(), webhooks={}, converters=shipped.converters)
    assert full == shipped


@pytest.mark.parametrize("options", get_args(Options))
def test_the_example_shows_every_key(options: type[Options]) -> None:
    shown = set(re.findall(r"^(\w+) = ", _uncommented(), flags=re.MULTILINE))

    assert {key.name.rpartition(".")[2] for key, _, _ in keys_of(options)} <= shown


def _uncommented() -> str:
    return re.sub(r"^#(?=\w|\[)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
