"""
The plan of a mirror, made by a process of its own: for who must not wait for ever.

What a rehearsal would log did not happen, and a large one takes long: apart it says nothing,
can be given up on, and ends with whoever has asked for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from docferry import logs
from docferry.app.rehearse import rehearse
from docferry.config import Config
from docferry.engine.dry_run import DryRun
from docferry.errors import DocferryError, PermanentError, TemporaryError

_PROGRAM = (sys.executable, "-P", "-m", "docferry.app.rehearse_apart")


def rehearse_apart(config: Config, mirror: str, within_s: float) -> DryRun:
    """
    Give the plan of *mirror*.

    Raises:
        UserError: There is no such mirror, or no ledger to be read.
        TemporaryError: It took longer than *within_s*.
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
            return _answer(here, config, mirror, within_s)
        finally:
            process.kill()
            process.wait()


def _answer(pipe: Connection, config: Config, mirror: str, within_s: float) -> DryRun:
    try:
        pipe.send((config, mirror))
        if not pipe.poll(within_s):
            raise TemporaryError(
                f"the plan of {mirror} takes longer than {within_s:.0f} s: docferry plan {mirror}, "
                "on the machine itself, has as long as it needs"
            )
        found = pipe.recv()
    except (EOFError, OSError) as error:
        raise PermanentError(f"the plan of {mirror} broke off: see docferry's log") from error
    if isinstance(found, DocferryError):
        raise found
    assert isinstance(found, DryRun)
    return found


def main() -> None:
    """Answer who has started this. Argument: the pipe."""
    logs.configure("critical")
    pipe = Connection(int(sys.argv[1]))
    config, mirror = pipe.recv()
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    found: DryRun | DocferryError
    try:
        found = rehearse(config, [mirror])[mirror]
    except DocferryError as error:
        found = error
    pipe.send(found)


def _end_with(pipe: Connection) -> None:
    """End when nobody waits for the answer any more."""
    with suppress(EOFError, OSError):
        pipe.recv()
    os._exit(1)


if __name__ == "__main__":
    main()
