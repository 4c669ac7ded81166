"""Limits of a store as they are written."""

from __future__ import annotations

from datetime import datetime

import pytest

from docferry.config.traffic_values import BANDWIDTH, BUDGET, REQUESTS
from docferry.config.values import Wrong
from docferry.core.traffic import UNLIMITED, Timetable

MIB = 1 << 20
FRIDAY_NOON = datetime(2026, 11, 27, 12, 0)  # noqa: DTZ001  local
SUNDAY_NOON = datetime(2026, 11, 29, 12, 0)  # noqa: DTZ001


def read(value: object) -> Timetable:
    found = BANDWIDTH.read(value)
    assert isinstance(found, Timetable)
    return found


@pytest.mark.parametrize(
    ("value", "friday", "sunday"),
    [
        ("10MiB", 10 * MIB, 10 * MIB),
        ("1.5mib/s", 1.5 * MIB, 1.5 * MIB),
        (["Mon-Fri 08:00-18:00 2MiB", "10MiB"], 2 * MIB, 10 * MIB),
        (["Sat,Sun 00:00-24:00 unlimited", "64KiB"], 65536, None),
        (["Sat-Mon 08:00-18:00 1GiB"], None, 1024 * MIB),
        ('["12:00-12:01 2MiB", "3MiB"]', 2 * MIB, 2 * MIB),
    ],
)
def test_a_bandwidth_is_read(value: object, friday: float | None, sunday: float | None) -> None:
    table = read(value)

    assert (table.bytes_per_s(FRIDAY_NOON), table.bytes_per_s(SUNDAY_NOON)) == (friday, sunday)


@pytest.mark.parametrize("value", ["", "unlimited"])
def test_none_is_unlimited(value: str) -> None:
    assert read(value) == UNLIMITED


@pytest.mark.parametrize(
    "value",
    [
        "10",
        "10MB",
        "10 MiB",
        "1KiB",
        "63KiB",
        "0MiB",
        5,
        True,
        ["Mon-Fry 08:00-18:00 2MiB"],
        ["08:60-18:00 2MiB"],
        ["08:00-24:01 2MiB"],
        ["8-18 2MiB"],
        ["Mon-Fri 2MiB"],
        ["08:00-18:00"],
        [["2MiB"]],
        "[",
        {"up": "2MiB"},
    ],
)
def test_a_bandwidth_that_means_nothing_is_refused(value: object) -> None:
    with pytest.raises(Wrong):
        BANDWIDTH.read(value)


@pytest.mark.parametrize(
    ("value", "per_s"), [("100/s", 100.0), ("120 / m", 2.0), ("3600/h", 1.0), ("", None), (0, None)]
)
def test_a_rate_of_requests_is_read(value: object, per_s: float | None) -> None:
    assert REQUESTS.read(value) == per_s


@pytest.mark.parametrize(
    ("value", "per_h"),
    [("20000/h", 20000), ("240000/d", 10000), ("7200000/month", 10000), ("", None)],
)
def test_a_budget_is_read_as_of_an_hour(value: object, per_h: float | None) -> None:
    assert BUDGET.read(value) == per_h


@pytest.mark.parametrize("value", [100, "100", "100/y", "-1/s", "1e9/s", "1/h", [1], True, "ten/s"])
def test_a_rate_that_means_nothing_is_refused(value: object) -> None:
    with pytest.raises(Wrong):
        REQUESTS.read(value)
