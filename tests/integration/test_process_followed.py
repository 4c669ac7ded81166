"""Documents named by files of this machine, waited for, and followed to their end."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from commands import Desk
from conversion_rows import RULE, SECOND, came_of, dead, done, job_of, queued, running
from docferry.app.chains import rules_of
from docferry.app.follow import Looks, Verdict, await_document, follow
from docferry.core.following import End, Step
from docferry.errors import NotFoundError, TemporaryError
from docferry.job import (
    BreakerState,
    ConverterRow,
    Failure,
    JobRow,
    JobStage,
    JobState,
    Share,
)
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.storage.local_content import token_of
from ledger_rows import MINUTE, NOW, deleted, sha_of, ulid_of, uploaded, version


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


def present(ledger: Ledger, *paths: str) -> None:
    ledger.record("docs", [uploaded(path) for path in paths], at=NOW)


def put(desk: Desk, name: str, text: str = "text") -> pathlib.Path:
    at = desk.folder / "docs" / name
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)
    return at


# Named as a shell does.


def in_the_folder(desk: Desk, ledger: Ledger, *paths: str) -> pathlib.Path:
    """Let documents be on both sides; give their mirror's folder."""
    for path in paths:
        put(desk, path)
    present(ledger, *paths)
    return desk.folder / "docs"


@pytest.mark.parametrize(
    ("at", "what", "path"),
    [
        (".", "./one.docx", "one.docx"),
        (".", "a/../one.docx", "one.docx"),
        (".", "a/one.docx", "a/one.docx"),
        ("a", "../one.docx", "one.docx"),
        ("a", "two.docx", "a/two.docx"),
        ("a", "./one.docx", "a/one.docx"),
        ("a", "ABSOLUTE/one.docx", "one.docx"),
        ("..", "docs/one.docx", "one.docx"),
        ("..", "link/a/../one.docx", "one.docx"),
        (".", "/a/one.docx", "a/one.docx"),  # of a mirror: this machine has none there
    ],
)
def test_a_path_of_this_machine_names_the_document_that_lies_there(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, at: str, what: str, path: str
) -> None:
    folder = in_the_folder(desk, ledger, "one.docx", "a/one.docx", "a/two.docx", "b/two.docx")
    (desk.folder / "link").symlink_to(folder)
    monkeypatch.chdir(folder / at)

    said = desk.asks("process", what.replace("ABSOLUTE", str(folder)), "--json")

    assert said.code == 0, said.errors
    assert said.json["version"]["path"] == path


