"""A round of retention: what goes is noted first, and its bytes go everywhere."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from docferry.core.canary import CANARY_PATH
from docferry.core.guards import marker
from docferry.core.retention import Policy
from docferry.engine.retention import Retention, Round, verdicts
from docferry.errors import PermanentError, TemporaryError, UnreachableError
from docferry.ledger.requests import NewRequest
from docferry.metrics import REGISTRY
from docferry.model import Attributes, Path, RequestKind, Side, Ulid, VersionRow
from docferry.storage.memory import BytesContent, MemoryArchive
from ledger_rows import NOW, deleted, fresh_ledger, sha_of, ulid_of, uploaded, version
from unit.archived_mirror import DAY, ArchivedMirror, KeptByBucket

LAST_ONE = Policy(last=1)


class Counted(MemoryArchive):
    def __init__(self, asked: list[Ulid], *, keeps_references: bool) -> None:
        super().__init__(keeps_references=keeps_references, step=lambda name: None)
        self._asked = asked

    def describe(self, version: Ulid) -> Attributes | None:
        self._asked.append(version)
        return super().describe(version)


class Stubborn(MemoryArchive):
    """An archive that gives up none of some versions."""

    def __init__(self, stays: list[Ulid]) -> None:
        super().__init__(keeps_references=True, step=lambda name: None)
        self._stays = stays

    def remove(self, version: Ulid) -> None:
        if version in self._stays:
            raise TemporaryError("not this one")
        super().remove(version)


class Mirror(ArchivedMirror):
    def retention(self, policy: Policy = LAST_ONE) -> Retention:
        return Retention(
            "docs",
            policy,
            self.places,
            self.ledger,
            bucket_versions=lambda: self.bucket,
            now=lambda: NOW,
        )

    def count_looks(self) -> list[Ulid]:
        """Give a list into which both archives will write whatever they are asked about."""
        asked: list[Ulid] = []
        for side in (self.local, self.remote):
            archive = Counted(asked, keeps_references=side is self.remote)
            archive.update(side.archive)
            side.archive = archive
        return asked

    def empty(self, path: Path, days: int) -> VersionRow:
        """Let *path* have been empty until so many days ago."""
        row = replace(
            version(path),
            sha256=sha_of(""),
            size=0,
            left_at=NOW - days * DAY,
            archived_local=True,
            archived_remote=True,
        )
        self.ledger.versions.add([row])
        for side in (self.local, self.remote):
            side.archive.put(row.id, BytesContent(b""), Attributes(sha256=row.sha256))
        return row

    def round(self, policy: Policy = LAST_ONE) -> Round:
        return self.retention(policy).round(lambda: False)


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> Iterator[Mirror]:
    with fresh_ledger(tmp_path / "ledger.sqlite3") as ledger:
        yield Mirror(ledger)


def never() -> bool:
    return False


def test_what_no_rule_keeps_goes_from_both_archives_and_its_row_stays(mirror: Mirror) -> None:
    new, old = mirror.displaced("a", "2", 1), mirror.displaced("a", "1", 2)

    done = mirror.round()

    assert (done.let_go, done.removed, done.removed_bytes) == (1, 1, old.size)
    assert mirror.archived == ({new.id}, {new.id})
    gone = mirror.row(old.id)
    assert (gone.gone_at, gone.sha256) == (NOW, old.sha256)
    assert (gone.archived_local, gone.archived_remote) == (False, False)


def test_nothing_goes_while_a_person_has_to_say_what_is_held(mirror: Mirror) -> None:
    new, old = mirror.displaced("a", "2", 1), mirror.displaced("a", "1", 2)
    let_go = mirror.displaced("b", "1", 3)
    mirror.ledger.versions.let_go([let_go.id], NOW)
    mirror.ledger.waits.begin("docs", NOW)
    all_of_them = {new.id, old.id, let_go.id}

    waiting = mirror.round()
    was = mirror.archived
    mirror.ledger.waits.end("docs")
    done = mirror.round()

    assert (waiting, was) == (Round(), (all_of_them, all_of_them))
    assert (done.let_go, mirror.archived) == (1, ({new.id}, {new.id}))


@pytest.mark.parametrize(("policy", "lines"), [(LAST_ONE, 1), (Policy(), 0)])
def test_that_retention_waits_is_logged_once_and_only_where_there_is_a_rule(
    mirror: Mirror, capsys: pytest.CaptureFixture[str], policy: Policy, lines: int
) -> None:
    mirror.ledger.waits.begin("docs", NOW)
    retention = mirror.retention(policy)

    for _ in range(3):
        retention.run(never)

    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("retention.waits") == lines


def test_the_waiting_of_another_mirror_keeps_nothing(mirror: Mirror) -> None:
    mirror.displaced("a", "2", 1)
    mirror.displaced("a", "1", 2)
    mirror.ledger.waits.begin("others", NOW)

    assert mirror.round().let_go == 1


def test_what_goes_is_counted(mirror: Mirror) -> None:
    mirror.displaced("a", "2", 1)
    old = mirror.displaced("a", "1", 2)
    before = counted("versions_let_go"), counted("let_go_bytes")

    mirror.round()

    after = counted("versions_let_go"), counted("let_go_bytes")
    assert after == (before[0] + 1, before[1] + old.size)


def test_a_version_that_is_let_go_has_its_line_in_history(mirror: Mirror) -> None:
    mirror.displaced("a", "2", 1)
    old = mirror.displaced("a", "1", 2)

    mirror.round()

    [line] = mirror.ledger.history.of("docs", "a")
    assert (line.kind, line.version, line.at) == ("let_go", old.id, NOW)


def test_the_rehearsal_says_what_the_round_does(mirror: Mirror) -> None:
    for path in ("a", "b", "b/c", "é"):
        for number in range(4):
            mirror.displaced(path, f"{path}{number}", number)
    mirror.ledger.versions.keep(ulid_of("aa3"), NOW, is_held=True)
    policy = Policy(last=1, at_least=2 * DAY)
    going = {
        verdict.version.id
        for verdict in verdicts(mirror.ledger, "docs", policy, NOW)
        if verdict.goes
    }

    mirror.round(policy)

    gone = {
        row.id
        for path in ("a", "b", "b/c", "é")
        for row in mirror.ledger.versions.of("docs", path)
        if row.gone_at is not None
    }
    assert gone == going
    assert len(going) == 7
    assert mirror.round(policy) == Round()


def test_many_paths_are_judged_a_page_at_a_time_each_with_all_its_versions(
    mirror: Mirror,
) -> None:
    rows = [
        replace(version(f"{path:04}", f"{number}"), left_at=NOW - number * DAY)
        for path in range(900)
        for number in range(1, 6)
    ]
    mirror.ledger.versions.add(rows)

    found = [*mirror.ledger.versions.displaced_by_path("docs")]

    assert [len(rows) for rows in found] == [5] * 900
    assert [rows[0].path for rows in found] == [f"{path:04}" for path in range(900)]


def test_the_content_of_a_file_stays_whatever_its_path(mirror: Mirror) -> None:
    mirror.displaced("a", "2", 1)
    old = mirror.displaced("a", "1", 2, content="same")
    mirror.ledger.record("docs", [uploaded("b", "same")], at=NOW)

    mirror.round()

    assert mirror.row(old.id).gone_at is None


def test_what_came_to_be_needed_since_it_was_judged_stays(mirror: Mirror) -> None:
    held, asked = mirror.displaced("a", "1", 2), mirror.displaced("b", "1", 2)
    used, other = mirror.displaced("c", "1", 2, content="same"), mirror.displaced("d", "1", 2)
    mirror.ledger.versions.keep(held.id, NOW, is_held=True)
    restore = NewRequest("docs", "b", RequestKind.RESTORE, version=asked.id)
    mirror.ledger.requests.add([restore], NOW)
    mirror.ledger.record("docs", [uploaded("e", "same")], at=NOW)

    gone = mirror.ledger.versions.let_go([held.id, asked.id, used.id, other.id], NOW)

    assert gone == {other.id}


def test_shared_bytes_stay_until_the_last_version_on_them_is_let_go(mirror: Mirror) -> None:
    first = mirror.displaced("a", "1", 5, content="same")
    mirror.displaced("a", "2", 1)
    second = mirror.displaced("b", "1", 2, content="same", bytes_of=first.id)

    done = mirror.round()
    with mirror.remote.archive.read(second.id) as content:
        had = b"".join(content.parts())
    mirror.displaced("b", "2", 1)
    mirror.round()

    assert (done.let_go, done.removed, done.shared) == (1, 0, 1)
    assert had == b"same"
    assert not {first.id, second.id} & (mirror.archived[0] | mirror.archived[1])


def test_what_is_known_to_be_shared_is_not_asked_about_again_and_again(mirror: Mirror) -> None:
    first = mirror.displaced("a", "1", 5, content="same")
    mirror.displaced("a", "2", 1)
    mirror.displaced("b", "1", 2, content="same", bytes_of=first.id)
    mirror.round()
    asked = mirror.count_looks()

    done = mirror.round()

    assert (done.shared, asked) == (1, [])


def test_of_many_equal_contents_the_bytes_are_looked_for_once(mirror: Mirror) -> None:
    home = mirror.displaced("home", "1", 5, content="same")
    for number in range(20):
        mirror.displaced(f"{number}", "1", 2, content="same", bytes_of=home.id)
    mirror.displaced("a", "1", 5, content="same")
    mirror.displaced("a", "2", 1)
    asked = mirror.count_looks()

    done = mirror.round()

    assert done.removed == 1
    assert len(asked) <= 2


def test_of_many_empty_ones_that_have_their_own_none_is_asked_about(mirror: Mirror) -> None:
    """Each of them is let go one day: to ask for each about all others would never end."""
    for number in range(20):
        mirror.empty(f"{number}", 2)
    going = mirror.empty("a", 5)
    mirror.displaced("a", "2", 1)
    asked = mirror.count_looks()

    done = mirror.round()

    assert done.removed == 1
    assert mirror.row(going.id).gone_at == NOW
    assert len(asked) <= 2


def test_an_empty_one_that_no_archive_has_yet_keeps_the_last_one_it_can_come_from(
    mirror: Mirror,
) -> None:
    going, other = mirror.empty("a", 5), mirror.empty("b", 2)
    mirror.displaced("a", "2", 1)
    for side in (mirror.local, mirror.remote):
        side.archive.remove(other.id)
    mirror.ledger.versions.note_removed([other.id])

    done = mirror.round()

    assert (done.removed, done.shared) == (0, 1)
    assert going.id in mirror.archived[1]


def test_bytes_that_a_version_refers_to_without_a_note_stay(mirror: Mirror) -> None:
    first = mirror.displaced("a", "1", 5, content="same")
    mirror.displaced("a", "2", 1)
    second = mirror.displaced("b", "1", 2, content="same", bytes_of=first.id)
    mirror.ledger.versions.note_bytes_of(second.id, None)  # a crash came before the note

    mirror.round()

    with mirror.remote.archive.read(second.id) as content:
        assert b"".join(content.parts()) == b"same"


def test_bytes_that_a_version_comes_to_over_another_one_stay(mirror: Mirror) -> None:
    first = mirror.displaced("a", "1", 5, content="same")
    mirror.displaced("a", "2", 1)
    middle = mirror.displaced("b", "1", 4, content="same", bytes_of=first.id)
    mirror.displaced("b", "2", 1)
    last = mirror.displaced("c", "1", 2, content="same", bytes_of=first.id)
    mirror.ledger.versions.note_bytes_of(last.id, middle.id)

    mirror.round()

    assert mirror.row(first.id).gone_at == mirror.row(middle.id).gone_at == NOW
    with mirror.remote.archive.read(last.id) as content:
        assert b"".join(content.parts()) == b"same"


@pytest.mark.parametrize("side", Side)
def test_a_crash_between_the_note_and_the_bytes_is_finished_by_the_next_round(
    mirror: Mirror, side: Side
) -> None:
    mirror.displaced("a", "2", 1)
    old = mirror.displaced("a", "1", 2)
    mirror.ledger.versions.note_removed([old.id])  # no note told of its bytes
    storage = mirror.local if side is Side.LOCAL else mirror.remote
    storage.step = crash_at("before remove")
    with pytest.raises(TemporaryError):
        mirror.round()
    storage.step = lambda name: None

    done = mirror.round()

    assert (done.let_go, done.removed) == (0, 1)
    assert old.id not in mirror.archived[0] | mirror.archived[1]


def test_bytes_that_cannot_be_removed_keep_no_others_and_are_told_of(mirror: Mirror) -> None:
    for path in ("a", "b"):
        mirror.displaced(path, "2", 1)
    a, b = mirror.displaced("a", "1", 2), mirror.displaced("b", "1", 2)
    mirror.remote.step = once(PermanentError("not allowed"))

    with pytest.raises(PermanentError, match="not allowed"):
        mirror.round()

    left = [row for row in (mirror.row(a.id), mirror.row(b.id)) if row.archived_remote]
    assert len(left) == 1


@pytest.mark.parametrize("side", Side)
def test_nothing_is_let_go_in_front_of_another_side(mirror: Mirror, side: Side) -> None:
    mirror.displaced("a", "2", 1)
    old = mirror.displaced("a", "1", 2)
    storage = mirror.local if side is Side.LOCAL else mirror.remote
    storage.write_marker(marker(ulid_of("another")))

    with pytest.raises(UnreachableError, match="another mirror"):
        mirror.round()

    assert mirror.row(old.id).gone_at is None


def test_versions_that_cannot_be_removed_keep_no_others_for_more_than_a_round(
    mirror: Mirror,
) -> None:
    going = sorted(mirror.displaced("a", f"{number}", number).id for number in range(120))
    mirror.ledger.versions.let_go(going, NOW)
    stays = going[:100]  # as many as are looked at before the failures are counted
    stubborn = Stubborn(stays)
    stubborn.update(mirror.remote.archive)
    mirror.remote.archive = stubborn
    retention = mirror.retention()

    left = []
    for _ in range(2):
        with pytest.raises(TemporaryError):
            retention.run(never)
        left.append({*stubborn})
    stays.clear()
    retention.run(never)

    assert left == [{*going}, {*going[:100]}]
    assert not stubborn


def test_a_round_that_is_stopped_goes_on_the_next_time(mirror: Mirror) -> None:
    mirror.displaced("a", "2", 1)
    old = mirror.displaced("a", "1", 2)

    stopped = mirror.retention().round(lambda: True)
    mirror.retention().run(never)

    assert stopped == Round()
    assert mirror.row(old.id).gone_at == NOW


def test_what_the_bucket_keeps_of_it_goes_too_but_never_what_is_latest(mirror: Mirror) -> None:
    new, old = mirror.displaced("a", "2", 1), mirror.displaced("a", "1", 2)
    was, is_now = old.etag or "", new.etag or ""
    others = [KeptByBucket("v3", is_now), KeptByBucket("v2", "a stranger's")]
    latest = KeptByBucket("v4", was, is_latest=True)
    mirror.bucket.kept["a"] = [latest, *others, KeptByBucket("v1", was)]

    mirror.round()

    assert mirror.bucket.kept["a"] == [latest, *others]


def test_without_a_rule_a_round_lets_nothing_go(mirror: Mirror) -> None:
    mirror.displaced("a", "1", 4000)

    assert mirror.round(Policy()) == Round()


def test_a_file_that_is_gone_has_versions_like_any_other(mirror: Mirror) -> None:
    mirror.ledger.record("docs", [uploaded("a", "1")], at=NOW)
    mirror.ledger.record("docs", [deleted("a")], at=NOW - 9 * DAY)

    mirror.round(Policy(at_least=9 * DAY))

    assert mirror.row(ulid_of("a1")).gone_at == NOW


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"docferry_{name}_total", {"mirror": "docs"}) or 0.0


def crash_at(step: str) -> Callable[[str], None]:
    def crash(name: str) -> None:
        if name == step:
            raise TemporaryError("the machine went off")

    return crash


def once(error: Exception) -> Callable[[str], None]:
    errors = [error]

    def fail(name: str) -> None:
        if name == "before remove" and errors:
            raise errors.pop()

    return fail


# Canaries.


def fly(mirror: Mirror, *contents: str) -> list[VersionRow]:
    """Let canaries have flown, one a day; the newest first."""
    return [mirror.displaced(CANARY_PATH, text, day) for day, text in enumerate(contents, 1)]


def test_of_the_canaries_that_flew_the_last_one_stays_even_without_a_rule(mirror: Mirror) -> None:
    last, *older = fly(mirror, "3", "2", "1")
    document = mirror.displaced("a", "1", 3)
    mirror.ledger.canaries.own("docs", CANARY_PATH, min(row.id for row in (last, *older)))

    done = mirror.round(Policy())

    assert done.let_go == 2
    assert mirror.archived[0] == {last.id, document.id}


def test_what_somebody_had_at_the_path_of_the_canary_before_follows_the_rules(
    mirror: Mirror,
) -> None:
    rows = sorted(fly(mirror, "3", "2", "1"), key=lambda row: row.id)
    mirror.ledger.canaries.own("docs", CANARY_PATH, rows[-1].id)

    assert mirror.round(Policy()).let_go == 0
    assert mirror.archived[0] == {row.id for row in rows}


def test_a_rehearsal_tells_which_canaries_go(mirror: Mirror) -> None:
    rows = fly(mirror, "3", "2", "1")
    mirror.ledger.canaries.own("docs", CANARY_PATH, min(row.id for row in rows))

    told = [*verdicts(mirror.ledger, "docs", Policy(), NOW)]

    assert {one.version.id for one in told if one.goes} == {row.id for row in rows[1:]}
