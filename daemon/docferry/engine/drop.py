"""
A drop folder: files at rest are moved into a mirror's folder, and nothing else happens here.

A file leaves the drop folder only when its content lies durably in the mirror's folder.
Sub-folders keep their names on the way and stay where they are, even when empty: somebody
may be about to put the next file there. Links, sockets, pipes and unreadable files stay
and are reported; so do files whose name in the mirror is taken by a content that is not
synced yet.
"""

from __future__ import annotations

import hashlib
import posixpath
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ulid import ULID

from docferry.config import DropConfig
from docferry.core.filters import DEFAULT_EXCLUDES, Filter
from docferry.core.paths import SEGMENT_BYTES, fault_in_name
from docferry.core.settle import Sighting, Taken, rest
from docferry.engine.dirty import DirtyPaths
from docferry.engine.rounds import going_round
from docferry.engine.watch import Watch, WatchState, log_loss
from docferry.errors import DocferryError, PermanentError, StaleError, TemporaryError
from docferry.logs import get_logger
from docferry.model import Attributes, FileState, Path, Token, Ulid, Unknown
from docferry.storage.base import Content
from docferry.storage.hand_over import UNSURE_S, HandOver
from docferry.storage.local import LocalStorage

log = get_logger(__name__)

#: Events are hints: everything is looked at this often whatever they say.
RESCAN_S = 60.0
CHECK_S = 2.0
#: A file open for writing, a name that is taken, a disk that is full.
AGAIN_S = 1.0
#: What only a person can mend.
PERMANENT_AGAIN_S = 60.0
#: New folders come in swarms: look once for all of them.
_SWARM_S = 0.05
_STALE_AGAIN_S = 0.05
_AT_ONCE = 1000
_EVERYTHING = "/"  # a mark that asks for everything below the folder


@dataclass(frozen=True, slots=True)
class Destination:
    """
    The mirror that a drop folder feeds, as far as it needs to know it.

    takes: does the mirror mirror this path?
    is_safe: is the content that has this token at this path synced, so that it may be
        displaced?
    replace: archive the content that has this token, and put another one in its place.
    on_placed: called for each path that has a new content; gives the id by which the log
        goes on telling of it.
    trouble: says why nothing is to be moved for now; None: it may be.
    on_problem: called with a message when a path of the *drop folder* has to wait, and
        with None when it has not any more. "": the folder itself.
    """

    storage: LocalStorage
    takes: Callable[[Path], bool]
    is_safe: Callable[[Path, Token], bool]
    replace: Callable[[Path, Content, Attributes, Token], object]
    on_placed: Callable[[Path], Ulid | None]
    on_problem: Callable[[Path, str | None], None]
    trouble: Callable[[], str | None] = lambda: None