def test_a_file_here_and_another_path_of_a_mirror_that_reads_so_are_both_told(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(in_the_folder(desk, ledger, "one.docx", "a/one.docx") / "a")

    said = desk.asks("process", "one.docx")
    clear = [desk.asks("process", f"{how}one.docx", "--json") for how in ("./", "/")]

    assert said.code == 2
    assert "2 files may be meant: docs: a/one.docx, and docs: one.docx; ./one.docx" in said.errors
    assert [one.json["version"]["path"] for one in clear] == ["a/one.docx", "one.docx"]


@pytest.mark.parametrize("what", ["./one.docx", "../docs.d/one.docx", "docs/.docferry/../x.docx"])
def test_a_path_of_this_machine_that_is_in_no_mirrors_folder_says_so(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    in_the_folder(desk, ledger, "one.docx")
    (desk.folder / "one.docx").write_text("of nobody")
    monkeypatch.chdir(desk.folder)

    said = desk.asks("process", what, "--mirror", "processed")

    assert said.code == 2
    assert f"{what!r} is in the folder of no mirror (processed)" in said.errors


# Followed.


def looks(
    desk: Desk, *acts: Callable[[], object], tell: Callable[[str], None] = lambda cause: None
) -> Looks:
    """While one waits, the next of *acts* happens; after the last one nothing does any more."""
    left = iter(acts)
    time_s = iter(range(1000))

    def wait(seconds: float) -> None:
        next(left, lambda: None)()

    return Looks(desk.loaded, 20.0, wait, lambda: float(next(time_s)), tell)


def followed(ledger: Ledger, jobs: Sequence[JobRow], looks: Looks) -> tuple[list[str], Verdict]:
    *steps, verdict = follow(ledger, [one.id for one in jobs], looks)
    assert isinstance(verdict, Verdict)
    return [step.stage for step in steps if isinstance(step, Step)], verdict


def test_a_document_is_followed_until_both_sides_have_its_result(
    desk: Desk, ledger: Ledger
) -> None:
    one = running(ledger, "a.docx")
    acts = (
        lambda: ledger.jobs.finish(one.id, NOW + MINUTE, "a.md", sha_of("result of a.docx")),
        lambda: ledger.record("processed", [came_of(one, "a.md", NOW + 2 * MINUTE)], at=NOW),
    )

    with StateLock(desk.state):
        stages, verdict = followed(ledger, [one], looks(desk, *acts))

    assert stages == ["queued", "downloading", "converting", "done", "arrived"]
    assert verdict.end is End.DONE
    assert [one.arrived_at for one in verdict.jobs] == [NOW + 2 * MINUTE]


def test_how_much_is_done_is_shown_while_it_lasts(desk: Desk, ledger: Ledger) -> None:
    one = running(ledger, "a.docx")
    ledger.job_shares.put({one.id: Share(JobStage.CONVERTING, 1, 2)})
    shown: list[Share | None] = []
    acts = (
        lambda: ledger.job_shares.put({one.id: Share(JobStage.DOWNLOADING, 5, 5)}),  # of before
        lambda: ledger.jobs.finish(one.id, NOW + MINUTE, "a.md", sha_of("result of a.docx")),
    )

    with StateLock(desk.state):
        [*_] = follow(
            ledger, [one.id], looks(desk, *acts), show=lambda each: shown.append(each.share)
        )

    assert shown == [Share(JobStage.CONVERTING, 1, 2), None]


def test_a_result_that_somebody_changed_at_once_had_arrived(desk: Desk, ledger: Ledger) -> None:
    one = done(ledger, "a.docx", "a.md")
    ledger.record("processed", [uploaded("a.md", "a person's")], at=NOW)

    with StateLock(desk.state):
        _, verdict = followed(ledger, [one], looks(desk))

    assert verdict.end is End.DONE


def test_one_that_is_given_up_fails_for_whoever_waits(desk: Desk, ledger: Ledger) -> None:
    well, ill = done(ledger, "a.docx", "a.md"), dead(ledger, "b.docx")

    stages, verdict = followed(ledger, [well, ill], looks(desk))

    assert verdict.end is End.FAILED
    assert "dead" in stages


def test_the_time_is_over_at_last(desk: Desk, ledger: Ledger) -> None:
    one = running(ledger, "a.docx")

    with StateLock(desk.state):
        _, verdict = followed(ledger, [one], looks(desk))

    assert (verdict.end, verdict.why) == (
        End.LATE,
        "it is not over after 20 s, and goes on",
    )


def test_nobody_waits_for_a_daemon_that_does_not_run(desk: Desk, ledger: Ledger) -> None:
    present(ledger, "a.docx")

    said = desk.asks("process", "a.docx", "--wait")

    assert said.code == 1
    assert "not done: docferry is not running" in said.words


def test_who_does_not_wait_hears_that_no_daemon_runs_or_that_a_mirror_rests(
    desk: Desk, ledger: Ledger
) -> None:
    present(ledger, "a.docx")

    unheard = desk.asks("process", "a.docx")
    with StateLock(desk.state):
        heard = desk.asks("process", "a.docx")
        ledger.orders.pause("processed", "moving", NOW)
        rests = desk.asks("process", "a.docx")
        facts = desk.asks("process", "a.docx", "--json").json

    assert "it waits: docferry is not running" in unheard.words
    assert "docferry jobs follows them" in heard.words
    assert "it waits: processed: the mirror is paused by" in rests.words
    assert facts["waits_for"].endswith("moving; docferry mirrors resume processed")


def test_who_waits_hears_soon_and_at_the_end_what_keeps_it_waiting(
    desk: Desk, ledger: Ledger
) -> None:
    one = running(ledger, "a.docx")
    ledger.orders.pause("processed", "moving", NOW)
    heard: list[str] = []

    with StateLock(desk.state):
        _, verdict = followed(ledger, [one], looks(desk, tell=heard.append))

    assert len(heard) == 1
    for said in (*heard, verdict.why):
        assert "processed: the mirror is paused by" in said
    assert "not over after 20 s, for processed" in verdict.why
    assert "goes on" not in verdict.why


def test_a_converter_that_does_not_work_is_why_one_waits(desk: Desk, ledger: Ledger) -> None:
    one = queued(ledger, "a.docx")
    ledger.converters.put(ConverterRow("markdown", BreakerState.OPEN, "no answer", NOW, None))

    with StateLock(desk.state):
        _, verdict = followed(ledger, [one], looks(desk))

    assert "converter markdown does not work: no answer" in verdict.why


def test_what_was_done_already_is_told_as_that_in_the_order_of_time(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    before = done(ledger, "a.docx", "a.md", content="same", recipe=recipe)
    later = replace(version("b.docx", "same"), created_at=NOW + 2 * MINUTE)
    ledger.record("docs", [replace(uploaded("b.docx", "same"), version=later)], at=NOW + 2 * MINUTE)

    said = desk.asks("process", "b.docx", "--wait")
    facts = desk.asks("process", "b.docx", "--wait", "--json").json

    assert said.code == 0
    assert "to-markdown: done; already, before this was asked for; processed: a.md" in said.words
    assert "done already, --force has it done again: what was made is on both" in said.words
    assert [step["stage"] for step in facts["steps"]] == ["done", "arrived", "settled"]
    assert facts["done_already"] == [before.id]


def test_a_result_that_is_gone_is_not_told_to_be_there(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    done(ledger, "a.docx", "a.md", recipe=recipe)
    ledger.record("processed", [deleted("a.md")], at=NOW + MINUTE)

    said = desk.asks("process", "a.docx", "--wait")
    facts = desk.asks("process", "a.docx", "--wait", "--json").json

    assert said.code == 1
    assert "done already, but not there any more: a.md; --force has it done again" in said.words
    assert "on both sides" not in said.words
    assert facts["gone"] == ["a.md"]


def test_what_is_done_again_arrives_after_it_was_done(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    before = done(ledger, "a.docx", "a.md", recipe=recipe)
    ledger.jobs.ask_all([job_of("a.docx", recipe=recipe)], NOW + MINUTE, is_forced=True)
    lease = NOW + 5 * MINUTE
    ledger.jobs.claim(NOW + MINUTE + SECOND, lease, rules=[before.rule])
    ledger.jobs.finish(before.id, NOW + 2 * MINUTE, "a.md", before.result_sha256)

    stages, verdict = followed(ledger, [before], looks(desk))

    assert stages == ["queued", "downloading", "done", "arrived"]
    assert [one.arrived_at for one in verdict.jobs] == [NOW + 2 * MINUTE]


def test_a_job_that_is_erased_meanwhile_ends_the_waiting(desk: Desk, ledger: Ledger) -> None:
    stages, verdict = followed(ledger, [], looks(desk))
    *_, gone = follow(ledger, [ulid_of("gone")], looks(desk))

    assert (stages, verdict.end) == ([], End.DONE)
    assert isinstance(gone, Verdict)
    assert gone.end is End.FAILED


def test_the_command_tells_each_step_and_ends_with_its_code(
    desk: Desk, ledger: Ledger, recipe: str
) -> None:
    done(ledger, "a.docx", "a.md", recipe=recipe)
    dead(ledger, "b.docx", recipe=recipe, failure=Failure.REFUSED)
    failing = ledger.jobs.letters()[0]

    well = desk.asks("process", "a.docx", "--wait")
    facts = desk.asks("process", "a.docx", "--wait", "--json")

    assert well.code == facts.code == 0
    assert "to-markdown: arrived; processed: a.md done already" in well.words
    assert [step["stage"] for step in facts.json["steps"]] == ["settled", "done", "arrived"]
    assert facts.json["end"] == "done"
    assert failing.state is JobState.DEAD


# A file that was just put into its folder.


def take_in(ledger: Ledger, at: pathlib.Path, content: str) -> None:
    """Record that both sides have the file as it is now."""
    came = uploaded(at.name, content)
    assert came.synced is not None
    token = token_of(at.stat()) or ""
    ledger.record("docs", [replace(came, synced=replace(came.synced, local_token=token))], at=NOW)


@pytest.mark.parametrize("is_known", [False, True])
def test_a_file_in_the_folder_is_waited_for_until_it_is_taken_in_as_it_is(
    desk: Desk, ledger: Ledger, *, is_known: bool
) -> None:
    if is_known:
        take_in(ledger, put(desk, "a.docx", "before"), "before")
    at = put(desk, "a.docx", "and now")

    with StateLock(desk.state):
        given = looks(desk, lambda: None, lambda: take_in(ledger, at, "and now"))
        found = await_document(desk.loaded, ledger, ["docs"], "a.docx", None, given)

    assert found.sha256 == sha_of("and now")


def test_a_file_that_is_never_taken_in_is_told_of_when_the_time_is_over(
    desk: Desk, ledger: Ledger
) -> None:
    put(desk, "a.docx")

    with (
        StateLock(desk.state),
        pytest.raises(TemporaryError, match="has not taken it in as it is now: it is not over"),
    ):
        await_document(desk.loaded, ledger, ["docs"], "a.docx", None, looks(desk))


def test_the_time_that_is_over_before_a_paused_mirror_took_a_file_in_is_no_wrong_request(
    desk: Desk, ledger: Ledger
) -> None:
    put(desk, "a.docx")
    ledger.orders.pause("docs", "moving", NOW)

    with StateLock(desk.state):
        said = desk.asks("process", "a.docx", "--wait", "--timeout", "1s")

    assert said.code == 1
    assert "not over after 1 s, for the mirror is paused by" in said.errors
    assert "docferry mirrors resume docs" in said.errors


def test_what_no_folder_has_is_not_waited_for(desk: Desk, ledger: Ledger) -> None:
    with StateLock(desk.state), pytest.raises(NotFoundError, match="no mirror has"):
        await_document(desk.loaded, ledger, ["docs"], "a.docx", None, looks(desk))


@pytest.mark.parametrize(
    "name", ["../docs/a.docx", "/etc/passwd", "a\x00b", ".docferry/mirror.json"]
)
def test_no_name_leads_out_of_the_folder(desk: Desk, ledger: Ledger, name: str) -> None:
    put(desk, "a.docx")

    with StateLock(desk.state), pytest.raises(NotFoundError, match="no mirror has"):
        await_document(desk.loaded, ledger, ["docs"], name, None, looks(desk))
