"""Who is at the other end of a connection from this machine, as the kernel knows it."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import socket
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

#: How a connection by a unix socket is called where one by TCP has its address.
UNIX = "unix:"

_UCRED = struct.Struct("3i")  # pid, uid, gid
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class User:
    """A user of this machine."""

    uid: int

    @property
    def name(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:  # of a container, without a name
            return str(self.uid)

    @property
    def is_master(self) -> bool:
        """Whether it is root, or the one that docferry runs as: what either could do anyway."""
        return self.uid in (0, os.geteuid())

    @property
    def is_of_our_group(self) -> bool:
        """Whether it may read the ledger, as a member of the service's own group."""
        group = os.getegid()
        if group == 0:
            return False  # of a daemon that root runs: its group is nobody's to join
        with suppress(KeyError):
            if pwd.getpwuid(self.uid).pw_gid == group:
                return True
            return self.name in grp.getgrgid(group).gr_mem
        return False


def of_unix(connection: socket.socket) -> User:
    """Give who has connected to a unix socket."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return User(_UCRED.unpack(found)[1])


def of_loopback(client: tuple[str, int], server: tuple[str, int]) -> User | None:
    """
    Give who has connected by TCP from this machine; None: it is not from here, or is gone.

    The kernel lists each socket with its user (proc(5), /proc/net/tcp). A proxy on this
    machine is who it runs as, not who asks it. Once for each connection: a busy machine has
    thousands of them in its list.
    """
    if not is_loopback(client[0]):
        return None
    for table, written in _TABLES:
        # Seen from the client's side: its own end comes first.
        wanted = f" {written(client)} {written(server)} {_ESTABLISHED} "
        with suppress(OSError):
            _, found, rest = Path(table).read_text(encoding="ascii").partition(wanted)
            if found:
                return User(int(rest.split(maxsplit=4)[3]))
    return None


def is_named(host: str, names: Collection[str]) -> bool:
    """Tell whether a Host header, with a port or without, is one of *names*."""
    try:
        return urlsplit(f"//{host}").hostname in names
    except ValueError:
        return False


def netloc_of(url: str) -> str | None:
    """Give host and port of what a browser says to come from; None: it is no address."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


def is_loopback(address: str) -> bool:
    """Tell whether an address is of this machine alone."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def _as_ipv4(end: tuple[str, int]) -> str:
    return _written(_plain(end[0]).packed, end[1])


def _as_ipv6(end: tuple[str, int]) -> str:
    address = _plain(end[0])
    is_mapped = address.version == 4  # as it stands there of a socket for both
    packed = ipaddress.ip_address(f"::ffff:{address}").packed if is_mapped else address.packed
    return _written(packed, end[1])


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(address)
    return getattr(found, "ipv4_mapped", None) or found


def _written(packed: bytes, port: int) -> str:
    """Write `0100007F:20E4`: each word of the address in the byte order of the machine."""
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


_TABLES: tuple[tuple[str, Callable[[tuple[str, int]], str]], ...] = (
    ("/proc/self/net/tcp", _as_ipv4),
    ("/proc/self/net/tcp6", _as_ipv6),
)
