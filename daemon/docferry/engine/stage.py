"""A version's content, copied to where a converter may do with it what it likes."""

from __future__ import annotations

import errno
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from docferry.convert.base import Document
from docferry.convert.kinds import Kind
from docferry.engine.contents import LostError
from docferry.errors import FullError, StaleError, TemporaryError
from docferry.job import JobRow
from docferry.model import Sha256, VersionRow
from docferry.storage.base import Content

_SCRATCH = ".part"


class OpensVersions(Protocol):
    """What knows where the contents of one mirror are (`engine.contents.Contents`)."""

    def open(self, version: VersionRow) -> Content: ...

    def open_sound(self, version: VersionRow) -> Content: ...


class GoneError(StaleError):
    """The version that was to be converted is not to be had any more."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A document that is ready to be converted."""

    document: Document
    mismatch: str | None  #: what its name says wrongly about it, for a person


class Stage:
    """
    Fetches the documents of jobs. Thread-safe: it keeps no state.

    Args:
        contents_of: Gives what opens the contents of a mirror; KeyError: there is no such mirror.
    """

    def __init__(
        self,
        contents_of: Callable[[str], OpensVersions],
        tell: Callable[[pathlib.Path, str], Kind],
    ) -> None:
        self._contents_of = contents_of
        self._tell = tell

    def fetch(
        self,
        job: JobRow,
        version: VersionRow | None,
        folder: pathlib.Path,
        count: Callable[[int], None] = lambda done: None,
    ) -> Staged:
        """
        Copy the document of *job* into *folder*, which comes to be, and tell what it is.

        Args:
            version: What the ledger says of it; None: it is known no more.
            count: Told again and again how many bytes have come.

        Raises:
            GoneError: Nobody has it any more.
            PermanentError: All that is left of it is damaged.
            UnreachableError, TemporaryError: Who has it does not answer.
            FullError: There is no room in *folder*.
        """
        if version is None:
            raise GoneError(f"the ledger has no version {job.version} of {job.path} any more")
        name = job.path.rpartition("/")[2]
        raw = self._copy_sound(version, folder, count)
        kind = self._tell(raw, name)
        staged = raw.with_name(f"document{kind.extension}")
        try:
            raw.rename(staged)
            size = staged.stat().st_size
        except OSError as error:
            raise TemporaryError(f"cannot stage {staged}: {error.strerror}") from error
        document = Document(staged, name, kind.media_type, size)
        return Staged(document, kind.mismatch)

    def _copy_sound(
        self, version: VersionRow, folder: pathlib.Path, count: Callable[[int], None]
    ) -> pathlib.Path:
        """Copy from where it is found first; only if that is damaged, look for a sound copy."""
        try:
            contents = self._contents_of(version.mirror)
        except KeyError as error:
            raise GoneError(f"mirror {version.mirror} is not in the configuration") from error
        target = folder / _SCRATCH
        with _opened(contents, version) as content:
            if copy(content, target, count) == version.sha256:
                return target
        target.unlink()
        with contents.open_sound(version) as content:
            copy(content, target, count)
        return target


def _opened(contents: OpensVersions, version: VersionRow) -> Content:
    try:
        return contents.open(version)
    except LostError as error:
        raise GoneError(str(error)) from error


def copy(
    content: Content, target: pathlib.Path, count: Callable[[int], None] = lambda done: None
) -> Sha256:
    """
    Copy *content* into a new file, and hash it.

    Args:
        count: Told after each part how many bytes there are.

    Raises:
        TemporaryError: It changed meanwhile, and will be elsewhere; the file cannot be written.
        FullError: There is no room for it.
    """
    try:
        target.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        with target.open("xb") as file:

            def write(part: bytes | memoryview) -> None:
                file.write(part)
                count(file.tell())

            digest = content.read_into(write)
        content.confirm()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk of {target} is full ({error.strerror}): make room there"
            raise FullError(why) from error
        raise TemporaryError(f"cannot write {target}: {error.strerror}") from error
    except StaleError as error:
        target.unlink(missing_ok=True)
        raise TemporaryError(str(error)) from error
    return digest
