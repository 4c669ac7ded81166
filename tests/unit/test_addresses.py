"""Which addresses a webhook may be sent to."""

from __future__ import annotations

import ipaddress

import pytest

from docferry.core.addresses import why_refused

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",  # a provider's NAT
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # a cloud's metadata
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",  # documentation
    "192.88.99.1",  # 6to4 relays
    "192.168.1.1",
    "198.18.0.1",  # benchmarks
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:808:808::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
OPEN = [
    "1.1.1.1",
    "93.184.216.34",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",  # where there is no IPv4, a DNS64 says so of 8.8.8.8
]
NOBODYS = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "::ffff:0.0.0.0"]


@pytest.mark.parametrize("address", CLOSED)
def test_nothing_is_sent_to_where_only_we_can_reach(address: str) -> None:
    assert why_refused(ipaddress.ip_address(address), allows_private=False) is not None


@pytest.mark.parametrize("address", OPEN)
def test_the_open_internet_may_be_told(address: str) -> None:
    assert why_refused(ipaddress.ip_address(address), allows_private=False) is None


@pytest.mark.parametrize("address", [one for one in CLOSED + OPEN if one not in NOBODYS])
def test_machines_of_ones_own_are_told_where_that_is_allowed(address: str) -> None:
    is_multicast = ipaddress.ip_address(address).is_multicast

    refused = why_refused(ipaddress.ip_address(address), allows_private=True)

    assert (refused is not None) == is_multicast


@pytest.mark.parametrize("address", NOBODYS)
def test_nobodys_address_is_refused_in_any_case(address: str) -> None:
    assert why_refused(ipaddress.ip_address(address), allows_private=True) is not None
