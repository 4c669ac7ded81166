"""
Documents that programs hand over, put into a mirror's folder as any program would save them.

From there they go the way of all files: whoever hands one over needs no running daemon, and
has its version once the loop has settled it. What is replaced goes to the archive, where it
is what both sides agreed on; anything else is somebody's work that nobody has seen yet, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as FilePath

from ulid import ULID

from docferry.app.arrivals import Owed
from docferry.app.mirrors import mirror_named
from docferry.app.wake import wake
from docferry.config import Config, MirrorConfig
from docferry.core.audit import Action
from docferry.core.disk import Disk, fits, reserve_of
from docferry.core.filters import Filter
from docferry.core.results import why_unusable
from docferry.engine.disk_guard import disk_of
from docferry.errors import (
    BlockedPathError,
    ConflictError,
    DocferryError,
    FullError,
    StaleError,
    TemporaryError,
    UserError,
)
from docferry.ledger import Ledger
from docferry.ledger.arrivals import Arrival
from docferry.logs import get_logger
from docferry.model import (
    Attributes,
    FileState,
    Mode,
    Path,
    Sha256,
    Side,
    SyncedState,
    Token,
    Ulid,
    Unknown,
    VersionRow,
)
from docferry.storage.local import LocalStorage
from docferry.storage.local_intake import Intake

log = get_logger(__name__)

#: The room is looked at again so often: others write there as well.
LOOK_EVERY_BYTES = 16 * 1024 * 1024
_TRIES = 3  # at a path whose folder the daemon removes as empty meanwhile


class TooLargeError(UserError):
    """It has more bytes than are taken."""


class MismatchError(UserError):
    """What came is not what was said to come: damaged on its way, or cut off. Send it again."""


class ChangedError(ConflictError):
    """What was to be replaced is not there, or not as it was expected: look, then decide."""


@dataclass(frozen=True, slots=True)
class UploadWanted:
    """
    What is to come, and where it is to go.

    size: bytes; None: nobody has said. Likewise *sha256*.
    replaces: the version, or the SHA-256, that it is to take the place of. None: nothing may
        be there.
    most: so many bytes are taken; None: any number.
    """

    mirror: str
    path: Path
    size: int | None = None
    sha256: Sha256 | None = None
    replaces: str | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """
    A document that is in the folder, and outlives a power cut.

    is_new: False: the very same was there already.
    replaced: the version in whose place it came; None: in nobody's.
    """

    mirror: str
    path: Path
    sha256: Sha256
    size: int  #: bytes
    is_new: bool
    replaced: Ulid | None = None


class Receiving:
    """A document on its way in. For one thread at a time."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        wanted: UploadWanted,
        local: LocalStorage,
        intake: Intake,
        look: Callable[[FilePath], Disk | None],
        step: Callable[[str], None] = lambda name: None,
        owed: Owed | None = None,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._wanted = wanted
        self._local = local
        self._intake = intake
        self._look = look
        self._step = step
        self._owed = owed or Owed()
        self._looked_at = 0
        self._arrival: Arrival | None = None

    def write(self, part: bytes) -> None:
        """
        Take in the next bytes.

        Raises:
            TooLargeError: There are too many.
            MismatchError: There are more than was said.
            FullError: The disk is to take no more.
        """
        wanted, size = self._wanted, self._intake.size + len(part)
        if wanted.size is not None and size > wanted.size:
            raise MismatchError(f"more than the {wanted.size} bytes came that were said to come")
        _refuse_too_large(wanted, size)
        if size - self._looked_at >= LOOK_EVERY_BYTES:
            _require_room(self._config, self._local.root, 0, self._look)
            self._looked_at = size
        self._intake.write(part)

    def finish(self, at: datetime) -> Uploaded:
        """
        Put it to its path, and write down who did.

        That it is about to is durable before. Once it has its name it is there, also where a crash
        comes or the ledger then takes no row: whoever looks next writes the row. What is not noted
        of an archive is so when that is looked through.

        Raises:
            MismatchError: It is not whole, or another content than was said.
            ConflictError: Something else is at its path by now.
            ChangedError: What it is to replace is not there as it was expected.
            TemporaryError: The ledger cannot note it.
        """
        wanted, intake = self._wanted, self._intake
        if wanted.size not in (None, intake.size):
            raise MismatchError(f"{intake.size} bytes came, not {wanted.size}: send it again")
        if wanted.sha256 not in (None, intake.sha256):
            raise MismatchError(
                f"its SHA-256 is {intake.sha256}, not {wanted.sha256}: send it again"
            )
        try:
            done = self._put(_TRIES, at)
        except DocferryError:
            self._settle_failed()
            raise
        if done.is_new:
            self._note(done)
        else:
            self._withdraw()
        wake(self._config.state_dir)
        return done

    def _put(self, tries: int, at: datetime) -> Uploaded:
        wanted, intake = self._wanted, self._intake
        found = _found_at(self._local, wanted.path)
        try:
            if found is not None and self._is_same(found):
                return self._found_there(found)
            base = _displaced(self._ledger, wanted, found)
            token = None if base is None or found is None else found.token
            self._appear(token, base, at)
        except BlockedPathError as error:
            raise ConflictError(str(error)) from error
        except StaleError as error:
            if tries > 1:  # whatever has changed is looked at anew
                return self._put(tries - 1, at)
            raise TemporaryError(f"{wanted.path} keeps changing: send it again") from error
        replaced = None if base is None else base.version
        return Uploaded(
            wanted.mirror, wanted.path, intake.sha256, intake.size, is_new=True, replaced=replaced
        )

    def _found_there(self, found: FileState) -> Uploaded:
        """Tell of the very same: an earlier try may have failed after the document had its name."""
        arrival, (sha256, size) = self._arrival, (self._intake.sha256, self._intake.size)
        mirror, path = self._wanted.mirror, self._wanted.path
        if arrival is None or arrival.token != found.token:
            return Uploaded(mirror, path, sha256, size, is_new=False)
        return Uploaded(mirror, path, sha256, size, is_new=True, replaced=arrival.replaced)

    def _is_same(self, found: FileState) -> bool:
        """Say whether the very same is there: an answer may have been lost on its way."""
        if found.size != self._intake.size:
            return False
        with self._local.read(self._wanted.path, found.token) as content:
            sha256 = content.sha256()
            content.confirm()
        return sha256 == self._intake.sha256

    def _appear(self, expect: Token | None, base: SyncedState | None, at: datetime) -> None:
        path = self._wanted.path

        def about_to(token: Token) -> None:
            self._intend(token, None if base is None else base.version, at)

        if base is None:
            self._intake.put(path, expect=None, archive=None, about_to=about_to)
            self._step("placed")
            return
        parent = self._ledger.versions.parent_of(base.version)
        archive = Attributes(version=base.version, sha256=base.sha256, path=path, parent=parent)
        self._intake.put(path, expect=expect, archive=archive, about_to=about_to)
        self._step("placed")
        with self._is_there():
            self._ledger.versions.note_archived([base.version], Side.LOCAL)

    @contextmanager
    def _is_there(self) -> Iterator[None]:
        """Let the ledger fail: a document that is in the folder is not answered with an error."""
        try:
            yield
        except DocferryError as error:
            log.error("ledger.failed", mirror=self._wanted.mirror, reason=str(error))  # noqa: TRY400

    def _intend(self, token: Token, replaced: Ulid | None, at: datetime) -> None:
        wanted, intake = self._wanted, self._intake
        id_ = str(ULID()) if self._arrival is None else self._arrival.id
        arrival = Arrival(
            id_, wanted.mirror, wanted.path, intake.sha256, intake.size, token, replaced, at
        )
        self._arrival = self._ledger.arrivals.intend(arrival)
        self._step("intended")

    def _settle_failed(self) -> None:
        """Look whether it is there all the same: what fails may come after the name."""
        arrival = self._arrival
        if arrival is None:
            return
        try:
            found = self._local.stat(arrival.path)
        except DocferryError as error:  # it stays for the next start
            log.warning("path.unseen", mirror=arrival.mirror, path=arrival.path, reason=str(error))
            return
        if isinstance(found, FileState) and found.token == arrival.token:
            self._owed.note(self._ledger, arrival, Action.FILE_RECEIVED)
        else:
            self._withdraw()

    def _withdraw(self) -> None:
        if self._arrival is not None:
            with self._is_there():
                self._ledger.arrivals.withdraw(self._arrival)

    def _note(self, done: Uploaded) -> None:
        assert self._arrival is not None
        self._owed.note(self._ledger, self._arrival, Action.FILE_RECEIVED)
        self._step("noted")
        log.info("file.received", mirror=done.mirror, path=done.path, size_bytes=done.size)


