"""A clock that once was years ahead: what was written down then stops nothing for ever."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import servers
from docferry.app.daemon import Daemon
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.sides import Clock
from docferry.config import load
from docferry.ledger import Ledger
from ledger_rows import sha_of, version
from processes import wait_for

DAY = timedelta(days=1)
CONFIG = """
state_dir = "{folder}/state"
[metrics]
port = 0
[store.main]
endpoint_url = "{url}"
[mirror.docs]
store = "main"
bucket = "{bucket}"
prefix = "{folder.name}/"
local = "{folder}/docs"
settle = 0
keep_for = "30d"
"""


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    with servers.moto(tmp_path_factory.mktemp("moto")) as started:
        yield started


def test_the_time_goes_on_from_what_was_written_down_ahead_of_it() -> None:
    ahead = datetime.now(UTC) + 3650 * DAY
    clock = Clock(after=ahead)

    first = clock()
    wait_for(lambda: clock() > first + timedelta(milliseconds=1))

    assert ahead <= first < ahead + DAY


def test_what_was_displaced_lately_is_not_let_go_because_of_a_clock_that_was_ahead(
    tmp_path: pathlib.Path, store: servers.S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", servers.ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", servers.SECRET_ACCESS_KEY)
    file = tmp_path / "docferry.toml"
    file.write_text(CONFIG.format(folder=tmp_path, url=store.endpoint_url, bucket=servers.BUCKET))
    config = load(file, {})
    path = tmp_path / "docs" / "a"
    path.parent.mkdir()
    for content in ("first", "second"):
        path.write_text(content)
        with Daemon(config) as daemon:
            assert daemon.run(once=True)
    with Ledger.open(config.state_dir / LEDGER_NAME) as ledger:
        ahead = datetime.now(UTC) + 3650 * DAY
        ledger.versions.add([replace(version("b"), created_at=ahead, left_at=ahead)])

    with Daemon(config) as daemon:
        daemon.run(once=True)

    with Ledger.open(config.state_dir / LEDGER_NAME) as ledger:
        rows = ledger.versions.of("docs", "a")
    assert [row.gone_at for row in rows if row.sha256 == sha_of("first")] == [None]
