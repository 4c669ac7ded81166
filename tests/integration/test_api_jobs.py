"""Processing, jobs and dead letters over HTTP, on a ledger that a daemon has left."""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from commands import Desk
from conversion_rows import RULE, dead, done, queued, running
from docferry.app.chains import rules_of
from docferry.app.wake import WakeUps
from docferry.job import JobStage, JobState, Share
from docferry.ledger import Ledger
from ledger_rows import MINUTE, NOW, ulid_of, uploaded, version
from serving import Served, served


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
def api(desk: Desk, ledger: Ledger) -> Iterator[Served]:
    with served(desk.loaded, ledger) as running:
        yield running


@pytest.fixture
def recipe(desk: Desk) -> str:
    return rules_of(desk.loaded)[0].recipe


def present(ledger: Ledger, *paths: str) -> None:
    ledger.record("docs", [uploaded(path) for path in paths], at=NOW)


def told(ledger: Ledger) -> list[tuple[str, str]]:
    """Give who did what, as the audit has it, but for keys."""
    return [
        (row.actor, row.action) for row in ledger.audit.rows() if not row.action.startswith("key.")
    ]


def key_for(api: Served, *mirrors: str, role: str = "operator") -> str:
    """Give a key that is limited to *mirrors*."""
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    wanted: dict[str, Any] = {"name": "limited", "role": role, "mirrors": [*mirrors]}
    return str(api.post("/keys", key=boss, json=wanted).json()["secret"])


# Processing.


@pytest.mark.parametrize("identifier", ["a/one.docx", "one.docx", "ULID"])
def test_a_document_is_processed_by_its_path_its_name_or_its_version(
    api: Served, ledger: Ledger, identifier: str
) -> None:
    present(ledger, "a/one.docx")
    named = version("a/one.docx").id if identifier == "ULID" else identifier

    said = api.post(f"/files/{named}/process", json={})

    assert said.status_code == 202
    [job] = said.json()["jobs"]
    assert (job["state"], job["priority"], job["path"]) == ("queued", "asked", "a/one.docx")
    assert api.get(f"/jobs/{job['id']}").json()["job"] == job
    assert [action for _, action in told(ledger)] == ["conversions.asked"]


def test_the_way_of_naming_a_document_may_be_said(api: Served, ledger: Ledger) -> None:
    present(ledger, "a.docx")
    order = {"identifier_type": "id"}

    said = [
        api.post(f"/files/{one}/process", json=order) for one in ("a.docx", version("a.docx").id)
    ]

    assert [one.status_code for one in said] == [404, 202]


def test_a_name_that_a_file_at_the_top_shares_is_refused_and_its_path_is_not(
    api: Served, ledger: Ledger
) -> None:
    present(ledger, "a.docx", "in/a.docx")

    said = [
        api.post("/files/a.docx/process", json=order)
        for order in ({}, {"identifier_type": "filename"}, {"identifier_type": "path"})
    ]

    assert [one.status_code for one in said] == [409, 409, 202]
    assert "docs: a.docx, docs: in/a.docx" in said[0].json()["detail"]
    assert said[2].json()["path"] == "a.docx"


def test_what_cannot_be_processed_is_answered_with_the_reason(api: Served, ledger: Ledger) -> None:
    present(ledger, "a/x.docx", "b/x.docx", "c.txt")

    said = {
        name: api.post(f"/files/{name}/process", json=order)
        for name, order in [
            ("nothing.docx", {}),
            ("x.docx", {}),
            ("c.txt", {}),
            ("a/x.docx", {"rule": "nobody's"}),
            ("b/x.docx", {"what": "is this"}),
        ]
    }

    assert [one.status_code for one in said.values()] == [404, 409, 422, 404, 422]
    assert "docs: a/x.docx, docs: b/x.docx" in said["x.docx"].json()["detail"]
    assert "its patterns do not match" in said["c.txt"].json()["detail"]
    assert told(ledger) == []


def test_several_are_processed_by_one_call_each_with_its_answer(
    api: Served, ledger: Ledger
) -> None:
    present(ledger, "a.docx", "b.docx")
    names = ["a.docx", "nothing.docx", "b.docx"]

    said = api.post("/files/process", json={"identifiers": names})

    items = said.json()["items"]
    assert [(one["identifier"], one["done"], len(one["jobs"])) for one in items] == [
        ("a.docx", True, 1),
        ("nothing.docx", False, 0),
        ("b.docx", True, 1),
    ]
    assert [action for _, action in told(ledger)] == ["conversions.asked"]


