"""Check what docferry depends on, before a person finds out at night: `docferry check`."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from docferry.app.check_api import check_api, check_ports
from docferry.app.check_converters import check_converters
from docferry.app.check_links import check_links
from docferry.app.check_notifications import check_notifications
from docferry.app.check_secrets import check_secrets
from docferry.app.check_webhooks import check_webhooks
from docferry.app.findings import EXIT_CODES, Finding
from docferry.app.mirrors import LEDGER_NAME
from docferry.app.onlooker import Onlooker, store_of
from docferry.app.service_user import acting_as, service_user
from docferry.app.sides import PRECONDITIONS, Sides, UlidSource, open_sides
from docferry.app.unit_folders import DROP_IN, STATE_DIR, drop_in, is_said
from docferry.config import Config, MirrorConfig
from docferry.core.guards import Refused, marker_id, prove
from docferry.engine.filesystems import kind_of, watch_limit
from docferry.engine.identity import moves
from docferry.engine.snapshot import is_missed
from docferry.errors import DocferryError, UserError
from docferry.ledger import Ledger, MirrorRow
from docferry.ledger.damage import refuse_set_aside
from docferry.model import HoldState
from docferry.storage.atomic import has_writer
from docferry.storage.s3 import S3Storage

#: S3 refuses requests whose clock differs by 15 minutes; ULIDs and retention suffer before.
CLOCK_SKEW_S = 60.0
FREE_BYTES = 1 << 30
_NOBODYS = "docferry check"  # a path; that nothing is kept of it is an answer as well


def check_all(config: Config, onlooker: Onlooker | None = None) -> list[Finding]:
    """Look at everything; never raises for what it finds. *onlooker* hears which store is slow."""
    onlooker = onlooker or Onlooker()
    findings = [Finding("config", "configuration", "ok", "valid")]
    findings += [Finding("config", "configuration", "warning", text) for text in config.warnings]
    findings += check_secrets(config, os.environ)
    findings += check_links()
    findings += check_ports(config)
    findings += check_api(config)
    findings += _check_unit(config)
    findings += _check_folder("state_dir", config.state_dir)
    findings += _check_ledger(config.state_dir / LEDGER_NAME)
    findings += check_converters(config, onlooker)
    findings += check_notifications(config, onlooker)
    findings += check_webhooks(config, onlooker)
    for drop in config.drops.values():
        findings += _check_folder(f"drop {drop.name}", drop.folder)
    with TemporaryDirectory(prefix="docferry-check-") as empty:
        path = config.state_dir / LEDGER_NAME
        is_there = path.exists()
        with Ledger.open(
            path if is_there else Path(empty) / LEDGER_NAME, read_only=is_there
        ) as ledger:
            for name in config.mirrors:
                sides = open_sides(config, name, ledger, UlidSource(), connections=2)
                findings += _check_mirror(sides, ledger)
                with onlooker.waiting(store_of(config, name)):
                    findings += _check_store(sides, ledger, has_ledger=is_there)
    return findings


def exit_code(findings: Sequence[Finding]) -> int:
    """Give the code of the first kind that is wrong, 0 if nothing is."""
    wrong = {finding.kind for finding in findings if finding.level == "error"}
    return next((code for kind, code in EXIT_CODES.items() if kind in wrong), 0)


def _check_ledger(path: Path) -> Iterator[Finding]:
    try:
        refuse_set_aside(path)
    except UserError as error:
        yield Finding("config", "ledger", "error", str(error))


def _check_unit(config: Config) -> Iterator[Finding]:
    """Say where the installed service differs from who asks."""
    user = service_user()
    if user is None:
        return
    if os.geteuid() not in (0, user.pw_uid):
        what = f"what follows is what {_user()} may do; the service runs as {user.pw_name}"
        yield Finding("config", "unit", "warning", what, "ask as root: sudo docferry check")
    try:
        is_open = is_said(drop_in(config))
    except UserError as error:
        yield Finding("folder", "unit", "error", str(error))
        return
    if not is_open:
        what = f"the service may not write to all configured folders: {DROP_IN} does not let it"
        remedy = "docferry check --systemd --write, unless a drop-in of yours does"
        yield Finding("folder", "unit", "warning", what, remedy)


def _check_mirror(sides: Sides, ledger: Ledger) -> Iterator[Finding]:
    options = sides.options
    name = f"mirror {options.name}"
    row = ledger.mirrors.get(options.name)
    is_new = row is None or row.marker_id is None
    yield from _check_folder(name, options.local, has_run=not is_new)
    yield from _check_watch(name, options)


def _check_store(sides: Sides, ledger: Ledger, *, has_ledger: bool) -> Iterator[Finding]:
    options = sides.options
    name = f"mirror {options.name}"
    row = ledger.mirrors.get(options.name)
    is_new = row is None or row.marker_id is None
    try:
        sides.remote.check_bucket()
        profile = sides.remote.probe()
    except DocferryError as error:
        # A store refuses whose clock is far off, and not every one says that this is why.
        clock = _check_clock(name, sides.remote.skew_s)
        yield Finding("clock" if clock.level == "error" else "store", name, "error", str(error))
        if clock.level == "error":
            yield clock
        return
    yield Finding("store", name, "ok", f"{sides.places.remote_name} answers")
    facts = profile.to_dict()
    ignored = [feature for feature in PRECONDITIONS if not facts[feature]]
    if ignored:
        yield Finding(
            "store",
            name,
            "warning",
            f"the store ignores {', '.join(ignored)}: docferry looks before it writes, and a "
            "change by others in that moment can be overwritten",
            "use a store with conditional writes, or let docferry alone write there",
        )
    yield _check_versioning(name, sides.remote)
    if not profile.sha256_checksums:
        yield Finding(
            "store",
            name,
            "warning",
            "the store does not hold a content against its checksum: what rots there may look "
            "like an edit and come down as one; the content before it stays in the archive",
            "use a store that refuses what is not of its checksum",
        )
    yield _check_clock(name, profile.clock_skew_s)
    yield from _check_history(name, sides, ledger, has_ledger=has_ledger)
    if options.local.exists() or not is_new:
        yield from _check_identity(name, sides, ledger, row)


def _check_versioning(name: str, remote: S3Storage) -> Finding:
    """Say whether what others overwrite twice between two polls can be kept."""
    profile = remote.profile
    if profile.versioning:
        try:
            remote.bucket_versions.of(_NOBODYS)
        except DocferryError as error:
            what = f"the bucket has versioning, but its versions cannot be listed: {error}"
            remedy = "allow s3:ListBucketVersions and s3:GetObjectVersion there"
            return Finding("store", name, "warning", what, remedy)
        what = "the bucket has versioning: what others overwrite between two polls is kept, too"
        return Finding("store", name, "ok", what)
    what = "versioning is suspended" if profile.versioning_suspended else "has no versioning"
    bucket = "the bucket's" if profile.versioning_suspended else "the bucket"
    return Finding(
        "store",
        name,
        "warning",
        f"{bucket} {what}: what others overwrite twice between two polls, or at once with an "
        "edit in the folder, cannot be kept",
        "turn bucket versioning on, or poll more often",
    )


def _check_history(
    name: str, sides: Sides, ledger: Ledger, *, has_ledger: bool
) -> Iterator[Finding]:
    try:
        is_lacking = is_missed(
            sides.options.name, ledger, sides.remote.snapshots, datetime.now(UTC)
        )
    except DocferryError as error:
        yield Finding("store", name, "error", str(error))
        return
    if is_lacking:
        remedy = "docferry rebuild, before anything else: there is no ledger in its way"
        if has_ledger:
            remedy = "stop docferry, move the ledger away, then: docferry rebuild"
        what = "the bucket holds a history of this mirror that the ledger knows nothing of"
        yield Finding("store", name, "warning", what, remedy)


def _check_identity(
    name: str, sides: Sides, ledger: Ledger, row: MirrorRow | None
) -> Iterator[Finding]:
    try:
        proof = prove(
            marker_id(sides.local.read_marker()),
            marker_id(sides.remote.read_marker()),
            row.marker_id if row is not None else None,
            where=(sides.places.local_name, sides.places.remote_name),
            moved=moves(row, sides.options),
        )
    except DocferryError as error:
        yield Finding("folder", name, "error", str(error))
        return
    if isinstance(proof, Refused):
        held = ledger.holds.all(sides.options.name, (HoldState.OPEN,), kind="identity")
        how = f"to have them joined: docferry holds approve {held[0].id}" if held else ""
        yield Finding("folder", name, "error", proof.reason, how or "a run would hold everything")


def _check_folder(name: str, folder: Path, *, has_run: bool = False) -> list[Finding]:
    """Look at it as who writes there: the service's user, where its unit is installed."""
    # The unit makes this one by itself.
    is_made = folder == STATE_DIR and not folder.exists()
    with acting_as(None if is_made else service_user()):
        return list(_look_into(name, folder, has_run=has_run))


