"""Documents handed over by the API: whole, durable, seen by nobody before, in nobody's way."""

from __future__ import annotations

import hashlib
import pathlib
import socket
from collections.abc import Iterator
from contextlib import closing
from sqlite3 import connect

import pytest

from docferry.core.audit import Action
from file_faces import Faced, faced
from processes import wait_for

TEXT = b"minutes of the meeting"
SHA256 = hashlib.sha256(TEXT).hexdigest()
DOCUMENT = "?mirror=docs&path=reports/minutes.txt"


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Faced]:
    with faced(tmp_path, api_max_upload=1 << 20) as running:
        yield running


def received(desk: Faced) -> list[str]:
    rows = desk.mirror.ledger.audit.newest(100)
    return [row.facts for row in rows if row.action == Action.FILE_RECEIVED]


def test_a_document_lands_in_the_folder_and_goes_up(desk: Faced) -> None:
    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"X-Content-SHA256": SHA256})

    assert said.status_code == 201, said.text
    assert said.json() == {
        "mirror": "docs",
        "path": "reports/minutes.txt",
        "sha256": SHA256,
        "size": len(TEXT),
        "is_new": True,
        "replaced": None,
        "version": None,
    }
    assert desk.mirror.files == {"reports/minutes.txt": TEXT}
    version = desk.settled("reports/minutes.txt")
    assert desk.api.get(f"/files/{version}").json()["present"] == version
    assert desk.mirror.remote.files["reports/minutes.txt"].content == TEXT


def test_its_version_can_be_waited_for(desk: Faced) -> None:
    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"Prefer": "wait=0"})
    version = desk.settled("reports/minutes.txt")

    again = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"Prefer": "wait=20"})

    assert said.json()["version"] is None
    assert (again.status_code, again.json()["version"]) == (200, version)
    assert again.headers["Location"] == f"/api/v1/files/{version}"


def test_the_same_again_is_no_error_and_no_second_act(desk: Faced) -> None:
    codes = [desk.api.post(f"/files{DOCUMENT}", data=TEXT).status_code]
    desk.settled("reports/minutes.txt")
    headers = {"X-Content-SHA256": SHA256}
    codes += [desk.api.post(f"/files{DOCUMENT}", headers=headers, data=TEXT).status_code]

    assert codes == [201, 200]
    assert len(received(desk)) == 1


def test_a_row_that_the_ledger_did_not_take_is_kept_until_it_does(desk: Faced) -> None:
    ledger = desk.mirror.ledger
    with closing(connect(ledger.path)) as raw:
        raw.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        said = desk.api.post(f"/files{DOCUMENT}", data=TEXT)
        kept = received(desk)
        raw.execute("DROP TRIGGER no")

    desk.api.desk.owed.settle(ledger)

    assert (said.status_code, kept) == (201, [])
    assert len(received(desk)) == 1


def test_a_form_is_taken_with_its_fields_before_the_document(desk: Faced) -> None:
    fields = {"mirror": "docs", "path": "a b/ünï.txt", "sha256": SHA256, "note": "whatever"}

    said = desk.api.post("/files", data=fields, files={"file": ("x.txt", TEXT)})

    assert said.status_code == 201, said.text
    assert desk.mirror.files == {"a b/ünï.txt": TEXT}


@pytest.mark.parametrize("size", [0, 1, 65536, 1 << 20])
def test_a_form_and_a_body_of_any_size_give_the_same_bytes(desk: Faced, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"\r\n--"[: size % 256]
    target = {"mirror": "docs", "path": "form"}

    codes = [
        desk.api.post("/files", data=target, files={"file": content}).status_code,
        desk.api.post("/files?mirror=docs&path=body", data=content).status_code,
        desk.api.post("/files?mirror=docs&path=parts", data=iter([content or b"x"])).status_code,
    ]

    assert codes == [201, 201, 201]
    assert desk.mirror.files == {"form": content, "body": content, "parts": content or b"x"}


def test_what_is_there_stays(desk: Faced) -> None:
    desk.save("reports/minutes.txt", b"of a person")

    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT)

    assert said.status_code == 409
    assert desk.mirror.files == {"reports/minutes.txt": b"of a person"}
    assert received(desk) == []


@pytest.mark.parametrize("by", ["version", "sha256", "etag"])
def test_what_is_replaced_on_purpose_is_in_the_archive(desk: Faced, by: str) -> None:
    before = desk.save("reports/minutes.txt", b"of a person")
    sha256 = hashlib.sha256(b"of a person").hexdigest()
    named = {"version": before, "sha256": sha256, "etag": f'"{sha256}"'}[by]

    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"If-Match": named})

    assert said.status_code == 201, said.text
    assert said.json()["replaced"] == before
    assert desk.mirror.files == {"reports/minutes.txt": TEXT}
    archived = desk.mirror.root / ".docferry" / "versions" / before
    assert archived.read_bytes() == b"of a person"
    after = desk.settled("reports/minutes.txt")
    assert after != before
    assert desk.api.get(f"/files/{before}/content").content == b"of a person"


