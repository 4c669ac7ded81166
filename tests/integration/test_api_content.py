"""The bytes of versions by HTTP: whole, in part, never others, and nothing that a browser runs."""

from __future__ import annotations

import os
import pathlib
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import requests

from browsing import Browser
from docferry.app.content import CHECKED_BYTES, readable
from docferry.core.disk import Disk
from docferry.errors import FullError, StaleError
from file_faces import Faced, config_of, faced

TEXT = b"0123456789"
LARGE = CHECKED_BYTES + 5 * 1024 * 1024 + 3


@pytest.fixture
def desk(tmp_path: pathlib.Path) -> Iterator[Faced]:
    with faced(tmp_path) as running:
        yield running


def asked(desk: Faced, version: str, method: str = "GET", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return desk.api.ask(method, f"/files/{version}/content", headers=named)


def test_a_content_is_given_whole_under_its_sha256(desk: Faced) -> None:
    version = desk.save("a.txt", TEXT)

    said = asked(desk, version)

    assert (said.status_code, said.content) == (200, TEXT)
    sha256 = desk.api.get(f"/files/{version}").json()["file"]["sha256"]
    assert said.headers["ETag"] == f'"{sha256}"'
    assert said.headers["Accept-Ranges"] == "bytes"
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert said.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize(
    ("wanted", "given", "told"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-100", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", TEXT, "bytes 0-9/10"),
        ("Bytes = 1 - 2", b"12", "bytes 1-2/10"),
    ],
)
def test_a_range_is_given(desk: Faced, wanted: str, given: bytes, told: str) -> None:
    version = desk.save("a.txt", TEXT)

    said = asked(desk, version, Range=wanted)

    assert (said.status_code, said.content) == (206, given)
    assert said.headers["Content-Range"] == told
    assert said.headers["Content-Length"] == str(len(given))


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=11-", "bytes=99-100", "bytes=-0"])
def test_a_range_behind_the_end_is_told(desk: Faced, wanted: str) -> None:
    version = desk.save("a.txt", TEXT)

    said = asked(desk, version, Range=wanted)

    assert said.status_code == 416
    assert said.headers["Content-Range"] == "bytes */10"
    assert said.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("wanted", ["bytes=4-2", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "x", ""])
def test_what_is_no_single_range_gives_all(desk: Faced, wanted: str) -> None:
    version = desk.save("a.txt", TEXT)

    said = asked(desk, version, Range=wanted)

    assert (said.status_code, said.content) == (200, TEXT)


def test_conditions_are_kept(desk: Faced) -> None:
    version = desk.save("a.txt", TEXT)
    etag = asked(desk, version).headers["ETag"]

    codes = {
        "has it": asked(desk, version, If_None_Match=f'"x", W/{etag}').status_code,
        "has any": asked(desk, version, If_None_Match="*").status_code,
        "has another": asked(desk, version, If_None_Match='"x"').status_code,
        "wants it": asked(desk, version, If_Match=etag).status_code,
        "wants another": asked(desk, version, If_Match='"x"').status_code,
        "goes on": asked(desk, version, Range="bytes=1-2", If_Range=etag).status_code,
        "begins anew": asked(desk, version, Range="bytes=1-2", If_Range='"x"').status_code,
        "weakly": asked(desk, version, Range="bytes=1-2", If_Range=f"W/{etag}").status_code,
    }

    assert codes == {
        "has it": 304,
        "has any": 304,
        "has another": 200,
        "wants it": 200,
        "wants another": 412,
        "goes on": 206,
        "begins anew": 200,
        "weakly": 200,
    }


def test_a_head_tells_what_a_get_would(desk: Faced) -> None:
    version = desk.save("a.txt", TEXT)

    head, get = asked(desk, version, "HEAD"), asked(desk, version)

    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Length", "Content-Type", "Content-Disposition"):
        assert head.headers[name] == get.headers[name]


