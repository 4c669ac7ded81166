"""What may be put into a mirror as a result."""

from __future__ import annotations

import os
import pathlib

import pytest

from docferry.convert import ConversionError
from docferry.convert.results import check_result
from docferry.model import Failure
from samples import hostile, make


def failure_of(path: pathlib.Path, produces: str, *, is_blank_source: bool = False) -> Failure:
    with pytest.raises(ConversionError) as caught:
        check_result(path, produces, is_blank_source=is_blank_source)
    return caught.value.failure


@pytest.mark.parametrize(
    ("produces", "content"),
    [
        (".md", "# Grüße\n".encode()),
        (".txt", b"words"),
        (".html", make.html()),
        (".html", b"<p>words"),
        (".csv", make.csv()),
        (".json", b"{}"),
        (".pdf", make.pdf()),
        (".docx", make.docx()),
        (".xlsx", make.xlsx()),
        (".odt", hostile.odt()),
        (".unheard-of", b"\x00\x01"),
    ],
)
def test_what_was_promised_is_taken(produces: str, content: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(content)

    check_result(path, produces, is_blank_source=False)


@pytest.mark.parametrize(
    ("produces", "content"),
    [(".md", b""), (".md", b" \n\t\r\n"), (".pdf", b""), (".docx", b""), (".unheard-of", b"")],
)
def test_nothing_is_taken_only_of_nothing(
    produces: str, content: bytes, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "result"
    path.write_bytes(content)

    check_result(path, produces, is_blank_source=True)

    assert failure_of(path, produces) is Failure.EMPTY


def test_no_result_at_all_is_an_empty_one(tmp_path: pathlib.Path) -> None:
    assert failure_of(tmp_path / "none", ".pdf", is_blank_source=True) is Failure.EMPTY


@pytest.mark.parametrize(
    ("produces", "content"),
    [
        (".pdf", b"words"),
        (".pdf", make.docx()),
        (".pdf", hostile.noise()),
        (".docx", make.pdf()),
        (".docx", make.xlsx()),
        (".docx", hostile.nested_zips(1)),
        (".md", "Grüße".encode("cp1252")),
        (".md", make.pdf() + b"\xff"),
        (".txt", b"wor\0ds"),
        (".md", "cut short: ü".encode()[:-1]),
        (".html", b"no tag"),
    ],
)
def test_another_type_than_promised_is_refused(
    produces: str, content: bytes, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "result"
    path.write_bytes(content)

    assert failure_of(path, produces) is Failure.WRONG_TYPE


@pytest.mark.parametrize("make_it", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused(make_it: object, tmp_path: pathlib.Path) -> None:
    make_it(tmp_path / "result")  # type: ignore[operator]

    assert failure_of(tmp_path / "result", ".md") is Failure.WRONG_TYPE


def test_a_link_is_not_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "result").symlink_to("/etc/passwd")

    assert failure_of(tmp_path / "result", ".txt") is Failure.WRONG_TYPE
