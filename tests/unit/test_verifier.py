"""Ledger, folder and bucket compared: what is found, what is asked, and that nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from docferry.core.verify import Finding, Kind
from docferry.engine.verify import Checked, Verifier
from docferry.errors import ThrottledError, UnreachableError
from docferry.model import (
    Attributes,
    Entry,
    FileState,
    MarkSynced,
    Outcome,
    Path,
    Side,
    Token,
    Unknown,
)
from docferry.storage.base import Content
from docferry.storage.memory import BytesContent
from ledger_rows import ulid_of
from unit.kept import Frail, Kept

Found = list[tuple[Kind, Side | None, Path | None]]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Desk:
    def __init__(self, kept: Kept, pool: ThreadPoolExecutor) -> None:
        self.kept = kept
        self.pool = pool

    def run(self, *sides: Side, reads_all: bool = False) -> list[Checked]:
        verifier = Verifier(
            "docs",
            self.kept.local,
            self.kept.remote,
            self.kept.ledger,
            lambda path: not path.endswith(".tmp"),
            self.pool,
            asked=frozenset(sides or Side),
            reads_all=reads_all,
        )
        return list(verifier.run())

    def findings(self, *sides: Side, reads_all: bool = False) -> list[Finding]:
        checked = self.run(*sides, reads_all=reads_all)
        return [finding for one in checked for finding in one.findings]

    def found(self, *sides: Side, reads_all: bool = False) -> Found:
        findings = self.findings(*sides, reads_all=reads_all)
        return [(one.kind, one.side, one.path) for one in findings]


@pytest.fixture
def desk(kept: Kept, pool: ThreadPoolExecutor) -> Desk:
    return Desk(kept, pool)


def snapshot(kept: Kept) -> list[object]:
    return [
        (dict(kept.side(side).files), dict(kept.side(side).archive), kept.side(side).marker)
        for side in Side
    ]


class Bucket(Frail):
    """Notes what it is asked."""

    def __init__(self) -> None:
        super().__init__(keeps_references=True)
        self.reads: list[Path] = []
        self.looks: list[Path] = []

    def read(self, path: Path, expect: Token) -> Content:
        self.reads.append(path)
        return super().read(path, expect)

    def describe(self, path: Path) -> tuple[FileState, Attributes] | None:
        self.looks.append(path)
        return super().describe(path)


class Away(Frail):
    def scan(self) -> Iterator[Entry]:
        raise UnreachableError("nobody answers")


def test_a_mirror_in_step_is_well_and_everything_was_looked_at(desk: Desk) -> None:
    desk.kept.agree("a", b"one")
    desk.kept.agree("ü/b", b"two")
    desk.kept.agree("odd%2Fname", b"three")
    first = desk.kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    desk.kept.displace("b", b"once", Side.REMOTE, bytes_of=first.id)
    desk.kept.displace("c", b"gone", Side.LOCAL)
    before = snapshot(desk.kept)

    for reads_all in (False, True):
        checked = desk.run(reads_all=reads_all)
        assert [one.findings for one in checked] == [()] * 6
        assert sum(one.is_version for one in checked) == 3

    assert snapshot(desk.kept) == before


def test_rot_in_the_folder_is_found_though_its_token_is_as_agreed(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")
    desk.kept.agree("b", b"sound too")
    desk.kept.rot(Side.LOCAL, "b", b"sound ???")

    [finding] = desk.findings()

    assert (finding.kind, finding.side, finding.path) == (Kind.CONTENT, Side.LOCAL, "b")
    assert finding.is_damage


def test_rot_in_the_bucket_is_found_by_reading_it(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")
    desk.kept.rot(Side.REMOTE, "a", b"spoilt?"[:5])

    believed, read = desk.found(), desk.found(reads_all=True)

    assert believed == []
    assert read == [(Kind.CONTENT, Side.REMOTE, "a")]


def test_the_listing_alone_tells_of_another_size(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")
    desk.kept.rot(Side.REMOTE, "a", b"cut")

    assert desk.found() == [(Kind.SIZE, Side.REMOTE, "a")]


def test_what_is_as_listed_costs_no_further_request(desk: Desk) -> None:
    bucket = desk.kept.remote = Bucket()
    for number in range(20):
        desk.kept.agree(f"{number}", b"content %d" % number)
    desk.kept.displace("a", b"once", Side.REMOTE)
    desk.kept.local.user_write("new", b"new")

    found = desk.found()

    assert found == [(Kind.NOT_SYNCED, Side.LOCAL, "new")]
    assert (bucket.reads, bucket.looks) == ([], ["new"])


def test_news_is_told_apart_from_damage(desk: Desk) -> None:
    for path in ("deleted", "edited", "gone", "touched"):
        desk.kept.agree(path, path.encode())
    desk.kept.local.user_delete("deleted")
    desk.kept.remote.user_write("edited", b"by somebody")
    desk.kept.local.user_write("touched", b"touched")
    desk.kept.local.user_write("new", b"new")
    desk.kept.local.user_write("left-out.tmp", b"new")
    for side in Side:
        desk.kept.side(side).user_delete("gone")

    findings = {one.path: one for one in desk.findings()}

    assert {path: one.kind for path, one in findings.items()} == {
        "deleted": Kind.NOT_SYNCED,
        "edited": Kind.NOT_SYNCED,
        "gone": Kind.MISSING,
        "new": Kind.NOT_SYNCED,
    }


def test_an_object_that_says_it_is_ours_and_is_not_is_rot_though_its_etag_is_another(
    desk: Desk,
) -> None:
    desk.kept.agree("a", b"sound")
    claims = desk.kept.remote.files["a"].attributes
    state = desk.kept.ledger.synced.get("docs", ["a"])["a"]
    claims = replace(claims, sha256=state.sha256)
    desk.kept.remote.user_write("a", b"wrong", claims)

    assert desk.found() == [(Kind.CONTENT, Side.REMOTE, "a")]


def test_only_the_side_that_is_asked_for_is_looked_at(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")
    desk.kept.rot(Side.LOCAL, "a", b"wrong")
    desk.kept.rot(Side.REMOTE, "a", b"cut")
    row = desk.kept.displace("b", b"once", Side.LOCAL, Side.REMOTE)
    for side in Side:
        desk.kept.side(side).archive.remove(row.id)

    here, there = desk.found(Side.LOCAL), desk.found(Side.REMOTE)

    assert here == [
        (Kind.CONTENT, Side.LOCAL, "a"),
        (Kind.ARCHIVE_MISSING, Side.LOCAL, "b"),
    ]
    assert there == [
        (Kind.SIZE, Side.REMOTE, "a"),
        (Kind.ARCHIVE_MISSING, Side.REMOTE, "b"),
    ]


def test_a_side_that_is_not_asked_for_need_not_be_there(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")
    folder = desk.kept.local

    desk.kept.local = Away(keeps_references=False)
    there = desk.found(Side.REMOTE)
    desk.kept.local, desk.kept.remote = folder, Away(keeps_references=True)
    here = desk.found(Side.LOCAL)

    assert here == there == []


def test_archived_bytes_are_held_against_their_version(desk: Desk) -> None:
    kept = desk.kept
    rows = [kept.displace(f"{n}", b"once %d" % n, Side.LOCAL, Side.REMOTE) for n in range(4)]
    kept.rot_archived(Side.LOCAL, rows[0].id, b"wrong!")
    kept.rot_archived(Side.REMOTE, rows[1].id, b"cut")
    kept.local.archive.remove(rows[2].id)
    kept.remote.archive.put(ulid_of("x"), BytesContent(b"?"), Attributes())
    never_kept = kept.displace("n", b"never archived")

    found = desk.found()

    assert found[:4] == [
        (Kind.ARCHIVE_CONTENT, Side.LOCAL, "0"),
        (Kind.ARCHIVE_CONTENT, Side.REMOTE, "1"),
        (Kind.ARCHIVE_MISSING, Side.LOCAL, "2"),
        (Kind.NOT_KEPT, None, never_kept.path),
    ]
    assert found[4:] == [(Kind.UNKNOWN_ARCHIVED, Side.REMOTE, None)]


def test_rot_in_the_archive_of_the_bucket_is_found_by_reading_it(desk: Desk) -> None:
    row = desk.kept.displace("a", b"once", Side.REMOTE)
    desk.kept.rot_archived(Side.REMOTE, row.id, b"wrng")

    believed, read = desk.found(), desk.found(reads_all=True)

    assert believed == []
    assert read == [(Kind.ARCHIVE_CONTENT, Side.REMOTE, "a")]


def test_a_reference_whose_bytes_are_gone_is_missing(desk: Desk) -> None:
    first = desk.kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    desk.kept.displace("b", b"once", Side.LOCAL, Side.REMOTE, bytes_of=first.id)
    for side in Side:
        desk.kept.side(side).archive.remove(first.id)

    assert desk.found() == [
        (Kind.ARCHIVE_MISSING, Side.LOCAL, "a"),
        (Kind.ARCHIVE_MISSING, Side.REMOTE, "a"),
        (Kind.ARCHIVE_MISSING, Side.LOCAL, "b"),
        (Kind.ARCHIVE_MISSING, Side.REMOTE, "b"),
    ]


def test_what_retention_let_go_is_not_missed(desk: Desk) -> None:
    row = desk.kept.displace("a", b"once", Side.LOCAL)
    other = desk.kept.displace("b", b"twice", Side.LOCAL)
    desk.kept.ledger.versions.let_go([row.id, other.id], desk.kept.now)
    desk.kept.local.archive.remove(row.id)

    assert desk.found() == []


def test_what_cannot_be_read_is_said_and_stops_nothing(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")
    desk.kept.agree("b", b"sound")
    desk.kept.agree("d/c", b"sound")
    desk.kept.remote.broken.add("a")

    class Folder(Frail):
        def scan(self) -> Iterator[Entry]:
            yield from list(super().scan())[:2]
            yield Unknown("d", "no right to look in", below=True)

    folder = Folder(keeps_references=False)
    folder.files, folder.marker = desk.kept.local.files, desk.kept.local.marker
    desk.kept.local = folder

    assert desk.found(reads_all=True) == [
        (Kind.UNREADABLE, Side.REMOTE, "a"),
        (Kind.UNREADABLE, Side.LOCAL, "d/"),
    ]


class Hasty(Frail):
    """Somebody, or docferry, is at work when the content is first read."""

    def __init__(self) -> None:
        super().__init__(keeps_references=False)
        self.meanwhile: Sequence[Outcome] = ()
        self.kept: Kept | None = None

    def read(self, path: Path, expect: Token) -> Content:
        if self.kept is not None:
            kept, self.kept = self.kept, None
            token = self.user_write(path, b"edited", Attributes())
            state = kept.agree_anew(path, b"edited", token)
            mark = MarkSynced(path, state.sha256, 6, token, state.remote_token, is_new_content=True)
            kept.ledger.record("docs", [Outcome(mark, state)], at=kept.now)
        return super().read(path, expect)


def test_a_path_that_the_daemon_brought_into_step_meanwhile_is_no_finding(
    kept: Kept, pool: ThreadPoolExecutor
) -> None:
    folder = kept.local = Hasty()
    kept.agree("a", b"as it was")
    folder.kept = kept

    assert Desk(kept, pool).found() == []
    assert kept.local.contents == {"a": b"edited"}


def test_a_side_that_does_not_answer_ends_it_without_a_word_about_damage(desk: Desk) -> None:
    desk.kept.agree("a", b"sound")

    desk.kept.remote = Away(keeps_references=True)

    with pytest.raises(UnreachableError):
        desk.run()


def test_a_store_that_asks_for_less_is_asked_again(desk: Desk) -> None:
    class Busy(Frail):
        refusals = 1

        def read(self, path: Path, expect: Token) -> Content:
            if self.refusals:
                self.refusals -= 1
                raise ThrottledError("slow down")
            return super().read(path, expect)

    desk.kept.remote = Busy(keeps_references=True)
    desk.kept.agree("a", b"sound")

    assert desk.found(reads_all=True) == []
