"""Who it is that acts, for the audit."""

from __future__ import annotations

import os
import pwd


def person() -> str:
    """Name who runs this process: what the system says of it, and sudo of who that was before."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a user of a container, without a name
        name = str(uid)
    before = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    return f"{before} (sudo as {name})" if before else name
