"""A ledger that comes back from a backup costs no content, whatever was done since."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as FilePath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docferry.config import MirrorConfig
from docferry.core.keys import KeysThen
from docferry.ledger import Ledger
from docferry.ledger.backups import Restored, copy_to
from docferry.model import Attributes, MirrorHealth, Path, Side, Token
from docferry.storage.memory import Held, sha256_of
from ledger_rows import fresh_ledger
from whole_mirror import Bucket, WholeMirror

_MEMORY = FilePath("/dev/shm")


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person does on one side; None: a deletion."""

    side: Side
    path: Path
    content: bytes | None


DEEDS = st.lists(
    st.builds(
        Deed,
        st.sampled_from(Side),
        st.sampled_from(["a", "b/c", "d.txt"]),
        st.none() | st.sampled_from([b"one", b"two", b"six"]),
    ),
    max_size=3,
)
#: Between two of them docferry runs.
HISTORY = st.lists(DEEDS, max_size=2)


class EtagBucket(Bucket):
    """Like a bucket whose ETags tell contents: one that is put back looks as it did before."""

    def user_write(self, path: Path, content: bytes, attributes: Attributes | None = None) -> Token:
        token = f"etag-{sha256_of(content)[:16]}"
        self.files[path] = Held(content, token, attributes or Attributes())
        return token


@pytest.fixture(scope="module")
def new_mirror() -> Iterator[Callable[[], WholeMirror]]:
    """Make mirrors, each with a ledger of its own in a folder of its own."""
    numbers = itertools.count()
    with ExitStack() as stack:
        place = stack.enter_context(
            tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        )
        pool = stack.enter_context(ThreadPoolExecutor(4))

        def make() -> WholeMirror:
            path = FilePath(place) / f"{next(numbers)}.sqlite3"
            mirror = mirror_with(fresh_ledger(path), path, pool)
            mirror.remote = EtagBucket(mirror.aliases)
            mirror.mark("M")
            mirror.local.user_write("kept", b"so that no side is ever empty")
            return mirror

        yield make


def mirror_with(ledger: Ledger, path: FilePath, pool: ThreadPoolExecutor) -> WholeMirror:
    options = MirrorConfig("docs", "s", "b", FilePath("/nowhere"), settle_s=0.0)
    rows = sqlite3.connect(path, check_same_thread=False)
    return WholeMirror(options, ledger, rows, pool)


def do(deeds: Sequence[Deed], mirror: WholeMirror) -> None:
    for deed in deeds:
        storage = mirror.local if deed.side is Side.LOCAL else mirror.remote
        if deed.content is not None:
            storage.user_write(deed.path, deed.content)
        elif deed.path in storage.files:
            storage.user_delete(deed.path)


def contents(mirror: WholeMirror) -> set[bytes]:
    """Give all that can be had, at a path or from an archive."""
    return {
        held.content
        for side in (mirror.local, mirror.remote)
        for held in (*side.files.values(), *side.archive.values())
    }


ONE = Deed(Side.LOCAL, "a", b"one")
TWO = Deed(Side.LOCAL, "a", b"two")
GONE = Deed(Side.LOCAL, "a", None)
BACK = Deed(Side.REMOTE, "a", b"one")


@given(before=HISTORY, since=HISTORY, at_last=DEEDS)
@example(before=[[ONE]], since=[[GONE]], at_last=[BACK])  # put back as it was, in the bucket alone
@example(before=[[ONE]], since=[[TWO], [GONE]], at_last=[ONE])
@example(before=[[ONE]], since=[[TWO]], at_last=[GONE])
def test_nothing_that_there_is_when_an_old_ledger_comes_back_is_lost(
    new_mirror: Callable[[], WholeMirror],
    before: list[list[Deed]],
    since: list[list[Deed]],
    at_last: list[Deed],
) -> None:
    mirror = new_mirror()
    for deeds in before:
        do(deeds, mirror)
        mirror.run()
    backup = replace_path(mirror.ledger.path, "backup")
    copy_to(mirror.ledger.path, backup)
    for deeds in since:
        do(deeds, mirror)
        mirror.run()
    do(at_last, mirror)
    there_were = contents(mirror)
    in_the_bucket = dict(mirror.remote.contents)

    restored = come_back(backup, mirror)
    restored.run()

    assert contents(restored) >= there_were
    assert restored.local.contents == restored.remote.contents
    assert restored.health() is MirrorHealth.IN_STEP
    # What only the bucket has is no deletion of the folder's, whatever the old ledger says.
    assert in_the_bucket.keys() <= restored.remote.contents.keys()
    mirror.ledger.close()
    restored.ledger.close()


def replace_path(path: FilePath, end: str) -> FilePath:
    return path.with_name(f"{path.name}.{end}")


def come_back(backup: FilePath, mirror: WholeMirror) -> WholeMirror:
    """Give the same two sides with the ledger of *backup*."""
    ledger = Restored.open(backup)
    ledger.come_back(datetime.now(UTC), KeysThen((), 0, are_lost=False))
    restored = mirror_with(ledger, backup, mirror._pool)  # type: ignore[arg-type]
    restored.local, restored.remote = mirror.local, mirror.remote
    return restored
