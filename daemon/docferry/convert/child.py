"""
The child process of the Markdown converter: limits itself, converts one file, ends.

    python -P -m docferry.convert.child MEMORY_MIB CPU_S OUTPUT_MIB PARENT_PID FILE

Markdown goes to standard output with exit code 0; with REFUSED the reason goes there
instead. Only kreuzberg is imported, and only after the limits are set: a fork of the
threaded daemon could not set them safely.
"""

from __future__ import annotations

import codecs
import ctypes
import os
import pathlib
import resource
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kreuzberg import ExtractionResult

REFUSED = 65  # EX_DATAERR: the document cannot be converted
NOT_INSTALLED = 69  # EX_UNAVAILABLE: kreuzberg cannot be imported

_MIB = 1024 * 1024
_PR_SET_PDEATHSIG = 1
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def main(arguments: list[str]) -> int:
    memory_mib, cpu_s, output_mib, parent_pid = map(int, arguments[:4])
    _die_with(parent_pid)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, cpu_s, grace=1)  # SIGXCPU says why; SIGKILL would not
    _limit(resource.RLIMIT_FSIZE, output_mib * _MIB)
    # Not RLIMIT_AS: importing the library alone maps 450 MiB and touches 45.
    _limit(resource.RLIMIT_DATA, memory_mib * _MIB)
    standard_output = _own_standard_output()
    code, answer = _answer(pathlib.Path(arguments[4]))
    result = answer.encode()
    if len(result) > output_mib * _MIB:
        code, result = REFUSED, f"its Markdown is larger than {output_mib} MiB".encode()
    with os.fdopen(standard_output, "wb") as file:
        file.write(result)
    return code


def _die_with(parent_pid: int) -> None:
    """Have the kernel end this process when the daemon's thread that waits for it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it was gone before
        os._exit(1)


def _limit(what: int, most: int, *, grace: int = 0) -> None:
    _, hard = resource.getrlimit(what)
    if hard == resource.RLIM_INFINITY:
        hard = most + grace
    resource.setrlimit(what, (min(most, hard), min(most + grace, hard)))


def _own_standard_output() -> int:
    """Keep standard output for the result: what a library prints goes to standard error."""
    result = os.dup(1)
    os.dup2(2, 1)
    return result


def _answer(source: pathlib.Path) -> tuple[int, str]:
    try:
        from kreuzberg.exceptions import KreuzbergError
    except ImportError as error:
        return NOT_INSTALLED, str(error)
    try:
        content = _extract(source).content.rstrip()
    except (KreuzbergError, OSError, ValueError, MemoryError) as error:
        return REFUSED, str(error).strip() or type(error).__name__
    return 0, content and content + "\n"


def _extract(source: pathlib.Path) -> ExtractionResult:
    from kreuzberg import (
        ConcurrencyConfig,
        ExtractionConfig,
        detect_mime_type_from_path,
        extract_bytes_sync,
        extract_file_sync,
    )

    # What is set here decides the result: a change must change the recipe (markdown.py).
    # One thread: several documents are converted at a time.
    config = ExtractionConfig(
        use_cache=False,
        output_format="markdown",
        concurrency=ConcurrencyConfig(max_threads=1),
    )
    kind = detect_mime_type_from_path(str(source))
    if not kind.startswith("text/") or kind == "text/html":
        return extract_file_sync(source, kind, config)
    return extract_bytes_sync(_as_utf8(source.read_bytes()), kind, config)


def _as_utf8(text: bytes) -> bytes:
    """
    Recode a text that is not UTF-8.

    The library puts U+FFFD for every byte it cannot read, without a word (seen with
    4.10.4). What is neither UTF-8 nor UTF-16 is most likely what Windows writes.
    """
    if text.startswith(_BYTE_ORDER_MARKS):
        return text.decode("utf-16", errors="replace").encode()
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace").encode()
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
