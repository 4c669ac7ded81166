"""The canary, as a value: its way, its text, and what it is told apart from."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docferry.core.canary import Leg, is_canary, legs_of, text_for
from docferry.model import Mode

EVERY = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("mode", "legs"),
    [
        (Mode.TWO_WAY, (Leg.UP, Leg.DOWN)),
        (Mode.PUSH, (Leg.UP,)),
        (Mode.PULL, (Leg.DOWN,)),
    ],
)
def test_it_flies_as_documents_of_the_mirror_do(mode: Mode, legs: tuple[Leg, ...]) -> None:
    assert legs_of(mode, is_converted=False) == legs
    assert legs_of(mode, is_converted=True) == (*legs, Leg.CONVERT)


def test_no_two_flights_and_no_two_legs_have_the_same_text() -> None:
    texts = {text_for(leg, flight, EVERY) for leg in Leg for flight in ("01A", "01B")}

    assert len(texts) == 2 * len(Leg)
    assert all(map(is_canary, texts))


def test_a_document_that_is_called_so_is_no_canary() -> None:
    assert not is_canary(b"a list of birds\n")
    assert not is_canary(b"")
    assert not is_canary(b"docferry canary is what I call my boat\n" * 20)
