"""As whom `docferry check` tries what docferry may do: root may more than the service."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """The user that docferry runs as, where root asks."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def of(cls, state_dir: Path) -> ServiceUser | None:
        """Give the owner of *state_dir*; None: it is who asks, or only root knows how to be it."""
        try:
            owner = state_dir.stat().st_uid
            if os.geteuid() != 0 or owner == 0:
                return None
            known = pwd.getpwuid(owner)
        except (OSError, KeyError):
            return None
        groups = tuple(os.getgrouplist(known.pw_name, known.pw_gid))
        return cls(known.pw_name, owner, known.pw_gid, groups)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Let the process be that user while the block lasts; all its threads are."""
        groups, gid, uid = os.getgroups(), os.getegid(), os.geteuid()
        os.setgroups(self.groups)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(uid)
            os.setegid(gid)
            os.setgroups(groups)
