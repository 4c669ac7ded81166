"""Which file systems tell about every change, and how many directories may be watched."""

from __future__ import annotations

import os
import pathlib
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["inotify", "polling"]

#: inotify works on all of these, but only for changes made by this machine: what
#: another client, the server or the host of a virtual machine writes goes unseen.
_CHANGED_BY_OTHERS = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs",
        "vboxsf", "virtiofs", "vmhgfs",
    }
)  # fmt: skip

#: The second of each pair is lower inside some containers.
_WATCH_LIMITS = ("/proc/sys/fs/inotify/max_user_watches", "/proc/sys/user/max_inotify_watches")
_INSTANCE_LIMITS = (
    "/proc/sys/fs/inotify/max_user_instances",
    "/proc/sys/user/max_inotify_instances",
)


def kind_of(folder: pathlib.Path) -> Kind:
    """
    Say how changes in *folder* can be observed.

    Raises:
        OSError: It is not there, or not a folder.
    """
    type_ = _file_system_type(folder)
    return "polling" if type_ in _CHANGED_BY_OTHERS or type_.startswith("fuse.") else "inotify"


def watch_limit() -> int:
    """Give how many directories this user may watch with inotify, in all programs together."""
    return _least(_WATCH_LIMITS)


def instance_limit() -> int:
    """Give how many folders (mirrors, drop folders) this user may watch, in all programs."""
    return _least(_INSTANCE_LIMITS)


def _file_system_type(folder: pathlib.Path) -> str:
    # By mount id, not by the longest mount point: mounts can hide each other.
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        facts = pathlib.Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    finally:
        os.close(descriptor)
    mount_id = next(line.split()[1] for line in facts.splitlines() if line.startswith("mnt_id:"))
    return type_in(pathlib.Path("/proc/self/mountinfo").read_text(errors="replace"), mount_id)


def type_in(mountinfo: str, mount_id: str) -> str:
    """
    Find the file system type of a mount in the text of /proc/PID/mountinfo (proc(5)).

    "" when it is not listed, which happens to mounts detached from the tree.
    """
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")  # optional fields end with a lone "-"
        if mount.split(" ", 1)[0] == mount_id:
            return source.split(" ", 1)[0]
    return ""


def _least(names: tuple[str, ...]) -> int:
    files = [pathlib.Path(name) for name in names]
    return min((int(file.read_text()) for file in files if file.exists()), default=0)
