"""Converters that get no documents now: what a person is told of them."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from conversion_rows import RULE, queued
from docferry.job import BreakerState, ConverterRow
from ledger_rows import NOW


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "processed", more=RULE)
    return desk


def test_a_converter_whose_time_has_come_is_not_said_to_be_tried_in_the_past(
    desk: Desk,
) -> None:
    over = datetime.now(UTC) - timedelta(minutes=1)
    with desk.ledger() as ledger:
        queued(ledger, "a.docx")  # and its mirror, or that of its result, cannot be used now
        ledger.converters.put(ConverterRow("markdown", BreakerState.OPEN, "it is busy", NOW, over))

    said = desk.asks("jobs").text

    assert "it is busy; tried again with the next document that can be had" in said
    assert f"{over.astimezone():%H:%M:%S}" not in said
