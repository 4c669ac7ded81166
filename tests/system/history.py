"""
A person at work on both sides of a mirror, at random, who remembers what is at stake.

Every content is written once only. What the person overwrites or deletes on a side is
gone there by the person's own hand; everything else docferry has to keep.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from botocore.exceptions import ClientError

import servers
from docferry.core.paths import key_of
from docferry.model import Side
from system.daemon import RESERVED, Mirror

_FOLDERS = ("", "", "a/", "a/b/", "ünï ☃/", "-rf/", "b/")
_NAMES = ("one.txt", "two.pdf", "naïve.md", "50%_off", "x%_41", "trail.", ".hidden", "it's #1?.txt")
#: Names that a folder bears and SeaweedFS does not: their keys are spelled otherwise.
_LOCAL_NAMES = ("back\\slash.txt", "tab\there.txt")
#: `a` and `b` are folders too: a bucket can hold both, a folder cannot.
_CLASHES = ("a", "b", "a/b")
#: Nobody touches it: where it is, no side is ever empty, which asks for a decision.
SPARED = "spared.txt"


class Person:
    """
    Hands on both sides of *mirror*.

    Args:
        trash: A folder in the mirror's file system, for what is moved out of it.
        clashes: Names of files that are folders, too. Some of them only a person can mend.
    """

    def __init__(
        self, seed: int, mirror: Mirror, trash: Path, clashes: tuple[str, ...] = _CLASHES
    ) -> None:
        self.mirror = mirror
        self.seed = seed
        self.settled: set[str] = set()  #: what both sides were seen to hold
        self.did: list[str] = []  #: for whoever looks into a failure
        self._random = random.Random(seed)
        self._trash = trash
        self._clashes = clashes
        self._numbers = count(1)
        self.written: dict[str, Side] = {}
        self.destroyed: dict[Side, set[str]] = {Side.LOCAL: set(), Side.REMOTE: set()}

    def act(self) -> None:
        """Do one thing on one side."""
        deed = self._random.choice(self._deeds())
        # A folder is in the way of a file, or somebody was quicker: then it is not done.
        with suppress(OSError, ClientError):
            deed()

    @property
    def wrote(self) -> set[str]:
        """What the person has ever let stand on a side: nothing else is ever to be seen there."""
        return set(self.written)

    def note_settled(self) -> None:
        """Note that both sides are at rest and hold the same."""
        self.settled |= {sha256(content) for content in self.mirror.files().values()}

    def lost(self, agreed: Iterable[str]) -> list[str]:
        """
        Say what cannot be had back, and should be.

        Args:
            agreed: What docferry says both sides had agreed on, ever.
        """
        mirror = self.mirror
        kept = [*mirror.archived_files(), *mirror.archived_objects()]
        kept += [*mirror.files().values(), *mirror.objects().values()]
        there = {sha256(content) for content in kept}
        gone = self.destroyed
        never_destroyed = {sha for sha, side in self.written.items() if sha not in gone[side]}
        settled = (self.settled | set(agreed)) - (gone[Side.LOCAL] & gone[Side.REMOTE])
        return sorted((never_destroyed | settled) - there - {sha256(b"")})

    def has_destroyed(self, sha256: str) -> bool:
        """
        Say whether the person has destroyed a content on both sides, by their own hand.

        Where the bucket keeps no versions perhaps nobody can have it back.
        """
        return all(sha256 in self.destroyed[side] for side in Side)

    def _deeds(self) -> list[Callable[[], None]]:
        often = [self._save, self._save_beside, self._put]
        return [
            *often,
            *often,
            self._append,
            self._delete,
            self._rename,
            self._touch,
            self._rename_folder,
            self._delete_folder,
            self._remove,
            self._remove,
            self._put_renamed,
            self._put_again,
        ]

    # In the folder.

    def _save(self) -> None:
        """Write in place, as a shell does."""
        file = self._some_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        with file.open("r+b") as opened:
            self._destroy(Side.LOCAL, opened.read())
            opened.seek(0)
            opened.truncate()
            opened.write(self._note(Side.LOCAL, self._new_content()))
        self._tell("saved", file)

    def _append(self) -> None:
        with self._there().open("r+b") as opened:
            before = opened.read()
            more = self._new_content()
            self._destroy(Side.LOCAL, before)
            self._note(Side.LOCAL, before + more)
            opened.write(more)
        self._tell("appended to", Path(opened.name))

    def _save_beside(self) -> None:
        """Write another file and rename it into place, as an editor does."""
        file = self._some_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{next(self._numbers)}.tmp")
        content = self._new_content()
        beside.write_bytes(content)
        try:
            with suppress(FileNotFoundError):
                self._throw_away(file)
            os.link(beside, file)  # unlike a rename it never hits what has come meanwhile
            self._note(Side.LOCAL, content)
        finally:
            beside.unlink()
        self._tell("saved by renaming", file)

    def _delete(self) -> None:
        file = self._there()
        self._throw_away(file)
        self._tell("deleted", file)

    def _rename(self) -> None:
        file, other = self._there(), self._some_file()
        other.parent.mkdir(parents=True, exist_ok=True)
        if other.exists():
            self._throw_away(other)
        file.rename(other)
        self._tell(f"renamed {file} to", other)

    def _touch(self) -> None:
        file = self._there()
        os.utime(file, (self._random.random() * 1e9,) * 2)
        self._tell("touched", file)

    def _rename_folder(self) -> None:
        folder = self._folder_there()
        other = folder.with_name(folder.name + "-moved")
        if not other.exists():
            folder.rename(other)
            self._tell(f"renamed {folder} to", other)

    def _delete_folder(self) -> None:
        folder = self._folder_there()
        self._throw_away(folder)
        self._tell("deleted", folder)

    def _throw_away(self, path: Path) -> None:
        """Move it out of the mirror first: what is gone is then known for sure."""
        target = self._trash / f"{self.seed}-{next(self._numbers)}"
        path.rename(target)
        for file in [target, *target.rglob("*")]:
            if file.is_file():
                self._destroy(Side.LOCAL, file.read_bytes())
        if target.is_dir():
            shutil.rmtree(target)

    # In the bucket.

    def _put(self) -> None:
        self._put_at(self._some_key(), self._new_content())

    def _put_again(self) -> None:
        """Upload what is there already: another ETag perhaps, the same content."""
        key = self._key_there()
        content = self.mirror.get(key)
        if content is not None:
            self._put_at(key, content)

    def _put_renamed(self) -> None:
        key, other = self._key_there(), self._some_key()
        content = self.mirror.get(key)
        if content is not None and key != other:
            self._put_at(other, content)
            self._remove_at(key)

    def _remove(self) -> None:
        self._remove_at(self._key_there())

    def _put_at(self, key: str, content: bytes) -> None:
        etag, before = self._look(key)
        client, name = self.mirror.client, self.mirror.prefix + key
        if etag is None:
            client.put_object(Bucket=servers.BUCKET, Key=name, Body=content, IfNoneMatch="*")
        else:
            client.put_object(Bucket=servers.BUCKET, Key=name, Body=content, IfMatch=etag)
        self._note(Side.REMOTE, content)
        if before != content:
            self._destroy(Side.REMOTE, before)
        self.did.append(f"put {key!r}")

    def _remove_at(self, key: str) -> None:
        etag, before = self._look(key)
        if etag is not None:
            name = self.mirror.prefix + key
            self.mirror.client.delete_object(Bucket=servers.BUCKET, Key=name, IfMatch=etag)
            self._destroy(Side.REMOTE, before)
            self.did.append(f"removed {key!r}")

    def _look(self, key: str) -> tuple[str | None, bytes]:
        client = self.mirror.client
        with suppress(client.exceptions.NoSuchKey):
            found = client.get_object(Bucket=servers.BUCKET, Key=self.mirror.prefix + key)
            return found["ETag"], found["Body"].read()
        return None, b""

    # What there is, and what there could be.

    def _some_file(self) -> Path:
        names = (*_NAMES, *_LOCAL_NAMES)
        return self.mirror.folder / self._some_name(names)

    def _some_key(self) -> str:
        return key_of(self._some_name(_NAMES))

    def _some_name(self, names: tuple[str, ...]) -> str:
        if self._clashes and self._random.random() < 0.05:
            return self._random.choice(self._clashes)
        return self._random.choice(_FOLDERS) + self._random.choice(names)

    def _there(self) -> Path:
        return self._one_of(lambda path: path.is_file())

    def _folder_there(self) -> Path:
        return self._one_of(lambda path: path.is_dir())

    def _one_of(self, is_wanted: Callable[[Path], bool]) -> Path:
        root = self.mirror.folder
        found = [
            path
            for path in sorted(root.rglob("*"))
            if path.relative_to(root).parts[0] not in (RESERVED, SPARED) and is_wanted(path)
        ]
        if not found:
            raise FileNotFoundError("there is none")
        return self._random.choice(found)

    def _key_there(self) -> str:
        found = [key for key in self.mirror.all_keys() if not key.startswith((RESERVED, SPARED))]
        if not found:
            raise FileNotFoundError("there is none")
        return self._random.choice(sorted(found))

    def _new_content(self) -> bytes:
        if self._random.random() < 0.05:
            return b""
        size = self._random.choice((10, 100, 5_000, 5_000, 70_000, 200_000))
        return f"{self.seed}.{next(self._numbers)}.".encode() + self._random.randbytes(size)

    def _note(self, side: Side, content: bytes) -> bytes:
        """Note a content that stands on a side now."""
        if content:  # that an empty file is there again proves nothing
            self.written.setdefault(sha256(content), side)
        return content

    def _destroy(self, side: Side, content: bytes) -> None:
        self.destroyed[side].add(sha256(content))

    def _tell(self, what: str, file: Path) -> None:
        self.did.append(f"{what} {file.relative_to(self.mirror.folder)}")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
