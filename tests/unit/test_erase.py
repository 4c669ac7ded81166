"""Nothing is left of a document that was erased, whatever comes in between; all else stays."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from docferry.errors import PermanentError, StaleError, TemporaryError, UnreachableError
from docferry.job import Intended
from docferry.model import (
    Attributes,
    Origin,
    RequestKind,
    RequestState,
    Side,
    Ulid,
)
from docferry.storage.memory import BytesContent, MemoryArchive
from ledger_rows import (
    NOW,
    fresh_ledger,
    sha_of,
    ulid_of,
    uploaded,
    version,
)
from unit.archived_mirror import KeptByBucket
from unit.erasing import LATER, PATH, Broken, Mirror, crash_at, job_of, put_back, with_a_past


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> Iterator[Mirror]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Mirror(ledger, tmp_path)


def test_nothing_is_left_but_a_line_with_the_hash_of_each_version(mirror: Mirror) -> None:
    versions = with_a_past(mirror)
    hashes = {sha_of("1"), sha_of("what it is")}

    number = mirror.ask()
    found = mirror.erase(number)

    assert sorted(found["versions"]) == sorted(versions)
    assert (found["left"], found["newer"]) == ([], [])
    assert (mirror.local.files, mirror.remote.files) == ({}, {})
    assert mirror.archived == (set(), set())
    assert mirror.bucket.kept[PATH] == []
    lines = mirror.ledger.history.of("docs", "")
    assert {line.version for line in lines} == set(versions)
    assert {line.note for line in lines} == hashes
    assert {line.kind for line in lines} == {"erase"}
    request = mirror.request(number)
    assert (request.state, request.path) == (RequestState.DONE, "")
    assert mirror.rows_in_snapshots == [0]


def test_not_a_byte_of_the_path_is_left_in_the_files_of_the_ledger(mirror: Mirror) -> None:
    with_a_past(mirror)
    assert any(PATH.encode() in file.read_bytes() for file in mirror.state.iterdir())

    mirror.erase()

    for file in mirror.state.iterdir():
        assert PATH.encode() not in file.read_bytes()


def test_it_is_known_when_a_version_was_erased(mirror: Mirror) -> None:
    [old, *_] = with_a_past(mirror)
    before = mirror.ledger.erasures.when(old)

    mirror.erase()

    assert (before, mirror.ledger.erasures.when(old)) == (None, LATER)


def test_other_documents_stay_as_they_are(mirror: Mirror) -> None:
    with_a_past(mirror)
    other, displaced = mirror.current("b", "what it is"), mirror.displaced("b", "0", 3)
    mirror.bucket.kept["b"] = [KeptByBucket("v1", "e")]

    found = mirror.erase()

    assert found["copies"] == ["b"]
    assert mirror.local.contents == mirror.remote.contents == {"b": b"what it is"}
    assert mirror.archived == ({displaced.id}, {displaced.id})
    assert {row.id for row in mirror.ledger.versions.of("docs", "b")} == {other.id, displaced.id}
    assert len(mirror.bucket.kept["b"]) == 1
    assert mirror.ledger.history.of("docs", "b")


def test_the_bytes_that_others_share_find_a_home_with_one_of_them(mirror: Mirror) -> None:
    mine = mirror.displaced(PATH, "1", 3, content="same")
    others = [mirror.displaced(p, "1", 2, content="same", bytes_of=mine.id) for p in ("b", "c")]

    mirror.erase()

    for row in others:
        with mirror.remote.archive.read(row.id) as content:
            assert b"".join(content.parts()) == b"same"
    homes = {mirror.row(row.id).bytes_of for row in others} - {None}
    assert homes < {row.id for row in others}
    assert mine.id not in mirror.archived[0] | mirror.archived[1]


def rot(mirror: Mirror, version: Ulid, *sides: Side) -> None:
    """Let archived bytes be others, of the same size."""
    for side in sides:
        archive = mirror.places.side(side).archive
        assert isinstance(archive, MemoryArchive)
        archive[version] = replace(archive[version], content=b"SAME")


@pytest.mark.parametrize("side", Side)
def test_rotten_bytes_that_others_share_come_from_the_other_side(
    mirror: Mirror, side: Side
) -> None:
    mine = mirror.displaced(PATH, "1", 3, content="same")
    other = mirror.displaced("b", "1", 2, content="same", bytes_of=mine.id)
    rot(mirror, mine.id, side)
    request = mirror.ask()

    mirror.erase(request)

    sound = mirror.places.side(Side.LOCAL if side is Side.REMOTE else Side.REMOTE)
    with sound.archive.read(other.id) as content:
        assert b"".join(content.parts()) == b"same"
    assert mirror.request(request).state is RequestState.DONE
    assert mine.id not in mirror.archived[0] | mirror.archived[1]


def test_rotten_shared_bytes_in_the_bucket_come_from_the_folder_at_once(mirror: Mirror) -> None:
    mine = mirror.displaced(PATH, "1", 3, content="same")
    others = [mirror.displaced(p, "1", 2, content="same", bytes_of=mine.id) for p in ("b", "c")]
    rot(mirror, mine.id, Side.REMOTE)

    mirror.erase()

    for row in others:
        about = mirror.remote.archive.describe(row.id)
        assert about is not None
        assert about.path == row.path
        with mirror.remote.archive.read(row.id) as content:
            assert b"".join(content.parts()) == b"same"


def test_shared_bytes_that_have_rotted_come_from_a_file_that_has_them_now(mirror: Mirror) -> None:
    mine = mirror.displaced(PATH, "1", 3, content="same")
    others = [mirror.displaced(p, "1", 2, content="same", bytes_of=mine.id) for p in ("b", "c")]
    mirror.current("d", "same")
    rot(mirror, mine.id, *Side)

    mirror.erase()

    for row in others:
        with mirror.remote.archive.read(row.id) as content:
            assert b"".join(content.parts()) == b"same"
    assert mirror.ledger.problems.all("docs") == []


def test_who_shared_bytes_that_are_sound_nowhere_is_told_of_as_lost(mirror: Mirror) -> None:
    mine = mirror.displaced(PATH, "1", 3, content="same")
    others = [mirror.displaced(p, "1", 2, content="same", bytes_of=mine.id) for p in ("b", "c")]
    rot(mirror, mine.id, *Side)

    found = mirror.erase()

    [problem] = mirror.ledger.problems.all("docs")
    assert problem.kind == "rot"
    assert "shared by 1 more" in problem.message
    assert problem.path in {f".docferry/versions/{row.id}" for row in others}
    assert {mirror.row(row.id).bytes_of for row in others} - {None} < {row.id for row in others}
    assert found["left"] == []


def test_shared_bytes_that_are_rotten_everywhere_do_not_keep_a_document_from_being_erased(
    mirror: Mirror,
) -> None:
    mine = mirror.displaced(PATH, "1", 3, content="same")
    mirror.displaced("b", "1", 2, content="same", bytes_of=mine.id)
    rot(mirror, mine.id, *Side)
    request = mirror.ask()

    mirror.erase(request)

    assert mirror.request(request).state is RequestState.DONE
    assert mine.id not in mirror.archived[0] | mirror.archived[1]


def test_shared_bytes_that_cannot_be_read_anywhere_are_waited_for(mirror: Mirror) -> None:
    """They may be sound all the same, and the last ones."""
    mine = mirror.displaced(PATH, "1", 3, content="same")
    other = mirror.displaced("b", "1", 2, content="same", bytes_of=mine.id)
    del mirror.local.archive[mine.id]
    broken = Broken(mirror.remote.archive)
    mirror.remote.archive, sound = broken, mirror.remote.archive
    request = mirror.ask()

    with pytest.raises(TemporaryError, match="others share"):
        mirror.erase(request)
    assert {mine.id, other.id} == {*broken}
    mirror.remote.archive = sound
    mirror.erase(request)

    with sound.read(other.id) as content:
        assert b"".join(content.parts()) == b"same"


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 8])
def test_a_crash_anywhere_is_made_good_by_doing_it_again(
    mirror: Mirror, side: Side, number: int
) -> None:
    with_a_past(mirror)
    mine = mirror.displaced(PATH, "shared", 3, content="same")
    other = mirror.displaced("b", "1", 2, content="same", bytes_of=mine.id)
    request = mirror.ask()
    storage = mirror.local if side is Side.LOCAL else mirror.remote
    storage.step = crash_at(number)
    try:
        mirror.erase(request)
    except TemporaryError:
        storage.step = lambda name: None
        mirror.erase(request)

    assert mirror.request(request).state is RequestState.DONE
    assert (mirror.local.files, mirror.remote.files) == ({}, {})
    assert mirror.archived[1] == {other.id}
    with mirror.remote.archive.read(other.id) as content:
        assert b"".join(content.parts()) == b"same"


def test_a_crash_before_the_snapshots_are_renewed_renews_them_later(mirror: Mirror) -> None:
    with_a_past(mirror)
    number = mirror.ask()
    mirror.on_snapshot = crash_at(0, TemporaryError("no answer"))
    with pytest.raises(TemporaryError):
        mirror.erase(number)
    mirror.on_snapshot = lambda: None

    mirror.erase(number)

    assert mirror.rows_in_snapshots == [0, 0]
    assert mirror.request(number).state is RequestState.DONE


def test_a_crash_after_its_path_was_taken_out_of_the_request_is_brought_to_its_end(
    mirror: Mirror,
) -> None:
    number = mirror.ask()
    note = json.dumps({"left": [], "newer": []})
    mirror.ledger.erasures.note(number, note, is_erased=True)

    mirror.erasure().run(mirror.request(number))

    assert mirror.request(number).state is RequestState.DONE


@pytest.mark.parametrize("side", Side)
def test_a_file_that_somebody_has_just_changed_is_looked_at_first(
    mirror: Mirror, side: Side
) -> None:
    with_a_past(mirror)
    storage = mirror.local if side is Side.LOCAL else mirror.remote
    storage.user_write(PATH, b"changed")

    with pytest.raises(StaleError):
        mirror.erase()

    assert len(mirror.local.files) == len(mirror.remote.files) == 1
    assert len(mirror.ledger.versions.of("docs", PATH)) == 2


def test_what_came_to_the_path_since_it_was_asked_for_stays(mirror: Mirror) -> None:
    old = mirror.displaced(PATH, "1", 2)
    number = mirror.ask()
    mirror.bucket.kept[PATH] = [KeptByBucket("v2", "new", is_latest=True), KeptByBucket("v1", "1")]
    new = uploaded(PATH, "new")
    assert new.version is not None
    version = replace(new.version, created_at=LATER)
    mirror.ledger.record("docs", [replace(new, version=version)], at=LATER)
    mirror.remote.user_write(PATH, b"new")

    found = mirror.erase(number)

    assert len(found["newer"]) == 2
    assert mirror.request(number).state is RequestState.CONFLICT
    assert [row.id for row in mirror.ledger.versions.of("docs", PATH)] == [version.id]
    assert mirror.remote.contents == {PATH: b"new"}
    assert [kept.version_id for kept in mirror.bucket.kept[PATH]] == ["v2"]
    assert old.id not in mirror.archived[1]


def test_a_file_put_back_is_a_new_document(mirror: Mirror) -> None:
    with_a_past(mirror)
    mirror.erase()
    mirror.local.user_write(PATH, b"1")

    assert mirror.ledger.versions.of("docs", PATH) == []
    assert mirror.ledger.synced.get("docs", [PATH]) == {}
    assert mirror.ledger.history.of("docs", PATH) == []


def test_what_is_held_is_not_erased(mirror: Mirror) -> None:
    [old, *_] = with_a_past(mirror)
    mirror.ledger.versions.keep(old, NOW, is_held=True)

    with pytest.raises(PermanentError, match="is held"):
        mirror.erase()

    assert len(mirror.local.files) == 1
    assert old in mirror.archived[0]


def test_nothing_is_erased_while_the_ledger_lacks_the_history_that_the_bucket_holds(
    mirror: Mirror,
) -> None:
    """The snapshots of it would go with the document: all that is left of that history."""
    with_a_past(mirror)
    mirror.is_history_missed = True

    with pytest.raises(PermanentError, match="docferry rebuild"):
        mirror.erase()

    assert (len(mirror.local.files), len(mirror.remote.files)) == (1, 1)
    assert mirror.rows_in_snapshots == []


def test_nothing_is_erased_in_front_of_another_bucket(mirror: Mirror) -> None:
    with_a_past(mirror)
    mirror.remote.marker = None

    with pytest.raises(UnreachableError):
        mirror.erase()

    assert len(mirror.remote.files) == 1


def test_what_a_conversion_made_of_it_is_erased_too_if_nobody_else_has_the_content(
    mirror: Mirror,
) -> None:
    job_of(mirror, mirror.current(PATH, "mine"), "mine.md")
    job_of(mirror, mirror.current(f"{PATH}.2", "shared"), "shared.md")
    mirror.current("b", "shared")
    mirror.current(PATH, "shared")
    made = version("mine.md", mirror="processed")
    mirror.ledger.versions.add([replace(made, origin=Origin.CONVERSION)])

    found = mirror.erase()

    [asked] = mirror.ledger.requests.open("processed", 10)
    assert (asked.kind, asked.path) == (RequestKind.ERASE, "mine.md")
    assert found["results"] == [asked.id]
    assert [job.result_path for job in mirror.ledger.jobs.all()] == ["shared.md"]


def test_what_no_conversion_made_stays_though_a_job_calls_it_its_result(mirror: Mirror) -> None:
    """A job may come out of a bucket in which others write."""
    job_of(mirror, mirror.current(PATH, "mine"), "persons.md")
    job_of(mirror, mirror.current(PATH, "second"), "unknown.md")
    mirror.ledger.versions.add([version("persons.md", mirror="processed")])
    number = mirror.ask()

    found = mirror.erase(number)

    assert mirror.ledger.requests.open("processed", 10) == []
    assert found["results"] == []
    assert sorted(found["no_results"]) == ["processed/persons.md", "processed/unknown.md"]
    assert mirror.request(number).state is RequestState.CONFLICT


def test_the_job_of_a_shared_content_goes_on_under_the_name_of_who_has_it(mirror: Mirror) -> None:
    job_of(mirror, mirror.current(PATH, "shared"), "shared.md")
    other = mirror.current("b", "shared")

    mirror.erase()

    [job] = mirror.ledger.jobs.all()
    assert (job.path, job.version, job.result_path) == ("b", other.id, "shared.md")


def test_a_result_that_has_the_erased_name_goes_though_others_have_the_content(
    mirror: Mirror,
) -> None:
    row = mirror.current(PATH, "shared")
    other = mirror.current("b", "shared")
    job_of(mirror, row, "people/jane doe.md", "processed/people/jane doe.md")
    job_of(mirror, other, "b.md", "processed/b.md")
    made = version("people/jane doe.md", mirror="processed")
    mirror.ledger.versions.add([replace(made, origin=Origin.CONVERSION)])

    found = mirror.erase()

    [asked] = mirror.ledger.requests.open("processed", 10)
    assert (asked.path, found["results"]) == ("people/jane doe.md", [asked.id])
    [job] = mirror.ledger.jobs.all()
    assert (job.path, job.version, job.result_path) == ("b", other.id, "b.md")


def test_that_a_conversion_put_something_there_is_forgotten_with_it(mirror: Mirror) -> None:
    """An erased path that held a result itself, and one whose result is gone already."""
    row = mirror.current(PATH, "mine")
    job_of(mirror, mirror.current("source", "other"), "other.md")
    [job] = mirror.ledger.jobs.of([sha_of("other")])
    jobs, mine = mirror.ledger.jobs, sha_of("mine")
    into_docs = replace(job, target_mirror="docs")
    jobs.about_to_put([Intended(into_docs, PATH, mine, "")], NOW)
    jobs.about_to_put([Intended(into_docs, "b", mine, "")], NOW)
    of_it = replace(job, version=row.id)
    jobs.about_to_put([Intended(of_it, "people/jane doe.md", mine, "")], NOW)  # a person removed it
    jobs.about_to_put([Intended(of_it, "to come.md", mine, "")], LATER)  # nobody has looked yet

    mirror.erase()

    assert jobs.results_at("docs", PATH) == jobs.results_at("processed", "people/jane doe.md")
    assert jobs.results_at("docs", PATH) == set()
    assert jobs.results_at("docs", "b") == jobs.results_at("processed", "to come.md") == {mine}


def test_while_a_conversion_runs_it_is_not_erased(mirror: Mirror) -> None:
    job_of(mirror, mirror.current(PATH, "mine"), None)

    with pytest.raises(TemporaryError, match="a conversion"):
        mirror.erase()

    assert len(mirror.local.files) == 1


def test_what_waits_for_a_conversion_can_be_taken_back_and_nothing_is_removed(
    mirror: Mirror,
) -> None:
    row = mirror.current(PATH, "mine")
    job_of(mirror, row, None)
    number = mirror.ask()
    with pytest.raises(TemporaryError):
        mirror.erase(number)

    _, cancelled = mirror.ledger.requests.cancel([number], NOW)
    mirror.ledger.jobs.finish(mirror.ledger.jobs.of([row.sha256])[0].id, NOW, None)
    with pytest.raises(StaleError, match="it was cancelled"):
        mirror.erase(number)

    assert cancelled == {number}
    assert [one.id for one in mirror.ledger.versions.of("docs", PATH)] == [row.id]
    assert PATH in mirror.remote.files


def test_what_was_erased_in_part_can_not_be_taken_back(mirror: Mirror) -> None:
    with_a_past(mirror)
    number = mirror.ask()
    mirror.remote.step = crash_at(1)
    with pytest.raises(TemporaryError):
        mirror.erase(number)

    _, cancelled = mirror.ledger.requests.cancel([number], NOW)

    assert cancelled == set()


def test_what_the_bucket_has_archived_and_no_row_tells_of_is_erased_too(mirror: Mirror) -> None:
    mirror.displaced(PATH, "1", 2)
    about = Attributes(sha256=sha_of("lost"), path=PATH)
    others = replace(about, path="b")
    mirror.remote.archive.put(ulid_of("lost"), BytesContent(b"lost"), about)
    mirror.remote.archive.put(ulid_of("b"), BytesContent(b"lost"), others)

    found = mirror.erase()

    assert ulid_of("lost") in found["versions"]
    assert mirror.archived[1] == {ulid_of("b")}


@pytest.mark.parametrize("side", Side)
def test_what_is_left_is_found_and_named(mirror: Mirror, side: Side) -> None:
    old = mirror.displaced(PATH, "1", 2)
    storage = mirror.local if side is Side.LOCAL else mirror.remote
    mirror.on_snapshot = lambda: put_back(storage, old)
    number = mirror.ask()

    found = mirror.erase(number)

    assert found["left"] == [f"{side}: {old.id}"]
    assert mirror.request(number).state is RequestState.FAILED


def test_what_is_told_of_other_files_stays_but_for_the_path(mirror: Mirror) -> None:
    with_a_past(mirror)

    mirror.erase()

    [problem] = mirror.ledger.problems.all("docs")
    assert (problem.path, problem.message) == ("third", "beside (erased): it failed")