def test_all_that_is_new_is_processed(api: Served, ledger: Ledger, recipe: str) -> None:
    present(ledger, "new.docx", "new.txt")
    done(ledger, "done.docx", "done.md", recipe=recipe)

    said = api.post("/process", json={}).json()

    assert (said["files"], said["next"]) == (3, None)
    [job] = said["jobs"]
    assert api.get(f"/jobs/{job}").json()["job"]["path"] == "new.docx"


def test_a_daemon_is_woken_by_what_is_asked_for(desk: Desk, api: Served, ledger: Ledger) -> None:
    present(ledger, "a.docx")
    heard = threading.Event()
    wake_ups = WakeUps(desk.state, heard.set)
    wake_ups.start()
    try:
        api.post("/files/a.docx/process", json={})

        assert heard.wait(10)
    finally:
        wake_ups.stop()


# Jobs.


def test_a_running_job_tells_how_much_of_its_stage_is_done(api: Served, ledger: Ledger) -> None:
    one = running(ledger, "a.docx")
    nobody_counts = api.get(f"/jobs/{one.id}").json()["progress"]
    ledger.job_shares.put({one.id: Share(JobStage.CONVERTING, 1, 2)})
    counted = api.get(f"/jobs/{one.id}").json()["progress"]
    ledger.job_shares.put({one.id: Share(JobStage.DOWNLOADING, 5, 9)})
    of_before = api.get(f"/jobs/{one.id}").json()["progress"]

    assert [nobody_counts, of_before] == [None, None]
    assert counted == {"stage": "converting", "unit": "converters", "done": 1, "total": 2}


def test_jobs_are_listed_by_pages_and_filters(api: Served, ledger: Ledger) -> None:
    jobs = [queued(ledger, f"{letter}/x.docx").id for letter in "abcde"]
    ids: list[str] = []
    cursor = None
    while not ids or cursor is not None:
        page = api.get("/jobs", params={"limit": 2, "cursor": cursor}).json()
        ids += [job["id"] for job in page["items"]]
        cursor = page["next"]

    below = api.get("/jobs", params={"prefix": "b/"}).json()
    since = api.get("/jobs", params={"since": sorted(jobs)[3]}).json()
    none = api.get("/jobs", params=[("state", "dead"), ("state", "done")]).json()

    assert ids == sorted(jobs, reverse=True)
    assert [job["path"] for job in below["items"]] == ["b/x.docx"]
    assert [job["id"] for job in since["items"]] == sorted(jobs)[:2:-1]
    assert none["items"] == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"state": "lost"}, 422),
        ({"cursor": "nonsense"}, 422),
        ({"since": "soon"}, 422),
        ({"since": "U" * 26}, 422),
        ({"limit": 0}, 422),
        ({"limit": 1001}, 422),
        ({"mirror": "nobody's"}, 404),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(
    api: Served, params: dict[str, str], code: int
) -> None:
    assert api.get("/jobs", params=params).status_code == code


def test_a_cursor_counts_for_the_list_that_it_is_of(api: Served, ledger: Ledger) -> None:
    for letter in "ab":
        queued(ledger, f"{letter}.docx")
    cursor = api.get("/jobs", params={"limit": 1}).json()["next"]

    other = api.get("/jobs", params={"limit": 1, "cursor": cursor, "state": "queued"})

    assert other.status_code == 422


def test_a_job_tells_its_way_and_whether_its_result_has_arrived(
    api: Served, ledger: Ledger
) -> None:
    job = done(ledger, "a.docx", "a.md")

    said = api.get(f"/jobs/{job.id}").json()

    assert [step["stage"] for step in said["steps"]] == [
        "queued",
        "downloading",
        "converting",
        "storing",
        "done",
        "arrived",
    ]
    assert said["arrived_at"] is not None
    assert api.get(f"/jobs/{ulid_of('no job')}").status_code == 404


# Dead letters.


def test_dead_letters_are_listed_but_for_those_of_nobody(api: Served, ledger: Ledger) -> None:
    letter = dead(ledger, "a.docx", output="what is this?")
    gone = dead(ledger, "b.docx")
    ledger.record("docs", [uploaded("b.docx", "mended")], at=NOW + MINUTE)

    said = api.get("/dead").json()

    assert [job["id"] for job in said["items"]] == [letter.id]
    assert api.get(f"/jobs/{gone.id}").json()["job"]["state"] == "dead"
    assert api.get(f"/jobs/{letter.id}").json()["output"] == "what is this?"


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_a_letter_is_decided_about_once(
    api: Served, ledger: Ledger, recipe: str, what: str
) -> None:
    letter = dead(ledger, "a.docx", recipe=recipe)

    first, second = (api.post(f"/jobs/{letter.id}/{what}") for _ in range(2))

    assert [first.status_code, second.status_code] == [200, 409]
    state = {"replay": JobState.QUEUED, "discard": JobState.DISCARDED}[what]
    assert first.json()["job"]["state"] == state
    assert "is no dead letter: it is" in second.json()["detail"]
    assert len(told(ledger)) == 1


