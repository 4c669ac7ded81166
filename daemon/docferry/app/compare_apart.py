"""
Two texts compared line by line, by a process of its own: for who must not wait for ever.

Some texts, of many lines that are alike, take minutes however small they are. Apart, a
comparison can be given up on.
"""

from __future__ import annotations

import difflib
import math
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from docferry.errors import PermanentError

_PROGRAM = (sys.executable, "-P", "-m", "docferry.app.compare_apart")


@dataclass(frozen=True, slots=True)
class Compared:
    """A unified diff; *hidden*: so many lines more, of which none is here."""

    lines: list[str]
    hidden: int


def compare_apart(
    before: Sequence[str], after: Sequence[str], most: int, within_s: float
) -> Compared | None:
    """
    Give the *most* first lines of a unified diff. None: it takes longer than *within_s*.

    Raises:
        PermanentError: It ended without an answer.
    """
    here, there = Pipe()
    with here:
        with there:
            process = subprocess.Popen(
                [*_PROGRAM, str(there.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
            )
        try:
            here.send((before, after, most, within_s))
            found = here.recv() if here.poll(within_s) else None
        except (EOFError, OSError) as error:
            raise PermanentError("the comparison broke off: see docferry's log") from error
        finally:
            process.kill()
            process.wait()
    return None if found is None else Compared(*found)


def main() -> None:
    """Answer who has started this. Argument: the pipe."""
    pipe = Connection(int(sys.argv[1]))
    before, after, most, within_s = pipe.recv()
    signal.alarm(math.ceil(within_s) + 1)  # also when nobody is left to end this
    told = difflib.unified_diff(before, after, lineterm="")
    lines = [*islice(told, most)]
    pipe.send((lines, sum(1 for _ in told)))


if __name__ == "__main__":
    main()
