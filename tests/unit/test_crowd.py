"""Who has to go where too many are connected: who is silent, and whose are most."""

from __future__ import annotations

from docferry.core.crowd import BY_SOCKET, ELSEWHERE, THIS_MACHINE, Bounds, Crowd, Whose

BOUNDS = Bounds(most=10, of_one=4, of_kind=8)
STRANGER = Whose("192.0.2.1", ELSEWHERE)
PROXY = Whose("127.0.0.1", THIS_MACHINE)
USER = Whose("unix:1000", BY_SOCKET)


def other(number: int) -> Whose:
    return Whose(f"198.51.100.{number}", ELSEWHERE)


def crowd(*entered: Whose) -> Crowd:
    """Give one of which nobody had to go: connections 0, 1, …"""
    made = Crowd(BOUNDS)
    assert [made.enter(number, whose) for number, whose in enumerate(entered)] == [None] * len(
        entered
    )
    return made


def test_of_one_network_that_is_too_many_the_longest_silent_goes() -> None:
    full = crowd(*[STRANGER] * 4)
    full.speaks(0)

    assert [full.enter(number, STRANGER) for number in (4, 5)] == [1, 2]


def test_who_has_had_an_answer_is_silent_from_then_on() -> None:
    full = crowd(*[STRANGER] * 4)
    for number in range(4):
        full.speaks(number)
    full.falls_silent(3)
    full.falls_silent(0)

    assert [full.enter(number, STRANGER) for number in (4, 5)] == [3, 0]


def test_where_nobody_of_a_network_is_silent_who_comes_is_not_let_in() -> None:
    full = crowd(*[STRANGER] * 4, other(1))
    for number in range(4):
        full.speaks(number)

    assert full.enter(5, STRANGER) == 5
    assert full.enter(5, other(1)) is None


def test_other_networks_are_no_worse_off_for_one_that_is_too_many() -> None:
    full = crowd(*[STRANGER] * 4)

    assert [full.enter(number, other(1)) for number in (4, 5, 6, 7)] == [None] * 4


def test_of_all_networks_together_those_go_of_whom_there_are_most() -> None:
    full = crowd(other(1), *[other(2)] * 3, *[STRANGER] * 4)

    assert full.enter(8, other(1)) == 4


def test_a_part_is_kept_for_this_machine_however_many_come_from_elsewhere() -> None:
    full = crowd(*[STRANGER] * 4, *[other(1)] * 4)
    for number in range(8):
        full.speaks(number)

    assert full.enter(8, other(2)) == 8
    assert [full.enter(number, PROXY) for number in (8, 9)] == [None, None]


def test_a_proxy_may_have_many_and_leaves_room_for_others() -> None:
    full = crowd(*[PROXY] * 8)
    for number in range(8):
        full.speaks(number)

    assert full.enter(8, PROXY) == 8
    assert [full.enter(number, USER) for number in (8, 9)] == [None, None]


def test_at_the_very_most_the_longest_silent_of_the_most_goes() -> None:
    full = crowd(*[PROXY] * 7, STRANGER, *[USER] * 2)

    assert full.enter(10, other(1)) == 0


def test_who_has_left_is_not_counted() -> None:
    full = crowd(*[STRANGER] * 4)
    for number in range(4):
        full.leave(number)
    full.leave(99)

    assert [full.enter(number, STRANGER) for number in range(4)] == [None] * 4


def test_who_is_sent_away_is_not_counted_any_more() -> None:
    full = crowd(*[STRANGER] * 4)
    gone = [full.enter(number, STRANGER) for number in range(4, 40)]

    assert gone == list(range(36))
