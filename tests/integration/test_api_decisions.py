"""Holds, conflicts, requests, why, verifications and the audit over HTTP."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest

from commands import Desk, held, held_changes
from conversion_rows import RULE, done
from docferry.core.audit import Action
from docferry.core.cursors import cursor_of
from docferry.ledger import Ledger
from docferry.ledger.requests import NewRequest
from docferry.model import RequestKind
from integration.test_api_jobs import key_for, told
from ledger_rows import NOW, ulid_of, version
from one_of_each import conflict
from processes import wait_for
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


def requests(ledger: Ledger) -> list[tuple[str, str, str | None, str | None]]:
    rows = ledger.requests.some(None, None, newest_first=False)
    return [(row.kind.value, row.path, row.version, row.expect) for row in rows]


# Holds.


def test_a_hold_is_looked_at_by_pages_and_approved_once(api: Served, ledger: Ledger) -> None:
    hold = held(ledger, "a", "b", "c")

    [listed] = api.get("/holds").json()["items"]
    first = api.get(f"/holds/{hold}", params={"limit": 2}).json()
    rest = api.get(f"/holds/{hold}", params={"limit": 2, "cursor": first["next"]}).json()
    codes = [api.post(f"/holds/{hold}/approve").status_code for _ in range(2)]

    assert (listed["id"], listed["state"], listed["count"]) == (hold, "open", 3)
    assert [one["path"] for one in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert {one["what"] for one in first["items"]} == {"delete_remote"}
    assert rest["next"] is None
    assert codes == [200, 409]
    assert [action for _, action in told(ledger)] == ["hold.opened", "hold.approved"]


def test_a_hold_of_changes_says_why_and_refused_asks_for_what_was_there(
    api: Served, ledger: Ledger
) -> None:
    hold = held_changes(ledger, "a.txt", "b.txt")

    told_of = api.get(f"/holds/{hold}", params={"limit": 1}).json()
    code = api.post(f"/holds/{hold}/discard").status_code

    assert (told_of["hold"]["kind"], told_of["hold"]["count"]) == ("changes", 2)
    [item] = told_of["items"]
    assert (item["what"], item["path"]) == ("upload", "a.txt")
    assert item["note"] == "it looks encrypted, and did not before"
    assert code == 200
    assert [row[:2] for row in requests(ledger)] == [("restore", "a.txt"), ("restore", "b.txt")]
    assert [action for _, action in told(ledger)] == ["hold.opened", "hold.discarded"]


def test_a_hold_of_a_side_that_is_not_itself_cannot_be_discarded(
    api: Served, ledger: Ledger
) -> None:
    hold = ledger.holds.hold_identity("docs", "the folder is another one", NOW)

    said = api.post(f"/holds/{hold}/discard")

    assert said.status_code == 409
    assert "cannot be discarded, for nothing is to be deleted" in said.json()["detail"]


def test_a_rewind_is_looked_at_by_pages(api: Served, ledger: Ledger) -> None:
    wanted = [
        NewRequest("docs", path, RequestKind.RESTORE, version(path).id) for path in ("a", "b", "c")
    ]
    hold = ledger.holds.hold_rewind("docs", "to yesterday", wanted, NOW)

    first = api.get(f"/holds/{hold.id}", params={"limit": 2}).json()
    rest = api.get(f"/holds/{hold.id}", params={"cursor": first["next"]}).json()

    items = first["items"] + rest["items"]
    assert [(one["what"], one["path"], one["version"]) for one in items] == [
        ("restore", path, version(path).id) for path in ("a", "b", "c")
    ]


@pytest.mark.parametrize("key", ["x", "-1", "9" * 40, "٣", ""])
def test_a_cursor_that_somebody_made_begins_anew_or_finds_nothing(
    api: Served, ledger: Ledger, key: str
) -> None:
    wanted = [NewRequest("docs", "a", RequestKind.RESTORE, version("a").id)]
    hold = ledger.holds.hold_rewind("docs", "to yesterday", wanted, NOW)
    made = cursor_of(("hold", hold.id), (key,))
    other = cursor_of(("requests", None, False), (key,))

    codes = [
        api.get(f"/holds/{hold.id}", params={"cursor": made}).status_code,
        api.get("/requests", params={"cursor": other}).status_code,
    ]

    assert codes == [200, 200]


def test_holds_and_conflicts_of_other_mirrors_are_not_there(api: Served, ledger: Ledger) -> None:
    hold, row = held(ledger, "a"), conflict(ledger)
    key = key_for(api, "processed")

    lists = [api.get(path, key=key).json()["items"] for path in ("/holds", "/conflicts")]
    codes = [
        api.get(f"/holds/{hold}", key=key).status_code,
        api.post(f"/holds/{hold}/approve", key=key).status_code,
        api.post(f"/conflicts/{row}/settle", key=key, json={}).status_code,
    ]

    assert lists == [[], []]
    assert codes == [404, 404, 404]


# Conflicts.


def test_a_conflict_is_settled_without_touching_a_file(api: Served, ledger: Ledger) -> None:
    row = conflict(ledger)

    said = api.post(f"/conflicts/{row}/settle", json={})

    assert said.status_code == 200
    assert api.get("/conflicts").json()["items"] == []
    assert [one["id"] for one in api.get("/conflicts", params={"all": True}).json()["items"]] == [
        row
    ]
    assert requests(ledger) == []
    assert [action for _, action in told(ledger)] == ["conflict.settled"]


@pytest.mark.parametrize("keep", ["bucket", "folder"])
def test_the_content_that_is_kept_stays_at_the_path_and_the_other_goes(
    api: Served, ledger: Ledger, keep: str
) -> None:
    row = conflict(ledger)
    at_path = version("a.docx", "the bucket's").id
    copy = version("a.conflict.docx", "the folder's").id

    said = api.post(f"/conflicts/{row}/settle", json={"keep": keep})

    assert said.status_code == 200
    restored = [("restore", "a.docx", copy, at_path)] if keep == "folder" else []
    assert requests(ledger) == [*restored, ("remove", "a.conflict.docx", None, copy)]
    [entry] = ledger.audit.rows()
    assert (entry.action, json.loads(entry.facts)) == (
        "conflict.settled",
        {"conflict": row, "keep": keep},
    )


@pytest.mark.parametrize("first", ["both", "bucket", "folder"])
@pytest.mark.parametrize("then", ["both", "bucket", "folder"])
def test_what_is_settled_is_not_settled_once_more(
    api: Served, ledger: Ledger, first: str, then: str
) -> None:
    row = conflict(ledger)
    api.post(f"/conflicts/{row}/settle", json={"keep": first})
    asked = requests(ledger)

    said = api.post(f"/conflicts/{row}/settle", json={"keep": then})

    assert (said.status_code, said.json()["detail"]) == (409, f"conflict {row} is settled already")
    assert requests(ledger) == asked
    assert [action for _, action in told(ledger)] == ["conflict.settled"]


def test_a_copy_that_is_not_there_any_more_cannot_be_kept(api: Served, ledger: Ledger) -> None:
    row = conflict(ledger)
    ledger.synced.forget_all("docs")

    said = [
        api.post(f"/conflicts/{row}/settle", json={"keep": one}) for one in ("folder", "bucket")
    ]

    assert [one.status_code for one in said] == [409, 409]
    assert "a.conflict.docx is not there any more" in said[0].json()["detail"]
    assert told(ledger) == []


# Requests.


def test_what_is_asked_for_is_listed_with_why_it_waits_and_taken_back_once(
    api: Served, ledger: Ledger
) -> None:
    wanted = [NewRequest("docs", path, RequestKind.REMOVE) for path in ("a", "b", "c")]
    first, *_ = ledger.requests.add(wanted, NOW)

    page = api.get("/requests", params={"limit": 2}).json()
    rest = api.get("/requests", params={"limit": 2, "cursor": page["next"]}).json()
    codes = [api.post(f"/requests/{first}/cancel").status_code for _ in range(2)]

    assert [one["path"] for one in page["items"] + rest["items"]] == ["a", "b", "c"]
    assert {one["why"] for one in page["items"]} == {"docferry is not running"}
    assert codes == [200, 409]
    every = api.get("/requests", params={"all": True}).json()["items"]
    assert [one["state"] for one in every] == ["open", "open", "cancelled"]


def test_requests_of_other_mirrors_are_not_there(api: Served, ledger: Ledger) -> None:
    [request] = ledger.requests.add([NewRequest("docs", "a", RequestKind.REMOVE)], NOW)
    key = key_for(api, "processed")

    assert api.get("/requests", key=key).json()["items"] == []
    assert api.post(f"/requests/{request}/cancel", key=key).status_code == 404
    assert requests(ledger) == [("remove", "a", None, None)]


# Why.


def test_why_tells_of_a_document_and_of_a_result_as_far_as_one_may_see(
    api: Served, ledger: Ledger
) -> None:
    job = done(ledger, "secret.docx", "a.md")

    document = api.get("/why", params={"mirror": "docs", "path": "secret.docx"}).json()
    result = api.get("/why", params={"mirror": "processed", "path": "a.md"}).json()
    key = key_for(api, "processed")
    limited = api.get("/why", key=key, params={"mirror": "processed", "path": "a.md"})
    refused = api.get("/why", key=key, params={"mirror": "docs", "path": "secret.docx"})

    [story] = document["versions"]
    assert [one["job"]["id"] for one in story["conversions"]] == [job.id]
    assert story["conversions"][0]["result"]["path"] == "a.md"
    assert result["versions"][0]["made_from"]["document"]["path"] == "secret.docx"
    assert limited.json()["versions"][0]["made_from"]["document"] is None
    assert "secret" not in limited.text
    assert refused.status_code == 404


def test_of_what_never_was_nothing_is_told(api: Served, ledger: Ledger) -> None:
    said = api.get("/why", params={"mirror": "docs", "path": "nothing"})

    assert said.status_code == 404


# Verifications.


def test_a_verification_is_begun_and_looked_at_until_it_is_over(
    api: Served, ledger: Ledger
) -> None:
    said = api.post("/verify", json={"mirrors": ["docs"], "side": "local"})

    assert said.status_code == 202
    run = said.json()["id"]
    wait_for(lambda: api.get(f"/verify/{run}").json()["state"] != "running")
    over = api.get(f"/verify/{run}").json()
    assert over["state"] == "done"
    [report] = over["reports"]
    assert (report["mirror"], report["is_well"]) == ("docs", False)
    assert report["refused"] == "it has never run: nothing is agreed on yet"
    assert [one["id"] for one in api.get("/verify").json()["items"]] == [run]


def test_verifications_that_make_no_sense_or_are_of_others_are_refused(
    api: Served, ledger: Ledger
) -> None:
    run = api.post("/verify", json={"mirrors": ["docs"], "side": "local"}).json()["id"]
    wait_for(lambda: api.get(f"/verify/{run}").json()["state"] != "running")
    key = key_for(api, "processed")

    codes = [
        api.post("/verify", key=key, json={"mirrors": ["docs"]}).status_code,
        api.post("/verify", key=key, json={"side": "upper"}).status_code,
        api.get(f"/verify/{run}", key=key).status_code,
        api.get(f"/verify/{ulid_of('none')}", key=key).status_code,
    ]

    assert codes == [404, 422, 404, 404]
    assert api.get("/verify", key=key).json()["items"] == []


# The audit.


def test_the_audit_comes_by_pages_the_newest_first(api: Served, ledger: Ledger) -> None:
    for number in range(5):
        ledger.audit.note(Action.LEDGER_REBUILT, NOW, "docs", files=number)

    first = api.get("/audit", params={"limit": 3}).json()
    rest = api.get("/audit", params={"limit": 3, "before": first["next"]}).json()

    assert [one["facts"]["files"] for one in first["items"] + rest["items"]] == [4, 3, 2, 1, 0]
    assert rest["next"] is None


def test_the_audit_is_exported_line_by_line_from_any_row_on(api: Served, ledger: Ledger) -> None:
    for number in range(3):
        ledger.audit.note(Action.LEDGER_REBUILT, NOW, "docs", files=number)

    said = api.get("/audit/export", params={"after": 1})

    assert said.headers["Content-Type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in said.text.splitlines()]
    assert [row["seq"] for row in rows] == [2, 3]
    assert rows[1]["previous"] == rows[0]["hash"]


def test_the_audit_is_of_all_mirrors_and_for_who_may_see_all(api: Served, ledger: Ledger) -> None:
    key = key_for(api, "docs", role="admin")

    codes = [api.get(path, key=key).status_code for path in ("/audit", "/audit/export")]

    assert codes == [403, 403]
