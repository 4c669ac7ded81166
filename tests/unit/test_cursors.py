"""Cursors: they come back as they went, and nothing made up is taken for one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docferry.core.cursors import cursor_of, key_in
from docferry.errors import UserError

_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@given(st.lists(_WORDS, max_size=4))
def test_a_cursor_comes_back_as_it_went(key: list[str]) -> None:
    cursor = cursor_of("files", key)

    assert key_in(cursor, "files", len(key)) == tuple(key)
    assert cursor.isascii()
    assert "=" not in cursor


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = cursor_of(("files", "docs"), ["a"])

    with pytest.raises(UserError):
        key_in(cursor, ("files", "other"), 1)


def test_a_cursor_of_another_order_is_refused() -> None:
    with pytest.raises(UserError):
        key_in(cursor_of("files", ["a"]), "files", 2)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: raw.decode("latin1")))
def test_what_is_made_up_is_refused(cursor: str) -> None:
    with pytest.raises(UserError):
        key_in(cursor, "files", 1)


@pytest.mark.parametrize("word", [1, None, ["a"], "\ud800", "a\0b", {"a": 1}])
def test_a_word_that_the_ledger_cannot_be_asked_for_is_refused(word: object) -> None:
    ours = json.loads(base64.urlsafe_b64decode(cursor_of("files", ["a"]) + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([*ours[:2], word]).encode()).decode()

    with pytest.raises(UserError):
        key_in(forged.rstrip("="), "files", 1)


def test_a_cursor_without_end_is_refused() -> None:
    for cursor in ("A" * 1_000_000, base64.urlsafe_b64encode(b"[" * 9000).decode()):
        with pytest.raises(UserError):
            key_in(cursor, "files", 1)
