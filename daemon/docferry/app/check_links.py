"""Check that nobody can link a file that they may not read into a folder of docferry's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docferry.app.findings import Finding

#: proc(5): with "1" the kernel lets people link only what is theirs, or theirs to change.
_SWITCH = Path("/proc/sys/fs/protected_hardlinks")


def check_links(switch: Path = _SWITCH) -> Iterator[Finding]:
    """
    Say whether any file can be put into a folder under a second name.

    docferry could not tell: a name is a name. What its user may read would go to the bucket.
    """
    try:
        said = switch.read_text(encoding="ascii").strip()
    except OSError:  # not told here, as in some containers
        return
    if said == "0":
        what = (
            "whoever may write to a folder can link files into it that they may not read, and "
            "docferry takes them"
        )
        remedy = "sysctl fs.protected_hardlinks=1, and a line in /etc/sysctl.d/"
        yield Finding("folder", "links", "warning", what, remedy)
