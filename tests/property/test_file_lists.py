"""Lists of files: every file once, in its order, however long the pages, and none too many."""

from __future__ import annotations

import itertools
import pathlib
import sqlite3
import tempfile
import unicodedata
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from docferry.core.standing import Order, Standing
from docferry.ledger import Ledger
from docferry.ledger.file_keys import Place, Span
from docferry.ledger.files import FileRow
from docferry.model import DeleteRemote, FileState, Forget, Outcome, Upload
from ledger_rows import MINUTE, NOW, agreed, fresh_ledger, sha_of, version

MIRRORS = ("a", "b", "docs")
_PATHS = st.sampled_from(
    ["x", "X/1", "x/2", "x0", "x\U0010ffff", "y/é", "y/E\u0301", "y/z", "z\ud7ff", ".a%", "[_*"]
)
_STEPS = st.tuples(
    st.sampled_from(["save", "save", "save", "delete", "park", "fail", "displaced", "again"]),
    st.sampled_from(MIRRORS),
    _PATHS,
)


class Written:
    """A ledger in which a mirror's loop writes down one thing after the other."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._numbers = itertools.count(1)

    def _next(self) -> tuple[str, datetime]:
        number = next(self._numbers)
        return f"01{number:024d}", NOW + number // 3 * MINUTE

    def save(self, mirror: str, path: str) -> None:
        one, at = self._next()
        state = replace(agreed(path), version=one)
        row = replace(version(path, mirror=mirror), id=one, created_at=at)
        upload = Upload(path, FileState(state.local_token, state.sha256, 10), None)
        self.ledger.record(mirror, [Outcome(upload, state, row)], at=at)

    def delete(self, mirror: str, path: str) -> None:
        _, at = self._next()
        outcome = Outcome(DeleteRemote(path, expect_remote="etag"), synced=None)
        self.ledger.record(mirror, [outcome], at=at)

    def again(self, mirror: str, path: str) -> None:
        """The sides are joined anew: what the path holds nobody has agreed on yet."""
        self.ledger.record(mirror, [Outcome(Forget(path, stays=True), synced=None)], at=NOW)

    def displaced(self, mirror: str, path: str) -> None:
        """A version is found that the bucket kept by itself."""
        one, at = self._next()
        row = replace(version(path, "other", mirror=mirror), id=one, created_at=at, left_at=at)
        self.ledger.versions.add([replace(row, agreed=False)])

    def park(self, mirror: str, path: str) -> None:
        self.ledger.holds.park(mirror, [(DeleteRemote(path, "etag"), sha_of(path))])
        self.ledger.holds.hold(mirror, "too many", NOW, replace=False)

    def fail(self, mirror: str, path: str) -> None:
        self.ledger.problems.put(mirror, path, kind="upload", message="no", at=NOW, retry_at=None)


def walked(
    ledger: Ledger, standing: Standing, span: Span, order: Order, limit: int
) -> list[tuple[Place, FileRow]]:
    found: list[tuple[Place, FileRow]] = []
    after = None
    while page := ledger.files.page(standing, span, order, after, limit):
        found += [(place, row) for place, row in page if row is not None]
        after = page[-1][0]
    return found


def expected(ledger: Ledger, standing: Standing) -> set[tuple[str, str]]:
    """Read the whole ledger, row by row."""
    with closing(sqlite3.connect(ledger.path)) as raw:
        synced = set(raw.execute("SELECT mirror, path FROM synced"))
        current = set(raw.execute("SELECT mirror, path FROM version WHERE left_at IS NULL"))
        ever = set(raw.execute("SELECT mirror, path FROM version"))
        held = set(raw.execute("SELECT mirror, path FROM deletion WHERE hold IS NOT NULL"))
        failing = set(raw.execute("SELECT mirror, path FROM problem"))
    return {
        Standing.AGREED: synced,
        Standing.DELETED: ever - synced - current,
        Standing.HELD: held,
        Standing.FAILING: failing,
    }[standing]


def has(path: str, part: str) -> bool:
    """Say whether *part* is in *path*, whatever case, and however its accents are written."""
    one, other = (unicodedata.normalize("NFD", text.casefold()) for text in (path, part))
    return other in one


@settings(max_examples=100)
@given(
    st.lists(_STEPS, max_size=40),
    st.sampled_from([Standing.AGREED, Standing.DELETED, Standing.HELD, Standing.FAILING]),
    st.sampled_from([*Order]),
    st.sampled_from(["", "x", "x/", "y", "y/é", "\U0010ffff", "z\ud7ff"]),
    st.sampled_from(["", "X", "x/", "/", "É", "e\u0301", "0", "%", "_", "*", "["]),
    st.lists(st.sampled_from(MIRRORS), min_size=1, max_size=3, unique=True),
    st.integers(1, 7),
    st.integers(1, 4),
)
def test_a_list_has_each_file_once(
    steps: list[tuple[str, str, str]],
    standing: Standing,
    order: Order,
    prefix: str,
    part: str,
    mirrors: list[str],
    limit: int,
    window: int,
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh_ledger(pathlib.Path(folder) / "ledger.sqlite3") as ledger,
    ):
        written = Written(ledger)
        for what, mirror, path in steps:
            getattr(written, what)(mirror, path)

        span = Span(tuple(mirrors), prefix, part, window=window)
        found = walked(ledger, standing, span, order, limit)

        wanted = {
            (mirror, path)
            for mirror, path in expected(ledger, standing)
            if mirror in mirrors and path.startswith(prefix) and has(path, part)
        }
        pairs = [(row.mirror, row.path) for _, row in found]
        assert sorted(pairs) == sorted(wanted)
        places = [place for place, _ in found]
        assert places == sorted(places, reverse=order is Order.NEWEST)
        assert all(standing in row.standings for _, row in found)
