"""Texts are read as what wrote them meant."""

from __future__ import annotations

import codecs
import os
import zlib

import pytest

from docferry.core.texts import Text, apart_from_lines, read_text

WORDS = "Größe: 5 €\nzwei\n"


def read(content: bytes) -> Text:
    found = read_text(content)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (WORDS.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + WORDS.encode(), "UTF-8 with a mark"),
        (codecs.BOM_UTF16_LE + WORDS.encode("utf-16-le"), "UTF-16"),
        (codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"), "UTF-16"),
        (WORDS.encode("cp1252"), "Windows-1252"),
    ],
)
def test_a_text_is_read_whatever_its_bytes(content: bytes, encoding: str) -> None:
    found = read(content)

    assert (found.text, found.encoding, found.line_ends) == (WORDS, encoding, "LF")
    assert found.is_guessed is (encoding == "Windows-1252")


@pytest.mark.parametrize(
    ("content", "line_ends"),
    [
        (b"a\r\nb\r\n", "CRLF"),
        (b"a\rb\r", "CR"),
        (b"a\nb\n", "LF"),
        (b"a\r\nb\n", "LF and CRLF"),
    ],
)
def test_line_ends_are_told_and_no_part_of_the_lines(content: bytes, line_ends: str) -> None:
    found = read(content)

    assert (found.lines, found.line_ends) == (["a", "b"], line_ends)


@pytest.mark.parametrize(
    "content",
    [
        zlib.compress(b"x" * 999),
        b"a\0b",
        b"\xff\xfe\0\0a\0\0\0",  # UTF-32
        codecs.BOM_UTF16_LE + b"a",  # half a letter
        codecs.BOM_UTF16_LE + "a\0".encode("utf-16-le"),
        b"\x81\x8d",
        b"\x01\x02\x03 words \xe9",
        os.urandom(4096),
    ],
)
def test_what_is_no_text_is_none(content: bytes) -> None:
    assert read_text(content) is None


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_of_a_text_that_is_cut_the_last_letter_is_left_out(codec: str) -> None:
    whole = "ab€😀".encode(codec)

    for cut in range(1, 4):
        found = read_text(whole[:-cut], is_whole=False)
        assert found is not None
        assert found.text == "ab€"


def test_what_two_texts_differ_in_besides_their_lines_is_said() -> None:
    plain, other = read(b"a\nb\n"), read(codecs.BOM_UTF8 + b"a\r\nb")

    assert plain.lines == other.lines
    assert apart_from_lines(plain, plain) == []
    assert apart_from_lines(plain, other) == [
        "encoding: UTF-8 before, UTF-8 with a mark after",
        "line ends: LF before, CRLF after",
        "end of the last line: there before, missing after",
    ]


def test_an_empty_text_has_no_lines() -> None:
    assert (read(b"").lines, read(b"\n").lines) == ([], [""])
