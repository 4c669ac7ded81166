"""Build the two sides of a mirror, and what works on them, from the configuration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from ulid import ULID

from docferry.app.meters import METERS
from docferry.app.mirrors import mirror_named
from docferry.config import Config, MirrorConfig, StoreConfig
from docferry.engine.brake import MassChangeBrake
from docferry.engine.contents import Contents
from docferry.engine.execute import Executor
from docferry.engine.heal import Healer
from docferry.engine.identity import Places, place_of
from docferry.engine.on_request import OnRequest
from docferry.engine.put_back import PutsBack
from docferry.engine.timing import MACHINE, Timing
from docferry.ledger import Ledger
from docferry.logs import get_logger
from docferry.metrics import STORE_PRECONDITIONS
from docferry.model import (
    BegunUpload,
    Path,
    Provenance,
    SentPart,
    Sha256,
    SyncedState,
    Ulid,
    UploadPlan,
    VersionRow,
)
from docferry.storage.local import LocalStorage
from docferry.storage.local_batch import Room, unguarded
from docferry.storage.probe import StoreProfile
from docferry.storage.s3 import S3Options, S3Storage
from docferry.storage.under_way import UnderWay

log = get_logger(__name__)

RANDOM_BITS = 80  # of a ULID's 128; before them stands the time in milliseconds
PRECONDITIONS = (
    "conditional_create",
    "conditional_replace",
    "conditional_delete",
    "conditional_copy",
)


class UlidSource:
    """
    Gives ULIDs that strictly increase, also when the clock steps back.

    Args:
        after: The last one that an earlier process has written down: all are greater. That
            process may have given the numbers right after it, too: none of them is given again.
    """

    def __init__(self, after: Ulid | None = None, timing: Timing = MACHINE) -> None:
        self._timing = timing
        self._lock = threading.Lock()
        self._last = 0 if after is None else int(ULID.from_str(after))
        self._is_first = True

    def __call__(self) -> Ulid:
        now_ms = self._timing.time_ns() // 1_000_000
        with self._lock:
            last_ms, chance = self._last >> RANDOM_BITS, self._timing.random_bits(RANDOM_BITS)
            if now_ms > last_ms:
                self._last = (now_ms << RANDOM_BITS) + chance
            elif self._is_first:  # by chance: the next number may be that of an object already
                self._last = (last_ms + 1 << RANDOM_BITS) + chance
            else:  # within a millisecond, or where the clock has stepped back
                self._last += 1
            self._is_first = False
            return str(ULID.from_int(self._last))


class Clock:
    """
    Tells the time, and never an earlier one than before: history has one order.

    Where the machine's clock is behind, it goes on at half the pace until that has caught
    up. If it stood still, whatever is due after a while would never be: one boot with a
    wrong date, and no snapshot or patrol for years.

    Args:
        after: The latest time that an earlier process has written down.
    """

    def __init__(self, after: datetime | None = None, timing: Timing = MACHINE) -> None:
        self._timing = timing
        self._lock = threading.Lock()
        self._from = after or datetime.fromtimestamp(0, UTC)
        self._from_s = timing.monotonic()

    def __call__(self) -> datetime:
        with self._lock:
            now_s, now = self._timing.monotonic(), self._timing.now()
            going_on = self._from + timedelta(seconds=now_s - self._from_s) / 2
            if now < going_on:
                return going_on
            self._from, self._from_s = now, now_s
            return now


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of one mirror, and the executor between them."""

    options: MirrorConfig
    local: LocalStorage
    remote: S3Storage
    places: Places
    executor: Executor
    aliases: dict[str, Path]
    contents: Contents
    on_request: OnRequest
    under_way: UnderWay


