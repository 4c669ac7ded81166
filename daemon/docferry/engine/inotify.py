"""
One inotify watch a directory: what the kernel says about a folder, as hints.

This stands on watchdog's reader thread (`InotifyFD`) and its `WatchCallback` protocol,
not on its `InotifyObserver`. The observer wants to tell renames from deletions; hints
need not, and without pairing the two halves of a rename these faults of watchdog 7.1
(all measured) cannot arise:

- an entry moved out of the tree holds back every event behind it for 0.5 s;
- a directory moved out keeps reporting, under the path it no longer has;
- ENOSPC below the root is swallowed: directories past the limit are silently unwatched;
- after an overflow every watch is removed and added again; each removal is itself an
  event, so that with 20,000 directories the queue overflows again, and so for ever;
- a directory met twice costs a RuntimeWarning as long as the list of all watches.

The one rule that makes it complete: a directory is watched first, then read, then
reported as "everything below may be new". What came before the watch is found by
whoever looks below; what comes after is an event.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from docferry.core.paths import fault_in_name
from docferry.model import RESERVED, Path
from docferry.storage.atomic import open_folder

#: No opens and no closes without a write: docferry's own reading would wake it for ever.
_MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ONLYDIR
)
_APPEARED = Mask(
    InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_ATTRIB
)
#: The directory went away, or was never readable: its parent's events tell if that changes.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)

_Folder = bytes  # relative to the root: b"" or ending in b"/"


class WatchLimitError(Exception):
    """The kernel grants no more inotify watches or instances to this user."""


class InotifyTree:
    """
    Watches a folder and everything below it, except the top-level ".docferry".

    *on_dirty* is called by the reader thread; see `engine.watch.Watch`.
    """

    def __init__(self, root: str, on_dirty: Callable[[Path], None]) -> None:
        self._root = root
        self._on_dirty = on_dirty
        self._lock = threading.RLock()  # taken before the reader's own lock, never after
        self._folders: dict[WatchDescriptor, tuple[_Folder, CallbackId]] = {}
        self._ids = itertools.count()
        self._stopped = False
        self._fault: str | None = None
        try:
            self._reader = InotifyFD()
        except OSError as error:
            raise WatchLimitError(error.strerror) from error

    def start(self) -> None:
        """
        Watch every directory there is. What happens from now on is reported.

        Raises:
            WatchLimitError: Some directories cannot be watched. Stop it and poll instead.
            OSError: The root cannot be watched: it is gone, or not readable.
        """
        self._reader.name = f"inotify {self._root}/"
        self._reader.start()
        self._watch_below(b"")
        if not self._folders:
            raise PermissionError(errno.EACCES, "it is not readable, or just went away")

    def stop(self) -> None:
        """Give all watches back; no hint is given afterwards."""
        with self._lock:
            self._stopped = True
            self._folders.clear()
        self._reader.stop()
        if self._reader.is_alive() and self._reader is not threading.current_thread():
            self._reader.join()

    @property
    def directories(self) -> int:
        """How many directories are watched."""
        return len(self._folders)

    @property
    def fault(self) -> str | None:
        """Why it must be replaced by a new one; None: it sees everything."""
        if self._fault is None and not self._reader.is_alive():
            return "the thread that reads inotify events died"
        return self._fault

    # watchdog's WatchCallback: called by the reader thread.

    def on_event(self, event: InotifyEvent) -> None:
        """Turn one event into a hint, and follow directories that come and go."""
        folder = self._folder_of(event.wd)
        if folder is None:
            return
        if not event.name:
            if folder == b"" and event.is_attrib:  # nobody above tells about the root
                self._fault = "the folder's own permissions or owner changed"
            return
        if _is_own(folder, event.name):
            return
        path = folder + event.name
        if event.mask & InotifyConstants.IN_ISDIR:
            self._on_directory(event, path + b"/", is_followed=_is_ours(folder, event.name))
        else:
            self._on_dirty(os.fsdecode(path))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Forget a directory that is gone (removed, or its file system unmounted)."""
        with self._lock:
            folder, _ = self._folders.pop(wd, (None, None))
        if folder == b"":
            self._fault = "the folder was removed or unmounted"

    def on_queue_overflow(self) -> None:
        """Note that events were dropped, those of new directories perhaps among them."""
        self._fault = "events were lost: the kernel's inotify queue overflowed"

    def _folder_of(self, wd: WatchDescriptor) -> _Folder | None:
        with self._lock:
            folder, _ = self._folders.get(wd, (None, None))
            return folder

    def _on_directory(self, event: InotifyEvent, folder: _Folder, *, is_followed: bool) -> None:
        if event.is_moved_from:
            self._unwatch_below(folder)
        elif is_followed and event.mask & _APPEARED:
            try:
                self._watch_below(folder)
            except WatchLimitError as error:
                self._fault = str(error)
        self._on_dirty(os.fsdecode(folder))

    def _watch_below(self, top: _Folder) -> None:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                with opened(self._root, os.fsdecode(folder)) as fd:
                    if self._watch(folder, fd):
                        waiting.extend(_folders_in(folder, fd))
            except OSError as error:
                if error.errno not in _NOT_THERE:  # the storage's walk reports what is unreadable
                    raise WatchLimitError(error.strerror) from error

    def _watch(self, folder: _Folder, fd: int) -> bool:
        """Watch an open directory. False: it is not readable, or nobody listens any more."""
        with self._lock:
            if self._stopped:
                return False
            # A new id each time: watchdog warns about an id it knows, and only with the
            # new one in place can the old one go without losing events in between.
            id_ = CallbackId(next(self._ids))
            # The kernel takes a path only. This one leads to what was opened, whatever stands
            # at the directory's own path by now: else a link there could lead to all of a disk.
            wd = self._reader.add_callback(b"/proc/self/fd/%d" % fd, _MASK, self, id_)
            if wd < 0:  # how watchdog 7.1 says EACCES
                return False
            before = self._folders.get(wd)
            self._folders[wd] = (folder, id_)
            if before is not None:
                self._reader.remove_callbacks([(wd, before[1])])
            return True

    def _unwatch_below(self, top: _Folder) -> None:
        with self._lock:
            gone = [
                (wd, id_) for wd, (folder, id_) in self._folders.items() if folder.startswith(top)
            ]
            for wd, _ in gone:
                del self._folders[wd]
            self._reader.remove_callbacks(gone)


@contextmanager
def opened(root: str, folder: Path) -> Iterator[int]:
    """
    Open a directory below *root*, never through a symbolic link below that.

    Args:
        folder: Relative; "" is the root. It may end in "/".

    Raises:
        OSError: It is not there (any more), not readable, or a link.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in filter(None, folder.split("/")):
            above, fd = fd, open_folder(name, dir_fd=fd)
            os.close(above)
        yield fd
    finally:
        os.close(fd)


def _folders_in(folder: _Folder, fd: int) -> Iterator[_Folder]:
    with os.scandir(fd) as entries:
        found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in map(os.fsencode, found):
        if _is_ours(folder, name):
            yield folder + name + b"/"


def _is_ours(folder: _Folder, name: bytes) -> bool:
    """Leave out what is docferry's own, and what is below names that no key can spell."""
    return not _is_own(folder, name) and fault_in_name(os.fsdecode(name)) is None


def _is_own(folder: _Folder, name: bytes) -> bool:
    return folder == b"" and name == os.fsencode(RESERVED)
