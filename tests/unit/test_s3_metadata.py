"""What travels with an object arrives, and what a stranger claims is looked at first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docferry.model import Attributes, Provenance
from docferry.storage.s3_metadata import (
    Headers,
    ObjectHead,
    archive_headers,
    clean,
    copy_headers,
    headers_of,
    token_of,
)

VERSION, PARENT = "01JAAAAAAAAAAAAAAAAAAAAAAA", "01JBBBBBBBBBBBBBBBBBBBBBBB"
SHA256 = "ab" * 32
MODIFIED_NS = 5 * 10**9
ALL = Attributes(
    version=VERSION,
    sha256=SHA256,
    mtime_ns=-1,
    parent=PARENT,
    writer="some-instance",
    path="Büro/50%_off.pdf",
    content_type="application/pdf",
    bytes_of=PARENT,
    size=7,
    made_from=Provenance(PARENT, SHA256, "text-of-scans", "ocrmypdf 14.0 + xberg 1.3 (ü)"),
)


def head(headers: Headers) -> ObjectHead:
    return ObjectHead("etag", 7, headers, MODIFIED_NS)


def test_attributes_come_back() -> None:
    assert head(headers_of(ALL)).attributes == ALL


@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=400
    )
)
def test_any_path_comes_back_and_leaves_room_for_the_rest(path: str) -> None:
    headers = headers_of(Attributes(path=path))

    assert head(headers).attributes.path == path
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert sum(map(len, headers.values())) <= max(1000, len(path.encode()) * 4 // 3 + 4)


def test_without_an_mtime_of_ours_an_object_is_as_old_as_the_store_says() -> None:
    assert head({}).attributes == Attributes(mtime_ns=MODIFIED_NS)


def test_a_copy_of_a_result_says_still_of_what_it_was_made() -> None:
    source = head(headers_of(ALL))

    copied = copy_headers(source, Attributes(version=PARENT))

    assert head(copied).attributes.made_from == ALL.made_from


@pytest.mark.parametrize("missing", ["docferry-source", "docferry-source-sha256", "docferry-rule"])
def test_half_a_provenance_is_none(missing: str) -> None:
    headers = {name: value for name, value in headers_of(ALL).items() if name != missing}

    assert head(headers).attributes.made_from is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("docferry-version", "../../etc/passwd"),
        ("docferry-version", "01JAAAAAAAAAAAAAAAAAAAAAAA\n"),
        ("docferry-sha256", SHA256.upper()),
        ("docferry-mtime-ns", "yesterday"),
        ("docferry-mtime-ns", "9" * 40),
        ("docferry-mtime-ns", "9" * 19),  # no database takes it for a whole number
        ("docferry-mtime-ns", "-" + "9" * 19),
        ("docferry-parent", ""),
        ("docferry-writer", "x" * 65),
        ("docferry-bytes-of", "../mirror.json"),
        ("docferry-size", "-1"),
        ("docferry-size", "9" * 20),
        ("docferry-size", "9" * 19),
        ("docferry-path", "%FF"),
        ("docferry-path", "a%00b"),
        ("docferry-path-base64", "!"),
        ("docferry-path-base64", "AAAA"),
    ],
)
def test_what_reads_like_nonsense_is_left_out(name: str, value: str) -> None:
    assert head({name: value}).attributes == Attributes(mtime_ns=MODIFIED_NS)


def test_an_archived_object_keeps_what_it_has() -> None:
    displaced = head(
        headers_of(ALL) | {"owner": "somebody", "Content-Encoding": "gzip", "name": "caf\xe9"}
    )

    archived = archive_headers(displaced, Attributes(version=PARENT, path="a"))

    found = head(archived).attributes
    assert (found.version, found.path, found.sha256, found.mtime_ns) == (PARENT, "a", SHA256, -1)
    assert (archived["owner"], archived["Content-Encoding"]) == ("somebody", "gzip")
    assert "name" not in archived  # only ASCII can be sent


def test_an_archived_object_says_of_its_archive_only_what_it_is_told() -> None:
    long = headers_of(Attributes(path="ü" * 400))
    displaced = head(headers_of(ALL) | long)

    found = head(archive_headers(displaced, Attributes(version=VERSION, path="a"))).attributes

    assert (found.path, found.bytes_of, found.size) == ("a", None, None)


def test_an_archived_object_keeps_its_parent_and_its_hash_where_nobody_knows_better() -> None:
    displaced = head(headers_of(ALL))

    as_it_was = head(archive_headers(displaced, Attributes(version=VERSION))).attributes
    corrected = archive_headers(displaced, Attributes(version=VERSION, parent=VERSION))

    assert (as_it_was.parent, as_it_was.sha256, as_it_was.mtime_ns) == (PARENT, SHA256, -1)
    assert head(corrected).attributes.parent == VERSION


@pytest.mark.parametrize(("size", "is_reference"), [(0, True), (7, False)])
def test_only_what_is_empty_refers_to_other_bytes(size: int, *, is_reference: bool) -> None:
    found = ObjectHead("etag", size, headers_of(ALL), MODIFIED_NS)

    assert found.is_reference == is_reference


def test_an_archived_object_of_a_stranger_keeps_its_age() -> None:
    archived = archive_headers(head({}), Attributes(version=VERSION))

    assert ObjectHead("etag", 7, archived, MODIFIED_NS + 1).attributes.mtime_ns == MODIFIED_NS


def test_a_copy_is_dressed_anew() -> None:
    made = replace(ALL, made_from=None)
    source = head(headers_of(made) | {"owner": "somebody", "Content-Encoding": "gzip"})

    copied = copy_headers(source, Attributes(version=PARENT, content_type="text/plain"))

    assert copied == {
        "owner": "somebody",
        "Content-Encoding": "gzip",
        "Content-Type": "text/plain",
        "docferry-version": PARENT,
    }


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("aws-chunked", None), ("aws-chunked,gzip", "gzip"), ("gzip", "gzip"), ("", None)],
)
def test_the_transports_encoding_is_not_the_contents(sent: str, kept: str | None) -> None:
    assert clean({"Content-Encoding": sent}).get("Content-Encoding") == kept


@pytest.mark.parametrize("etag", ['"abc-2"', "abc-2", 'W/"abc-2"'])
def test_a_token_is_the_etag_without_its_quotes(etag: str) -> None:
    assert token_of(etag) == "abc-2"


def test_a_time_of_the_store_that_no_ledger_takes_is_none() -> None:
    assert ObjectHead("etag", 0, {}, 253_402_300_799 * 10**9).attributes.mtime_ns is None  # 9999
