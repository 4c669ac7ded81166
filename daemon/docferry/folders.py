"""Make folders that outlive a power cut."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

#: What network and FUSE file systems answer that cannot: their server looks after it.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """
    Make *folder* and what is missing above it, and let the disk have their names.

    A folder that is there already may be new to the disk: of an earlier start that was killed,
    or of whoever has just made it. With its name all would be gone that was synced in it.

    Args:
        mode: Of *folder* itself, less the umask.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    made = [one for one in folder.parents if not one.exists()]
    folder.mkdir(mode, parents=True, exist_ok=True)
    for one in (folder, *made):
        with suppress(PermissionError):  # who may make names in a folder need not list it
            _sync(one.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(fd)
