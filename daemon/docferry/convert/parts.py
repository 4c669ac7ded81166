"""Parts of office documents, which are zips, exchanged before a library reads them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO

_MOST_BYTES = 50 * 1024 * 1024  # unpacked; what is larger is left as it is
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    ValueError,
)

Parts = dict[str, bytes]


def with_changed(content: bytes, names: tuple[str, ...], change: Callable[[Parts], Parts]) -> bytes:
    """
    Give *content* with what *change* makes of the parts called *names*.

    As it is where nothing changes, and where it cannot be read: that is told by who reads it.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                return content
            found = {name: _part(archive, name) for name in names}
            changed = change(found)
            return content if changed == found else _rewritten(archive, changed)
    except _UNREADABLE:
        return content


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        found = part.read(_MOST_BYTES + 1)
    if len(found) > _MOST_BYTES:
        raise ValueError(f"{name} is larger than {_MOST_BYTES} bytes")
    return found


def _rewritten(archive: zipfile.ZipFile, changed: Parts) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name in dict.fromkeys(archive.namelist()):
            part = changed[name] if name in changed else _part(archive, name)
            target.writestr(name, part)
    return made.getvalue()
