"""Make a lost ledger anew from what the buckets hold, and the folders with it: `rebuild`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from docferry.app.actor import person
from docferry.app.chains import rules_of
from docferry.app.daemon import Daemon
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.onlooker import Onlooker, store_of
from docferry.app.rules_told import shapes_of
from docferry.app.sides import Clock, Sides, UlidSource, open_sides
from docferry.config import Config, MirrorConfig
from docferry.core.audit import Action
from docferry.core.filters import Filter
from docferry.core.guards import marker, marker_id
from docferry.core.rules import Rule, jobs_for
from docferry.engine.claims import Claims
from docferry.engine.identity import place_of
from docferry.engine.rebuild import Rebuild, Result
from docferry.errors import DocferryError, PermanentError, UserError
from docferry.folders import make_folder
from docferry.job import Priority
from docferry.ledger.audit_file import AuditFile
from docferry.ledger.damage import damage_of, is_empty, put_in_place, set_aside
from docferry.ledger.lock import StateLock
from docferry.ledger.rebuilt import Rebuilt
from docferry.logs import get_logger
from docferry.model import RESERVED, FileState, Ulid
from docferry.model import Path as ModelPath
from docferry.storage.base import Archive
from docferry.storage.local import LocalStorage
from docferry.storage.probe import StoreProfile

log = get_logger(__name__)

_UNFINISHED = LEDGER_NAME + ".rebuilding"


@dataclass(frozen=True, slots=True)
class MirrorRebuilt:
    """What became of one mirror."""

    name: str
    remote: str
    result: Result | None  #: None: its prefix has no marker, there is nothing to rebuild from
    folder: str = ""  #: what was done with the folder, for a person
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """The whole of it."""

    ledger: str
    set_aside: str | None  #: where the damaged ledger went that was found in its place
    mirrors: tuple[MirrorRebuilt, ...]


def refuse_sound(config: Config) -> None:
    """
    Raises:
        UserError: There is a ledger, and nothing is wrong with it.
    """
    path = config.state_dir / LEDGER_NAME
    if not is_empty(path) and damage_of(path) is None:
        raise UserError(
            f"there is a sound ledger {path}. It knows more than a bucket does; if you want "
            f"another one in its place all the same, move it away, with {path.name}-wal beside it"
        )


def rebuild(
    config: Config,
    *,
    from_objects: bool,
    tell: Callable[[str], None] = lambda text: None,
    onlooker: Onlooker | None = None,
) -> Rebuilding:
    """
    Make the ledger anew. Nothing is written to any bucket, and nothing half is left.

    Args:
        from_objects: Look at every object, and at no snapshot.
        tell: Hears what is being done.
        onlooker: Told how far it is, and of a store that does not answer.

    Raises:
        UserError: A daemon runs, or there is a sound ledger, or nothing to rebuild from.
        UnreachableError, TemporaryError, PermanentError: A store does not answer, or not to us.
    """
    path = config.state_dir / LEDGER_NAME
    with StateLock(config.state_dir), _unfinished(config) as unfinished:
        refuse_sound(config)
        with Rebuilt.open(unfinished, actor=person()) as ledger, _scratch(config) as folder:
            work = _Work(
                config,
                ledger,
                folder,
                from_objects=from_objects,
                tell=tell,
                onlooker=onlooker or Onlooker(),
            )
            mirrors = _all_rebuilt(config, work.mirror)
            if all(one.result is None for one in mirrors):
                raise UserError(
                    "there is nothing to rebuild from: none of the configured prefixes has a "
                    "marker of docferry's. Check bucket and prefix; for a new mirror: docferry run"
                )
            ledger.snapshots.note_rebuilt(datetime.now(UTC))
            ledger.keys.note_lost(
                datetime.now(UTC)
            )  # no bucket has them: that would tell whom to be
        AuditFile(config.audit_path).set_aside(datetime.now(UTC))  # the new one has its own chain
        aside = set_aside(path) if path.exists() else None
        put_in_place(unfinished, path)
    return Rebuilding(str(path), None if aside is None else str(aside), mirrors)


def bring_back(config: Config, rebuilding: Rebuilding) -> Daemon:
    """Give what brings the folders of the rebuilt mirrors back, when it is run once."""
    rebuilt = {one.name for one in rebuilding.mirrors if one.result is not None}
    mirrors = {name: config.mirrors[name] for name in config.mirrors if name in rebuilt}
    return Daemon(replace(config, mirrors=mirrors, drops={}), is_rebuilt=True)


class _Later:
    """Gives ULIDs greater than any in the ledger when the first is asked for."""

    def __init__(self, ledger: Rebuilt) -> None:
        self._ledger = ledger
        self._source: UlidSource | None = None

    def __call__(self) -> Ulid:
        if self._source is None:
            last = self._ledger.versions.last()
            self._source = UlidSource(after=last and last[0])
        return self._source()


def _all_rebuilt(
    config: Config, rebuilt: Callable[[str], MirrorRebuilt]
) -> tuple[MirrorRebuilt, ...]:
    """Rebuild first the documents: what is said to be made of them is held against them."""
    takers = {options.to_mirror for options in config.converts}
    done = {name: rebuilt(name) for name in sorted(config.mirrors, key=takers.__contains__)}
    return tuple(done[name] for name in config.mirrors)


class _Work:
    """One rebuilding: what all mirrors share."""

    def __init__(
        self,
        config: Config,
        ledger: Rebuilt,
        folder: Path,
        *,
        from_objects: bool,
        tell: Callable[[str], None],
        onlooker: Onlooker,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._folder = folder
        self._from_objects = from_objects
        self._tell = tell
        self._onlooker = onlooker
        self._rules: tuple[Rule, ...] = rules_of(config)

    def mirror(self, name: str) -> MirrorRebuilt:
        began_s = monotonic()
        options = self._config.mirrors[name]
        sides = self._sides(name)
        with self._onlooker.waiting(store_of(self._config, name)):
            sides.remote.check_bucket()
            found = marker_id(sides.remote.read_marker())
        remote = sides.places.remote_name
        if found is None:
            self._tell(f"{name}: {remote} has no marker: there is nothing to rebuild from")
            return MirrorRebuilt(name, remote, None)
        here = _archive_here(sides, found)
        with ThreadPoolExecutor(self._config.transfers, thread_name_prefix="rebuild") as pool:
            rebuild = self._rebuild(name, sides, here, pool)
        self._ledger.mirrors.put(
            name,
            marker_id=found,
            mode=options.mode,
            profile=rebuild.profile,
            **place_of(options),
        )
        done = _ready_folder(options, found)
        result, took_s = rebuild.result, round(monotonic() - began_s, 3)
        counts = {"files": result.files, "versions": result.versions}
        self._ledger.audit.note(Action.LEDGER_REBUILT, datetime.now(UTC), name, **counts)
        log.info(
            "ledger.rebuilt",
            mirror=name,
            snapshot=result.snapshot,
            files=result.files,
            versions=result.versions,
            took_s=took_s,
        )
        return MirrorRebuilt(name, remote, result, done, took_s)

    def _sides(self, name: str) -> Sides:
        return open_sides(
            self._config,
            name,
            self._ledger,
            UlidSource(),
            connections=self._config.transfers,
        )

    def _rebuild(
        self, name: str, sides: Sides, here: Archive | None, pool: ThreadPoolExecutor
    ) -> Rebuild:
        now, options = Clock(), sides.options
        rebuild = Rebuild(
            name,
            self._ledger,
            sides.remote,
            here,
            pool,
            self._folder,
            targets={r.name: r.to_mirror for r in self._rules if r.from_mirror == name},
            believe=Claims(self._ledger, shapes_of(self._config)).believe,
            takes=self._counted(name, Filter(options.include, options.exclude).takes),
            size_here=partial(_size_here, LocalStorage(options.local)),
            new_ulid=_Later(self._ledger),
            now=now,
        )
        if not self._from_objects:
            self._tell(f"{name}: fetching the newest snapshot")
            rebuild.take_snapshots()
        sides.aliases.update(self._ledger.aliases.all(name))  # the remote side goes by them
        sides.remote.profile = StoreProfile.from_dict(rebuild.profile)
        self._tell(f"{name}: looking at what the bucket holds")
        rebuild.take_objects()
        self._tell(f"{name}: looking at what is archived")
        rebuild.take_archive()
        rebuild.take_folder()
        jobs = [job for row in rebuild.new for job in jobs_for(row, self._rules, Priority.BACKLOG)]
        self._ledger.record(name, [], jobs, at=now())
        rebuild.count()
        if rebuild.result.may_forget_held:
            self._ledger.waits.begin(name, now())
        return rebuild

    def _counted(
        self, name: str, takes: Callable[[ModelPath], bool]
    ) -> Callable[[ModelPath], bool]:
        """Tell how many paths were looked at: of each *takes* is asked once."""
        asked = 0

        def count(path: ModelPath) -> bool:
            nonlocal asked
            asked += 1
            self._onlooker.count(name, asked)
            return takes(path)

        return count


def _size_here(folder: LocalStorage, path: ModelPath) -> int | None:
    """Give the size of a file of the folder; None: it is not there, or nobody can tell."""
    try:
        found = folder.stat(path)
    except DocferryError:
        return None
    return found.size if isinstance(found, FileState) else None


def _archive_here(sides: Sides, found: str) -> Archive | None:
    """Give the folder's own archive; None: it is not there, or not this mirror's."""
    if not sides.options.local.is_dir():
        return None
    local = marker_id(LocalStorage(sides.options.local).read_marker())
    return sides.local.archive if local == found else None


def _ready_folder(options: MirrorConfig, found: str) -> str:
    """
    Make and mark a folder that is lost, as this mirror's; say what was done.

    One that holds files and no marker stays as it is: it may be another one. The next run
    asks about it.
    """
    folder = options.local
    try:
        if folder.is_dir():
            if marker_id(LocalStorage(folder).read_marker()) is not None:
                return f"{folder} is as it was"
            if any(one.name != RESERVED for one in folder.iterdir()):
                return f"{folder} holds files, and no marker: docferry asks before it joins them"
        make_folder(folder)
    except OSError as error:
        raise PermanentError(
            f"cannot make the folder {folder}: {error.strerror}. Make it and let docferry read "
            "and write it, or correct `local`"
        ) from error
    LocalStorage(folder).write_marker(marker(found))
    return f"{folder} was empty, or not there: its files come from the bucket"


@contextmanager
def _unfinished(config: Config) -> Iterator[Path]:
    """Give the place where the ledger is made; what is not put in its own place goes."""
    path = config.state_dir / _UNFINISHED
    _remove(path)  # a crash left it
    try:
        yield path
    finally:
        _remove(path)


@contextmanager
def _scratch(config: Config) -> Iterator[Path]:
    """Give a place for snapshots, on the ledger's own disk; what a crash has left there goes."""
    folder = config.state_dir / "rebuilding"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove(unfinished: Path) -> None:
    for end in ("", "-wal", "-shm"):
        unfinished.with_name(unfinished.name + end).unlink(missing_ok=True)