def test_an_empty_content_is_one(desk: Faced) -> None:
    version = desk.save("empty", b"")

    whole, part = asked(desk, version), asked(desk, version, Range="bytes=0-")

    assert (whole.status_code, whole.content) == (200, b"")
    assert part.status_code == 416


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("plain.txt", "plain.txt"),
        ('a"b.txt', "a%22b.txt"),
        ("back\\slash", "back%5Cslash"),
        ("two\r\nSet-Cookie: x=y", "two%0D%0ASet-Cookie%3A%20x%3Dy"),
        ("ünï €.pdf", "%C3%BCn%C3%AF%20%E2%82%AC.pdf"),
        ("50%20.txt", "50%2520.txt"),
        ("folder/in;x=y.txt", "in%3Bx%3Dy.txt"),
    ],
)
def test_any_name_is_safe_in_the_header(desk: Faced, path: str, whole: str) -> None:
    version = desk.save(path, TEXT)

    said = asked(desk, version)

    assert said.status_code == 200
    told = said.headers["Content-Disposition"]
    assert told.endswith(f"filename*=UTF-8''{whole}")
    assert told.startswith("attachment; filename=")
    assert told.isascii()
    assert "Set-Cookie" not in said.headers


@pytest.mark.parametrize(
    ("path", "kind", "how"),
    [
        ("a.pdf", "application/pdf", "inline"),
        ("a.md", "text/markdown; charset=utf-8", "inline"),
        ("a.png", "image/png", "inline"),
        ("a.html", "application/octet-stream", "attachment"),
        ("a.svg", "application/octet-stream", "attachment"),
        ("a.xml", "application/octet-stream", "attachment"),
        ("a.js", "application/octet-stream", "attachment"),
        ("a.html.gz", "application/octet-stream", "attachment"),
        ("a", "application/octet-stream", "attachment"),
    ],
)
def test_what_could_run_is_only_ever_saved(desk: Faced, path: str, kind: str, how: str) -> None:
    version = desk.save(path, b"<script>alert(1)</script>")

    said = desk.api.get(f"/files/{version}/content?inline=true")

    assert said.headers["Content-Type"] == kind
    assert said.headers["Content-Disposition"].startswith(how)


def test_a_displaced_and_a_deleted_content_can_be_had(desk: Faced) -> None:
    first = desk.save("a.txt", b"first")
    desk.save("stays.txt", b"so that not all is gone")
    headers = {"If-Match": first}
    desk.api.post("/files?mirror=docs&path=a.txt", data=b"second", headers=headers)
    second = desk.settled("a.txt")
    del desk.mirror.remote.files["a.txt"]
    desk.mirror.run()

    assert "a.txt" not in desk.mirror.files
    assert (asked(desk, first).content, asked(desk, second).content) == (b"first", b"second")


def test_a_large_content_comes_as_it_lies(desk: Faced) -> None:
    content = os.urandom(1 << 20) * (LARGE >> 20) + b"end"
    version = desk.save("large.bin", content)

    whole = asked(desk, version)
    middle = asked(desk, version, Range=f"bytes={1 << 23}-{(1 << 23) + 5_000_000}")
    end = asked(desk, version, Range="bytes=-3")

    assert whole.content == content
    assert middle.content == content[1 << 23 : (1 << 23) + 5_000_001]
    assert end.content == b"end"


def test_a_large_content_that_rotted_is_not_passed_for_the_version(desk: Faced) -> None:
    version = desk.save("large.bin", b"x" * LARGE)
    desk.mirror.stop()
    path = desk.mirror.root / "large.bin"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(LARGE // 2)
        file.write(b"y")
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))  # nobody has changed it

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        asked(desk, version)


def test_a_large_content_that_was_changed_is_not_given(desk: Faced) -> None:
    version = desk.save("large.bin", b"x" * LARGE)
    desk.mirror.stop()
    with (desk.mirror.root / "large.bin").open("r+b") as file:
        file.write(b"y")

    said = asked(desk, version, Range="bytes=0-9")

    assert said.status_code == 503  # the bucket may have it, and does not answer here
    assert b"yxxx" not in said.content