@contextmanager
def receiving(
    config: Config,
    ledger: Ledger,
    wanted: UploadWanted,
    *,
    look: Callable[[FilePath], Disk | None] = disk_of,
    step: Callable[[str], None] = lambda name: None,
    owed: Owed | None = None,
) -> Iterator[Receiving]:
    """
    Begin to take in a document. Unless it is finished, nothing of it is left.

    What would be refused at the end is refused here, as far as it can be told by now.

    Args:
        step: Called with the name of each step of its end; tests crash there.
        owed: Keeps the audit's row if the ledger does not take it; None: nobody does.

    Raises:
        UserError: Nothing may have that path, or it would not travel.
        TooLargeError: It is said to have more bytes than are taken.
        ConflictError: Something is there that it is not to replace.
        ChangedError: What it is to replace is not there as it was expected.
        FullError: There is no room for it.
        UnreachableError: The folder is not there.
    """
    options = mirror_named(config, wanted.mirror)
    _refuse_what_travels_not(options, wanted.path)
    _refuse_too_large(wanted, wanted.size or 0)
    local = LocalStorage(options.local, needs_marker=True, step=step)
    _refuse_taken(ledger, wanted, local)
    _require_room(config, options.local, wanted.size or 0, look)
    with local.intake() as intake:
        yield Receiving(config, ledger, wanted, local, intake, look, step, owed)


