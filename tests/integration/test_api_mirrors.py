"""Mirrors by the API: how they are, and what people order of them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from commands import Desk
from docferry.ledger import Ledger
from docferry.ledger.lock import StateLock
from docferry.model import HoldState, MirrorHealth, OrderedRun, Transfer, Way
from ledger_rows import NOW, uploaded
from serving import Served, served

RULE = """
[[convert]]
name = "text"
from = "docs"
patterns = ["*.txt"]
to = "{to}/made/{{stem}}.md"
with = "text"
"""


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    found = Desk(tmp_path, capsys, monkeypatch)
    found.configure("docs", "other", more=RULE.format(to="docs"))
    return found


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as ledger:
        ledger.mirrors.put("docs", health=MirrorHealth.IN_STEP, since=NOW)
        yield ledger


@pytest.fixture
def api(desk: Desk, ledger: Ledger) -> Iterator[Served]:
    with served(desk.loaded, ledger) as running:
        yield running


def key_of(api: Served, *mirrors: str) -> str:
    wanted = {"name": "k", "role": "operator", "mirrors": list(mirrors)}
    return str(api.post("/keys", json=wanted).json()["secret"])


def audited(ledger: Ledger) -> list[tuple[str, str | None]]:
    return [(row.action, row.mirror) for row in ledger.audit.rows()]


def test_mirrors_are_listed_with_how_they_are(api: Served, ledger: Ledger) -> None:
    oldest_at = datetime.now(UTC) - timedelta(seconds=90)
    ledger.record("docs", [uploaded("a", "content")], at=NOW)
    ledger.mirrors.put(
        "docs", health=MirrorHealth.WORKING, dirty=3, oldest_dirty_at=oldest_at, last_poll_at=NOW
    )

    ledger.transfers.put("docs", [Transfer("large.bin", Way.UP, 3, 10**9, NOW)])

    docs, other = api.get("/mirrors").json()["items"]

    [transfer] = docs["transfers"]
    assert {**transfer, "since": ""} == {
        "path": "large.bin",
        "way": "up",
        "done": 3,
        "size": 10**9,
        "since": "",
    }
    assert other["transfers"] == []
    assert (docs["name"], docs["health"], docs["files"], docs["dirty"]) == ("docs", "working", 1, 3)
    assert 90 <= docs["lag_s"] < 150
    assert docs["remote"] == "s3://documents/docs/"
    assert datetime.fromisoformat(docs["last_poll_at"]) == NOW
    assert (other["name"], other["health"], other["lag_s"]) == ("other", None, 0.0)


def test_one_is_told_with_its_problems(api: Served, ledger: Ledger) -> None:
    for number in range(101):
        ledger.problems.put(
            "docs", f"{number:03d}", kind="io", message="too long", at=NOW, retry_at=None
        )
    hold = ledger.holds.hold_identity("docs", "no marker", NOW)

    found = api.get("/mirrors/docs").json()

    assert (found["problems"], found["holds"]) == (101, [hold])
    assert len(found["troubles"]) == 100
    assert found["troubles"][0]["message"] == "too long"


def test_a_mirror_is_paused_and_resumed_with_one_row_in_the_audit_for_each(
    api: Served, ledger: Ledger
) -> None:
    me = api.get("/whoami").json()["name"]

    first = api.post("/mirrors/docs/pause", json={"reason": "new disks"}).json()
    second = api.post("/mirrors/docs/pause").json()
    shown = api.get("/mirrors/docs").json()
    over = api.post("/mirrors/docs/resume").json()
    again = api.post("/mirrors/docs/resume").json()

    assert (first["pause"]["actor"], first["pause"]["reason"]) == (me, "new disks")
    assert (first["is_new"], second["is_new"], second["pause"]) == (True, False, first["pause"])
    assert shown["paused"] == first["pause"]
    assert shown["reason"].startswith(f"paused by {me} since ")
    assert over["was_paused"] == first["pause"]
    assert again["was_paused"] is None
    assert audited(ledger) == [("mirror.paused", "docs"), ("mirror.resumed", "docs")]
    assert [row.actor for row in ledger.audit.rows()] == [me, me]


@pytest.mark.parametrize("run", ["poll", "rescan"])
def test_a_run_is_ordered_once_and_its_answer_can_be_asked_for(
    api: Served, ledger: Ledger, run: str
) -> None:
    said = api.post(f"/mirrors/docs/{run}")
    joined = api.post(f"/mirrors/docs/{run}").json()
    order = said.json()["id"]
    waiting = api.get(f"/mirrors/docs/runs/{order}").json()
    ledger.orders.answer([order], OrderedRun.FULL, NOW)
    done = api.get(f"/mirrors/docs/runs/{order}").json()

    assert said.status_code == 202
    assert joined["id"] == order
    assert (waiting["run"], waiting["waits"]) == (run, "docferry is not running")
    assert (done["answered_by"], done["waits"]) == ("full", None)
    assert audited(ledger) == [("mirror.asked", "docs")]


def test_a_run_of_a_paused_mirror_says_why_it_waits(
    api: Served, desk: Desk, ledger: Ledger
) -> None:
    ledger.orders.pause("docs", None, NOW)

    with StateLock(desk.state):
        said = api.post("/mirrors/docs/poll").json()

    assert said["waits"].startswith("the mirror is paused by daemon since ")


@pytest.mark.parametrize("path", ["/mirrors/docs/runs/1", "/mirrors/docs/runs/77", "/mirrors/nope"])
def test_what_is_not_there_is_not_found(api: Served, ledger: Ledger, path: str) -> None:
    ledger.orders.ask("other", OrderedRun.POLL, NOW)  # 1

    said = api.get(path)

    assert said.status_code == 404
    assert said.json()["code"] == "not-found"


@pytest.mark.parametrize(
    "body", [{"reason": "x" * 501}, {"reason": 7}, {"reasons": "typing"}, ["new disks"], "no"]
)
def test_a_pause_for_what_is_no_reason_is_refused(
    api: Served, ledger: Ledger, body: object
) -> None:
    said = api.post("/mirrors/docs/pause", json=body)

    assert said.status_code == 422
    assert ledger.orders.pauses() == {}


def test_a_key_of_one_mirror_neither_sees_nor_pauses_another(api: Served, ledger: Ledger) -> None:
    key = key_of(api, "other")

    listed = api.get("/mirrors", key=key).json()["items"]
    codes = {
        api.ask(method, f"/mirrors/docs{what}", key=key).status_code
        for method, what in (
            ("GET", ""),
            ("GET", "/plan"),
            ("GET", "/runs/1"),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/poll"),
            ("POST", "/rescan"),
        )
    }
    status = api.get("/status", key=key).json()

    assert [one["name"] for one in listed] == ["other"]
    assert codes == {404}
    assert ledger.orders.pauses() == {}
    assert [one["name"] for one in status["mirrors"]] == ["other"]
    assert status["conversions"] is None
    assert status["stores"] is None
    assert api.get("/rules", key=key).json()["items"] == []


def test_the_whole_picture_is_told(api: Served, desk: Desk, ledger: Ledger) -> None:
    ledger.mirrors.put("docs", health=MirrorHealth.WAITING, reason="1 file with a problem")

    stopped = api.get("/status").json()
    with StateLock(desk.state):
        running = api.get("/status").json()

    assert (stopped["is_running"], running["is_running"]) == (False, True)
    assert running["is_in_step"] is False
    assert running["mirrors"][0] == {
        "name": "docs",
        "health": "waiting",
        "reason": "1 file with a problem",
    }
    assert running["conversions"]["converters"][0]["rules"] == ["text"]


def test_rules_are_told_as_they_are_configured(api: Served) -> None:
    [rule] = api.get("/rules").json()["items"]

    assert (rule["name"], rule["from_mirror"], rule["to_mirror"]) == ("text", "docs", "docs")
    assert (rule["patterns"], rule["template"]) == (["*.txt"], "made/{stem}.md")
    assert (rule["converters"], rule["largest_bytes"]) == (["text"], None)


def test_a_plan_that_cannot_be_made_says_why(api: Served) -> None:
    """The store of this configuration does not answer."""
    said = api.get("/mirrors/docs/plan?wait_s=20")

    found = said.json()
    assert said.status_code == 200, said.text
    assert found["is_ready"]
    assert "127.0.0.1" in found["refused"]
    assert found["operations"] == []


def test_an_unfinished_plan_is_to_be_asked_for_again(api: Served) -> None:
    said = api.get("/mirrors/docs/plan?wait_s=0")

    assert said.status_code == 202
    assert said.json()["is_ready"] is False
    assert int(said.headers["Retry-After"]) > 0
    assert api.get("/mirrors/docs/plan?wait_s=20").status_code == 200


def test_holds_that_are_over_are_not_told(api: Served, ledger: Ledger) -> None:
    hold = ledger.holds.hold_identity("docs", "no marker", NOW)
    assert hold is not None
    ledger.holds.decide(hold, HoldState.APPROVED, NOW)

    assert api.get("/mirrors/docs").json()["holds"] == []
