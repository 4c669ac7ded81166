"""How often is asked, and from where."""

from __future__ import annotations

import pytest

from docferry.web.limits import FAILURES_A_MINUTE, Limits, network_of
from docferry.web.problems import ProblemError


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:1000", "unix:1000"),
        ("", ""),
    ],
)
def test_what_one_stranger_can_ask_from_is_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_strangers_of_one_network_are_counted_together_and_those_of_others_apart() -> None:
    limits = Limits(2)
    for address in ("2001:db8::1", "2001:db8::2"):
        limits.count_stranger(address)

    with pytest.raises(ProblemError, match="too many requests"):
        limits.count_stranger("2001:db8::3")
    limits.count_stranger("2001:db8:0:1::3")
    limits.count("2001:db8::/64")  # a key of that name


def test_who_guesses_keys_is_one_stranger_whatever_addresses_of_a_network_they_use() -> None:
    limits = Limits(1000)
    for number in range(FAILURES_A_MINUTE):
        limits.require_patience(f"2001:db8::{number}")
        limits.count_failure(f"2001:db8::{number}")

    with pytest.raises(ProblemError, match="too many wrong keys"):
        limits.require_patience("2001:db8::ffff")
    limits.require_patience("2001:db8:0:1::1")
    limits.require_patience("2001:db8::1", "notifications")