def test_a_letter_whose_rule_converts_otherwise_now_is_left_with_the_reason(
    api: Served, ledger: Ledger
) -> None:
    letter = dead(ledger, "a.docx", recipe="an older one")

    said = api.post(f"/jobs/{letter.id}/replay")

    assert said.status_code == 409
    assert "converts in another way now" in said.json()["detail"]
    assert told(ledger) == []


def test_many_letters_are_decided_about_by_one_call_and_one_row(
    api: Served, ledger: Ledger, recipe: str
) -> None:
    letters = [dead(ledger, f"{name}.docx", recipe=recipe).id for name in "ab"]

    named = api.post("/jobs/replay", json={"ids": [letters[0], ulid_of("no job")]}).json()
    all_others = api.post("/jobs/discard", json={"all": True}).json()

    assert [(one["id"], one["done"]) for one in named["items"]] == [
        (letters[0], True),
        (ulid_of("no job"), False),
    ]
    assert [one["id"] for one in all_others["items"]] == [letters[1]]
    assert [action for _, action in told(ledger)] == ["letters.replayed", "letters.discarded"]


@pytest.mark.parametrize("meant", [{}, {"ids": ["x"], "all": True}, {"ids": ["x"], "rule": "y"}])
def test_it_must_be_clear_which_letters_are_meant(
    api: Served, ledger: Ledger, meant: dict[str, object]
) -> None:
    letter = dead(ledger, "a.docx")

    said = api.post("/jobs/discard", json=meant)

    assert said.status_code == 422
    assert "which letters?" in said.json()["detail"]
    assert api.get(f"/jobs/{letter.id}").json()["job"]["state"] == "dead"


# Whose.


def test_a_key_of_other_mirrors_sees_and_changes_nothing_of_this_one(
    api: Served, ledger: Ledger
) -> None:
    letter, busy = dead(ledger, "a.docx"), running(ledger, "b.docx")
    key = key_for(api, "processed")

    lists = [api.get(path, key=key).json()["items"] for path in ("/jobs", "/dead")]
    codes = [
        api.get(f"/jobs/{busy.id}", key=key).status_code,
        api.get("/jobs", key=key, params={"mirror": "docs"}).status_code,
        api.post(f"/jobs/{letter.id}/replay", key=key).status_code,
        api.post("/files/a.docx/process", key=key, json={}).status_code,
        api.post(f"/files/{letter.version}/process", key=key, json={}).status_code,
        api.post("/process", key=key, json={"mirror": "docs"}).status_code,
    ]
    many = api.post("/jobs/discard", key=key, json={"ids": [letter.id]}).json()["items"]
    everything = api.post("/jobs/discard", key=key, json={"all": True}).json()["items"]
    some = api.post("/files/process", key=key, json={"identifiers": ["a.docx"]}).json()["items"]

    assert lists == [[], []]
    assert codes == [404] * len(codes)
    assert [one["done"] for one in many + some] == [False, False]
    assert everything == []
    assert told(ledger) == []


def test_what_is_done_by_a_key_is_told_as_its(api: Served, ledger: Ledger) -> None:
    present(ledger, "a.docx")
    key = key_for(api, "docs")

    api.post("/files/a.docx/process", key=key, json={})

    [(actor, action)] = told(ledger)
    assert ("limited" in actor, action) == (True, "conversions.asked")
    assert "a.docx" not in json.dumps([row.facts for row in ledger.audit.rows()])


def test_a_list_since_two_hours_ago_goes_on_with_its_cursor(api: Served, ledger: Ledger) -> None:
    for number in range(3):
        queued(ledger, f"{number}.docx", at=datetime.now(UTC))
    first = api.get("/jobs?since=2h&limit=2").json()

    rest = api.get(f"/jobs?since=2h&limit=2&cursor={first['next']}")

    assert rest.status_code == 200
    assert [job["path"] for job in (*first["items"], *rest.json()["items"])] == [
        "2.docx",
        "1.docx",
        "0.docx",
    ]
