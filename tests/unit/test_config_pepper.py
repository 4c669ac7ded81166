"""The pepper of API keys: a secret in a file of its own, or none."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import pytest

from config_files import BASE, Written
from docferry.config import SecretStr


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def beside(folder: pathlib.Path, files: Mapping[str, str]) -> dict[str, str]:
    """Write secrets, and give what tells where they are."""
    directory = folder / "credentials"
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")
    return {"CREDENTIALS_DIRECTORY": str(directory)}


def test_the_pepper_of_api_keys_is_a_secret_beside_those_of_stores(
    file: Written, tmp_path: pathlib.Path
) -> None:
    """Also where a store is called as the API is, and as systemd names the file."""
    secrets = {"docferry_api.pepper": "0123456789abcdef\n"}
    secrets |= {"api.access_key_id": "A", "api.secret_access_key": "s"}

    config = file.load(BASE + "[store.api]\n", beside(tmp_path, secrets))

    assert config.api_pepper == SecretStr("0123456789abcdef")
    assert config.stores["api"].access_key_id == "A"
    assert "0123456789abcdef" not in f"{config} {config!r}"
    assert file.load(BASE).api_pepper is None


@pytest.mark.parametrize(
    ("name", "content", "wrong", "right"),
    [
        ("api.pepper", "0123456789abcde", "is too short", "openssl rand -hex 32"),
        ("api.pepper", "", "is empty", "a readable file"),
        ("main.pepper", "0123456789abcdef", "is of nothing that has a pepper", "api.pepper"),
    ],
)
def test_a_pepper_that_is_none_or_of_nothing_is_a_fault(
    file: Written, tmp_path: pathlib.Path, name: str, content: str, wrong: str, right: str
) -> None:
    fault = file.faults(BASE, beside(tmp_path, {name: content}))[f"$CREDENTIALS_DIRECTORY/{name}"]

    assert wrong in fault.wrong
    assert right in fault.right
