"""Where results go: never over a person's file, never an old one over a newer one."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from conversion_bench import Bench, Louder, bench_in, raises, sha256, ulid
from docferry.convert.base import ConversionError, Document
from docferry.job import Failure, JobState
from docferry.model import Origin, Provenance

BY_PATH = "{dir}{stem}.{ext}"
SLOW = ConversionError("it took too long", failure=Failure.TIMEOUT)


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[Bench]:
    with bench_in(tmp_path) as bench:
        yield bench


def archived(bench: Bench) -> list[str]:
    folder = bench.target.root / ".docferry" / "versions"
    return [path.read_text() for path in folder.rglob("*") if path.is_file()]


def test_a_persons_file_is_never_overwritten(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    (bench.target.root / "a.md").write_text("mine")
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    job = bench.job()
    assert bench.files() == {"a.md": "mine"}
    assert (job.state, job.failure) == (JobState.DEAD, Failure.STORING)
    assert "a.md" in (job.last_error or "")
    assert "move it away, then replay the job" in (job.last_error or "")


def test_once_it_is_moved_away_a_replay_puts_the_result_there(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    (bench.target.root / "a.md").write_text("mine")
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()

    (bench.target.root / "a.md").rename(bench.target.root / "mine.md")
    bench.ledger.jobs.replay([bench.job().id], bench.time.now)
    worker.work_off()

    assert bench.files() == {"a.md": "WORDS", "mine.md": "mine"}
    assert bench.job().state is JobState.DONE


def test_a_persons_edit_of_a_result_is_never_overwritten(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.carry_up("a.md", 11)

    (bench.target.root / "a.md").write_text("WORDS, mended")
    bench.add(2, "a.txt", b"other words")
    worker.work_off()

    assert bench.files() == {"a.md": "WORDS, mended"}
    assert bench.count(JobState.DEAD) == 1


def test_the_result_of_a_newer_version_replaces_that_of_the_one_before(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.carry_up("a.md", 11)

    bench.add(2, "a.txt", b"other words")
    worker.work_off()

    assert bench.files() == {"a.md": "OTHER WORDS"}
    assert archived(bench) == ["WORDS"]
    row = bench.ledger.versions.get(ulid(11))
    assert row is not None
    assert row.archived_local


def test_the_result_of_another_document_is_never_overwritten(bench: Bench) -> None:
    bench.rule(Louder(), template="{stem}.{ext}")
    bench.add(1, "offers/a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.carry_up("a.md", 11)

    bench.add(2, "letters/a.txt", b"other words")
    worker.work_off()

    letter = bench.jobs()["text", "letters/a.txt"]
    assert bench.files() == {"a.md": "WORDS"}
    assert (letter.state, letter.failure) == (JobState.DEAD, Failure.STORING)
    assert "that of another document is there" in (letter.last_error or "")


def test_the_result_of_a_document_that_was_moved_is_replaced_at_last(bench: Bench) -> None:
    bench.rule(Louder(), template="{stem}.{ext}")
    bench.add(1, "offers/a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.carry_up("a.md", 11)

    bench.forget("offers/a.txt")
    bench.add(2, "letters/a.txt", b"other words")
    worker.work_off()

    assert bench.files() == {"a.md": "OTHER WORDS"}
    assert archived(bench) == ["WORDS"]


def claim(bench: Bench, number: int, source: bytes) -> None:
    """Have the file `a.md` say that it was made of a version that nobody knows of."""
    bench.carry_up("a.md", number)
    row = bench.ledger.versions.get(ulid(number))
    assert row is not None
    made_from = Provenance(ulid(99), sha256(source), "text", "louder 1")
    bench.ledger.results.note_claimed([(row, made_from)])


def test_what_says_that_it_was_made_of_a_content_of_this_document_is_replaced(
    bench: Bench,
) -> None:
    """The ledger that knew was lost, and each version has had another name since."""
    (bench.target.root / "a.md").write_text("as it was made before")
    bench.add(1, "a.txt", b"words")
    bench.rule(Louder(), template=BY_PATH)
    claim(bench, 11, b"words")

    bench.add(2, "a.txt", b"other words")
    bench.worker(is_simulated=True).work_off()

    assert bench.files() == {"a.md": "OTHER WORDS"}
    assert archived(bench) == ["as it was made before"]


@pytest.mark.parametrize("is_here", [False, True])
def test_what_the_loop_is_about_to_tell_of_is_waited_for(bench: Bench, *, is_here: bool) -> None:
    """It comes down, or is compared with what is here: it may say that it is a result."""
    bench.rule(Louder(), template=BY_PATH, attempts=1)
    bench.add(1, "a.txt", b"words")
    bench.on_their_way = {"a.md"}
    if is_here:
        (bench.target.root / "a.md").write_text("as it was made before")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    before = bench.files()
    (bench.target.root / "a.md").write_text("as it was made before")
    claim(bench, 11, b"words")

    bench.on_their_way = set()
    bench.work_off(worker, for_s=120)

    assert before == ({"a.md": "as it was made before"} if is_here else {})
    assert bench.files() == {"a.md": "WORDS"}
    assert archived(bench) == ["as it was made before"]


def test_what_says_that_it_was_made_of_what_nobody_knows_is_never_overwritten(
    bench: Bench,
) -> None:
    """Others may have written that, or copied it with a result: it may be a person's."""
    (bench.target.root / "a.md").write_text("mine")
    bench.rule(Louder(), template=BY_PATH)
    claim(bench, 11, b"another document")

    bench.add(1, "a.txt", b"words")
    bench.worker(is_simulated=True).work_off()

    job = bench.job()
    assert bench.files() == {"a.md": "mine"}
    assert (job.state, job.failure) == (JobState.DEAD, Failure.STORING)
    assert f"it was made of version {ulid(99)}" in (job.last_error or "")