def _look_into(name: str, folder: Path, *, has_run: bool) -> Iterator[Finding]:
    if not folder.is_dir():
        yield _check_missing(name, folder, has_run=has_run)
        return
    try:
        with NamedTemporaryFile(dir=folder, prefix=".docferry-check-") as file:
            knows_writers = has_writer(file.fileno()) is not None
    except OSError as error:
        remedy = f"let the user {_user()} read and write {folder}"
        if error.errno == errno.EROFS:
            remedy = f"mount the file system of {folder} read-write"
        yield Finding("folder", name, "error", f"{folder}: {error.strerror}", remedy)
        return
    if not knows_writers:
        yield Finding(
            "folder",
            name,
            "warning",
            f"{folder}: its file system does not tell whether a file is open for writing",
            "set `settle` longer than programs pause while they write there",
        )
    free = os.statvfs(folder)
    free_bytes = free.f_bavail * free.f_frsize
    if free_bytes < FREE_BYTES:
        yield Finding(
            "folder", name, "warning", f"{folder}: {free_bytes >> 20} MiB free", "free some space"
        )
    else:
        yield Finding("folder", name, "ok", f"{folder} is there and can be written")


def _check_missing(name: str, folder: Path, *, has_run: bool) -> Finding:
    """Say whether the folder is gone, or the first run can make it."""
    above = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not above.is_dir():
        what = f"{above} is no folder"
        return Finding("folder", name, "error", what, "move what is there out of the way")
    if has_run:
        remedy = "mount it, or put it back where it was: docferry does not make it anew"
        return Finding("folder", name, "error", f"{folder} is gone", remedy)
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        what = f"{folder} is not there, and the user {_user()} may not make it in {above}"
        remedy = f"install -d -o {_user()} -g {_user()} -m 2770 {shlex.quote(str(folder))}"
        return Finding("folder", name, "error", what, remedy)
    what = f"{folder} is not there yet"
    return Finding("folder", name, "warning", what, "the first run makes it")


def _user() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container
        return str(uid)


def _check_watch(name: str, options: MirrorConfig) -> Iterator[Finding]:
    if not options.local.is_dir():
        return
    if options.watch == "polling" or kind_of(options.local) == "polling":
        yield Finding("watch", name, "ok", "the folder is polled: no inotify on its file system")
        return
    folders = sum(1 for _ in os.walk(options.local))
    limit = watch_limit()
    if limit is not None and folders > limit:
        yield Finding(
            "watch",
            name,
            "error",
            f"{folders} folders, but only {limit} inotify watches",
            f"sysctl fs.inotify.max_user_watches={max(524288, 2 * folders)}",
        )
    else:
        yield Finding("watch", name, "ok", f"{folders} folders to watch, {limit} watches allowed")


def _check_clock(name: str, skew_s: float | None) -> Finding:
    if skew_s is None:
        return Finding("clock", name, "warning", "the store tells no time")
    if abs(skew_s) > CLOCK_SKEW_S:
        return Finding(
            "clock",
            name,
            "error",
            f"this machine's clock differs from the store's by {skew_s:+.0f} s",
            "set the clock (timedatectl set-ntp true)",
        )
    return Finding("clock", name, "ok", f"the clocks differ by {abs(skew_s):.0f} s")
