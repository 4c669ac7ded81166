"""The configuration and its secrets, read again; and what is remembered of a refusal."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime

import pytest

from config_files import BASE
from docferry.app.running import Running
from docferry.config import ConfigError, Source
from docferry.ledger import Ledger
from docferry.ledger.refusals import RefusedConfig


class Secrets:
    """A file with a configuration, and a folder with secrets beside it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.file = folder / "docferry.toml"
        self.folder = folder / "secrets"
        self.folder.mkdir()
        self.write("old")
        self.file.write_text(f'credentials_dir = "{self.folder}"\n{BASE}')
        self.source = Source(self.file, {})

    def write(self, secret: str) -> None:
        for name, text in (("access_key_id", "id"), ("secret_access_key", secret)):
            new = self.folder / ".new"
            new.write_text(text)
            new.rename(self.folder / f"main.{name}")


@pytest.fixture
def secrets(tmp_path: pathlib.Path) -> Secrets:
    return Secrets(tmp_path)


def secret_of(reading_config: object) -> str:
    store = getattr(reading_config, "stores")["main"]  # noqa: B009
    return str(store.secret_access_key.get_secret_value())


def test_secrets_are_read_from_the_folder_that_the_file_names(secrets: Secrets) -> None:
    assert secret_of(secrets.source.read().config) == "old"


def test_new_secrets_leave_a_file_that_is_being_edited_alone(secrets: Secrets) -> None:
    before = secrets.source.read()
    secrets.file.write_text("[half a")
    secrets.write("new")

    found = secrets.source.read_secrets(before)

    assert secret_of(found.config) == "new"
    assert found.config.mirrors == before.config.mirrors


def test_a_missing_half_of_a_key_is_a_fault_that_names_the_folder(secrets: Secrets) -> None:
    (secrets.folder / "main.access_key_id").unlink()

    with pytest.raises(ConfigError, match=r"credentials_dir/main\.access_key_id"):
        secrets.source.read()


def test_a_new_secret_is_noticed_without_reading_it(secrets: Secrets) -> None:
    config = secrets.source.read().config
    before = secrets.source.state_of_secrets(config)

    secrets.write("new")

    assert secrets.source.state_of_secrets(config) != before


def test_links_that_are_exchanged_as_a_whole_are_noticed(
    secrets: Secrets, tmp_path: pathlib.Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.access_key_id").write_text("id")
        (tmp_path / name / "main.secret_access_key").write_text(name)
    (tmp_path / "current").symlink_to("first")
    for file in ("main.access_key_id", "main.secret_access_key"):
        (secrets.folder / file).unlink()
        (secrets.folder / file).symlink_to(tmp_path / "current" / file)
    config = secrets.source.read().config
    before = secrets.source.state_of_secrets(config)

    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").rename(tmp_path / "current")

    assert secrets.source.state_of_secrets(config) != before
    assert secret_of(secrets.source.read().config) == "second"


def test_a_refusal_is_known_to_other_processes_until_it_is_over(tmp_path: pathlib.Path) -> None:
    refused = RefusedConfig(datetime(2026, 1, 1, tzinfo=UTC), "two\nfaults")
    with Ledger.open(tmp_path / "ledger") as ledger:
        ledger.refusals.put(RefusedConfig(refused.at, "an older one"))
        ledger.refusals.put(refused)
        told = ledger.refusals.get()
        ledger.refusals.clear()

        assert (told, ledger.refusals.get()) == (refused, None)


def test_who_goes_through_what_runs_is_not_disturbed_by_what_comes() -> None:
    running = Running[int]()
    running.put("a", 1)
    running.put("b", 2)

    seen = []
    for name, part in running.items():
        running.put(f"new {name}", part)
        running.take(name)
        seen.append((name, part))

    assert seen == [("a", 1), ("b", 2)]
    assert dict(running) == {"new a": 1, "new b": 2}