def test_a_result_that_is_not_carried_up_yet_is_waited_for(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH, attempts=1)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()
    bench.add(2, "a.txt", b"other words")

    worker.work_off()
    before = bench.files()
    bench.carry_up("a.md", 11)
    bench.work_off(worker, for_s=120)

    assert before == {"a.md": "WORDS"}
    assert bench.files() == {"a.md": "OTHER WORDS"}
    assert archived(bench) == ["WORDS"]


def test_a_document_that_changes_while_it_is_converted_leaves_the_newer_result(
    bench: Bench,
) -> None:
    def edit(document: Document) -> None:
        if len(louder.given) == 1:
            bench.add(2, "a.txt", b"other words")

    louder = Louder(meanwhile=edit)
    bench.rule(louder, template=BY_PATH)
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    by_version = {job.version: job for job in bench.ledger.jobs.all()}
    assert bench.files() == {"a.md": "OTHER WORDS"}
    assert by_version[ulid(1)].state is JobState.SKIPPED
    assert by_version[ulid(1)].failure is Failure.CHANGED
    assert by_version[ulid(2)].state is JobState.DONE


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_document_that_failed_and_is_not_its_paths_any_more_is_not_tried_again(
    bench: Bench, *, is_deleted: bool
) -> None:
    louder = Louder(fails=raises(SLOW))
    bench.rule(louder, template=BY_PATH, attempts=9)
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()

    if is_deleted:
        bench.forget("a.txt")
    else:
        bench.add(2, "a.txt", b"newer")
    bench.work_off(worker, for_s=60)

    [old] = [job for job in bench.ledger.jobs.all() if job.version == ulid(1)]
    assert (old.state, old.failure) == (JobState.SKIPPED, Failure.CHANGED)
    assert louder.given.count(b"words") == 1
    assert bench.files() == ({} if is_deleted else {"a.md": "NEWER"})


def test_a_document_that_failed_and_is_gone_still_has_its_result_where_each_version_has_one(
    bench: Bench,
) -> None:
    bench.rule(Louder(fails=raises(SLOW)))
    bench.add(1, "a.txt", b"words")
    worker = bench.worker(is_simulated=True)
    worker.work_off()

    bench.forget("a.txt")
    bench.work_off(worker, for_s=60)

    assert bench.job().state is JobState.DONE
    assert bench.files() == {f"{ulid(1)}.md": "WORDS"}


def test_each_version_has_its_result_where_it_is_named_by_the_version(bench: Bench) -> None:
    def edit(document: Document) -> None:
        if len(louder.given) == 1:
            bench.add(2, "a.txt", b"other words")

    louder = Louder(meanwhile=edit)
    bench.rule(louder)
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert bench.files() == {f"{ulid(1)}.md": "WORDS", f"{ulid(2)}.md": "OTHER WORDS"}


