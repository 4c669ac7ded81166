"""
Put the ledger away in one file, and take it back from there: `backup`, `restore-state`.

The file is a gzipped tar with two members: what it is (JSON), and the ledger. Secrets and
documents are in neither.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from docferry.app.actor import person
from docferry.app.mirrors import LEDGER_NAME
from docferry.config import Config
from docferry.core.keys import KeysThen, keys_of_backup
from docferry.errors import DocferryError, PermanentError, UserError
from docferry.ledger import Ledger
from docferry.ledger.audit_file import AuditFile
from docferry.ledger.backups import Restored, copy_to, refuse_strange, revision_of
from docferry.ledger.damage import REPLACED, damage_of, is_there, put_in_place, set_aside
from docferry.ledger.lock import StateLock
from docferry.metrics import release
from docferry.model import Sha256
from docferry.storage.atomic import Place, Renames, fsync_folder, open_folder

_FACTS, _LEDGER = "backup.json", LEDGER_NAME
_FORMAT = 1
_LEVEL = 1  # zlib's others take twice as long for a few per cent
_CHUNK_BYTES = 1 << 20
_MOST_FACTS_BYTES = 1 << 16
#: The facts, and all that a tar has beside its members.
_MOST_OVERHEAD_BYTES = 1 << 20
#: What reading a tar, or a gzip in it, can end with where the file is damaged, or none.
_UNREADABLE = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    RecursionError,  # headers of headers, lists of lists
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a backup says of itself."""

    taken_at: str  #: ISO 8601, UTC
    docferry: str  #: the release that made it
    schema: str
    size: int  #: bytes of the ledger
    sha256: Sha256  #: of the ledger


@dataclass(frozen=True, slots=True)
class Restoring:
    """What `restore` did."""

    ledger: str
    set_aside: str | None  #: where the ledger went that was in its place
    facts: Facts
    keys_revoked: int  #: API keys that count no more, as nobody knows what became of them since


def back_up(config: Config, file: Path) -> Facts:
    """
    Write the ledger as of one moment to *file*, whatever works on it meanwhile.

    Raises:
        UserError: There is no ledger, it is a newer docferry's, or *file* exists.
        TemporaryError, PermanentError: The ledger cannot be read, or *file* not be written.
    """
    if os.path.lexists(file):
        raise UserError(f"{file} exists: a backup takes the place of nothing")
    with _translated(file), TemporaryDirectory(prefix=".docferry-", dir=file.parent) as name:
        folder = Path(name)  # beside the file: for its owner alone, and on the same disk
        plain, packed = folder / "plain", folder / "packed"
        copy_to(config.state_dir / LEDGER_NAME, plain)
        facts = Facts(
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            docferry=release(),
            schema=revision_of(plain),
            size=plain.stat().st_size,
            sha256=_sha256(plain),
        )
        _pack(plain, packed, facts)
        _give_name(packed, file)
    return facts


def restore(config: Config, file: Path, *, keeps_keys: bool = False) -> Restoring:
    """
    Put the ledger of a backup in the place of the present one, which is set aside.

    Args:
        keeps_keys: The API keys of the backup are all as they were then. Otherwise they count
            no more, unless the present ledger tells which do.

    Raises:
        UserError: A daemon runs, there is no such file, or a newer docferry made it.
        PermanentError: It is damaged, or no backup. Nothing has changed.
    """
    path = config.state_dir / LEDGER_NAME
    with StateLock(config.state_dir), _translated(file), _scratch(config.state_dir) as folder:
        plain = folder / LEDGER_NAME
        facts = _unpack(file, plain)
        if (damage := damage_of(plain)) is not None:
            raise PermanentError(f"the ledger in {file} is damaged: {damage}")
        refuse_strange(plain, folder / "model")  # a newer one, too, before anything changes
        with Restored.open(plain, actor=person()) as ledger:
            keys = _keys_of(path) or _keys_then(ledger, is_trusted=keeps_keys)
            ledger.come_back(datetime.now(UTC), keys)
        # It tells of later, too. Before the ledger: where this fails, that one is in use still,
        # and begins the file anew from its first row.
        AuditFile(config.audit_path).set_aside(datetime.now(UTC))
        aside = set_aside(path, mark=REPLACED) if is_there(path) else None
        put_in_place(plain, path)
    return Restoring(str(path), None if aside is None else str(aside), facts, keys.revoked)


def _keys_of(path: Path) -> KeysThen | None:
    """Give the API keys that the ledger *path* has; None: it cannot tell."""
    try:
        if not is_there(path) or damage_of(path) is not None:
            return None
        with Ledger.open(path, read_only=True) as present:
            found = present.keys.all()
            return KeysThen(tuple(found), 0, are_lost=present.keys.are_needed() and not found)
    except (
        DocferryError
    ):  # another docferry's, or of a disk that fails: it is set aside all the same
        return None


