"""Arbitrary mixtures: what may stand on both sides of a mirror and in its ledger at a start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath

from hypothesis import strategies as st

from docferry.config import MirrorConfig
from docferry.core.guards import marker
from docferry.core.paths import alias_for, conflict_copy_path, key_of
from docferry.model import (
    Attributes,
    DeleteLocal,
    DeleteRemote,
    Deletion,
    Forget,
    HoldState,
    MarkSynced,
    Mode,
    Origin,
    Outcome,
    Path,
    SyncedState,
    Ulid,
    VersionRow,
)
from docferry.storage.memory import sha256_of
from whole_mirror import Folder, WholeMirror

#: Few, so that they come back elsewhere (renames, twins); all but one of one size.
CONTENTS = (b"one", b"two", b"six", b"ten", b"longer")
MARKER = "the mirror itself"

PATHS: tuple[Path, ...] = (
    "a",
    "a/b",
    "a/b/c",
    "B.txt",
    "b.txt",
    "caf\u00e9",  # one name, written in two ways
    "cafe\u0301",
    "d/x.log",
    "d/y",
    "e.txt",
    conflict_copy_path("e.txt", sha256_of(CONTENTS[0])),
    "f",
    "g/%_/h",  # key g//h
    "i%_5Cj",  # key i\j
)
_CLASHES = ("a", "a/b", "a/b/c", "B.txt", "f")  # a folder cannot hold the first two at a time
_FILTERS: tuple[tuple[str, ...], ...] = ((), ("*.log",), ("d/", "f"), ("*.conflict-*",))
_AGES = (timedelta(minutes=1), timedelta(minutes=9), timedelta(minutes=20))


@dataclass(frozen=True, slots=True)
class Found:
    """What there is at one path."""

    path: Path
    agreed: bytes | None = None
    local: bytes | None = None
    remote: bytes | None = None
    is_touched: tuple[bool, bool] = (False, False)  #: other tokens, though the content is as agreed
    is_announced: bool = False  #: the object is an upload of ours that was not written down
    was_deleted: bytes | None = None  #: a content that was deleted here before
    deleted_ago: timedelta = _AGES[0]


@dataclass(frozen=True, slots=True)
class Held:
    """A hold from before: the deletions of some paths, whether they are called for or not."""

    paths: Sequence[Path]
    state: HoldState


@dataclass(frozen=True, slots=True)
class Mixture:
    found: Sequence[Found]
    mode: Mode = Mode.TWO_WAY
    exclude: tuple[str, ...] = ()
    delete_limit: int = 0
    held: Held | None = None
    markers: tuple[str | None, str | None, str | None] = (MARKER,) * 3  #: both sides, ledger
    identity: HoldState | None = None  #: of a hold of identity from before
    emptied: str | None = None
    aliased: Sequence[Path] = field(default=())

    def options(self, name: str) -> MirrorConfig:
        return MirrorConfig(
            name=name,
            store="s",
            bucket="b",
            local=FilePath("/nowhere"),
            settle_s=0.0,
            mode=self.mode,
            exclude=self.exclude,
            delete_limit=self.delete_limit,
        )


_content = st.sampled_from(CONTENTS)
_anything = st.sampled_from([None, None, *CONTENTS])
_mostly = st.sampled_from([True, True, True, False])


@st.composite
def _found(draw: st.DrawFn, path: Path) -> Found:
    agreed = draw(st.none() | _content)
    # As agreed, or anything else: in most of what there is little has changed.
    local = agreed if draw(st.booleans()) else draw(_anything)
    remote = agreed if draw(st.booleans()) else draw(_anything)
    return Found(
        path,
        agreed,
        local,
        remote,
        is_touched=draw(st.tuples(st.booleans(), st.booleans())),
        is_announced=remote not in (None, agreed) and draw(st.booleans()),
        was_deleted=draw(st.none() | st.none() | _content),
        deleted_ago=draw(st.sampled_from(_AGES)),
    )


def _renamed(old: Found, new: Found, draw: st.DrawFn) -> tuple[Found, Found]:
    """Let a person have renamed *old* on one side."""
    content = old.agreed or draw(_content)
    old, new = replace(old, agreed=content, is_announced=False), replace(new, is_announced=False)
    if draw(st.booleans()):
        return (
            replace(old, local=None, remote=content),
            replace(new, agreed=None, local=content, remote=None),
        )
    return (
        replace(old, local=content, remote=None),
        replace(new, agreed=None, local=None, remote=content),
    )


@st.composite
def mixtures(draw: st.DrawFn) -> Mixture:
    pool = draw(st.sampled_from([PATHS, _CLASHES]))
    paths = draw(st.lists(st.sampled_from(pool), unique=True, max_size=8))
    is_itself = draw(_mostly)
    some_marker = st.sampled_from([MARKER, MARKER, "another", None])
    held = st.builds(
        Held,
        st.lists(st.sampled_from(PATHS), unique=True, min_size=1, max_size=3),
        st.sampled_from([HoldState.OPEN, HoldState.APPROVED, HoldState.DISCARDED]),
    )
    found = [draw(_found(path)) for path in sorted(paths)]
    for number in range(1, len(found), 2):
        if draw(st.booleans()):
            found[number - 1 : number + 1] = _renamed(found[number - 1], found[number], draw)
    return Mixture(
        found,
        mode=draw(st.sampled_from([Mode.TWO_WAY, Mode.TWO_WAY, *Mode])),
        exclude=draw(st.sampled_from(_FILTERS)),
        delete_limit=draw(st.sampled_from([0, 0, 1, 3])),
        held=draw(st.none() | held),
        markers=(MARKER,) * 3
        if is_itself
        else draw(st.tuples(some_marker, some_marker, st.sampled_from([MARKER, None]))),
        identity=draw(
            st.none() | st.none() | st.sampled_from([HoldState.OPEN, HoldState.APPROVED])
        ),
        emptied=draw(st.none() | st.none() | st.sampled_from(["local", "remote"])),
        aliased=draw(st.sampled_from([[], [], ["a/b"]])),
    )


def bring_about(mixture: Mixture, mirror: WholeMirror) -> None:
    """Make both sides of *mirror*, and its ledger, hold *mixture*."""
    _markers(mixture, mirror)
    for path in mixture.aliased:
        blocked_by = path.partition("/")[0]
        mirror.ledger.aliases.add(mirror.name, path, alias_for(path, blocked_by=blocked_by))
        mirror.aliases[path] = alias_for(path, blocked_by=blocked_by)
    happened = [outcome for found in mixture.found for outcome in _place(found, mirror)]
    for age, outcome in happened:
        mirror.ledger.record(mirror.name, [outcome], at=datetime.now(UTC) - age)
    if mixture.emptied is not None:
        side = mirror.local if mixture.emptied == "local" else mirror.remote
        for path in list(side.files):
            side.user_delete(path)
    if mixture.held is not None:
        _hold(mixture.held, mirror)


def _markers(mixture: Mixture, mirror: WholeMirror) -> None:
    local, remote, known = mixture.markers
    if local is not None:
        mirror.local.write_marker(marker(local))
    if remote is not None:
        mirror.remote.write_marker(marker(remote))
    if known is not None:
        mirror.ledger.mirrors.put(mirror.name, marker_id=known)
    if mixture.identity is not None:
        mirror.ledger.holds.hold_identity(mirror.name, "from before", datetime.now(UTC))
        [hold] = mirror.ledger.holds.all(mirror.name, kind="identity")
        if mixture.identity is not HoldState.OPEN:
            mirror.ledger.holds.decide(hold.id, mixture.identity, datetime.now(UTC))


def _place(found: Found, mirror: WholeMirror) -> list[tuple[timedelta, Outcome]]:
    """Put what is found at a path where it belongs; give what is to be written down."""
    # As a walk would find it: below its alias, if the object has one.
    path = mirror.aliases.get(key_of(found.path), found.path)
    happened: list[tuple[timedelta, Outcome]] = []
    if found.was_deleted is not None:
        happened += _deleted(found, path, mirror)
    local = "never" if found.agreed is None else _write(mirror.local, path, found.agreed)
    remote = "never"
    if found.agreed is not None:
        remote = mirror.remote.user_write(found.path, found.agreed)
        happened.append(_agreed(path, found.agreed, (local, remote), mirror))
    if found.local is None or local == "":
        mirror.local.files.pop(path, None)
    elif found.local != found.agreed or found.is_touched[0]:
        _write(mirror.local, path, found.local)
    if found.remote is None:
        mirror.remote.files.pop(found.path, None)
    elif found.is_announced:
        version = mirror.new_ulid()
        claims = Attributes(version=version, sha256=sha256_of(found.remote))
        mirror.remote.user_write(found.path, found.remote, claims)
        mirror.ledger.intents.add(mirror.name, [(path, version)])
    elif found.remote != found.agreed or found.is_touched[1]:
        mirror.remote.user_write(found.path, found.remote)
    return happened


def _write(folder: Folder, path: Path, content: bytes) -> str:
    """Write as a person does; "": something else is in the way."""
    return "" if folder.blocker(path) is not None else folder.user_write(path, content)


def _agreed(
    path: Path, content: bytes, tokens: tuple[str, str], mirror: WholeMirror
) -> tuple[timedelta, Outcome]:
    version = _version(path, content, mirror)
    synced = SyncedState(version.sha256, *tokens, version.id, len(content))
    operation = MarkSynced(path, version.sha256, len(content), *tokens, is_new_content=True)
    return timedelta(0), Outcome(operation, synced, version)


def _deleted(found: Found, path: Path, mirror: WholeMirror) -> list[tuple[timedelta, Outcome]]:
    assert found.was_deleted is not None
    version = _version(path, found.was_deleted, mirror)
    gone = Outcome(DeleteRemote(path, "t"), None, version)
    return [(found.deleted_ago, gone), (found.deleted_ago, Outcome(Forget(path), None))]


def _version(path: Path, content: bytes, mirror: WholeMirror) -> VersionRow:
    version: Ulid = mirror.new_ulid()
    return VersionRow(
        version,
        mirror.name,
        path,
        sha256_of(content),
        len(content),
        None,
        Origin.LOCAL,
        None,
        None,
        datetime.now(UTC),
    )


def _hold(held: Held, mirror: WholeMirror) -> None:
    deletions = [(_deletion(path, mirror), sha256_of(path.encode())) for path in held.paths]
    mirror.ledger.holds.park(mirror.name, deletions)
    now = datetime.now(UTC)
    hold = mirror.ledger.holds.hold(mirror.name, "from before", now)
    assert hold is not None  # nobody has decided about these before
    if held.state is not HoldState.OPEN:
        mirror.ledger.holds.decide(hold.id, held.state, now)


def _deletion(path: Path, mirror: WholeMirror) -> Deletion:
    """Give the deletion that is called for, if there is one, or else one that is not."""
    local, remote = mirror.local.stat(path), mirror.remote.stat(path)
    if local is None and remote is not None:
        return DeleteRemote(path, remote.token)
    return DeleteLocal(path, local.token if local is not None else "of long ago")
