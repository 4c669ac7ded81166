"""A clock that tests set while docferry runs, in docferry's process alone."""

from __future__ import annotations

import mmap
import struct
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Self

from system.daemon import Site

_SOURCE = Path(__file__).with_name("clock.c")


class WallClock:
    """What the processes of *site* take for the time. It begins with the right one."""

    def __init__(self, site: Site) -> None:
        library, file = site.folder / "clock.so", site.folder / "clock"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True
        )
        file.write_bytes(struct.pack("d", 0.0))
        with file.open("r+b") as opened:
            self._off = mmap.mmap(opened.fileno(), 8)
        site.wrapper = ("env", f"LD_PRELOAD={library}", f"TEST_CLOCK={file}")

    def set(self, off: timedelta) -> Self:
        """Let it be *off* from the right time, from now on."""
        self._off[:] = struct.pack("d", off.total_seconds())
        return self