def test_an_edit_that_docferry_has_not_seen_is_not_replaced(desk: Faced) -> None:
    before = desk.save("reports/minutes.txt", b"of a person")
    desk.mirror.stop()
    (desk.mirror.root / "reports" / "minutes.txt").write_bytes(b"edited just now")

    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"If-Match": before})

    assert said.status_code == 412
    assert desk.mirror.files == {"reports/minutes.txt": b"edited just now"}


@pytest.mark.parametrize("named", ["0" * 26, "0" * 64, "*", ""])
def test_another_content_than_was_expected_is_not_replaced(desk: Faced, named: str) -> None:
    desk.save("reports/minutes.txt", b"of a person")

    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"If-Match": named})

    assert said.status_code == 412
    assert desk.mirror.files == {"reports/minutes.txt": b"of a person"}


def test_what_came_damaged_is_not_taken(desk: Faced) -> None:
    said = desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers={"X-Content-SHA256": "0" * 64})

    assert (said.status_code, said.json()["code"]) == (422, "damaged")
    assert desk.mirror.files == {}
    assert desk.staged == []


def test_what_is_too_large_is_not_taken(desk: Faced) -> None:
    large = b"x" * (1 << 20) + b"y"

    codes = [
        desk.api.post(f"/files{DOCUMENT}", data=large).status_code,
        desk.api.post(f"/files{DOCUMENT}", data=iter([large[:70_000]] * 16)).status_code,
        desk.api.post(f"/files{DOCUMENT}", files={"file": large}).status_code,
    ]

    assert codes == [413, 413, 413]
    assert desk.mirror.files == {}
    assert desk.staged == []


def test_what_breaks_off_leaves_nothing(desk: Faced) -> None:
    port = int(desk.api.url.rpartition(":")[2])
    head = (
        f"POST /api/v1/files{DOCUMENT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode() + b"x" * 50)
        wait_for(lambda: bool(desk.staged))

    wait_for(lambda: not desk.staged)
    assert desk.mirror.files == {}


@pytest.mark.parametrize(
    "path",
    [
        "../up.txt",
        "/etc/passwd",
        "a//b.txt",
        "a/./b.txt",
        ".docferry/mirror.json",
        "%_~/a",
        "a/",
        "a\0b",
        "x" * 256,
        "draft.tmp",
        "~$open.docx",
    ],
)
def test_a_path_that_would_not_travel_is_refused(desk: Faced, path: str) -> None:
    said = desk.api.post("/files", params={"mirror": "docs", "path": path}, data=TEXT)

    assert said.status_code == 422, said.text
    assert desk.mirror.files == {}


@pytest.mark.parametrize("path", ["a\nb.txt", "back\\slash", 'quo"te', "a\u202eb", "50%_off"])
def test_a_strange_name_is_kept_as_it_is(desk: Faced, path: str) -> None:
    said = desk.api.post("/files", params={"mirror": "docs", "path": path}, data=TEXT)

    assert said.status_code == 201, said.text
    assert desk.mirror.files == {path: TEXT}


def test_a_folder_in_the_way_is_told(desk: Faced) -> None:
    desk.save("reports/minutes.txt", b"of a person")

    codes = [
        desk.api.post("/files?mirror=docs&path=reports", data=TEXT).status_code,
        desk.api.post("/files?mirror=docs&path=reports/minutes.txt/x", data=TEXT).status_code,
    ]

    assert codes == [409, 409]


def test_a_link_out_of_the_folder_is_not_followed(desk: Faced, tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (desk.mirror.root / "way").symlink_to(outside)

    said = desk.api.post("/files?mirror=docs&path=way/out.txt", data=TEXT)

    assert said.status_code == 409
    assert [*outside.iterdir()] == []


def test_a_mirror_that_is_not_there_or_only_pulls_takes_nothing(desk: Faced) -> None:
    codes = [
        desk.api.post(f"/files?mirror={mirror}&path=a.txt", data=TEXT).status_code
        for mirror in ("none", "pulled", "other")
    ]

    assert codes == [404, 422, 503]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--b\r\nno form at all", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=b"),
        (b"x", "multipart/form-data"),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nbreaks off',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="mirror"\r\n\r\ndocs\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n'
            b'--b\r\nContent-Disposition: form-data; name="path"\r\n\r\ny\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_what_is_no_proper_form_is_refused(desk: Faced, body: bytes, kind: str) -> None:
    said = desk.api.post(f"/files{DOCUMENT}", data=body, headers={"Content-Type": kind})

    assert said.status_code == 422, said.text
    assert desk.mirror.files == {}
    assert desk.staged == []


def test_each_document_leaves_one_audit_row_without_a_path(desk: Faced) -> None:
    before = desk.save("reports/minutes.txt", b"of a person")
    headers = {"If-Match": before}

    desk.api.post("/files?mirror=docs&path=secret.txt", data=b"1")
    desk.api.post(f"/files{DOCUMENT}", data=TEXT, headers=headers)
    desk.api.post(f"/files{DOCUMENT}", data=b"again", headers=headers)  # refused

    facts = received(desk)
    assert len(facts) == 2
    assert before in facts[0]
    assert not any("secret" in one or "minutes" in one for one in facts)