def _keys_then(ledger: Restored, *, is_trusted: bool) -> KeysThen:
    return keys_of_backup(ledger.keys.all(), datetime.now(UTC), is_trusted=is_trusted)


def _pack(plain: Path, packed: Path, facts: Facts) -> None:
    told = json.dumps({"format": _FORMAT, **asdict(facts)}, indent=2).encode()
    fd = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=_LEVEL) as tar:
            tar.addfile(_member(_FACTS, len(told)), io.BytesIO(told))
            with plain.open("rb") as ledger:
                tar.addfile(_member(_LEDGER, facts.size), ledger)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _give_name(packed: Path, file: Path) -> None:
    """Give the backup its name, unless somebody was faster."""
    source_fd = open_folder(str(packed.parent))
    target_fd = open_folder(str(file.parent))
    try:
        Renames().to_free_name(Place(source_fd, packed.name), Place(target_fd, file.name))
        fsync_folder(target_fd)
    finally:
        os.close(source_fd)
        os.close(target_fd)


def _unpack(file: Path, plain: Path) -> Facts:
    """Check all that a backup says of itself, before anything is done with it."""
    try:
        with _Frugal(file) as packed, tarfile.open(fileobj=packed, mode="r:") as tar:
            facts = _facts_in(tar)
            _refuse_too_large(file, facts.size, plain.parent)
            packed.may_read(facts.size)
            # As a daemon makes it: its group may look, and nobody else, whatever the umask is.
            fd = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            with os.fdopen(fd, "wb") as target:
                sha256 = _copy(_open(tar, _LEDGER, facts.size), target)
            packed.finish()
    except _UNREADABLE as error:
        raise PermanentError(f"{file} is damaged, or no backup of docferry's: {error}") from error
    except OSError as error:
        if error.errno is None:  # gzip's own: the checksum does not fit
            raise PermanentError(f"{file} is damaged: {error}") from error
        raise
    if sha256 != facts.sha256:
        raise PermanentError(f"{file} is damaged: its ledger has SHA-256 {sha256}")
    return facts


def _facts_in(tar: tarfile.TarFile) -> Facts:
    told = json.loads(_open(tar, _FACTS, _MOST_FACTS_BYTES).read())
    if not isinstance(told, dict):
        raise tarfile.ReadError(f"{_FACTS} is no object")
    if (found := told.pop("format")) != _FORMAT:
        raise UserError(f"the backup has format {found}, this docferry knows {_FORMAT}")
    facts = Facts(**told)
    if not isinstance(facts.size, int):
        raise tarfile.ReadError("the size of its ledger is no number")
    return facts


def _refuse_too_large(file: Path, size: int, folder: Path) -> None:
    """Fill no disk with what does not fit on it: others are on it, too."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise PermanentError(
            f"the ledger in {file} has {size} bytes, and on the disk of {folder.parent} only "
            f"{free} are free: make room there, and restore it again"
        )


def _open(tar: tarfile.TarFile, name: str, most_bytes: int) -> IO[bytes]:
    """Open the next member, which must be a plain file of that name, and not too large."""
    member = tar.next()
    if (
        member is None
        or member.name != name
        or not member.isreg()
        or member.issparse()  # a few bytes of it are as many as it likes on the disk
        or member.size > most_bytes
    ):
        raise tarfile.ReadError(f"there is no {name} where it belongs")
    opened = tar.extractfile(member)
    assert opened is not None  # of a plain file there is one
    return opened


class _Frugal(gzip.GzipFile):
    """
    A gzipped file of which no more is unpacked than may be, nor much at once.

    A few megabytes of it can be gigabytes, and `tarfile` reads what describes a member into
    memory, however large it says that it is.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(file, "rb")
        self._left = _MOST_OVERHEAD_BYTES

    def may_read(self, more: int) -> None:
        """Let so many bytes more be read, beside what a tar itself takes."""
        self._left += more

    def finish(self) -> None:
        """Read on to the end: only there gzip tells whether all of it was as it was packed."""
        while self.read(min(self._left, _CHUNK_BYTES)):
            pass

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= min(self._left, _CHUNK_BYTES):
            raise tarfile.ReadError("there is more in it than it says, or than a backup has")
        part = super().read(size)
        self._left -= len(part)
        return part


def _copy(source: IO[bytes], target: IO[bytes]) -> Sha256:
    digest = hashlib.sha256()
    while part := source.read(_CHUNK_BYTES):
        digest.update(part)
        target.write(part)
    return digest.hexdigest()


def _sha256(file: Path) -> Sha256:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _scratch(state_dir: Path) -> Iterator[Path]:
    """Give a place on the ledger's own disk; what a crash has left there goes."""
    folder = state_dir / "restoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise UserError(f"{file} exists: a backup takes the place of nothing") from error
    except FileNotFoundError as error:
        raise UserError(f"there is no {error.filename}") from error
    except OSError as error:
        raise PermanentError(f"{error.filename or file}: {error.strerror}") from error
