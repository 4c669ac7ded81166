"""A rule's converters, one after the other: each gets what the one before has made."""

from __future__ import annotations

import pathlib
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from docferry.convert.base import ConversionError, Converted, Converter, Document, Limits
from docferry.convert.kinds import tell_kind
from docferry.convert.results import check_result
from docferry.core.rules import Rule
from docferry.errors import DocferryError, TemporaryError
from docferry.job import Failure

_BLANK_BYTES = 4096  #: a larger file is not read to see whether it is blank


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the jobs of one rule are done."""

    rule: Rule
    chain: tuple[Converter, ...]
    limits: Limits  #: of each of them
    max_attempts: int

    @property
    def release(self) -> str:
        """Name the programs, with their versions, in their order."""
        return " + ".join(converter.release() for converter in self.chain)

    @property
    def converters(self) -> frozenset[str]:
        """Name them."""
        return frozenset(converter.name for converter in self.chain)


@dataclass(frozen=True, slots=True)
class Produced:
    """What came of a document."""

    file: pathlib.Path
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The chain broke at one converter."""

    converter: str
    error: DocferryError


Ended: TypeAlias = Produced | Broken


def run_chain(
    conversion: Conversion,
    document: Document,
    folder: pathlib.Path,
    *,
    works: Callable[[str], None],
) -> Ended:
    """
    Convert *document* by all of a rule's converters, each in a new folder below *folder*.

    Args:
        works: Called with the name of each converter that has made what it promises.
    """
    notes: list[str] = []
    for number, converter in enumerate(conversion.chain):
        try:
            made = _step(converter, document, folder / f"made-{number}", conversion.limits)
        except DocferryError as error:
            return Broken(converter.name, error)
        works(converter.name)
        notes += [made.note] if made.note else []
        if number + 1 == len(conversion.chain):
            return Produced(made.path, tuple(notes))
        document = _handed_on(made.path, document, converter.produces, folder / f"{number}")
        shutil.rmtree(folder / f"made-{number}", ignore_errors=True)
    raise ValueError(f"rule {conversion.rule.name} has no converter")


def _step(
    converter: Converter, document: Document, folder: pathlib.Path, limits: Limits
) -> Converted:
    _make(folder)
    made = converter.convert(document, folder, limits=limits)
    _check_file(made.path, folder, document.name)
    try:
        check_result(made.path, converter.produces, is_blank_source=is_blank(document.path))
    except ConversionError as error:  # of a chain a person wants to know which one it was
        raise ConversionError(
            f"cannot convert {document.name} by {converter.name}: {error}",
            failure=error.failure,
            output=error.output,
        ) from error
    return made


def _handed_on(
    made: pathlib.Path, before: Document, extension: str, folder: pathlib.Path
) -> Document:
    """Make a document of a result, alone in a folder."""
    _make(folder)
    path = folder / f"document{extension}"
    try:
        made.rename(path)
        size = path.stat().st_size
    except OSError as error:
        raise TemporaryError(f"cannot hand on {made}: {error.strerror}") from error
    return Document(path, before.name, tell_kind(path, path.name).media_type, size)


def _make(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise TemporaryError(f"cannot make {folder}: {error.strerror}") from error


def _check_file(made: pathlib.Path, folder: pathlib.Path, name: str) -> None:
    """Refuse a result that is none of the converter's own: a link may lead anywhere."""
    try:
        is_file = stat.S_ISREG(made.lstat().st_mode)
        is_below = made.parent.resolve().is_relative_to(folder.resolve())
    except OSError as error:
        raise ConversionError(
            f"cannot convert {name}: the result is not there ({error.strerror})",
            failure=Failure.EMPTY,
        ) from error
    if not is_file or not is_below:
        raise ConversionError(
            f"cannot convert {name}: the result is no file of its own", failure=Failure.WRONG_TYPE
        )


def is_blank(path: pathlib.Path) -> bool:
    """Say whether there is nothing in it to convert: then an empty result is a true one."""
    return path.stat().st_size <= _BLANK_BYTES and not path.read_bytes().strip()
