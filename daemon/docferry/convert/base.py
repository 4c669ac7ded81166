"""What every converter can do, and how it fails."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from docferry.errors import PermanentError, TemporaryError


class ConversionError(PermanentError):
    """The document's own failure: damaged, too large, too slow, or nothing to read in it."""


class ConversionStoppedError(TemporaryError):
    """The daemon is stopping. Nothing is wrong with the document: convert it again later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversion may use."""

    timeout_s: float = 120.0  #: of the wall clock, and of processor time
    memory_mib: int = 2048
    output_mib: int = 64


class Converter(Protocol):
    """
    Turns one document into another, in a child process with limits. Thread-safe.

    `name` is what a rule's `with` says; `extension` ends the names of its results.
    """

    name: str
    extension: str  #: with the dot

    def recipe(self) -> str:
        """
        Give the hash of all that decides the result besides the document.

        The same recipe and the same bytes give the same result: it is made only once.
        """
        ...

    def convert(self, source: pathlib.Path, *, limits: Limits) -> bytes:
        """
        Convert the file at *source*, whose name tells its type.

        The folder that *source* lies in is the child's to fill: give every
        conversion a private one.

        Raises:
            ConversionError: The document cannot be converted.
            ConversionStoppedError: `stop` was called meanwhile.
            TemporaryError: The child could not be started.
            UserError: Something that the converter needs is not installed.
        """
        ...

    def stop(self) -> None:
        """End the running children at once, and start no more."""
        ...


def recipe_of(facts: Mapping[str, str | int]) -> str:
    """Hash what decides a result; the order of *facts* does not matter."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
