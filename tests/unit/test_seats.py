"""How much may be under way at once, and whose."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from docferry.web.problems import ProblemError
from docferry.web.seats import Seats


def test_one_who_asks_leaves_places_to_others() -> None:
    seats = Seats("downloads", 3, 2)

    with ExitStack() as taken:
        for _ in range(2):
            taken.enter_context(seats.taken("a"))
        with pytest.raises(ProblemError, match="2 downloads are under way") as refused:
            taken.enter_context(seats.taken("a"))
        taken.enter_context(seats.taken("b"))

    assert refused.value.problem.status == 503
    assert int(refused.value.headers["Retry-After"]) > 0


def test_all_together_have_no_more_than_there_are() -> None:
    seats = Seats("downloads", 3, 2)

    with ExitStack() as taken:
        for who in "abc":
            taken.enter_context(seats.taken(who))
        with pytest.raises(ProblemError, match="3 downloads"):
            taken.enter_context(seats.taken("d"))


def test_a_seat_is_free_again_however_it_ends() -> None:
    seats = Seats("downloads", 1, 1)

    with pytest.raises(ValueError, match="no"), seats.taken("a"):
        raise ValueError("no")

    with seats.taken("a"):
        pass
