"""From documents to Markdown, with kreuzberg, in a child process (convert/child.py)."""

from __future__ import annotations

import math
import os
import pathlib
import signal
import sys
from importlib.metadata import PackageNotFoundError, version

from docferry.convert import child
from docferry.convert.base import ConversionError, Limits, recipe_of
from docferry.convert.process import Children, Finished
from docferry.errors import UserError

#: Raise it whenever child.py would turn the same document into something else.
_REVISION = 1

_REMEDY = "install it with: pip install 'docferry[markdown]'"
_OUT_OF_MEMORY = ("memory allocation of", "MemoryError", "bad_alloc", "out of memory")
_BLANK_BYTES = 4096  # a larger file is not read to see whether it is blank


class MarkdownConverter:
    """Turns documents (Office, PDF with text, HTML, mail, text) into Markdown, UTF-8."""

    name = "markdown"
    produces = ".md"
    slots = 2

    def __init__(self) -> None:
        """
        Raises:
            UserError: kreuzberg is not installed.
        """
        self._library = _version_of("kreuzberg")
        self._children = Children()

    def recipe(self) -> str:
        return recipe_of(
            {"converter": self.name, "kreuzberg": self._library, "revision": _REVISION}
        )

    def convert(self, source: pathlib.Path, *, limits: Limits) -> bytes:
        if _is_blank(source):
            return b""
        finished = self._children.run(
            _command(source, limits), folder=source.parent, timeout_s=limits.timeout_s
        )
        if finished.returncode == child.NOT_INSTALLED:
            reason = finished.output.decode(errors="replace")
            raise UserError(f"the Markdown converter cannot load kreuzberg: {reason}; {_REMEDY}")
        if finished.returncode != 0:
            raise ConversionError(f"cannot convert {source.name}: {_why(finished, limits)}")
        if not finished.output.strip():
            raise ConversionError(
                f"cannot convert {source.name}: no text was found in it; a scan needs OCR first"
            )
        return finished.output

    def stop(self) -> None:
        self._children.stop()


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as error:
        raise UserError(f"the Markdown converter needs {library}; {_REMEDY}") from error


def _is_blank(source: pathlib.Path) -> bool:
    """Tell whether there is nothing in it to convert: then an empty result is a true one."""
    return source.stat().st_size <= _BLANK_BYTES and not source.read_bytes().strip()


def _command(source: pathlib.Path, limits: Limits) -> list[str]:
    # -P: the child's folder, where a stranger's document lies, is not searched for modules.
    return [
        sys.executable,
        *("-P", "-m", "docferry.convert.child"),
        str(limits.memory_mib),
        str(math.ceil(limits.timeout_s)),
        str(limits.output_mib),
        str(os.getpid()),
        f"./{source.name}",
    ]


def _why(finished: Finished, limits: Limits) -> str:
    if finished.was_overdue or finished.returncode == -signal.SIGXCPU:
        return f"it took longer than {limits.timeout_s:g} s (timeout)"
    if any(sign in finished.errors for sign in _OUT_OF_MEMORY):
        return f"it needed more than {limits.memory_mib} MiB of memory (memory_mib)"
    if finished.returncode == child.REFUSED:
        return finished.output.decode(errors="replace")
    if finished.returncode < 0:
        how = signal.strsignal(-finished.returncode)
        return f"the converter crashed ({how}): {_last_line(finished.errors)}"
    return f"the converter ended with {finished.returncode}: {_last_line(finished.errors)}"


def _last_line(errors: str) -> str:
    return errors.splitlines()[-1] if errors else "it said nothing"
