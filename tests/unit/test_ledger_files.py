"""Files as the ledger tells of them: how each stands, page by page, and by name."""

from __future__ import annotations

import pathlib
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from commands import held, held_changes
from docferry.core.standing import Order, Standing
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.ledger.file_keys import MOST_SORTED, Span
from docferry.ledger.files import FileRow
from docferry.ledger.requests import NewRequest
from docferry.model import (
    NEVER_SEEN,
    FileState,
    Forget,
    KeepBoth,
    Origin,
    Outcome,
    Path,
    RequestKind,
    Side,
)
from ledger_rows import MINUTE, NOW, agreed, deleted, fresh_ledger, ulid_of, uploaded, version
from samples.ledgers import load

DOCS = Span(("docs",))


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as opened:
        yield opened


def at(ledger: Ledger, path: Path) -> FileRow:
    [row] = ledger.files.at([("docs", path)])
    return row


def paths(
    ledger: Ledger,
    standing: Standing,
    span: Span = DOCS,
    order: Order = Order.PATH,
    limit: int = 1000,
) -> list[Path]:
    page = ledger.files.page(standing, span, order, None, limit)
    return [row.path for _, row in page if row is not None]


def numbered(count: int, mirror: str = "docs") -> list[Outcome]:
    """Give files whose versions come in the opposite order of their paths."""
    return [
        replace(
            uploaded(path),
            synced=replace(agreed(path), version=f"01{count - number:024d}"),
            version=replace(
                version(path, mirror=mirror), id=f"01{count - number:024d}", created_at=NOW
            ),
        )
        for number, path in ((number, f"{number % 2}/{number:05d}") for number in range(count))
    ]


# How a file stands.


def test_what_both_sides_agreed_on_is_agreed(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)

    row = at(ledger, "a")

    assert row.standings == (Standing.AGREED,)
    assert row.version == version("a")
    assert row.agreed == agreed("a")
    assert row.lacking is None


def test_of_a_path_that_never_was_nothing_is_known(ledger: Ledger) -> None:
    assert at(ledger, "a").standings == ()


