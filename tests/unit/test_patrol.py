"""The patrol: what it finds, what it asks for, how fast it goes, and where it goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docferry.core.guards import marker
from docferry.core.patrol import Phase, coverage, is_behind, target
from docferry.errors import TemporaryError, UnreachableError
from docferry.ledger.patrols import PatrolRow
from docferry.metrics import REGISTRY
from docferry.model import Mode, Path, RequestKind, Side, Token
from docferry.storage.base import Content
from ledger_rows import NOW
from unit.kept import Frail, Kept, KeptWith, never

SECOND = timedelta(seconds=1)


def cycle(kept: Kept) -> PatrolRow:
    row = kept.patrol().run_cycle()
    assert row is not None
    assert (row.phase, row.finished_at) == (Phase.DONE, kept.now)
    assert coverage(row.checked, row.total) == 1.0
    return row


def findings(kind: str, side: Side) -> float:
    labels = {"mirror": "docs", "kind": kind, "side": side.value}
    return REGISTRY.get_sample_value("docferry_patrol_findings_total", labels) or 0.0


# What it finds at paths.


def test_a_sound_mirror_is_read_as_a_whole_and_nothing_is_asked_for(kept: Kept) -> None:
    kept.agree("a", b"one")
    kept.agree("odd%2Fname", b"two")
    kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)

    row = cycle(kept)

    assert (row.checked, row.found) == (3, 0)
    assert (kept.asked(), kept.problems()) == ([], {})


@pytest.mark.parametrize(
    ("side", "kind"),
    [(Side.LOCAL, RequestKind.HEAL_LOCAL), (Side.REMOTE, RequestKind.HEAL_REMOTE)],
)
def test_rot_on_one_side_is_to_be_healed_there(kept: Kept, side: Side, kind: RequestKind) -> None:
    state = kept.agree("a", b"sound")
    kept.rot(side, "a", b"wrong")
    before = findings("content", side)

    row = cycle(kept)

    [request] = kept.requests()
    assert (request.kind, request.path, request.version) == (kind, "a", state.version)
    assert (row.found, kept.problems()) == (1, {})
    assert findings("content", side) == before + 1


def test_it_is_not_asked_for_twice(kept: Kept) -> None:
    kept.agree("a", b"sound")
    kept.rot(Side.LOCAL, "a", b"wrong")

    cycle(kept)
    cycle(kept)

    assert kept.asked() == [(RequestKind.HEAL_LOCAL, "a")]


def test_what_is_missing_or_edited_is_left_to_the_loop(kept: Kept) -> None:
    for path in ("gone", "edited", "busy"):
        kept.agree(path, path.encode())
    kept.local.user_delete("gone")
    kept.remote.user_write("edited", b"by somebody")
    kept.local.open_for_writing.add("busy")

    row = cycle(kept)

    assert (row.checked, row.found) == (3, 0)
    assert (kept.asked(), kept.problems()) == ([], {})


def test_rot_on_both_sides_is_a_problem_until_it_is_sound_again(kept: Kept) -> None:
    kept.agree("a", b"sound")
    for side in Side:
        kept.rot(side, "a", b"wrong")

    row = cycle(kept)

    assert (row.found, kept.asked()) == (2, [])
    assert kept.problems() == {"a": "rot"}

    for side in Side:
        kept.rot(side, "a", b"sound")
    cycle(kept)

    assert kept.problems() == {}


def test_rot_on_both_sides_is_healed_where_an_archive_has_the_content(kept: Kept) -> None:
    kept.agree("a", b"sound")
    kept.displace("b", b"sound", Side.LOCAL)
    for side in Side:
        kept.rot(side, "a", b"wrong")

    cycle(kept)
    kept.heal_all()

    assert kept.local.contents == kept.remote.contents == {"a": b"sound"}


def test_an_object_that_the_store_cannot_give_is_rotten(kept: Kept) -> None:
    kept.agree("a", b"sound")
    kept.remote.broken.add("a")

    cycle(kept)

    assert kept.asked() == [(RequestKind.HEAL_REMOTE, "a")]


def test_a_store_in_trouble_says_nothing_about_rot(kept: Kept) -> None:
    class Troubled(Frail):
        is_troubled = False

        def read_marker(self) -> bytes | None:
            if self.broken and self.is_troubled:
                raise TemporaryError("the store has trouble of its own")
            self.is_troubled = True
            return super().read_marker()

    kept.remote = Troubled(keeps_references=True)
    kept.remote.write_marker(marker("M"))
    kept.agree("a", b"sound")
    kept.remote.broken.add("a")

    with pytest.raises(TemporaryError):
        kept.patrol().run_cycle()

    assert kept.asked() == []


def test_a_line_that_spoils_one_answer_is_no_rot(kept: Kept) -> None:
    class Line(Frail):
        spoils = 1

        def read(self, path: Path, expect: Token) -> Content:
            if self.spoils:
                self.spoils -= 1
                whole, self.files[path] = self.files[path], self.files["spoilt"]
                try:
                    return super().read(path, self.files[path].token)
                finally:
                    self.files[path] = whole
            return super().read(path, expect)

    kept.remote = Line(keeps_references=True)
    kept.remote.write_marker(marker("M"))
    kept.agree("a", b"sound")
    kept.remote.user_write("spoilt", b"wrong")

    row = cycle(kept)

    assert (row.found, kept.asked()) == (0, [])


@pytest.mark.parametrize(
    ("mode", "side", "is_asked"),
    [
        (Mode.PUSH, Side.REMOTE, True),
        (Mode.PUSH, Side.LOCAL, False),
        (Mode.PULL, Side.LOCAL, True),
        (Mode.PULL, Side.REMOTE, False),
    ],
)
def test_the_mode_says_on_which_side_rot_may_be_healed(
    new_kept: KeptWith, mode: Mode, side: Side, *, is_asked: bool
) -> None:
    kept = new_kept(mode=mode)
    kept.agree("a", b"sound")
    kept.rot(side, "a", b"wrong")

    cycle(kept)

    assert bool(kept.asked()) == is_asked
    assert kept.problems() == ({} if is_asked else {"a": "rot"})


# Whom it believes.


@pytest.mark.parametrize("side", list(Side))
def test_in_front_of_another_place_nothing_is_lost(kept: Kept, side: Side) -> None:
    kept.agree("a", b"sound")
    kept.displace("a", b"once", Side.LOCAL, Side.REMOTE)
    other = Frail(keeps_references=side is Side.REMOTE)
    other.write_marker(marker("another"))
    if side is Side.LOCAL:
        kept.local = other
    else:
        kept.remote = other

    assert kept.patrol().run_cycle() is None

    assert (kept.ledger.patrols.get("docs"), kept.problems()) == (None, {})
    assert dict(other.archive) == {}


def test_a_side_that_does_not_answer_is_gone_on_with_later(kept: Kept) -> None:
    class Away(Frail):
        is_away = True

        def read(self, path: Path, expect: Token) -> Content:
            if self.is_away and path == "b":
                raise UnreachableError("nobody answers")
            return super().read(path, expect)

    kept.remote = away = Away(keeps_references=True)
    kept.remote.write_marker(marker("M"))
    for path in ("a", "b", "c"):
        kept.agree(path, path.encode())
    patrol = kept.patrol()

    with pytest.raises(UnreachableError):
        patrol.run_cycle()
    row = kept.ledger.patrols.get("docs")
    assert row is not None
    assert (row.cursor, row.checked) == ("a", 1)

    away.is_away = False
    kept.now += 2000 * SECOND
    kept.patrol().run(never)

    row = kept.ledger.patrols.get("docs")
    assert row is not None
    assert (row.phase, row.checked) == (Phase.DONE, 3)


# How fast it goes.


def test_a_cycle_is_spread_over_its_time(kept: Kept) -> None:
    for number in range(10):
        kept.agree(f"{number}", b"content %d" % number)
    patrol, checked = kept.patrol(), []

    for _ in range(12):
        patrol.run(never)
        row = kept.ledger.patrols.get("docs")
        assert row is not None
        checked.append(row.checked)
        kept.now += 100 * SECOND

    assert checked == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]


def test_a_patrol_that_is_off_reads_nothing(new_kept: KeptWith) -> None:
    kept = new_kept(patrol_s=0.0)
    kept.agree("a", b"sound")

    kept.patrol().run(never)

    assert kept.ledger.patrols.get("docs") is None


def test_after_a_restart_it_goes_on_where_it_was(kept: Kept) -> None:
    for number in range(4):
        kept.agree(f"{number}", b"content %d" % number)
    kept.displace("x", b"once", Side.LOCAL)
    kept.patrol().run(never)
    kept.now += 600 * SECOND
    kept.patrol().run(never)
    half = kept.ledger.patrols.get("docs")
    assert half is not None
    assert (half.phase, half.cursor, half.checked) == (Phase.CURRENT, "2", 3)

    kept.rot(Side.LOCAL, "0", b"behind it")
    kept.now += 400 * SECOND
    kept.patrol().run(never)

    row = kept.ledger.patrols.get("docs")
    assert row is not None
    assert (row.phase, row.checked, row.finished_at) == (Phase.DONE, 5, kept.now)
    assert kept.asked() == []


def test_a_round_ends_in_time_and_the_next_goes_on(kept: Kept) -> None:
    for number in range(5):
        kept.agree(f"{number}", b"content %d" % number)
    patrol = kept.patrol(round_s=-1.0)
    kept.now += 10 * SECOND

    patrol.run(never)

    row = kept.ledger.patrols.get("docs")
    assert row is not None
    assert row.checked == 0


def test_it_stops_in_the_middle_and_what_it_was_at_is_not_called_checked(kept: Kept) -> None:
    class Stopping(Frail):
        asked = False

        def read(self, path: Path, expect: Token) -> Content:
            self.asked = path == "b"
            return super().read(path, expect)

    kept.remote = remote = Stopping(keeps_references=True)
    kept.remote.write_marker(marker("M"))
    for path in ("a", "b", "c"):
        kept.agree(path, path.encode())
    kept.rot(Side.REMOTE, "b", b"?")

    row = kept.patrol().run_cycle(lambda: remote.asked)

    assert row is not None
    assert (row.cursor, row.checked, row.phase) == ("a", 1, Phase.CURRENT)
    assert kept.asked() == []


# The pace, as numbers.


@pytest.mark.parametrize(
    ("elapsed_s", "expected"), [(-5, 0), (0, 0), (49, 4), (50, 5), (99, 9), (100, 10), (500, 10)]
)
def test_the_target_grows_with_time(elapsed_s: int, expected: int) -> None:
    assert target(10, NOW, NOW + elapsed_s * SECOND, 100.0) == expected


def test_when_the_time_is_up_all_that_is_left_is_due() -> None:
    assert is_behind(12, 10, NOW, NOW + 100 * SECOND, 100.0)
    assert not is_behind(12, 10, NOW, NOW + 99 * SECOND, 100.0)


@pytest.mark.parametrize(
    ("checked", "total", "ratio"), [(0, 10, 0.0), (5, 10, 0.5), (12, 10, 1.0), (0, 0, 1.0)]
)
def test_coverage_is_a_ratio(checked: int, total: int, ratio: float) -> None:
    assert coverage(checked, total) == ratio


def test_what_was_agreed_on_anew_meanwhile_is_read_as_it_is_now(kept: Kept) -> None:
    class Edits(Frail):
        is_edited = True

        def read(self, path: Path, expect: Token) -> Content:
            if not self.is_edited:
                self.is_edited = True
                kept.agree("b", b"second")
                kept.rot(Side.LOCAL, "b", b"wrong!")
            return super().read(path, expect)

    kept.local = folder = Edits(keeps_references=False)
    kept.local.write_marker(marker("M"))
    kept.agree("a", b"first")
    kept.agree("b", b"first")
    folder.is_edited = False

    cycle(kept)

    assert kept.asked() == [(RequestKind.HEAL_LOCAL, "b")]
