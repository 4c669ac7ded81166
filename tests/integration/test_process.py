"""Documents processed on request, and followed to their end."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from commands import Desk
from conversion_rows import RULE, dead, done, queued, running
from docferry.app.bulk import MOST_AT_ONCE, Letters, discard, replay
from docferry.app.chains import rules_of
from docferry.app.letters import Which
from docferry.app.process import IdentifierType, document, process, process_new, process_some
from docferry.errors import ConflictError, NotFoundError, UserError
from docferry.job import JobRow, JobState, Priority
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, deleted, ulid_of, uploaded, version

PDF = (
    '[[convert]]\nname = "scans"\nfrom = "docs"\npatterns = ["*.pdf"]\n'
    'to = "processed"\nwith = "markdown"\n'
)


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "processed", more=RULE)
    return desk


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        yield ledger


@pytest.fixture
def recipe(desk: Desk) -> str:
    return rules_of(desk.loaded)[0].recipe


def job(ledger: Ledger, one: JobRow) -> JobRow:
    found = ledger.jobs.get(one.id)
    assert found is not None
    return found


def actions(ledger: Ledger) -> list[tuple[str, dict[str, object]]]:
    return [(row.action, json.loads(row.facts)) for row in ledger.audit.rows()]


def present(ledger: Ledger, *paths: str) -> None:
    ledger.record("docs", [uploaded(path) for path in paths], at=NOW)


# Which document is meant.


def test_a_document_is_named_by_its_version_its_path_or_the_only_name_that_ends_so(
    ledger: Ledger,
) -> None:
    present(ledger, "a/one.docx", "two.docx", "b/two.docx")

    found = [
        document(ledger, ["docs"], version("a/one.docx").id),
        document(ledger, ["docs"], version("a/one.docx").id.lower(), IdentifierType.ID),
        document(ledger, ["docs"], "/a/one.docx"),
        document(ledger, ["docs"], "one.docx"),
        document(ledger, ["docs"], "/two.docx"),  # from the top: a path, and no name
        document(ledger, ["docs"], "two.docx", IdentifierType.PATH),
        document(ledger, ["docs"], "b/two.docx", IdentifierType.FILENAME),
    ]

    paths = [one.path for one in found]
    assert paths == ["a/one.docx"] * 4 + ["two.docx", "two.docx", "b/two.docx"]


def test_a_name_that_several_have_is_refused_with_all_of_them(ledger: Ledger) -> None:
    present(ledger, "a/one.docx", "b/one.docx")

    with pytest.raises(ConflictError, match=r"2 files .*: docs: a/one\.docx, docs: b/one\.docx$"):
        document(ledger, ["docs"], "one.docx")


@pytest.mark.parametrize("by", [None, IdentifierType.FILENAME])
def test_a_file_at_the_top_does_not_hide_another_one_of_its_name(
    ledger: Ledger, by: IdentifierType | None
) -> None:
    present(ledger, "one.docx", "a/one.docx")

    with pytest.raises(ConflictError, match=r"one\.docx, docs: one\.docx; /one\.docx is the"):
        document(ledger, ["docs"], "one.docx", by)


def test_a_whole_path_is_no_name(ledger: Ledger) -> None:
    present(ledger, "a/one.docx")

    for name, by in (("one.docx", IdentifierType.PATH), ("/one.docx", None)):
        with pytest.raises(NotFoundError):
            document(ledger, ["docs"], name, by)


def test_a_path_that_several_mirrors_have_is_refused_with_all_of_them(ledger: Ledger) -> None:
    present(ledger, "a/one.docx")
    other = version("a/one.docx", "other", mirror="processed")
    ledger.record("processed", [replace(uploaded("a/one.docx", "other"), version=other)], at=NOW)

    with pytest.raises(ConflictError, match=r"docs: a/one\.docx, processed: a/one\.docx$"):
        document(ledger, ["processed", "docs"], "a/one.docx")


@pytest.mark.parametrize(
    ("identifier", "by"),
    [
        ("nothing.docx", None),
        ("a/gone", None),
        ("gone", None),
        ("ne.docx", None),  # only a part of a name
        ("a", None),
        ("", None),
        ("/", None),
        ("%.docx", None),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", None),
        ("one.docx", IdentifierType.ID),
    ],
)
def test_what_names_nothing_is_not_found(
    ledger: Ledger, identifier: str, by: IdentifierType | None
) -> None:
    present(ledger, "a/one.docx", "a/gone")
    ledger.record("docs", [deleted("a/gone")], at=NOW)

    with pytest.raises(NotFoundError):
        document(ledger, ["docs"], identifier, by)


def test_a_document_of_another_mirror_is_not_found(ledger: Ledger) -> None:
    present(ledger, "one.docx")

    for identifier in ("one.docx", version("one.docx").id):
        with pytest.raises(NotFoundError):
            document(ledger, ["processed"], identifier)


# One document.


def test_what_is_new_waits_is_dead_or_skipped_is_queued_before_all_others(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    present(ledger, "new.docx")
    given = [
        queued(ledger, "waits.docx", recipe=recipe, priority=Priority.BACKLOG),
        dead(ledger, "dead.docx", recipe=recipe),
    ]

    for name in ("new", "waits", "dead"):
        said = desk.asks("process", f"{name}.docx", "--json")
        assert said.code == 0
        assert [one["state"] for one in said.json["jobs"]] == ["queued"]

    rows = [job(ledger, one) for one in given]
    assert [(one.state, one.priority, one.is_forced) for one in rows] == [
        (JobState.QUEUED, Priority.ASKED, False),
        (JobState.QUEUED, Priority.ASKED, False),
    ]
    assert [action for action, _ in actions(ledger)] == ["conversions.asked"] * 3


def test_what_is_done_is_done_again_only_where_that_is_asked(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    before = done(ledger, "a.docx", "a.md", recipe=recipe)

    plain = desk.asks("process", "a.docx", "--json").json["jobs"]
    left = job(ledger, before)
    forced = desk.asks("process", "a.docx", "--force", "--json").json["jobs"]
    again = job(ledger, before)

    assert [one["id"] for one in plain + forced] == [before.id, before.id]
    assert [plain[0]["state"], forced[0]["state"]] == ["done", "queued"]
    assert left == before
    assert again.is_forced


def test_what_runs_is_the_answer(desk: Desk, ledger: Ledger, recipe: str) -> None:
    busy = running(ledger, "a.docx", recipe=recipe)

    said = desk.asks("process", "a.docx", "--force", "--json")

    assert [one["id"] for one in said.json["jobs"]] == [busy.id]
    assert job(ledger, busy) == busy


def test_a_result_that_another_version_has_the_place_of_is_made_again(
    desk: Desk, ledger: Ledger
) -> None:
    desk.configure("docs", "processed", more=RULE.replace('"processed"', '"processed/{stem}.md"'))
    [rule] = rules_of(desk.loaded)
    first = done(ledger, "a.docx", "a.md", recipe=rule.recipe, place="processed/a.md")
    back = version("a.docx")
    ledger.record("docs", [uploaded("a.docx")], at=NOW)
    row = ledger.versions.get(back.id)
    assert row is not None

    same = process(desk.loaded, ledger, row, None, NOW, is_forced=False)

    assert [one.state for one in same.jobs] == [JobState.DONE]
    assert same.jobs[0].id == first.id


def test_a_rule_that_takes_it_not_tells_why(desk: Desk, ledger: Ledger) -> None:
    present(ledger, "a.txt")

    said = desk.asks("process", "a.txt")
    other = desk.asks("process", "a.txt", "--rule", "nobody's")

    assert [said.code, other.code] == [2, 2]
    assert "no rule converts 'a.txt': to-markdown: its patterns do not match" in said.errors
    assert 'there is no rule "nobody\'s"' in other.errors
    assert actions(ledger) == []


@pytest.mark.parametrize(
    "arguments", [[], ["a.docx", "--new"], ["--new", "--wait"], ["a.docx", "--timeout", "soon"]]
)
def test_what_is_not_clear_is_refused(desk: Desk, ledger: Ledger, arguments: list[str]) -> None:
    present(ledger, "a.docx")

    assert desk.asks("process", *arguments).code == 2
    assert ledger.jobs.all() == []


# Several.


def test_of_several_each_is_answered_and_the_audit_has_one_row(desk: Desk, ledger: Ledger) -> None:
    present(ledger, "a.docx", "b.docx", "c.txt")
    names = ["a.docx", "nothing.docx", "b.docx", "c.txt", "a.docx"]

    items = process_some(desk.loaded, ledger, ["docs"], names, None, NOW, is_forced=False)

    assert [(item.id, len(item.jobs), item.why_not is None) for item in items] == [
        ("a.docx", 1, True),
        ("nothing.docx", 0, False),
        ("b.docx", 1, True),
        ("c.txt", 0, False),
    ]
    versions = sorted(version(path).id for path in ("a.docx", "b.docx"))
    told = {"conversions": 2, "rules": ["to-markdown"], "versions": versions}
    assert actions(ledger) == [("conversions.asked", told)]


def test_more_than_a_call_takes_is_refused_whole(desk: Desk, ledger: Ledger) -> None:
    names = [str(number) for number in range(MOST_AT_ONCE + 1)]

    with pytest.raises(UserError, match="1001 are named, and 1000 may be"):
        process_some(desk.loaded, ledger, ["docs"], names, None, NOW, is_forced=False)
    with pytest.raises(UserError, match="1001 are named"):
        replay(desk.loaded, ledger, Letters(["docs"], names), NOW)


def test_letters_are_replayed_or_discarded_each_with_its_answer_and_one_row_in_the_audit(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    one, other, aside = (dead(ledger, f"{name}.docx", recipe=recipe) for name in "abc")
    well = queued(ledger, "d.docx", at=NOW + MINUTE, recipe=recipe)
    ids = [one.id.lower(), well.id, ulid_of("no job"), other.id]

    again = replay(desk.loaded, ledger, Letters(["docs"], ids), NOW)
    gone = discard(ledger, Letters(["docs"], which=Which(path="c.docx")), NOW)

    assert [(item.id, item.why_not) for item in again.items] == [
        (one.id.lower(), None),
        (well.id, "it is no dead letter: it is queued"),
        (ulid_of("no job"), "there is no such job"),
        (other.id, None),
    ]
    assert [item.id for item in gone.items] == [aside.id]
    told = [(action, facts["jobs"]) for action, facts in actions(ledger)]
    assert [
        (action, sorted(map(str, jobs))) for action, jobs in told if isinstance(jobs, list)
    ] == [
        ("letters.replayed", sorted([one.id, other.id])),
        ("letters.discarded", [aside.id]),
    ]


def test_letters_of_a_mirror_that_one_may_not_see_are_no_letters(
    desk: Desk, ledger: Ledger
) -> None:
    hidden = dead(ledger, "a.docx")

    named = discard(ledger, Letters(["processed"], [hidden.id]), NOW)
    all_of_them = discard(ledger, Letters(["processed"]), NOW)

    assert [item.why_not for item in named.items] == ["there is no such job"]
    assert all_of_them.items == ()
    assert job(ledger, hidden).state is JobState.DEAD


# All that is new.


def test_all_that_is_new_is_queued_and_nothing_else(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    present(ledger, "new.docx", "new.pdf", "new.txt")
    over = [
        done(ledger, "done.docx", "done.md", recipe=recipe),
        dead(ledger, "dead.docx", recipe=recipe),
    ]

    said = desk.asks("process", "--new", "--json")
    again = desk.asks("process", "--new")

    assert sorted(one["path"] for one in said.json["jobs"]) == ["new.docx", "new.pdf"]
    assert said.json["files"] == 5
    assert [job(ledger, one).state for one in over] == [JobState.DONE, JobState.DEAD]
    assert again.words == "5 files looked at, 0 conversions queued"


def test_all_that_is_new_goes_on_where_a_part_ended(desk: Desk, ledger: Ledger) -> None:
    present(ledger, *(f"{number:04}.docx" for number in range(MOST_AT_ONCE + 200)))

    first = process_new(desk.loaded, ledger, ["docs"], None, NOW)
    second = process_new(desk.loaded, ledger, ["docs"], None, NOW, first.cursor)

    assert [len(first.jobs), len(second.jobs), second.cursor] == [MOST_AT_ONCE, 200, None]
    assert [first.files, second.files] == [MOST_AT_ONCE, 200]  # none is looked at twice


def test_a_cursor_of_something_else_is_refused(desk: Desk, ledger: Ledger) -> None:
    present(ledger, *(f"{number:04}.docx" for number in range(MOST_AT_ONCE + 1)))
    part = process_new(desk.loaded, ledger, ["docs"], None, NOW)

    for mirrors, cursor in ((["docs", "processed"], part.cursor), (["docs"], "nonsense")):
        with pytest.raises(UserError, match="no cursor of this list"):
            process_new(desk.loaded, ledger, mirrors, None, NOW, cursor)
