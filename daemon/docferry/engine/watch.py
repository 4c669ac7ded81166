"""
Notice what changes in a folder. Events are hints: they mark paths, nothing more.

Whatever could make an event go missing ends in `on_lost`, which asks for a full
rescan: an overflowed queue, too few inotify watches, a folder that went away.
"""

from __future__ import annotations

import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from watchdog.events import DirModifiedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers.polling import PollingObserverVFS

from docferry.engine.filesystems import Kind, instance_limit, kind_of, watch_limit
from docferry.engine.inotify import InotifyTree, WatchLimitError, opened
from docferry.logs import get_logger
from docferry.model import RESERVED, Path

#: Seconds between two looks at a polled folder. watchdog keeps a snapshot in memory
#: (about 1.5 kB a file) and stats every file each time: 20,000 files take 0.2 s.
POLL_S = 5.0
WATCHED_AGAIN = "the folder can be watched again"  #: the one reason that is good news

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """All that this process watches."""

    directories: int  #: under inotify watches
    degraded: int  #: folders that have a problem


@dataclass(frozen=True, slots=True)
class WatchState:
    """How a folder is being watched."""

    kind: Kind
    problem: str | None  #: what a person should mend, with the remedy; None: all is well
    directories: int  #: under inotify watches; 0 when polling


class Watch:
    """
    Watches a folder and everything below it, except the top-level ".docferry".

    Start it first, then scan: what changes during the scan is then reported.

    Args:
        on_dirty: Called with a path that may have changed (created, written, closed,
            moved from or to, deleted, attributes). One that ends in "/" asks to look at
            everything below that directory. Called by the watching thread, within
            milliseconds; it must return at once and must not raise. A name that is not
            UTF-8 comes as Python reads it; what is below such a folder may be left out.
        on_lost: Called with the reason when changes may have gone unseen: rescan all.
            Called by the thread that calls `check`, after the watch works again.
        kind: "auto" polls where the file system cannot tell about others' changes.
    """

    def __init__(
        self,
        root: pathlib.Path,
        on_dirty: Callable[[Path], None],
        on_lost: Callable[[str], None],
        *,
        kind: Literal["auto", "inotify", "polling"] = "auto",
        poll_s: float = POLL_S,
    ) -> None:
        self._root = root
        self._on_dirty = on_dirty
        self._on_lost = on_lost
        self._wanted = kind
        self._poll_s = poll_s
        self._lock = threading.RLock()
        self._source: InotifyTree | _PolledTree | None = None
        self._identity: tuple[int, int, bool] | None = None
        self._limits: tuple[int, int] | None = None  # those we ran into
        self._problem: str | None = None
        self._is_running = False

    def start(self) -> None:
        """Begin to watch. A folder that is not there is a problem of the state, not an error."""
        _running.add(self)
        with self._lock:
            self._is_running = True
            self._begin()

    def stop(self) -> None:
        """Stop watching; no hint is given afterwards."""
        _running.discard(self)
        with self._lock:
            self._is_running = False
            self._end()

    @property
    def state(self) -> WatchState:
        with self._lock:
            kind: Kind = "polling" if isinstance(self._source, _PolledTree) else "inotify"
            directories = self._source.directories if self._source else 0
            return WatchState(kind, self._problem, directories)

    def check(self) -> None:
        """
        Mend the watch where it is broken. Call it every few seconds, from one thread.

        Cheap when all is well; else it watches anew and calls `on_lost`.
        """
        with self._lock:
            reason = self._fault() if self._is_running else None
            if reason is None:
                return
            was_watching = self._source is not None
            self._end()
            self._begin()
            if self._source is None and not was_watching:
                return  # still not: said before
        self._on_lost(reason)

    def _fault(self) -> str | None:
        identity = _identity(self._root)
        if self._source is None:
            return WATCHED_AGAIN if identity else None
        if identity is None:
            return "the folder is gone"
        if identity != self._identity:
            return "the folder was replaced by another one, or mounted with other options"
        if self._limits is not None and self._limits != (watch_limit(), instance_limit()):
            return "the limits of inotify were changed"
        return self._source.fault

    def _begin(self) -> None:
        self._limits = None
        self._identity = _identity(self._root)  # before the watches: a swap is then seen later
        try:
            self._source, self._problem = self._watch_anew()
        except OSError as error:
            self._source = None
            self._problem = (
                f"{self._root} cannot be watched: {error.strerror}. Bring the folder back or "
                "mend its permissions; it is looked for every few seconds"
            )

    def _watch_anew(self) -> tuple[InotifyTree | _PolledTree, str | None]:
        root = os.path.realpath(self._root, strict=True)
        kind = kind_of(self._root) if self._wanted == "auto" else self._wanted
        problem = None
        if kind == "inotify":
            try:
                return _started(InotifyTree(root, self._on_dirty)), None
            except WatchLimitError as error:
                problem = self._degraded(error)
        return _started(_PolledTree(root, self._on_dirty, self._poll_s)), problem

    def _degraded(self, error: WatchLimitError) -> str:
        self._limits = watches, instances = watch_limit(), instance_limit()
        problem = (
            f"{self._root} is polled every {self._poll_s:g} s, because the kernel grants no more "
            f"inotify watches ({error}; this user may have {watches} of them, in {instances} "
            "instances). Raise the limits: sysctl fs.inotify.max_user_watches=1048576 "
            "fs.inotify.max_user_instances=1024; no restart is needed"
        )
        log.warning("watch.degraded", folder=str(self._root), reason=problem)
        return problem

    def _end(self) -> None:
        if self._source is not None:
            self._source.stop()
        self._source = None


