"""
Pages of PDF documents as pictures, drawn by poppler: confined, and for a few seconds at most.

poppler is a program of the system and not a library of ours: its distribution mends it.
"""

from __future__ import annotations

import pathlib
import re
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from docferry.convert.base import ConversionError, Limits
from docferry.convert.command_program import SEARCH_PATH, Program
from docferry.convert.command_result import left_of
from docferry.convert.process import Children, Finished
from docferry.errors import NotFoundError, TemporaryError
from docferry.job import Failure

#: Raise it whenever the same page would become another picture.
REVISION = 1
#: The longer side of a picture, in pixels.
LONGEST_SIDE = 1600

_REMEDY = "install poppler-utils, such as with: apt install poppler-utils"
#: A picture of 1600 by 1600 pixels without any order in it has 7.7 MB.
_LIMITS = Limits(timeout_s=5.0, memory_mib=384, output_mib=8, processes=8, open_files=64)
_PNG = b"\x89PNG\r\n\x1a\n"
_PAGES = re.compile(rb"^Pages: +(\d{1,9})$", re.MULTILINE)
_PASSWORD = "Incorrect password"
_DISK_FULL = "No space left on device"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Page *number*, from 1, of a document that has so many *pages*: as a picture, PNG."""

    number: int
    pages: int
    picture: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Give its width and height, in pixels."""
        width, height = struct.unpack(">II", self.picture[16:24])
        return width, height


@dataclass(frozen=True, slots=True)
class Undrawn:
    """A page that cannot be drawn; others of the document may be."""

    number: int
    pages: int
    why: str


class Drawer:
    """Draws pages. Thread-safe."""

    def __init__(
        self,
        *,
        limits: Limits = _LIMITS,
        teller: str = "pdfinfo",
        drawer: str = "pdftoppm",
    ) -> None:
        """
        Args:
            limits: Of one page; the time is that of all that is done for it.
            teller, drawer: The programs.
        """
        self._limits = limits
        self._teller = Program(teller, remedy=_REMEDY)
        self._drawer = Program(drawer, remedy=_REMEDY)
        self._children = Children()

    def draw(self, document: pathlib.Path, number: int, folder: pathlib.Path) -> Drawn | Undrawn:
        """
        Draw page *number* of *document*.

        Args:
            folder: There, empty, and this drawing's alone.

        Raises:
            NotFoundError: It has no such page.
            ConversionError: None of its pages can be drawn: it is damaged, or protected.
            TemporaryError: Something came in between, such as a full disk.
            UserError: poppler is not installed.
        """
        teller, drawer = self._teller.path(), self._drawer.path()
        deadline = time.monotonic() + self._limits.timeout_s
        told = self._run([str(teller), str(document)], document, folder, self._limits)
        pages = _pages_in(told.output)
        if not 1 <= number <= pages:
            raise NotFoundError(f"it has {pages} pages, and no page {number}")
        command = [str(drawer), *_how(number), str(document)]
        try:
            drawn = self._run(command, document, folder, left_of(self._limits, deadline))
        except ConversionError as error:
            return Undrawn(number, pages, str(error))
        if not drawn.output.startswith(_PNG):
            return Undrawn(number, pages, "it is damaged")
        return Drawn(number, pages, drawn.output)

    def _run(
        self,
        command: Sequence[str],
        document: pathlib.Path,
        folder: pathlib.Path,
        limits: Limits,
    ) -> Finished:
        finished = self._children.run(
            command,
            folder=folder,
            limits=limits,
            environment={"PATH": SEARCH_PATH},
            readable=(document, pathlib.Path(command[0])),
        )
        if finished.failure is Failure.TIMEOUT:  # what is left to a step is not the limit
            raise _refused(f"it takes longer than {self._limits.timeout_s:g} s to draw", "")
        if finished.failure is not None:
            raise ConversionError(finished.reason, failure=finished.failure)
        if finished.returncode != 0:
            raise _error_of(finished)
        return finished


def _how(number: int) -> list[str]:
    page = ["-f", str(number), "-l", str(number), "-singlefile"]
    return ["-png", "-cropbox", "-scale-to", str(LONGEST_SIDE), *page]


def _pages_in(told: bytes) -> int:
    """Its title, which comes before, may say anything."""
    found = _PAGES.findall(told)
    if not found:
        raise _refused("nobody can tell how many pages it has", "")
    return int(found[-1])


def _error_of(finished: Finished) -> ConversionError | TemporaryError:
    if _PASSWORD in finished.errors:
        return _refused("it is protected by a password", finished.errors)
    if _DISK_FULL in finished.errors:
        return TemporaryError("there is no room to draw it: the disk is full")
    return _refused("it is damaged, or no PDF document", finished.errors)


def _refused(why: str, said: str) -> ConversionError:
    return ConversionError(why, failure=Failure.REFUSED, output=said)
