"""OpenDocument texts, made so that xberg tells lists with bullets from lists with numbers."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO

MEDIA_TYPE = "application/vnd.oasis.opendocument.text"

_MOST_BYTES = 50 * 1024 * 1024  # unpacked; what is larger is left as it is
_LIST_STYLE = re.compile(rb"<text:list-style\b[^>]*[^/]>.*?</text:list-style>", re.DOTALL)
_LEVEL = b"<text:list-level-style-"


def with_plain_lists(content: bytes) -> bytes:
    """
    Leave of the style of each list what it says of the first level.

    xberg 1.3.9 numbers a list if any of the ten levels of its style is numbered, also those that
    it has not, as in what LibreOffice makes of documents of Word. What cannot be read is left to
    it as it is.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                return content
            changed = {name: _changed(archive, name) for name in ("content.xml", "styles.xml")}
            return _rewritten(archive, changed)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, ValueError):
        return content


def _changed(archive: zipfile.ZipFile, name: str) -> bytes:
    return _LIST_STYLE.sub(_first_level, _part(archive, name))


def _first_level(style: re.Match[bytes]) -> bytes:
    first = style[0].find(_LEVEL)
    second = style[0].find(_LEVEL, first + 1)
    return style[0] if second < 0 else style[0][:second] + b"</text:list-style>"


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        found = part.read(_MOST_BYTES + 1)
    if len(found) > _MOST_BYTES:
        raise ValueError(f"{name} is larger than {_MOST_BYTES} bytes")
    return found


def _rewritten(archive: zipfile.ZipFile, changed: dict[str, bytes]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name in dict.fromkeys(archive.namelist()):
            part = changed[name] if name in changed else _part(archive, name)
            target.writestr(name, part)
    return made.getvalue()
