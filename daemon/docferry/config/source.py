"""The file and the secrets beside it, as a daemon reads them again and again."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass

from docferry.config.credentials import folder_of, state_of
from docferry.config.load import load, read_text
from docferry.config.options import Config


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one time."""

    text: str
    config: Config


class Source:
    """Where a configuration comes from."""

    def __init__(self, path: pathlib.Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ

    def read(self) -> Reading:
        """
        Read everything.

        Raises:
            ConfigError: It cannot be used; has every fault, with what would be right.
        """
        text = read_text(self.path)
        return Reading(text, load(self.path, self._environ, text))

    def read_secrets(self, before: Reading) -> Reading:
        """
        Read the secrets anew, and leave all else as it was *before*.

        Whoever is about to edit the file has not asked for it to count.

        Raises:
            ConfigError: They cannot be used.
        """
        return Reading(before.text, load(self.path, self._environ, before.text))

    def state_of_secrets(self, config: Config) -> object:
        """Give what differs when a file with a secret has changed."""
        folder = folder_of(config.credentials_dir, self._environ)
        return None if folder is None else state_of(folder)
