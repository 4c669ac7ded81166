"""Other names for paths, that tell one from another and nothing of what they say."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass

from docferry.model import Path

_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}")
_CHARS = 8


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """
    The same name gets the same pseudonym, as long as the salt is the same.

    Args:
        salt: Random, and told to nobody: else whoever guesses a name could try it.
    """

    salt: bytes

    def of(self, path: Path) -> Path:
        """Hide each name of *path*; its depth and the file's type stay."""
        *folders, name = path.split("/")
        stem, extension = posixpath.splitext(name)
        if not _EXTENSION.fullmatch(extension):
            stem, extension = name, ""
        return "/".join([*(self._hidden(one) for one in folders), self._hidden(stem) + extension])

    def _hidden(self, name: str) -> str:
        if not name or set(name) <= set("*?."):
            return name  # an empty one, a pattern for any: it says nothing
        digest = hashlib.blake2b(name.encode(errors="surrogateescape"), key=self.salt)
        return digest.hexdigest()[:_CHARS]