def test_a_document_that_has_an_earlier_content_again_has_its_earlier_result_again(
    bench: Bench,
) -> None:
    louder = Louder()
    bench.rule(louder, template=BY_PATH)
    worker = bench.worker(is_simulated=True)
    for number, words in enumerate([b"words", b"other words", b"words"]):
        bench.add(number, "a.txt", words)
        worker.work_off()
        bench.carry_up("a.md", 11 + number)

    worker.work_off()

    assert bench.files() == {"a.md": "WORDS"}
    assert louder.given == [b"words", b"other words"]
    assert {job.state for job in bench.ledger.jobs.all()} == {JobState.DONE}


def test_a_result_that_a_crash_left_there_is_known_for_ours(bench: Bench) -> None:
    bench.rule(Louder(mark="at 1:00 "), template=BY_PATH)
    bench.add(1, "a.txt", b"words")
    crashing = bench.worker(is_simulated=True)
    bench.marks_fail_after = 1
    with pytest.raises(KeyboardInterrupt):
        crashing.work_off()
    left = bench.files()
    bench.marks_fail_after = None
    bench.marks.clear()  # the loop of the next daemon has not heard of it
    bench.carry_up("a.md", 11)
    # Converted once more, it is another: it says when.
    bench.rule(Louder(mark="at 2:00 "), template=BY_PATH)
    worker = bench.worker(is_simulated=True)

    worker.prepare()
    worker.work_off()

    assert left == {"a.md": "at 1:00 WORDS"}
    assert bench.files() == {"a.md": "at 2:00 WORDS"}
    assert bench.job().state is JobState.DONE


def test_a_result_that_is_there_already_is_left_as_it_is(bench: Bench) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"words")
    (bench.target.root / f"{ulid(1)}.md").write_text("WORDS")
    before = bench.target.stat(f"{ulid(1)}.md")

    bench.worker(is_simulated=True).work_off()

    assert bench.job().state is JobState.DONE
    assert bench.target.stat(f"{ulid(1)}.md") == before


def test_the_loop_hears_where_a_result_comes_from_before_it_is_there(bench: Bench) -> None:
    bench.rule(Louder())
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert bench.marks == [(f"{ulid(1)}.md", Origin.CONVERSION), (f"{ulid(1)}.md", None)]


@pytest.mark.parametrize(
    ("template", "path", "why"),
    [
        (".docferry/{stem}.{ext}", "a.txt", "cannot be used"),
        ("{dir}{stem}/../{ext}", "a.txt", "cannot be used"),
        ("{stem}.{stem}.{ext}", "a" * 150 + ".txt", "longer than 255 bytes"),
        ("{dir}{dir}{stem}.{ext}", "/".join(["a" * 200] * 4) + "/b.txt", "longer than 1024"),
    ],
)
def test_a_path_that_may_not_be_used_is_a_dead_letter(
    bench: Bench, template: str, path: str, why: str
) -> None:
    bench.rule(Louder(), template=template)
    bench.add(1, path, b"words")

    bench.worker(is_simulated=True).work_off()

    job = bench.job()
    assert (job.state, job.failure) == (JobState.DEAD, Failure.STORING)
    assert why in (job.last_error or "")
    assert bench.files() == {}


def test_a_folder_in_the_way_is_a_dead_letter(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    (bench.target.root / "a.md").mkdir()
    (bench.target.root / "a.md" / "mine").write_text("mine")
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert (bench.job().state, bench.job().failure) == (JobState.DEAD, Failure.STORING)
    assert bench.files() == {"a.md/mine": "mine"}


def test_a_link_in_the_way_is_not_followed(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    (bench.folder / "elsewhere").write_text("mine")
    (bench.target.root / "a.md").symlink_to(bench.folder / "elsewhere")
    bench.add(1, "a.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert bench.job().state is JobState.DEAD
    assert (bench.folder / "elsewhere").read_text() == "mine"


def test_braces_in_names_are_names(bench: Bench) -> None:
    bench.rule(Louder(), template=BY_PATH)
    bench.add(1, "{ulid}/{x}.txt", b"words")

    bench.worker(is_simulated=True).work_off()

    assert bench.files() == {"{ulid}/{x}.md": "WORDS"}
