"""Files by the API: listed, told of, had back."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from commands import Desk, held
from conversion_rows import RULE, dead, done, queued, running
from docferry.app.files import FilesWanted, list_files
from docferry.core.standing import Standing
from docferry.errors import UserError
from docferry.ledger import Ledger
from docferry.model import RequestKind, RequestState, Side
from ledger_rows import MINUTE, NOW, deleted, sha_of, ulid_of, uploaded, version
from serving import Served, served


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    found = Desk(tmp_path, capsys, monkeypatch)
    found.configure("docs", "processed", more=RULE)
    return found


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as opened:
        yield opened


@pytest.fixture
def api(desk: Desk, ledger: Ledger) -> Iterator[Served]:
    with served(desk.loaded, ledger) as running:
        yield running


def listed(api: Served, **wanted: Any) -> list[str]:
    said = api.get("/files", params=wanted)
    assert said.status_code == 200, said.text
    return [item["path"] for item in said.json()["items"]]


def test_files_are_listed_page_by_page(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded(path) for path in "abcde"], at=NOW)
    ledger.record("processed", [uploaded("f")], at=NOW)

    pages, cursor = list[list[str]](), None
    while True:
        said = api.get("/files", params={"limit": 2, "cursor": cursor}).json()
        pages.append([item["path"] for item in said["items"]])
        cursor = said["next"]
        if cursor is None:
            break

    assert pages == [["a", "b"], ["c", "d"], ["e", "f"]] + [[]] * (len(pages) - 3)
    assert len(pages) <= 4


def test_a_list_is_narrowed(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a/1"), uploaded("a/2"), uploaded("b")], at=NOW)
    ledger.record("processed", [uploaded("a/3")], at=NOW)
    ledger.record("docs", [deleted("a/2")], at=NOW)
    held(ledger, "b")

    assert listed(api, prefix="a/") == ["a/1", "a/3"]
    assert listed(api, contains="/3") == ["a/3"]
    assert listed(api, prefix="b", contains="A/") == []
    assert listed(api, mirror="docs") == ["a/1", "b"]
    assert listed(api, mirror=["docs", "processed"]) == ["a/1", "b", "a/3"]
    assert listed(api, state="deleted") == ["a/2"]
    assert listed(api, state="held") == ["b"]
    assert listed(api, side="local") == ["a/1", "a/3"]
    assert listed(api, side="remote") == ["a/1", "b", "a/3"]
    assert listed(api, since="2100-01-01") == []
    assert listed(api, since=ulid_of("a/1")) == [
        path for path in ("b", "a/3") if ulid_of(path) > ulid_of("a/1")
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        {"cursor": "made up"},
        {"cursor": ""},
        {"since": "yesterday evening"},
        {"since": "U" * 26},
        {"limit": 0},
        {"limit": 1001},
        {"state": "unagreed"},
        {"state": "nothing"},
        {"sort": "size"},
        {"side": "both"},
    ],
)
def test_a_list_that_makes_no_sense_is_refused(api: Served, wanted: dict[str, Any]) -> None:
    assert api.get("/files", params=wanted).status_code == 422


def test_a_mirror_that_is_not_there_is_not_found(api: Served) -> None:
    assert api.get("/files?mirror=none").status_code == 404


def test_a_cursor_goes_with_its_list_only(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a"), uploaded("b")], at=NOW)
    cursor = api.get("/files?limit=1").json()["next"]

    said = api.get("/files", params={"cursor": cursor, "sort": "newest"})

    assert said.status_code == 422


def test_a_file_is_told_of_whole(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a.docx", "first")], at=NOW)
    ledger.record("docs", [uploaded("a.docx", "second")], at=NOW + MINUTE)

    present = api.get(f"/files/{ulid_of('a.docxsecond')}").json()
    past = api.get(f"/files/{ulid_of('a.docxfirst').lower()}").json()

    assert present["present"] == past["present"] == ulid_of("a.docxsecond")
    assert present["file"]["is_present"] is True
    assert present["file"]["standings"] == ["agreed"]
    assert present["file"]["sides"] == ["local", "remote"]
    assert past["file"]["is_present"] is False
    assert past["file"]["standings"] == ["displaced"]
    assert past["file"]["sha256"] == sha_of("first")
    assert past["file"]["left_at"] is not None


def test_of_a_deleted_file_nothing_is_present(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)
    ledger.record("docs", [deleted("a")], at=NOW)

    said = api.get(f"/files/{ulid_of('a')}").json()

    assert (said["present"], said["file"]["standings"]) == (None, ["deleted"])


def test_conversions_are_told_beside_their_documents(api: Served, ledger: Ledger) -> None:
    jobs = {
        "done": done(ledger, "done.docx", "text"),
        "dead": dead(ledger, "dead.docx"),
        "running": running(ledger, "running.docx"),
        "queued": queued(ledger, "queued.docx"),
    }
    ledger.record("docs", [uploaded("none.txt")], at=NOW)

    said = api.get("/files?mirror=docs").json()["items"]

    found = {item["path"]: item["renditions"] for item in said}
    assert found.pop("none.txt") == []
    for state, job in jobs.items():
        [rendition] = found[f"{state}.docx"]
        assert (rendition["state"], rendition["job"]) == (state, job.id)
        assert rendition["rule"] == "to-markdown"
    assert found["dead.docx"][0]["error"]
    assert found["done.docx"][0]["result"]["mirror"] == "processed"
    assert found["running.docx"][0]["stage"] == "converting"


def test_a_result_is_named_by_its_version_while_it_is_there(api: Served, ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "text")
    assert job.result_path is not None
    [settled] = api.get(f"/files/{job.version}/renditions").json()["items"]
    ledger.record("processed", [uploaded(job.result_path, "edited")], at=NOW)

    [replaced] = api.get(f"/files/{job.version}/renditions").json()["items"]

    assert settled["result"]["version"] == ulid_of(f"{job.id}{job.result_path}")
    assert replaced["result"] == settled["result"] | {"version": None}


def test_who_may_not_see_the_mirror_of_a_result_does_not(api: Served, ledger: Ledger) -> None:
    job = done(ledger, "a.docx", "text")
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    wanted = {"name": "some", "role": "viewer", "mirrors": ["docs"]}
    key = api.post("/keys", json=wanted, key=boss).json()["secret"]

    [told] = api.get(f"/files/{job.version}/renditions", key=key).json()["items"]
    listed = api.get("/files", key=key).json()["items"]

    assert (told["state"], told["result"]) == ("done", None)
    assert [item["mirror"] for item in listed] == ["docs"]


def test_conversions_of_a_mirror_that_is_not_seen_are_not_told_of(
    api: Served, ledger: Ledger
) -> None:
    dead(ledger, "secret.docx", reason="secret.docx is damaged", content="same")
    copy = version("copy", "same", mirror="processed")
    ledger.record("processed", [replace(uploaded("copy", "same"), version=copy)], at=NOW)
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    wanted = {"name": "some", "role": "viewer", "mirrors": ["processed"]}
    key = api.post("/keys", json=wanted, key=boss).json()["secret"]

    counts = [
        len(api.get(f"/files/{copy.id}/renditions", key=one).json()["items"]) for one in (boss, key)
    ]

    assert counts == [1, 0]


def test_the_conversions_of_equal_files_elsewhere_are_not_its_own(
    desk: Desk, ledger: Ledger
) -> None:
    desk.configure(
        "docs", "processed", more=RULE.replace('"processed"', '"processed/{dir}{stem}.{ext}"')
    )
    mine = queued(ledger, "a.docx", "same", place="processed/a.md")
    ledger.record("docs", [uploaded("b.docx", "same")], at=NOW)

    with served(desk.loaded, ledger) as api:
        found = {
            item["path"]: [one["job"] for one in item["renditions"]]
            for item in api.get("/files?mirror=docs").json()["items"]
        }
        others = api.get(f"/files/{ulid_of('b.docxsame')}/renditions").json()["items"]

    assert found == {"a.docx": [mine.id], "b.docx": []}
    assert others == []


def test_equal_files_whose_results_have_one_place_both_have_the_conversion(
    desk: Desk, ledger: Ledger
) -> None:
    desk.configure(
        "docs", "processed", more=RULE.replace('"processed"', '"processed/{stem}.{ext}"')
    )
    first = done(ledger, "a.docx", "a.md", content="same", place="processed/a.md")
    queued(ledger, "in/a.docx", "same", place="processed/a.md", at=NOW + MINUTE)

    with served(desk.loaded, ledger) as api:
        listed = api.get("/files?mirror=docs").json()["items"]
        told = [api.get(f"/files/{item['id']}/renditions").json()["items"] for item in listed]
        asked = api.post(f"/files/{first.version}/process", json={"force": True}).json()

    assert [[one["job"] for one in item["renditions"]] for item in listed] == [[first.id]] * 2
    assert [[one["job"] for one in some] for some in told] == [[first.id]] * 2
    assert [one["state"] for some in told for one in some] == ["done", "done"]
    assert [(one["path"], one["version"]) for one in asked["jobs"]] == [("a.docx", first.version)]


def paths_in(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(one["mirror"], one["path"]) for one in answer.json()["items"]]


def test_a_file_is_found_by_its_path_with_its_conversions_however_it_stands(
    api: Served, ledger: Ledger
) -> None:
    job = dead(ledger, "in/a.docx")
    ledger.record("docs", [uploaded("gone.txt")], at=NOW)
    ledger.record("docs", [deleted("gone.txt")], at=NOW + MINUTE)

    [found] = api.get("/files", params={"path": "in/a.docx"}).json()["items"]
    [gone] = api.get("/files", params={"path": "gone.txt"}).json()["items"]

    assert (found["id"], found["standings"]) == (job.version, ["agreed"])
    assert [(one["rule"], one["state"]) for one in found["renditions"]] == [("to-markdown", "dead")]
    assert gone["standings"] == ["deleted"]
    assert paths_in(api.get("/files", params={"path": "gone.txt", "state": "agreed"})) == []


@pytest.mark.parametrize("by", ["path", "name"])
def test_of_a_name_that_nothing_has_the_list_is_empty(api: Served, by: str) -> None:
    said = api.get("/files", params={by: "nothing.docx"})

    assert (said.status_code, said.json()) == (200, {"items": [], "next": None})


def test_files_are_found_by_their_name_in_any_folder_page_by_page(
    api: Served, ledger: Ledger
) -> None:
    for mirror in ("docs", "processed"):
        rows = [uploaded(path) for path in ("a.txt", "x/a.txt", "y/z/a.txt", "a.txt.old")]
        named = [
            replace(one, version=version(one.version.path, mirror, mirror=mirror))
            for one in rows
            if one.version is not None
        ]
        ledger.record(mirror, named, at=NOW)

    found, cursor = list[tuple[str, str]](), None
    while True:
        page = api.get("/files", params={"name": "a.txt", "limit": 2, "cursor": cursor})
        found += paths_in(page)
        cursor = page.json()["next"]
        if cursor is None:
            break

    names = ("a.txt", "x/a.txt", "y/z/a.txt")
    assert found == [(mirror, path) for mirror in ("docs", "processed") for path in names]
    assert paths_in(api.get("/files", params={"name": "a.txt", "mirror": "docs"})) == found[:3]


def test_a_file_of_a_mirror_that_is_not_seen_is_not_found_by_its_name(
    api: Served, ledger: Ledger
) -> None:
    ledger.record("docs", [uploaded("a.txt")], at=NOW)
    boss = api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    wanted = {"name": "some", "role": "viewer", "mirrors": ["processed"]}
    key = api.post("/keys", json=wanted, key=boss).json()["secret"]

    for by in ("path", "name"):
        assert paths_in(api.get("/files", params={by: "a.txt"}, key=key)) == []
        assert paths_in(api.get("/files", params={by: "a.txt"}, key=boss)) == [("docs", "a.txt")]


@pytest.mark.parametrize(
    "query",
    [
        "path=a&name=a",
        "path=a&prefix=a",
        "name=a&since=2026-11-23",
        "name=a&sort=newest",
        "path=a&side=local",
        "name=a&cursor=x",
    ],
)
def test_what_does_not_go_with_a_name_is_refused(api: Served, query: str) -> None:
    assert api.get(f"/files?{query}").status_code == 422


@pytest.mark.parametrize("state", Standing)
def test_files_are_listed_by_the_states_that_are_documented_and_by_no_other(
    api: Served, state: Standing
) -> None:
    document = api.get("/openapi.json").json()
    [told] = [
        one
        for one in document["paths"]["/api/v1/files"]["get"]["parameters"]
        if one["name"] == "state"
    ]
    documented = next(one["enum"] for one in told["schema"]["anyOf"] if "enum" in one)

    codes = {api.get(f"/files?state={state}{more}").status_code for more in ("", "&path=a")}

    assert codes == {200 if state in documented else 422}


def test_the_versions_of_a_path_come_in_pages(api: Served, ledger: Ledger) -> None:
    for number in range(5):
        at = NOW + number * MINUTE
        made = uploaded("a", str(number))
        assert made.version is not None
        ledger.record("docs", [made], at=at)
    some = ulid_of("a3")

    first = api.get(f"/files/{some}/versions?limit=3").json()
    rest = api.get(f"/files/{some}/versions", params={"cursor": first["next"]}).json()

    ids = [one["id"] for one in first["items"] + rest["items"]]
    assert (len(first["items"]), rest["next"]) == (3, None)
    assert sorted(ids) == sorted(ulid_of(f"a{number}") for number in range(5))


def test_a_version_is_asked_to_be_put_back_once(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a", "first")], at=NOW)
    ledger.record("docs", [uploaded("a", "second")], at=NOW)
    path = f"/files/{ulid_of('afirst')}/restore"

    said = [api.post(path, json={}), api.post(path, json={}), api.post(path, json={"to": "b"})]

    assert [one.status_code for one in said] == [202, 202, 202]
    assert [one.json()["is_new"] for one in said] == [True, False, True]
    rows = ledger.requests.open("docs", 10)
    assert [(row.kind, row.path, row.state) for row in rows] == [
        (RequestKind.RESTORE, "a", RequestState.OPEN),
        (RequestKind.RESTORE, "b", RequestState.OPEN),
    ]
    assert len([row for row in ledger.audit.newest(10) if row.action == "request.made"]) == 2


@pytest.mark.parametrize("to", ["../a", ".docferry/x", "", "/a"])
def test_a_version_is_put_to_no_strange_path(api: Served, ledger: Ledger, to: str) -> None:
    ledger.record("docs", [uploaded("a")], at=NOW)

    said = api.post(f"/files/{ulid_of('a')}/restore", json={"to": to})

    assert said.status_code == 422
    assert ledger.requests.open("docs", 10) == []


def test_bytes_that_were_let_go_are_told_to_be(api: Served, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded("a", "first")], at=NOW)
    ledger.record("docs", [uploaded("a", "second")], at=NOW)
    ledger.versions.let_go([ulid_of("afirst")], NOW)

    said = api.post(f"/files/{ulid_of('afirst')}/restore", json={})

    assert said.status_code == 409
    assert "let go" in said.json()["detail"]


def test_a_page_of_which_a_filter_leaves_nothing_goes_on(desk: Desk, ledger: Ledger) -> None:
    ledger.record("docs", [uploaded(f"{number:02d}") for number in range(30)], at=NOW)
    held(ledger, *(f"{number:02d}" for number in range(25)))

    found, cursor, pages = list[str](), None, 0
    while True:
        wanted = FilesWanted(("docs",), side=Side.LOCAL, limit=2, cursor=cursor)
        page = list_files(desk.loaded, ledger, wanted, ["docs"], NOW)
        found += [one.path for one in page.items]
        cursor, pages = page.next, pages + 1
        if cursor is None:
            break

    assert found == [f"{number:02d}" for number in range(25, 30)]
    assert pages < 10


def test_standings_that_no_list_has_are_refused(desk: Desk, ledger: Ledger) -> None:
    for standing in (Standing.UNAGREED, Standing.DISPLACED):
        with pytest.raises(UserError):
            list_files(desk.loaded, ledger, FilesWanted(("docs",), standing=standing), [], NOW)
