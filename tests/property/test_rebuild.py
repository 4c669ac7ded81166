"""
What a bucket alone tells of a mirror's past is what happened.

A mirror lives for a while: files are written, edited, deleted, by docferry and by strangers,
and what is displaced goes to the archive. Then all is lost but the bucket.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from docferry.core.rebuild import (
    Archived,
    Found,
    agreement_on,
    archived_versions,
    is_written_since,
    tells_of_itself,
    version_read,
    version_told,
)
from docferry.core.ulids import is_credible
from docferry.model import NEVER_SEEN, Attributes, FileState, Origin, Path, Sha256, Ulid, VersionRow

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PATHS = st.sampled_from(["a", "b/c", "b/d.pdf"])
DEEDS = st.lists(st.tuples(PATHS, st.sampled_from(["write", "delete", "refer"])), max_size=25)

HOSTILE = st.builds(
    Attributes,
    version=st.none() | st.sampled_from(["7" + "Z" * 25, "V" * 26, "0" * 26, "01" + "0" * 24]),
    sha256=st.none() | st.just("0" * 64),
    parent=st.none() | st.just("0" * 26),
    path=st.none() | st.sampled_from(["a", ".docferry/versions/x", ".docferry"]),
    size=st.none() | st.integers(0, 10),
)


@dataclass
class Bucket:
    """What is left of a mirror, and what was true of it."""

    objects: dict[Path, VersionRow]
    archive: dict[Ulid, tuple[VersionRow, datetime]]

    def found(self) -> list[Found]:
        return [
            Found(path, FileState(f"etag-{row.id}", None, row.size), _claims(row), row.created_at)
            for path, row in sorted(self.objects.items())
        ]

    def archived(self) -> list[Archived]:
        return [
            Archived(
                version,
                replace(_claims(row), path=row.path, size=row.size, bytes_of=row.bytes_of),
                at,
            )
            for version, (row, at) in sorted(self.archive.items())
        ]


def _claims(row: VersionRow) -> Attributes:
    return Attributes(
        version=row.id,
        sha256=row.sha256,
        mtime_ns=row.mtime_ns,
        parent=row.parent,
        writer="lost",
    )


def lived(deeds: list[tuple[Path, str]]) -> tuple[Bucket, dict[Ulid, VersionRow]]:
    """Give the bucket at the end, and every version that there was as it was then known."""
    bucket, truth = Bucket({}, {}), dict[Ulid, VersionRow]()
    for number, (path, deed) in enumerate(deeds):
        at = BEGAN + timedelta(minutes=number)
        before = bucket.objects.get(path)
        if before is not None:
            truth[before.id] = replace(before, left_at=at, etag=None, archived_remote=True)
            # The store's copy is made a moment before the new object is there.
            bucket.archive[before.id] = (truth[before.id], at - timedelta(seconds=1))
        if deed == "delete":
            bucket.objects.pop(path, None)
            if before is not None:
                bucket.archive[before.id] = (truth[before.id], at)
            continue
        row = _version(path, number, at, None if before is None else before.id)
        truth[row.id] = bucket.objects[path] = row
        if deed == "refer":
            _refer_one(bucket, truth)
    return bucket, truth


def _refer_one(bucket: Bucket, truth: dict[Ulid, VersionRow]) -> None:
    """Keep the bytes of an archived version under another one."""
    for one, other in itertools.pairwise(sorted(bucket.archive)):
        row, at = bucket.archive[one]
        truth[one] = replace(row, bytes_of=other)
        bucket.archive[one] = (truth[one], at)


def _version(path: Path, number: int, at: datetime, parent: Ulid | None) -> VersionRow:
    version = str(ULID.from_datetime(at))
    sha256: Sha256 = hashlib.sha256(b"%d" % (number % 3)).hexdigest()
    # The origin of what docferry wrote is in no object.
    return VersionRow(
        id=version,
        mirror="docs",
        path=path,
        sha256=sha256,
        size=number,
        mtime_ns=number,
        origin=Origin.LOCAL,
        parent=parent,
        etag=f"etag-{version}",
        created_at=at,
    )


@given(deeds=DEEDS)
def test_what_the_bucket_tells_is_what_happened(deeds: list[tuple[Path, str]]) -> None:
    bucket, truth = lived(deeds)
    now = BEGAN + timedelta(days=1)

    found = bucket.found()
    current = [version_told(one, "docs") for one in found]
    archived, _ = archived_versions(bucket.archived(), "docs", current, now)

    assert all(tells_of_itself(one, "docs", {}, now) for one in found)
    assert not any(is_written_since(one, None, None) for one in found)
    told = {row.id: row for row in (*current, *archived)}
    assert told == truth
    assert {one.path: row.id for one, row in zip(found, current, strict=True)} == {
        path: row.id for path, row in bucket.objects.items()
    }
    for one, row in zip(found, current, strict=True):
        state = agreement_on(row, one)
        assert (state.local_token, state.remote_token) == (NEVER_SEEN, one.state.token)


@given(claims=st.lists(HOSTILE, max_size=6), names=st.permutations("abcdef"))
def test_whatever_objects_say_no_version_is_two_and_none_of_the_future(
    claims: list[Attributes], names: list[str]
) -> None:
    now = BEGAN + timedelta(days=1)
    found = [
        Found(name, FileState(f"etag-{name}", None, 1), claim, BEGAN)
        for name, claim in zip(names, claims, strict=False)
    ]
    known: dict[Ulid, tuple[str, Path, Sha256]] = {}
    rows = []
    for one in found:
        if tells_of_itself(one, "docs", known, now):
            rows.append(version_told(one, "docs"))
            known[rows[-1].id] = ("docs", one.path, rows[-1].sha256)
        else:
            new = str(ULID.from_datetime(now))
            rows.append(version_read(one, "docs", "1" * 64, new, None, now))

    assert len({row.id for row in rows}) == len(found)
    assert all(is_credible(row.id, now) for row in rows)


@given(claims=st.lists(HOSTILE, max_size=6))
def test_whatever_an_archive_says_nothing_of_it_is_docferrys_own_or_of_the_future(
    claims: list[Attributes],
) -> None:
    now = BEGAN + timedelta(days=1)
    archived = [
        Archived(f"{number:026d}" if claim.version is None else claim.version, claim, None)
        for number, claim in enumerate(claims)
    ]

    rows, _ = archived_versions(archived, "docs", [], now)

    for row in rows:
        assert is_credible(row.id, now)
        assert not row.path.startswith(".docferry")
        assert row.left_at is not None
        assert row.left_at >= row.created_at
