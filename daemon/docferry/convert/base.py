"""What every converter can do, and how it fails."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from docferry.errors import PermanentError, TemporaryError, UnreachableError
from docferry.job import Failure


class ConversionError(PermanentError):
    """
    The document's own failure: it is damaged, too large, too slow, or nothing is in it.

    `failure` is its kind; `output` is the end of what the converter said about it.
    """

    def __init__(
        self, message: str, *, failure: Failure = Failure.REFUSED, output: str = ""
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.output = output


class ConverterDownError(UnreachableError):
    """
    The converter does not work, whatever document it is given: wait for it.

    `retry_after_s` is what it asked for; None: it asked for nothing. `is_in_doubt`: it had
    the document in its hands when it failed, which may be the reason.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        is_in_doubt: bool = False,
        output: str = "",
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_in_doubt = is_in_doubt
        self.output = output


class ConversionStoppedError(TemporaryError):
    """The daemon is stopping. Nothing is wrong with the document: convert it again later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversion may use."""

    timeout_s: float = 120.0  #: of the wall clock, and of processor time
    memory_mib: int = 2048  #: of each process
    output_mib: int = 64  #: of the result, and of all that is written on the way
    processes: int = 64  #: at a time, threads too
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class Document:
    """
    A staged copy of what is to be converted.

    It lies alone in a folder that belongs to this conversion and goes with it.
    """

    path: pathlib.Path  #: `document` and the extension that its content calls for
    name: str  #: the last segment of its path in the mirror, for messages
    media_type: str  #: told by its content: "application/pdf"; "" where nothing tells it
    size: int  #: bytes


@dataclass(frozen=True, slots=True)
class Converted:
    """A result: a file, in the folder of its conversion."""

    path: pathlib.Path
    note: str = ""  #: what a person should know about it, such as a warning of the converter


class Converter(Protocol):
    """
    Turns one document into another. Thread-safe.

    `name` is what a rule's `with` says; `produces` ends the names of its results; `slots`
    is how many documents it converts at a time.
    """

    name: str
    produces: str  #: with the dot: ".md"
    slots: int

    def recipe(self) -> str:
        """
        Give the hash of all that decides the result besides the document.

        The same recipe and the same bytes give the same result: it is made only once.
        """
        ...

    def release(self) -> str:
        """Name the program and its version, for the result's metadata: "xberg 1.3.9"."""
        ...

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        """
        Convert *document*; all that comes to be is written below *folder*.

        *folder* is there, empty, and belongs to this conversion alone.

        Raises:
            ConversionError: The document cannot be converted.
            ConverterDownError: No document can be, for now.
            ConversionStoppedError: `stop` was called meanwhile.
            TemporaryError: Something else came in between, such as a full disk.
            UserError: Something that the converter needs is not installed, or not allowed.
        """
        ...

    def stop(self) -> None:
        """End the running conversions at once, and start no more."""
        ...


def recipe_of(facts: Mapping[str, object]) -> str:
    """Hash what decides a result (anything JSON can say); the order does not matter."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
