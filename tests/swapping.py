"""
Somebody who swaps a name for another right before a system call, or as fast as can be.

Python tells an audit hook of each call that is about to be made with a path (PEP 578): so each
moment between a look and what comes after it can be had, one by one. Those that it does not tell
of (renameat2 by ctypes) come right after a step of the storage, which is a moment as well.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_Hears = Callable[[str, tuple[Any, ...]], None]
_hearing: dict[int, _Hears] = {}  # by thread
_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

#: Swaps two names until it is ended. Says so after the first time.
_SWAPPER = f"""
import ctypes, sys
call, names = ctypes.CDLL(None).renameat2, [word.encode() for word in sys.argv[1:]]
first = True
while True:
    for one, other in zip(names[::2], names[1::2]):
        call({_AT_FDCWD}, one, {_AT_FDCWD}, other, {_RENAME_EXCHANGE})
    if first:
        print("swapped", flush=True)
        first = False
"""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    hears = _hearing.get(threading.get_ident()) if _hearing else None
    if hears is not None and (event == "open" or event.startswith(("os.", "shutil."))):
        hears(event, arguments)


def exchange(one: Path, other: Path) -> None:
    names = os.fsencode(one), os.fsencode(other)
    if _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), f"cannot exchange {one} and {other}")


class Moments:
    """Counts the moments of what this thread does, and does something at one of them."""

    def __init__(self, at: int | None = None, then: Callable[[], None] = lambda: None) -> None:
        self._at = at
        self._then = then
        self.passed = 0

    def pass_one(self, name: str = "") -> None:
        if self.passed == self._at:
            self.passed += 1  # first: what is done is told of as well
            self._then()
        else:
            self.passed += 1


@contextmanager
def heard(hears: _Hears) -> Iterator[None]:
    """Call *hears* before each call that this thread makes with a path."""
    _install()
    here = threading.get_ident()

    def once(event: str, arguments: tuple[Any, ...]) -> None:
        del _hearing[here]  # not of what it does itself
        try:
            hears(event, arguments)
        finally:
            _hearing[here] = once

    _hearing[here] = once
    try:
        yield
    finally:
        _hearing.pop(here, None)


_installed = threading.Lock()


def _install() -> None:
    # For good: a hook cannot be taken away. So not before a test needs it.
    if _installed.acquire(blocking=False):
        sys.addaudithook(_hook)


@contextmanager
def always_swapping(*names: Path) -> Iterator[None]:
    """Let another process swap the first name and the second, and so on, again and again."""
    words = [sys.executable, "-c", _SWAPPER, *map(str, names)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def everything_about(folder: Path) -> dict[str, tuple[object, ...]]:
    """Describe all that is below *folder*, so that whatever is done to any of it shows."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *folder.rglob("*")):
        of = path.lstat()
        name = path.relative_to(folder).as_posix()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        # The change time tells of every other mode, owner, time and name, also of one set back.
        found[name] = (of.st_mode, of.st_nlink, of.st_size, of.st_mtime_ns, of.st_ctime_ns, content)
    return found
