"""What the ledger tells of one mirror's versions holds nothing of another's."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

import pytest

from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.ledger.versions import Versions
from docferry.model import RequestKind, RequestState, Side, VersionRow
from ledger_rows import MINUTE, NOW, fresh_ledger, sha_of, ulid_of, uploaded, version

LATER = NOW + MINUTE


def row(mirror: str, path: str, name: str) -> VersionRow:
    """One of the same path and content in each mirror."""
    return replace(version(path, name, mirror=mirror), id=ulid_of(mirror + path + name))


def past(mirror: str) -> list[VersionRow]:
    old = row(mirror, "a", "old")
    return [
        row(mirror, "a", "now"),
        replace(old, left_at=LATER, archived_local=True),
        replace(row(mirror, "a", "gone"), left_at=LATER, gone_at=LATER, archived_local=True),
        replace(row(mirror, "b", "deleted"), left_at=LATER),
    ]


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as found:
        found.versions.add([*past("docs"), *past("others")])
        yield found


OLD = sha_of("old")


@pytest.mark.parametrize(
    ("ask", "names"),
    [
        (lambda known: known.of("docs", "a"), {"now", "old", "gone"}),
        (lambda known: known.of_each("docs", ["a"])["a"], {"now", "old", "gone"}),
        (lambda known: known.tree_at("docs", NOW), {"now", "old", "gone", "deleted"}),
        (lambda known: known.tree_at("docs", LATER), {"now"}),
        (lambda known: known.left_paths("docs", ""), {"deleted"}),
        (lambda known: known.with_content("docs", OLD), {"old"}),
        (lambda known: known.displaced("docs"), {"old", "deleted"}),
        (lambda known: chain.from_iterable(known.displaced_by_path("docs")), {"old", "deleted"}),
        (lambda known: known.to_bring_up("docs", 10), {"old", "deleted"}),
        (lambda known: known.with_bytes_to_remove("docs", 10), {"gone"}),
    ],
)
def test_no_question_about_a_mirror_is_answered_with_another_ones_versions(
    ledger: Ledger, ask: Callable[[Versions], Iterable[VersionRow]], names: set[str]
) -> None:
    found = [*ask(ledger.versions)]

    assert {one.mirror for one in found} == {"docs"}
    # Of a path that held several at once a tree tells one.
    assert {one.sha256 for one in found} <= {sha_of(name) for name in names}
    assert len(found) == len({(one.path, one.sha256) for one in found})


def test_what_is_counted_is_one_mirrors(ledger: Ledger) -> None:
    assert ledger.versions.count_displaced("docs") == 2
    assert ledger.versions.totals("docs") == (4, 40)


def test_a_path_that_another_mirror_has_now_is_deleted_all_the_same(ledger: Ledger) -> None:
    ledger.versions.add([row("others", "b", "back")])

    assert [one.path for one in ledger.versions.left_paths("docs", "")] == ["b"]


def test_what_was_deleted_in_another_mirror_is_not_deleted_here(ledger: Ledger) -> None:
    ledger.versions.add([replace(row("others", "c", "there"), left_at=LATER)])

    assert [one.path for one in ledger.versions.left_paths("docs", "")] == ["b"]


def test_a_mirror_knows_no_path_of_another(ledger: Ledger) -> None:
    ledger.versions.add([row("others", "folder/c", "now")])

    assert not ledger.versions.has("docs", "folder/c")
    assert not ledger.versions.has_below("docs", "folder")
    assert ledger.versions.has_below("others", "folder")


def test_a_content_that_another_mirror_uses_is_in_use_there_alone(ledger: Ledger) -> None:
    ledger.record("others", [uploaded("c", "old")], at=NOW)
    ledger.record("docs", [uploaded("d", "else")], at=NOW)

    assert ledger.versions.contents_in_use("docs", [OLD]) == set()
    assert ledger.versions.contents_in_use("others", [OLD]) == {OLD}


def test_only_the_content_that_is_asked_about_is_said_to_be_in_use(ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("d", "else")], at=NOW)

    assert ledger.versions.contents_in_use("docs", [OLD]) == set()


# What may go.


def test_what_a_path_holds_never_goes(ledger: Ledger) -> None:
    now = row("docs", "a", "now")

    assert ledger.versions.let_go([now.id], LATER) == set()


def test_what_was_asked_for_and_answered_may_go(ledger: Ledger) -> None:
    old = row("docs", "a", "old")
    wanted = NewRequest("docs", "a", RequestKind.RESTORE, old.id)
    [number] = ledger.requests.add([wanted], NOW)

    assert ledger.versions.let_go([old.id], LATER) == set()
    ledger.requests.finish(number, RequestState.DONE, LATER)
    assert ledger.versions.let_go([old.id], LATER) == {old.id}


def test_what_was_let_go_already_is_not_let_go_again(ledger: Ledger) -> None:
    gone = row("docs", "a", "gone")

    assert ledger.versions.let_go([gone.id], LATER + MINUTE) == set()
    found = ledger.versions.get(gone.id)
    assert found is not None
    assert found.gone_at == LATER


def test_that_an_archive_lacks_a_version_is_written_down_of_that_one_alone(ledger: Ledger) -> None:
    old, gone = row("docs", "a", "old"), row("docs", "a", "gone")

    ledger.versions.note_not_archived(old.id, Side.LOCAL)

    rows = ledger.versions.rows([old.id, gone.id])
    assert (rows[old.id].archived_local, rows[gone.id].archived_local) == (False, True)