class DropFolder:
    """Watches one drop folder and empties it. All work is done by a thread of its own."""

    def __init__(
        self,
        options: DropConfig,
        destination: Destination,
        *,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._options = options
        self._to = destination
        self._source = LocalStorage(options.folder)
        self._hand_over = HandOver(
            options.folder,
            destination.storage.root,
            unsure_s=UNSURE_S + options.settle_s,
            step=step,
        )
        self._filter = Filter(exclude=DEFAULT_EXCLUDES)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._dirty = DirtyPaths(self._wake)
        self._sightings: dict[Path, Sighting] = {}
        self._problems: dict[Path, str] = {}
        self._watch = Watch(options.folder, self._on_dirty, self._on_lost)
        self._check_s = self._rescan_s = 0.0  # monotonic: when next
        run = going_round(f"drop folder {options.name}", is_slow=True)(self._run)
        self._thread = threading.Thread(target=run, name=f"drop-{options.name}", daemon=True)

    # For any thread.

    def start(self) -> None:
        """Begin to watch and to move. Files that are there already are taken too."""
        self._watch.start()
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """End after the file under way. False: that takes longer than *timeout_s*."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._watch.stop()
        return not self._thread.is_alive()

    @property
    def problems(self) -> dict[Path, str]:
        """What has to wait, and why; "" is the folder itself."""
        return dict(self._problems)

    @property
    def watch_state(self) -> WatchState:
        return self._watch.state

    def _on_dirty(self, path: Path) -> None:
        if path.endswith("/") or fault_in_name(path) is not None:
            self._dirty.mark(_EVERYTHING, after_s=_SWARM_S)
        else:
            self._dirty.mark(path)

    def _on_lost(self, reason: str) -> None:
        log_loss(reason, drop=self._options.name)
        self._dirty.mark(_EVERYTHING)

    # The thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._round_or_wait()
            except Exception:  # one round of the loop
                log.exception("loop.failed", drop=self._options.name)
                self._dirty.put_off(_EVERYTHING, after_s=AGAIN_S)
            due_s = self._dirty.next_due_s()
            self._wake.wait(CHECK_S if due_s is None else min(CHECK_S, due_s))

    def _round_or_wait(self) -> None:
        try:
            self._round()
        except DocferryError as error:  # the folder itself is out of reach
            self._dirty.put_off(_EVERYTHING, after_s=AGAIN_S)
            self._must_wait("", str(error))

    def _round(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._check_s:
            self._check_s = now_s + CHECK_S
            self._watch.check()
        if now_s >= self._rescan_s:
            self._rescan_s = now_s + RESCAN_S
            self._dirty.mark(_EVERYTHING)
        due = self._dirty.take_due(_AT_ONCE)
        if (trouble := self._to.trouble()) is not None:
            raise TemporaryError(trouble)  # everything is looked at afterwards
        if due.pop(_EVERYTHING, None) is not None:
            self._look_at_everything()
        for path in due:
            self._look(path, self._source.stat(path))

    def _look_at_everything(self) -> None:
        self._hand_over.recover()
        gone = set(self._problems)
        for path, found in self._everything():
            gone.discard(path)
            self._look(path, found)
        if not self._stopping.is_set():
            for path in gone:
                self._forget(path)

    def _everything(self) -> Iterator[tuple[Path, FileState | Unknown]]:
        unknown = set()  # what is neither file nor folder comes twice, the better reason first
        for entries in (self._source.scan, self._source.scan_odd):
            for entry in entries():
                if not isinstance(entry, Unknown):
                    yield entry
                elif entry.path not in unknown:
                    unknown.add(entry.path)
                    yield entry.path, entry

    def _look(self, path: Path, found: FileState | Unknown | None) -> None:
        if self._stopping.is_set() or not self._filter.takes(path):
            return
        if self._to.trouble() is not None:
            self._dirty.mark(_EVERYTHING)
            return
        match found:
            case None:
                self._forget(path)
            case Unknown():
                self._must_wait(path, found.reason)
            case FileState():
                self._take_when_at_rest(path, found)

    def _take_when_at_rest(self, path: Path, state: FileState) -> None:
        wait_s = self._unrest_s(path, state)
        if wait_s is not None:
            self._dirty.put_off(path, after_s=wait_s)
            return
        try:
            self._take(path, state)
        except StaleError:
            self._dirty.mark(path, after_s=_STALE_AGAIN_S)
        except PermanentError as error:
            self._must_wait(path, str(error))
            self._dirty.put_off(path, after_s=PERMANENT_AGAIN_S)
        except DocferryError as error:
            self._must_wait(path, str(error))
            self._dirty.put_off(path, after_s=AGAIN_S)
        else:
            self._forget(path)

    def _unrest_s(self, path: Path, state: FileState) -> float | None:
        """Seconds after which to look again at a file that still moves; None: it is at rest."""
        found = rest(
            state,
            self._sightings.get(path),
            now_ns=time.time_ns(),
            now_s=time.monotonic(),
            settle_s=self._options.settle_s,
        )
        if not isinstance(found, Taken):
            self._sightings[path] = found.sighting
            return found.for_s
        return AGAIN_S if self._source.is_being_written(path) else None

    # Taking one file.

    def _take(self, path: Path, state: FileState) -> None:
        target = target_of(path, state, self._options)
        if not self._to.takes(target):
            raise PermanentError(
                f"{target} is left out by the filter of mirror {self._options.into}: change the "
                "filter, or take the file away"
            )
        self._hand_over.require_removable(path)
        began_s = time.monotonic()
        there = self._to.storage.stat(target)
        if isinstance(there, Unknown):
            raise PermanentError(f"{target} in mirror {self._options.into}: {there.reason}")
        if there is None:
            how, story = self._place(path, state, target)
        else:
            how, story = self._meet(path, state, target, there)
        log.info(
            "drop.taken",
            drop=self._options.name,
            path=path,
            target=target,
            operation=story,
            size_bytes=state.size,
            took_s=round(time.monotonic() - began_s, 4),
            how=how,
        )

    def _place(self, path: Path, state: FileState, target: Path) -> tuple[str, Ulid | None]:
        """Bring the file to a name that is free; say how, and under which id it goes on."""
        if self._hand_over.rename(path, state.token, target):
            return "moved", self._to.on_placed(target)
        with self._source.read(path, state.token) as content:
            self._to.storage.write(target, content, _attributes(content), expect=None)
        story = self._to.on_placed(target)
        self._hand_over.remove(path, state.token)
        return "copied", story

    def _meet(
        self, path: Path, state: FileState, target: Path, there: FileState
    ) -> tuple[str, Ulid | None]:
        """Bring the file to a name that is taken: the same content again, or a newer version."""
        story = None
        is_safe = self._to.is_safe(target, there.token)
        if not is_safe and there.size != state.size:
            raise self._name_taken(target)
        with self._source.read(path, state.token) as content:
            attributes = _attributes(content)
            if self._is_same(target, there, state, attributes):
                self._hand_over.make_last(target, there.token)
            elif is_safe:
                self._to.replace(target, content, attributes, there.token)
                story = self._to.on_placed(target)
            else:
                raise self._name_taken(target)
        self._hand_over.remove(path, state.token)
        return "merged", story

    def _name_taken(self, target: Path) -> DocferryError:
        return TemporaryError(
            f"{target} in mirror {self._options.into} holds another content that is not synced "
            "yet: that one goes first"
        )

    def _is_same(
        self, target: Path, there: FileState, state: FileState, attributes: Attributes
    ) -> bool:
        if there.size != state.size:
            return False
        with self._to.storage.read(target, there.token) as content:
            return content.sha256() == attributes.sha256

    # What people are told.

    def _must_wait(self, path: Path, reason: str) -> None:
        if self._problems.get(path) == reason:
            return
        log.warning("drop.waiting", drop=self._options.name, path=path, reason=reason)
        self._to.on_problem(path, reason)
        self._problems[path] = reason

    def _forget(self, path: Path) -> None:
        self._sightings.pop(path, None)
        self._mended(path)

    def _mended(self, path: Path) -> None:
        if path in self._problems:
            self._to.on_problem(path, None)
            del self._problems[path]


def target_of(path: Path, state: FileState, options: DropConfig) -> Path:
    """Say where in the mirror a dropped file goes."""
    if options.naming == "path":
        return options.subfolder + path
    folder, slash, name = path.rpartition("/")
    prefix = f"{_ulid_of(path, state)}-"
    return (
        options.subfolder + folder + slash + prefix + _shortened(name, SEGMENT_BYTES - len(prefix))
    )


def _ulid_of(path: Path, state: FileState) -> Ulid:
    """
    Name a dropped content by when it came and what it is.

    Always the same name for the same drop: a crash between copying and removing is then
    followed by finding a duplicate, not by a second document.
    """
    digest = hashlib.sha256(f"{path}\0{state.token}".encode()).digest()
    return str(ULID((state.changed_ns // 1_000_000).to_bytes(6) + digest[:10]))


def _shortened(name: str, size: int) -> str:
    """Cut the stem of *name* so that it has at most *size* bytes."""
    stem, suffix = posixpath.splitext(name)
    if len(suffix.encode()) > size // 2:  # a dot in a sentence, not a file type
        stem, suffix = name, ""
    return stem.encode()[: size - len(suffix.encode())].decode(errors="ignore") + suffix


def _attributes(content: Content) -> Attributes:
    return Attributes(sha256=content.sha256(), mtime_ns=content.attributes.mtime_ns)