def settled(ledger: Ledger, done: Uploaded) -> VersionRow | None:
    """Give the version that the document has become; None: it has not, or is replaced already."""
    agreed = ledger.synced.get(done.mirror, [done.path]).get(done.path)
    if agreed is None or agreed.sha256 != done.sha256:
        return None
    return ledger.versions.get(agreed.version)


def _refuse_what_travels_not(options: MirrorConfig, path: Path) -> None:
    if (why := why_unusable(path)) is not None:
        raise UserError(f"{path!r}: {why}")
    if options.mode is Mode.PULL:
        raise UserError(
            f"{options.name} only pulls: what is put into its folder would not go up. Put it "
            "into the bucket"
        )
    if not Filter(options.include, options.exclude).takes(path):
        raise UserError(
            f"{path!r} is excluded from {options.name} by its include and exclude patterns: it "
            "would never travel"
        )


def _refuse_too_large(wanted: UploadWanted, size: int) -> None:
    if wanted.most is not None and size > wanted.most:
        raise TooLargeError(f"more than {wanted.most} bytes are not taken")


def _refuse_taken(ledger: Ledger, wanted: UploadWanted, local: LocalStorage) -> None:
    """Refuse what would be refused at the end, unless it may turn out to be there already."""
    blocker = local.blocker(wanted.path)
    if blocker is not None:
        raise ConflictError(f"{blocker} is in the way of {wanted.path}: rename one of the two")
    found, agreed = _found_at(local, wanted.path), _agreed_at(ledger, wanted)
    if found is None or not _may_be_same(wanted, found, agreed):
        _displaced(ledger, wanted, found)


def _may_be_same(wanted: UploadWanted, found: FileState, agreed: SyncedState | None) -> bool:
    if wanted.size not in (None, found.size):
        return False
    if agreed is None or agreed.local_token != found.token or wanted.sha256 is None:
        return True  # nobody knows before it was read
    return agreed.sha256 == wanted.sha256


def _found_at(local: LocalStorage, path: Path) -> FileState | None:
    found = local.stat(path)
    if isinstance(found, Unknown):
        raise ConflictError(f"{path} is taken: {found.reason}")
    return found


def _agreed_at(ledger: Ledger, wanted: UploadWanted) -> SyncedState | None:
    return ledger.synced.get(wanted.mirror, [wanted.path]).get(wanted.path)


def _displaced(ledger: Ledger, wanted: UploadWanted, found: FileState | None) -> SyncedState | None:
    """
    Give what both sides agreed on of what is to be displaced; None: nothing is.

    Raises:
        ConflictError: Something is there, and nothing is to be replaced.
        ChangedError: What is to be replaced is not there, or not as it was expected.
    """
    path, replaces = wanted.path, wanted.replaces
    if replaces is None:
        if found is None:
            return None
        raise ConflictError(f"{path} is there already: say which version is to be replaced")
    agreed = _agreed_at(ledger, wanted)
    if found is None or agreed is None:
        raise ChangedError(f"there is no {path} that both sides agreed on")
    if found.token != agreed.local_token:
        raise ChangedError(f"somebody has changed {path}, and docferry has yet to take that in")
    if replaces.upper() != agreed.version and replaces.lower() != agreed.sha256:
        raise ChangedError(f"{path} holds version {agreed.version} now, not {replaces}")
    return agreed


def _require_room(
    config: Config, folder: FilePath, size: int, look: Callable[[FilePath], Disk | None]
) -> None:
    for place, wanted in ((config.state_dir, 0), (folder, size)):
        disk = look(place)
        if disk is not None and not fits(disk, reserve_of(disk, config.disk_reserve), wanted, 0):
            raise FullError(
                f"the disk of {place} has no room for it: {disk.free >> 20} MiB are left, of which "
                "`disk_reserve` are kept free"
            )
