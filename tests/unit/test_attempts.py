"""Which refused attempts are written down."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docferry.core.attempts import EVERY, MOST_ROWS, MOST_SOURCES, Attempts, Told, source_of
from ledger_rows import NOW

HERE, THERE = "192.0.2.1", "192.0.2.2"


def test_of_one_address_one_a_minute_is_told_and_how_many_there_were() -> None:
    attempts = Attempts()

    first = [attempts.count(HERE, NOW + timedelta(milliseconds=n)) for n in range(1000)]
    later = attempts.count(HERE, NOW + EVERY)

    assert first == [Told(1, 0), *[None] * 999]
    assert later == Told(1000, 0)


def test_one_address_hides_no_other() -> None:
    attempts = Attempts()

    found = [attempts.count(address, NOW) for address in (HERE, HERE, THERE)]

    assert found == [Told(1, 0), None, Told(1, 0)]


def test_very_many_addresses_fill_nothing_and_how_many_were_left_out_is_told() -> None:
    attempts = Attempts()

    flood = [attempts.count(f"10.{n >> 8}.{n & 255}.1", NOW) for n in range(10_000)]
    after = attempts.count(THERE, NOW + EVERY)

    assert sum(one is not None for one in flood) == MOST_ROWS
    assert after == Told(1, 10_000 - MOST_ROWS)


def test_a_clock_that_was_put_back_silences_nobody() -> None:
    attempts = Attempts()
    for number in range(MOST_ROWS):
        attempts.count(f"10.0.0.{number}", NOW)

    assert attempts.count("10.0.0.1", NOW - timedelta(days=1)) == Told(1, 0)


def test_what_is_remembered_of_addresses_does_not_grow_for_ever() -> None:
    attempts = Attempts()
    for number in range(MOST_SOURCES + 100):
        attempts.count(f"10.{number >> 8}.{number & 255}.1", NOW + number * EVERY)

    assert len(attempts._sources) == MOST_SOURCES


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
        ("1.2.3.4.5", "1.2.3.4.5"),
    ],
)
def test_of_ipv6_a_whole_network_is_one_source(address: str, whose: str) -> None:
    assert source_of(address) == whose