def test_a_large_content_that_was_changed_is_no_download_that_began_well(desk: Faced) -> None:
    version = desk.save("large.bin", b"x" * LARGE)
    desk.mirror.stop()
    with (desk.mirror.root / "large.bin").open("r+b") as file:
        file.write(b"y")

    said = Browser(desk.api).get(f"/versions/{version}/download")

    assert said.status_code == 503
    assert "Content-Disposition" not in said.headers


def test_a_large_content_that_changes_while_it_is_read_ends(desk: Faced) -> None:
    version = desk.save("large.bin", b"x" * LARGE)
    desk.mirror.stop()
    row = desk.mirror.ledger.versions.get(version)
    assert row is not None

    with readable(desk.api.desk.config, desk.mirror.ledger, row) as source:
        pieces = source.pieces(0, LARGE - 1)
        first = next(pieces)
        with (desk.mirror.root / "large.bin").open("r+b") as file:
            file.write(b"y")
        with pytest.raises(StaleError):
            next(pieces)

    assert first.strip(b"x") == b""


def test_a_large_content_that_is_replaced_while_it_is_read_goes_on(desk: Faced) -> None:
    version = desk.save("large.bin", b"x" * LARGE)
    row = desk.mirror.ledger.versions.get(version)
    assert row is not None

    with readable(desk.api.desk.config, desk.mirror.ledger, row) as source:
        pieces = source.pieces(0, LARGE)
        content = next(pieces)
        desk.save("large.bin", b"another")
        content += b"".join(pieces)

    assert content == b"x" * LARGE


def open_files() -> list[str]:
    found = []
    for one in pathlib.Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself, once it is read
            found.append(str(one.readlink()))
    return found


def test_what_is_read_by_many_is_not_in_memory(desk: Faced) -> None:
    size = CHECKED_BYTES // 2
    version = desk.save("a.bin", os.urandom(size))
    row = desk.mirror.ledger.versions.get(version)
    assert row is not None
    tracemalloc.start()

    with ExitStack() as stack:
        for _ in range(10):
            opened = readable(desk.api.desk.config, desk.mirror.ledger, row)
            pieces = stack.enter_context(opened).pieces(0, size)
            next(pieces)
        held, _ = tracemalloc.get_traced_memory()
        lying = open_files()
    tracemalloc.stop()

    assert held < size
    state = str(desk.api.desk.config.state_dir)
    assert sum(one.startswith(state) and one.endswith("(deleted)") for one in lying) == 10


def test_what_has_no_room_to_be_checked_in_is_not_given(desk: Faced) -> None:
    large, small = desk.save("a.bin", os.urandom(2 << 20)), desk.save("a.txt", b"text")
    config = config_of(desk.mirror.root.parent, desk.mirror.root, disk_reserve=1 << 30)
    ledger = desk.mirror.ledger
    rows = [ledger.versions.get(one) for one in (large, small)]
    assert rows[0] is not None
    assert rows[1] is not None

    def full(_: pathlib.Path) -> Disk:
        return Disk(1, free=1 << 30, size=1 << 40)

    with pytest.raises(FullError, match="no room"), readable(config, ledger, rows[0], look=full):
        pass
    with readable(config, ledger, rows[1], look=full) as content:
        assert b"".join(content.pieces(0, 4)) == b"text"


def test_what_is_no_version_is_not_found(desk: Faced) -> None:
    codes = [asked(desk, one).status_code for one in ("0" * 26, "..", "%00", "x" * 64)]

    assert codes == [404, 404, 404, 404]


def test_a_key_for_another_mirror_finds_nothing(desk: Faced) -> None:
    version = desk.save("a.txt", TEXT)
    boss = desk.api.post("/keys", json={"name": "boss", "role": "admin"}).json()["secret"]
    wanted = {"name": "other", "role": "viewer", "mirrors": ["other"]}
    key = desk.api.post("/keys", json=wanted, key=boss).json()["secret"]

    paths = ("", "/content", "/versions", "/renditions")
    codes = [desk.api.get(f"/files/{version}{one}", key=key).status_code for one in paths]

    assert codes == [404, 404, 404, 404]
    assert desk.api.get("/files", key=key).json() == {"items": [], "next": None}
    assert desk.api.get("/files?mirror=docs", key=key).status_code == 404