_running: set[Watch] = set()


def watched() -> Watched:
    """Sum up all watches. Waits for none of them: a folder may hang."""
    running = list(_running)
    sources = [each._source for each in running]
    return Watched(
        directories=sum(source.directories for source in sources if source is not None),
        degraded=sum(each._problem is not None for each in running),
    )


def log_loss(reason: str, **whose: str) -> None:
    """Log why everything is to be looked at again."""
    if reason == WATCHED_AGAIN:
        log.info("watch.recovered", reason=reason, **whose)
    else:
        log.warning("watch.lost", reason=reason, **whose)


class _PolledTree(FileSystemEventHandler):
    """Compares the folder with what it was, every few seconds."""

    directories = 0

    def __init__(self, root: str, on_dirty: Callable[[Path], None], poll_s: float) -> None:
        self._root = root
        self._on_dirty = on_dirty
        # lstat: a link is not what it points to, and must not lead out of the root.
        self._observer = PollingObserverVFS(os.lstat, self._list, polling_interval=poll_s)
        self._observer.schedule(self, root, recursive=True)

    def start(self) -> None:
        """Take the first snapshot. What differs from it later is reported."""
        self._observer.start()

    def stop(self) -> None:
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join()

    @property
    def fault(self) -> str | None:
        emitters = self._observer.emitters
        if self._observer.is_alive() and all(emitter.is_alive() for emitter in emitters):
            return None
        return "the thread that polls the folder stopped"

    def dispatch(self, event: FileSystemEvent) -> None:
        # A directory's mtime: its files have events of their own.
        if isinstance(event, DirModifiedEvent):
            return
        for name in (event.src_path, event.dest_path):
            path = os.fsdecode(name)[len(self._root) + 1 :]
            if path:
                self._on_dirty(path + "/" if event.is_directory else path)

    def _list(self, folder: str | None) -> Iterator[os.DirEntry[str]]:
        below = "" if folder is None else folder[len(self._root) + 1 :]
        with opened(self._root, below) as fd, os.scandir(fd) as entries:
            listed = [entry for entry in entries if below or entry.name != RESERVED]
        return iter(listed)


def _started(source: InotifyTree | _PolledTree) -> InotifyTree | _PolledTree:
    try:
        source.start()
    except BaseException:
        source.stop()
        raise
    return source


def _identity(folder: pathlib.Path) -> tuple[int, int, bool] | None:
    """
    Tell one folder from another at the same place. None: it is not there.

    Whether it is mounted read-only belongs to it: what could not be written then can now.
    """
    try:
        found = folder.stat()
        is_read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return None
    return found.st_dev, found.st_ino, is_read_only
