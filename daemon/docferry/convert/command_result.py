"""What came of a command: whether it failed, and why; whether its result is one."""

from __future__ import annotations

import pathlib
import signal
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from docferry.convert.base import ConversionError, Converted, Document, Limits
from docferry.convert.process import Finished
from docferry.errors import DocferryError, TemporaryError, UserError
from docferry.job import Failure

#: Reads a command's own signs; None: they say nothing, its exit code decides.
Verdict: TypeAlias = Callable[[Finished, Document], DocferryError | None]

_LIMIT_SIGNALS: Mapping[int, Failure] = {
    signal.SIGXCPU: Failure.TIMEOUT,
    signal.SIGXFSZ: Failure.TOO_LARGE,
}
_NOT_STARTED = (126, 127)  # sh and env: what should be run is not executable, or not there
_DISK_FULL = "No space left on device"  # so says every program that does not hide it
_LEAST_S = 0.1  # of time, for a later step
_MIB = 1024 * 1024


def refused(
    document: Document, why: str, failure: Failure = Failure.REFUSED, *, output: str = ""
) -> ConversionError:
    """Say that *document* cannot be converted, as an error to be raised."""
    return ConversionError(f"cannot convert {document.name}: {why}", failure=failure, output=output)


def failure_of(
    finished: Finished,
    document: Document,
    verdict: Verdict = lambda finished, document: None,
) -> DocferryError | None:
    """Give the error of a command that failed; None: it claims to have done its work."""
    said = last_line(finished.errors).replace(str(document.path), document.name)
    if finished.returncode != 0 and _DISK_FULL in finished.errors:
        return TemporaryError(f"cannot convert {document.name} now: {said}")
    if finished.failure is not None:
        why = (
            f"{finished.reason}: {said}" if finished.failure is Failure.CRASHED else finished.reason
        )
        return refused(document, why, finished.failure, output=finished.errors)
    judged = verdict(finished, document)
    if judged is not None or finished.returncode == 0:
        return judged
    number = _signal_in(finished.returncode)
    if number:
        how = signal.strsignal(number) or f"signal {number}"
        why = f"the converter was ended ({how}): {said}"
        failure = _LIMIT_SIGNALS.get(number, Failure.CRASHED)
        return refused(document, why, failure, output=finished.errors)
    if finished.returncode in _NOT_STARTED:
        return UserError(f"the converter cannot be run: {said}")
    why = f"the converter ended with {finished.returncode}: {said}"
    return refused(document, why, output=finished.errors)


def result_at(
    path: pathlib.Path, document: Document, limits: Limits, *, output: str = "", note: str = ""
) -> Converted:
    """
    Give what lies at *path* as the result, if it can be one.

    Raises:
        ConversionError: Nothing is there, or no regular file, or it is too large.
        TemporaryError: It cannot be looked at.
    """
    try:
        # A link could point at any file of the machine, which would then be published.
        status = path.lstat()
    except FileNotFoundError as error:
        raise _nothing(document, output) from error
    except OSError as error:
        raise TemporaryError(f"cannot look at {path}: {error}") from error
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        why = "what the converter left is not a regular file of its own"
        raise refused(document, why, Failure.WRONG_TYPE, output=output)
    if status.st_size > limits.output_mib * _MIB:
        why = f"its result is larger than {limits.output_mib} MiB (output)"
        raise refused(document, why, Failure.TOO_LARGE, output=output)
    if status.st_size == 0 and document.size > 0:
        raise _nothing(document, output)
    return Converted(path, note)


def result_in(
    folder: pathlib.Path, ending: str, document: Document, limits: Limits, *, output: str = ""
) -> Converted:
    """
    Give the one file in *folder* whose name ends with *ending*, if it can be a result.

    Raises:
        ConversionError: There is none or more than one, or it cannot be a result.
        TemporaryError: The folder cannot be read.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.name.endswith(ending))
    except OSError as error:
        raise TemporaryError(f"cannot read {folder}: {error}") from error
    if len(found) > 1:
        why = f"the converter left {len(found)} files that end with {ending}, and not one"
        raise refused(document, why, Failure.WRONG_TYPE, output=output)
    return result_at(found[0] if found else folder / ending, document, limits, output=output)


def last_line(said: str) -> str:
    """Give the line in which a program says what went wrong: mostly its last."""
    lines = [line.strip() for line in said.strip().splitlines() if not _is_of_a_stack(line)]
    return lines[-1] if lines else "it said nothing"


def left_of(limits: Limits, deadline: float) -> Limits:
    """Give what is left to a later step: the time is that of the whole conversion."""
    return replace(limits, timeout_s=max(_LEAST_S, deadline - time.monotonic()))


def _is_of_a_stack(line: str) -> bool:
    return "[0x" in line or line.strip() == "Stack:"


def _nothing(document: Document, output: str) -> ConversionError:
    return refused(document, "nothing came of it", Failure.EMPTY, output=output)


def _signal_in(returncode: int) -> int:
    """Give the signal that ended a command, or what a shell in it ran; 0: none."""
    if returncode < 0:
        return -returncode
    return returncode - 128 if 128 < returncode <= 128 + signal.SIGRTMAX else 0
