"""One id for one story: whatever becomes of a file, from the first hint to the last outcome."""

from __future__ import annotations

import io
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from docferry.config import MirrorConfig
from docferry.errors import TemporaryError
from docferry.logs import configure
from docferry.model import Origin
from ledger_rows import fresh_ledger
from unit.desk import Desk


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Desk]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Desk(ledger, MirrorConfig("docs", "s", "b", tmp_path, settle_s=0.0))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    before, written = structlog.get_config(), io.StringIO()
    configure("debug", "json", stream=written)
    yield written
    structlog.configure(**before)


def lines(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in found if line["event"] == event]


def test_the_id_of_a_story_without_trouble_is_that_of_the_version(
    desk: Desk, log: io.StringIO
) -> None:
    desk.mirror.local.user_write("p", b"content")

    desk.consider("p")
    desk.work()

    [done] = lines(log, "operation.done")
    [version] = desk.ledger.versions.of("docs", "p")
    assert (done["operation"], done["version"], done["attempts"]) == (version.id, version.id, 1)
    assert (done["size_bytes"], done["moved_bytes"]) == (7, 7)


def test_each_try_tells_of_the_same_story_and_the_next_change_of_another(
    desk: Desk, log: io.StringIO
) -> None:
    desk.mirror.local.user_write("p", b"content")
    steps, desk.mirror.remote.step = desk.mirror.remote.step, fails
    desk.consider("p")
    desk.work()
    desk.mirror.remote.step = steps
    desk.planner.problems.try_again_below("")
    desk.consider("p")
    desk.work()
    desk.mirror.local.user_write("p", b"another")
    desk.consider("p")
    desk.work()

    [failed] = lines(log, "operation.failed")
    done, later = lines(log, "operation.done")
    assert failed["operation"] == done["operation"]
    assert (done["attempts"], later["attempts"]) == (2, 1)
    assert done["version"] != done["operation"] == failed["operation"]
    assert later["operation"] == later["version"]


def fails(step: str) -> None:
    raise TemporaryError("the store is busy")


def test_what_had_to_be_read_first_is_one_story(desk: Desk, log: io.StringIO) -> None:
    desk.mirror.local.user_write("p", b"here")
    desk.mirror.remote.user_write("p", b"there")

    desk.consider("p")
    desk.work()

    done, found = lines(log, "operation.done"), lines(log, "conflict.found")
    first = done[0]
    assert [one["operation"] for one in found] == [first["operation"]]
    assert (first["kind"], first["attempts"]) == ("keep_both", 1)


def test_a_dropped_file_has_its_id_before_it_goes_up(desk: Desk, log: io.StringIO) -> None:
    dropped = desk.planner.hint("p", Origin.DROP)
    again = desk.planner.hint("p", Origin.DROP)
    desk.mirror.local.user_write("p", b"content")

    desk.consider("p")
    desk.work()

    [done] = lines(log, "operation.done")
    assert dropped == again == done["operation"]
    assert done["attempts"] == 1