def test_a_held_deletion_tells_which_side_lacks_the_file(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    hold = held(ledger, "a")

    row = at(ledger, "a")

    assert row.standings == (Standing.HELD, Standing.AGREED)
    assert (row.hold, row.lacking) == (hold, Side.LOCAL)
    assert at(ledger, "b").hold is None


def test_a_held_change_is_told_by_its_hold_and_both_sides_have_the_file(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    hold = held_changes(ledger, "a", "new")

    row = at(ledger, "a")

    assert row.standings == (Standing.HELD, Standing.AGREED)
    assert (row.hold, row.lacking) == (hold, None)
    assert at(ledger, "new").standings == (Standing.HELD,)
    assert paths(ledger, Standing.HELD) == ["a", "new"]
    assert at(ledger, "b").hold is None


def test_a_file_that_never_came_to_rest_fails_without_a_version(ledger: Ledger) -> None:
    ledger.problems.put("docs", "a", kind="upload", message="refused", at=NOW, retry_at=NOW)

    row = at(ledger, "a")

    assert row.standings == (Standing.FAILING,)
    assert row.version is None
    assert row.problem is not None
    assert row.problem.message == "refused"
    assert paths(ledger, Standing.FAILING) == ["a"]


def test_problems_of_the_mirror_itself_are_no_files(ledger: Ledger) -> None:
    for path in ("", ".docferry", "a"):
        ledger.problems.put("docs", path, kind="disk", message="full", at=NOW, retry_at=None)

    assert paths(ledger, Standing.FAILING, limit=1) == ["a"]


def test_both_names_of_a_conflict_are_in_it(ledger: Ledger) -> None:
    state = FileState("token", None, 1)
    both = KeepBoth("a", "a.conflict-1", state, state)
    outcome = Outcome(both, agreed("a"), version("a"), conflict_copy="a.conflict-1")
    ledger.record("docs", [outcome, uploaded("a.conflict-1"), uploaded("b")], at=NOW)

    before = paths(ledger, Standing.IN_CONFLICT)
    [conflict] = ledger.conflicts.all("docs")
    ledger.conflicts.settle(conflict.id, NOW)

    assert before == ["a", "a.conflict-1"]
    assert paths(ledger, Standing.IN_CONFLICT) == []


def test_what_is_asked_for_is_told_until_it_is_answered(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    [number] = ledger.requests.add([NewRequest("docs", "a", RequestKind.REMOVE)], NOW)

    assert at(ledger, "a").request == number
    assert paths(ledger, Standing.ASKED) == ["a"]
    ledger.requests.cancel([number], NOW)
    assert at(ledger, "a").request is None
    assert paths(ledger, Standing.ASKED) == []


def test_of_a_deleted_file_the_last_version_is_told(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a", "first")], at=NOW)
    later = replace(version("a", "second"), created_at=NOW + MINUTE)
    ledger.record("docs", [replace(uploaded("a", "second"), version=later)], at=NOW + MINUTE)
    ledger.record("docs", [deleted("a")], at=NOW + 2 * MINUTE)

    row = at(ledger, "a")

    assert row.standings == (Standing.DELETED,)
    assert row.version is not None
    assert row.version.id == ulid_of("asecond")
    assert row.version.left_at == NOW + 2 * MINUTE


def test_evidence_is_not_what_a_path_held(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [deleted("a")], at=NOW)
    rotten = replace(version("a", "rotten"), origin=Origin.EVIDENCE, created_at=NOW + MINUTE)
    ledger.versions.add([replace(rotten, left_at=NOW + MINUTE)])
    ledger.versions.add([replace(rotten, id=ulid_of("b"), path="b", left_at=NOW)])

    row = at(ledger, "a")

    assert row.version is not None
    assert row.version.id == ulid_of("a")
    assert paths(ledger, Standing.DELETED) == ["a"]


def test_what_the_sides_have_yet_to_agree_on_is_neither_agreed_nor_deleted(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [Outcome(Forget("a", stays=True), synced=None)], at=NOW)

    assert at(ledger, "a").standings == (Standing.UNAGREED,)
    assert paths(ledger, Standing.AGREED) == paths(ledger, Standing.DELETED) == []


def test_what_the_folder_was_never_seen_to_have_it_lacks(ledger: Ledger) -> None:
    state = replace(agreed("a"), local_token=NEVER_SEEN)
    ledger.record("docs", [replace(uploaded("a"), synced=state)], at=NOW)

    assert at(ledger, "a").lacking is Side.LOCAL


# Lists of many.


@pytest.mark.parametrize("order", [*Order])
@pytest.mark.parametrize("prefix", ["", "0/", "1/0000"])
@pytest.mark.parametrize("since", [0, 5, 400])
def test_many_files_are_listed_as_few_are(
    ledger: Ledger, order: Order, prefix: str, since: int
) -> None:
    names = ("docs", *(f"m{number}" for number in range(9)))
    ledger.record("docs", numbered(600), at=NOW)
    span = Span(names, prefix, since=f"01{since:024d}")

    found, after = list[Path](), None
    while page := ledger.files.page(Standing.AGREED, span, order, after, 70):
        found += [row.path for _, row in page if row is not None]
        after = page[-1][0]

    wanted = [f"{number % 2}/{number:05d}" for number in range(600) if 600 - number > since]
    wanted = [path for path in wanted if path.startswith(prefix)]
    if order is Order.PATH:
        wanted.sort()
    elif order is Order.OLDEST:
        wanted.reverse()
    assert found == wanted


@pytest.mark.parametrize("order", [*Order])
def test_deleted_files_are_listed_by_when_they_were(ledger: Ledger, order: Order) -> None:
    for number, path in enumerate(["c", "a", "b", "d"]):
        ledger.record("docs", [uploaded(path)], at=NOW)
        ledger.record("docs", [deleted(path)], at=NOW + number // 2 * MINUTE)
    ledger.record("docs", [uploaded("d", "again")], at=NOW + 9 * MINUTE)

    found = paths(ledger, Standing.DELETED, order=order)
    lately = paths(ledger, Standing.DELETED, Span(("docs",), left_since=NOW + MINUTE), order)

    wanted = {
        Order.PATH: ["a", "b", "c"],
        Order.OLDEST: ["a", "c", "b"],
        Order.NEWEST: ["b", "c", "a"],
    }
    assert found == wanted[order]
    assert lately == ["b"]


def test_too_many_unusual_files_are_listed_by_path_only(ledger: Ledger) -> None:
    for start in range(0, MOST_SORTED + 1, 1000):
        some = range(start, min(start + 1000, MOST_SORTED + 1))
        wanted = [NewRequest("docs", f"{one:05d}", RequestKind.REMOVE) for one in some]
        ledger.requests.add(wanted, NOW)

    with pytest.raises(UserError, match="by path"):
        paths(ledger, Standing.ASKED, order=Order.NEWEST)
    assert paths(ledger, Standing.ASKED, limit=2) == ["00000", "00001"]


@pytest.mark.parametrize("order", [*Order])
def test_what_was_deleted_at_one_time_is_listed_once(ledger: Ledger, order: Order) -> None:
    names = ("a", "b", "c")
    for mirror in names:
        outcomes = [
            replace(made, version=replace(version(path, mirror + path, mirror=mirror)))
            for path in ("1", "2", "3")
            for made in [uploaded(path, mirror + path)]
        ]
        ledger.record(mirror, outcomes, at=NOW)
        ledger.record(mirror, [deleted(path) for path in ("1", "2", "3")], at=NOW)

    found, after = list[tuple[str, Path]](), None
    while page := ledger.files.page(Standing.DELETED, Span(names), order, after, 2):
        found += [(row.mirror, row.path) for _, row in page if row is not None]
        after = page[-1][0]

    wanted = [(mirror, path) for mirror in names for path in ("1", "2", "3")]
    assert found == (wanted[::-1] if order is Order.NEWEST else wanted)


def test_what_is_held_without_an_agreement_was_not_deleted(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [Outcome(Forget("a", stays=True), synced=None)], at=NOW)
    ledger.versions.add([replace(version("a", "found later"), left_at=NOW, agreed=False)])

    assert kept(ledger.path) == [("docs", "a")]
    assert paths(ledger, Standing.DELETED) == []


# Searches.


@pytest.mark.parametrize("order", [*Order])
@pytest.mark.parametrize("standing", [Standing.AGREED, Standing.DELETED])
@pytest.mark.parametrize("window", [1, 2, 100])
@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("part", ["ÜB", "u\u0308b", "0%"])
def test_a_part_of_a_path_is_found_wherever_it_is(
    ledger: Ledger, standing: Standing, order: Order, window: int, limit: int, part: str
) -> None:
    names = ("a", "b", "c")
    places = ["b/1", "übung/2", "U\u0308BUNG/3", "10%/4", "100/5", "ÜB/6"]
    for number, mirror in enumerate(names * 2):
        path = places[number]
        ledger.record(mirror, [saved(path, mirror, number)], at=NOW)
        if standing is Standing.DELETED:
            ledger.record(mirror, [deleted(path)], at=NOW + number * MINUTE)

    found, after = list[tuple[str, Path]](), None
    span = Span(names, contains=part, window=window)
    while page := ledger.files.page(standing, span, order, after, limit):
        found += [(row.mirror, row.path) for _, row in page if row is not None]
        after = page[-1][0]

    pairs = [(mirror, places[number]) for number, mirror in enumerate(names * 2)]
    if order is Order.PATH:
        pairs.sort()
    elif order is Order.NEWEST:
        pairs.reverse()
    assert found == [(mirror, path) for mirror, path in pairs if plain(part) in plain(path)]


def saved(path: Path, mirror: str, number: int) -> Outcome:
    """Let a file have come, as the version of that number."""
    one = f"01{number:024d}"
    row = replace(version(path, mirror=mirror), id=one, created_at=NOW)
    return replace(uploaded(path), synced=replace(agreed(path), version=one), version=row)


def plain(text: str) -> str:
    return unicodedata.normalize("NFD", text.casefold())


# Names.


@pytest.mark.parametrize("name", ["a.txt", "ünï.txt", "no folder", "50%_off", "'; --"])
def test_a_file_is_found_by_its_name_alone(ledger: Ledger, name: str) -> None:
    told = [name, f"x/{name}", f"x/y/{name}", f"{name}/other", f"x{name}", f"{name}x"]
    ledger.record("docs", [uploaded(path) for path in told], at=NOW)
    ledger.record("other", [uploaded(f"z/{name}")], at=NOW)

    found = [row.path for row in ledger.files.named(["docs"], name, 10)]

    assert found == sorted([name, f"x/{name}", f"x/y/{name}"])
    assert len(ledger.files.named(["docs", "other"], name, 10)) == 4
    assert len(ledger.files.named(["docs"], name, 1)) == 1


def test_names_are_sought_in_their_index(ledger: Ledger) -> None:
    """Read all, a million files would take a second."""
    with closing(sqlite3.connect(ledger.path)) as raw:
        name = "substr(path, length(rtrim(path, replace(path, '/', ''))) + 1)"
        query = f"EXPLAIN QUERY PLAN SELECT mirror, path FROM synced WHERE 'a' = {name}"
        plan = " ".join(row[3] for row in raw.execute(query))

    assert "synced_name" in plan


# What the database keeps by itself.


def kept(path: pathlib.Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT mirror, path FROM left_path").fetchall()


def test_a_ledger_of_before_knows_what_was_deleted(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    load("0006", path)
    with closing(sqlite3.connect(path)) as raw:
        gone = raw.execute(
            "SELECT DISTINCT mirror, path FROM version AS v WHERE origin <> 'evidence'"
            " AND NOT EXISTS (SELECT 1 FROM version WHERE mirror = v.mirror AND path = v.path"
            " AND left_at IS NULL)"
        ).fetchall()

    Ledger.open(path).close()

    assert sorted(kept(path)) == sorted(gone)


def test_of_what_was_erased_nothing_is_kept(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    ledger.record("docs", [deleted("a"), deleted("b")], at=NOW)

    with closing(sqlite3.connect(ledger.path)) as raw, raw:
        raw.execute("DELETE FROM version WHERE path = 'a'")

    assert kept(ledger.path) == [("docs", "b")]


def test_where_only_what_was_current_is_erased_the_rest_is_what_was_deleted(
    ledger: Ledger,
) -> None:
    ledger.record("docs", [uploaded("a", "first")], at=NOW)
    ledger.record("docs", [uploaded("a", "second")], at=NOW)

    with closing(sqlite3.connect(ledger.path)) as raw, raw:
        raw.execute("DELETE FROM version WHERE id = ?", [ulid_of("asecond")])
        raw.execute("DELETE FROM synced")

    assert paths(ledger, Standing.DELETED) == ["a"]


def test_each_page_is_read_by_an_index(ledger: Ledger) -> None:
    """However many files there are: none of the statements goes through a table or sorts it."""
    seen: list[str] = []
    with closing(sqlite3.connect(ledger.path)) as raw:
        for query in (
            "SELECT path, version FROM synced WHERE mirror = ? AND version > ?"
            " AND version < ? ORDER BY version DESC LIMIT 9",
            "SELECT path, version FROM synced WHERE mirror = ? AND version > ? AND path >= ?"
            " AND path != 'x' ORDER BY path LIMIT 9",
            "SELECT path, left_at FROM left_path WHERE mirror = ? AND left_at <= ?"
            " AND left_at > ? ORDER BY left_at DESC, path DESC LIMIT 9",
        ):
            rows = raw.execute(f"EXPLAIN QUERY PLAN {query}", ["a", "b", "c"])
            seen += [row[3] for row in rows]

    assert not [step for step in seen if "SCAN" in step or "TEMP B-TREE" in step], seen