def open_sides(
    config: Config,
    mirror: str,
    ledger: Ledger,
    new_ulid: UlidSource,
    *,
    connections: int,
    is_daemon: bool = False,
    takes_results: Callable[[], bool] | None = None,
    room: Room = unguarded,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Sides:
    """
    Build the sides of *mirror*. Asks neither of them anything.

    Args:
        is_daemon: The ledger is ours to write to.
        takes_results: Whether conversions put into this mirror what they make; None: as *config*
            says, which does not change.
        room: Whether the folder's disk takes more, as `LocalStorage` asks it.
    """
    options = mirror_named(config, mirror)
    store = config.stores[options.store]
    aliases = ledger.aliases.all(mirror)
    under_way = UnderWay(now)
    local = LocalStorage(options.local, needs_marker=True, room=room, under_way=under_way)
    remote = S3Storage(
        s3_options(store, connections),
        options.bucket,
        options.prefix,
        aliases=aliases,
        notes=_UploadNotes(mirror, ledger) if is_daemon else None,
        under_way=under_way,
        meter=METERS.of(store).of(mirror),
    )
    places = Places(local, remote, str(options.local), remote_name(options, store))
    contents = Contents(mirror, places, ledger.versions, ledger.synced)
    healer = Healer(mirror, local, remote, contents, ledger.instance)
    on_request = OnRequest(
        local,
        remote,
        contents,
        ledger.versions.get,
        heal=lambda operation, synced: healer.heal(operation, synced, new_ulid(), now()),
        puts_back=PutsBack(mirror, local, remote, now),
    )
    executor = Executor(
        mirror,
        local,
        remote,
        Known(ledger, takes_results or partial(_takes_results, config, mirror)),
        writer=ledger.instance,
        now=now,
        new_ulid=new_ulid,
        on_request=on_request,
        brake=MassChangeBrake(
            mirror, ledger, local, remote, options.limits, new_ulid=new_ulid, now=now
        ),
    )
    return Sides(options, local, remote, places, executor, aliases, contents, on_request, under_way)


def note_mirror(ledger: Ledger, options: MirrorConfig) -> None:
    """
    Let the ledger know the mirror as it is configured now.

    Where it is it learns only when both sides have proven themselves there: until then
    a person can be told where they were.
    """
    row = ledger.mirrors.get(options.name)
    has_run = row is not None and row.marker_id is not None
    place = {} if has_run else place_of(options)
    ledger.mirrors.put(options.name, mode=options.mode, **place)


def remote_name(options: MirrorConfig, store: StoreConfig) -> str:
    """Name the remote side as a person knows it."""
    return f"s3://{options.bucket}/{options.prefix} on {store.endpoint_url or 'AWS'}"


class StoreProbe:
    """Learns once, when the store first answers, what it keeps to."""

    def __init__(self, sides: Sides, ledger: Ledger) -> None:
        self._sides = sides
        self._ledger = ledger
        self._is_done = False

    def __call__(self) -> None:
        """
        Raises:
            UnreachableError, PermanentError: The store does not answer, or not to us.
        """
        if self._is_done:
            return
        mirror = self._sides.options.name
        self._sides.remote.check_bucket()  # the probe's first PUT would make it on SeaweedFS
        profile = self._sides.remote.probe()
        self._ledger.mirrors.put(mirror, profile=profile.to_dict())
        self._tell(mirror, profile)
        self._is_done = True

    def _tell(self, mirror: str, profile: StoreProfile) -> None:
        facts = profile.to_dict()
        missing = [name for name in PRECONDITIONS if not facts[name]]
        for name in PRECONDITIONS:
            STORE_PRECONDITIONS.labels(mirror, name).set(bool(facts[name]))
        log.info("store.probed", mirror=mirror, **facts)
        if missing:
            log.warning(
                "store.weak",
                mirror=mirror,
                ignored=missing,
                meaning="docferry looks before it writes; a change by others in between is "
                "displaced to the archive at best",
            )


@dataclass(frozen=True, slots=True)
class KnownStore:
    """Goes by what the ledger says that the store keeps to: nothing is written to it."""

    sides: Sides
    ledger: Ledger

    def __call__(self) -> None:
        """
        Raises:
            UnreachableError, PermanentError: The store does not answer, or not to us.
        """
        self.sides.remote.check_bucket()
        row = self.ledger.mirrors.get(self.sides.options.name)
        if row is not None:
            self.sides.remote.profile = StoreProfile.from_dict(row.profile)


@dataclass(frozen=True, slots=True)
class Known:
    """The ledger, as the executor asks it."""

    ledger: Ledger
    #: Whether conversions put into this mirror what they make.
    has_results: Callable[[], bool] = lambda: False

    def find_sha256(self, mirror: str, sha256: Sha256) -> tuple[Path, SyncedState] | None:
        return self.ledger.synced.find_sha256(mirror, sha256)

    def is_intended(self, mirror: str, path: Path, version: Ulid) -> bool:
        return self.ledger.intents.is_intended(mirror, path, version)

    def intended(self, mirror: str, paths: Sequence[Path]) -> frozenset[Path]:
        return self.ledger.intents.paths_among(mirror, paths)

    def unagreed(self, mirror: str, path: Path) -> tuple[Ulid, Sha256] | None:
        return self.ledger.unagreed.at(mirror, path)

    def intend(self, mirror: str, path: Path, version: Ulid) -> None:
        self.ledger.intents.add(mirror, [(path, version)])

    def newest(self, mirror: str, path: Path) -> Ulid | None:
        return max((row.id for row in self.ledger.versions.of(mirror, path)), default=None)

    def parent_of(self, version: Ulid) -> Ulid | None:
        return self.ledger.versions.parent_of(version)

    def made_at(self, mirror: str, path: Path, sha256: Callable[[], Sha256]) -> Provenance | None:
        made = self.ledger.results.at(mirror, path) if self.has_results() else {}
        return made.get(sha256()) if made else None

    def begin_conflict(self, displaced: VersionRow, copy_path: Path) -> None:
        self.ledger.conflicts.begin(displaced, copy_path)


def _takes_results(config: Config, mirror: str) -> bool:
    return any(rule.to_mirror == mirror for rule in config.converts)


@dataclass(frozen=True, slots=True)
class _UploadNotes:
    """The ledger, as the remote side of *mirror* writes to it."""

    mirror: str
    ledger: Ledger

    def begun(self, bucket: str, key: str, upload_id: str, plan: UploadPlan | None) -> None:
        self.ledger.uploads.begun(self.mirror, bucket, key, upload_id, plan)

    def sent(self, bucket: str, key: str, upload_id: str, part: SentPart) -> None:
        self.ledger.uploads.sent(self.mirror, bucket, key, upload_id, part)

    def parts(self, bucket: str, key: str, upload_id: str) -> list[SentPart]:
        return self.ledger.uploads.parts(self.mirror, bucket, key, upload_id)

    def ended(self, bucket: str, key: str, upload_id: str) -> None:
        self.ledger.uploads.ended(self.mirror, bucket, key, upload_id)

    def unfinished(self, bucket: str) -> list[BegunUpload]:
        return self.ledger.uploads.unfinished(self.mirror, bucket)


def s3_options(store: StoreConfig, connections: int) -> S3Options:
    """Say how to connect to *store*."""
    return S3Options(
        endpoint_url=store.endpoint_url,
        region=store.region,
        verify_tls=store.verify_tls,
        addressing_style=store.addressing_style,
        access_key_id=store.access_key_id,
        secret_access_key=_plain(store.secret_access_key),
        session_token=_plain(store.session_token),
        max_connections=connections,
    )


def _plain(secret: object) -> str | None:
    if secret is None:
        return None
    reveal = getattr(secret, "get_secret_value", None)
    return str(reveal()) if reveal is not None else str(secret)
