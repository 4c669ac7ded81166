"""Plans that a process of its own makes: it says why not, and is gone when nobody waits."""

from __future__ import annotations

import pathlib
from dataclasses import replace

import pytest

from commands import Desk
from docferry.app.rehearse_apart import rehearse_apart
from docferry.errors import NotFoundError, PermanentError, TemporaryError
from processes import children_of


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


def test_a_store_that_cannot_be_asked_is_no_error_of_the_plan(desk: Desk) -> None:
    found = rehearse_apart(desk.loaded, "docs", 30.0)

    assert found.refused is not None
    assert found.operations == ()


def test_a_mirror_that_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="no mirror 'nope'"):
        rehearse_apart(desk.loaded, "nope", 30.0)


def test_one_that_takes_too_long_is_given_up_on_and_ended(desk: Desk) -> None:
    before = set(children_of())

    with pytest.raises(TemporaryError, match="longer than 0 s: docferry plan docs"):
        rehearse_apart(desk.loaded, "docs", 0.0)

    assert set(children_of()) <= before


def test_one_that_breaks_off_says_so(desk: Desk) -> None:
    nonsense = replace(desk.loaded, transfers=-1)  # no pool has so few threads

    with pytest.raises(PermanentError, match="broke off: see docferry's log"):
        rehearse_apart(nonsense, "docs", 30.0)
