"""Which addresses a webhook may be sent to: those of the open internet, unless it is said."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: RFC 6052: an IPv4 address behind a NAT64, as a DNS64 tells it.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: All that is given out for the open internet (RFC 4291, IANA). `is_global` alone also takes
#: ::127.0.0.1, fec0::/10 and whatever no list names yet.
_OPEN = ipaddress.IPv6Network("2000::/3")
#: RFC 7526: what once led to any 6to4 router, whoever's. `is_global` takes it before 3.13.
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")


def why_refused(address: Address, *, allows_private: bool) -> str | None:
    """
    Say why nothing is sent to *address*; None: it may be.

    Args:
        allows_private: Machines of one's own are meant.
    """
    inner = _embedded(address)
    if inner.is_unspecified or inner.is_multicast:
        return "it is nobody's address"
    if allows_private:
        return None
    if inner.is_loopback:
        return "it is this machine"
    if inner.is_link_local:
        return "it is link-local, as the metadata service of a cloud is"
    return None if _is_open(inner) else "it is not on the open internet"


def _embedded(address: Address) -> Address:
    """Give the IPv4 address that an IPv6 address stands for, or else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_open(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and address not in _RELAYS
    # Tunnels lead to an IPv4 address that somebody else unwraps, if anybody still does.
    is_tunnel = address.sixtofour is not None or address.teredo is not None
    return address.is_global and address in _OPEN and not is_tunnel
