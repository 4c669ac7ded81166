"""Whose failure an answer is, when to ask again, and what is repeated of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from docferry.convert.base import ConversionError, ConverterDownError
from docferry.convert.service_answers import (
    LONGEST_WAIT_S,
    WORDS_BYTES,
    Refusal,
    error_for,
    first_line,
    in_words,
    retry_after_s,
    why_not,
)
from docferry.errors import DocferryError, UserError
from docferry.job import Failure

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


def error(status: int, words: str = "", **headers: str) -> DocferryError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_for(Refusal("tika http://host", "offer.docx", status, words, named), NOW)


@pytest.mark.parametrize("status", [400, 409, 410, 413, 414, 415, 422, 451])
def test_what_is_wrong_with_a_document_is_its_own_failure(status: int) -> None:
    refused = error(status, "password protected")

    assert isinstance(refused, ConversionError)
    assert refused.failure is Failure.REFUSED
    assert refused.output == "password protected"
    assert "offer.docx" in str(refused)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 407, 421, 501])
def test_a_service_that_refuses_us_is_a_matter_of_configuration(status: int) -> None:
    assert isinstance(error(status), UserError)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 507, 520, 599])
def test_a_service_that_fell_over_a_document_is_in_doubt(status: int) -> None:
    down = error(status)

    assert isinstance(down, ConverterDownError)
    assert down.is_in_doubt


@pytest.mark.parametrize("status", [425, 429, 511])
def test_a_busy_service_has_nothing_against_the_document(status: int) -> None:
    down = error(status)

    assert isinstance(down, ConverterDownError)
    assert not down.is_in_doubt


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_says_when_to_come_back(status: int) -> None:
    down = error(status, Retry_After="17")

    assert isinstance(down, ConverterDownError)
    assert down.retry_after_s == 17


def test_no_content_is_an_empty_result() -> None:
    empty = error(204)

    assert isinstance(empty, ConversionError)
    assert empty.failure is Failure.EMPTY


@pytest.mark.parametrize("status", [202, 203, 206])
def test_a_success_of_another_kind_is_no_result(status: int) -> None:
    odd = error(status)

    assert isinstance(odd, ConversionError)
    assert odd.failure is Failure.WRONG_TYPE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_without_what_may_be_secret(status: int) -> None:
    moved = error(status, Location="https://me:secret@other:8443/in?key=secret#secret")

    assert isinstance(moved, UserError)
    assert "https://other:8443/in" in str(moved)
    assert "secret" not in str(moved)


@pytest.mark.parametrize(
    ("location", "named"), [("/in", "to /in"), ("http://[", "elsewhere"), ("", "elsewhere")]
)
def test_a_redirect_to_nowhere_is_named_as_far_as_it_goes(location: str, named: str) -> None:
    assert f"sends us {named};" in str(error(302, Location=location))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 30 ", 30),
        ("86400", LONGEST_WAIT_S),
        ("9" * 5000, LONGEST_WAIT_S),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Thu, 26 Nov 2026 12:00:45 GMT", 45),
        ("Thu, 26 Nov 2026 13:00:45 +0100", 45),
        ("Thu, 26 Nov 2026 12:00:45 -0000", 45),
        ("Thu, 26 Nov 2026 11:59:00 GMT", 0),
        ("Fri, 27 Nov 2026 12:00:00 GMT", LONGEST_WAIT_S),
        ("Thu, 99 Nov 2026 12:00:45 GMT", None),
        ("Thu, 26 Nov 2026 12:00:45 +99999999999999999999", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date_within_an_hour(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after_s(value, NOW) == seconds


def test_words_cannot_steer_a_terminal() -> None:
    words = in_words("no\x1b[2J\u202egood\x9b1m\r\nat all".encode() + b"\xff\x00")

    assert words == "no [2J good 1m \nat all\ufffd"


def test_a_type_cannot_steer_a_terminal_and_is_short() -> None:
    why = why_not(".pdf", "text/\x1b[2J\u202e" + "x" * 10_000, b"")

    assert why is not None
    assert why.isprintable()
    assert len(why) < 100


def test_words_are_bounded() -> None:
    assert len(in_words(b"x" * 1_000_000)) == WORDS_BYTES


def test_a_message_holds_the_first_line_that_says_something() -> None:
    assert first_line("\n  \n  it is broken  \nTraceback") == "it is broken"
    assert first_line("x" * 1000) == "x" * 299 + "…"
    assert first_line("") == ""


@pytest.mark.parametrize(
    ("produces", "content_type", "head"),
    [
        (".pdf", "text/html; charset=utf-8", b"<p>Log in"),
        (".pdf", "application/octet-stream", b"\n <!DOCTYPE HTML><html>"),
        (".md", "text/markdown", b"\xef\xbb\xbf<html lang=en>"),
        (".json", "text/html", b"<!doctype html>"),
        (".pdf", "text/plain", b"%PDF"),
        (".pdf", "application/zip", b"PK"),
        (".md", "Application/JSON", b'{"error": "no"}'),
    ],
)
def test_a_page_or_a_message_is_no_result(produces: str, content_type: str, head: bytes) -> None:
    assert why_not(produces, content_type, head) is not None


@pytest.mark.parametrize(
    ("produces", "content_type", "head"),
    [
        (".pdf", "application/pdf", b"%PDF-1.7"),
        (".pdf", "", b"%PDF-1.7"),
        (".md", "text/html; charset=utf-8", b"# What Flask calls HTML"),
        (".md", "text/plain", b"<htmlish> is a word"),
        (".html", "text/html", b"<!DOCTYPE html>"),
        (".json", "application/json", b"{}"),
        (".docx", "application/zip", b"PK"),
    ],
)
def test_what_may_be_the_result_is_taken(produces: str, content_type: str, head: bytes) -> None:
    assert why_not(produces, content_type, head) is None
