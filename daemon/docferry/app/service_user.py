"""Whom `docferry check` speaks for: root may do more than the service that it asks for."""

from __future__ import annotations

import os
import pathlib
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

_USER = "docferry"
_UNITS = tuple(
    pathlib.Path(folder, "docferry.service")
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
)


def service_user() -> pwd.struct_passwd | None:
    """Give the user that the installed unit runs as. None: there is none."""
    if not any(unit.exists() for unit in _UNITS):
        return None
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return None


@contextmanager
def acting_as(user: pwd.struct_passwd | None) -> Iterator[None]:
    """Let root open files with the rights of *user* alone, in all threads; None: as it is."""
    if user is None or os.geteuid() != 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
