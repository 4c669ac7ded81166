"""One mirror's loop, asked to have versions back: while people go on working."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from docferry.engine.runs import Run
from docferry.ledger.requests import NewRequest, RequestRow
from docferry.model import (
    HoldState,
    MirrorHealth,
    Mode,
    Origin,
    Path,
    RequestKind,
    RequestState,
    Ulid,
    VersionRow,
)
from docferry.storage.memory import sha256_of
from looped_mirror import Mirror
from processes import wait_for


def save(mirror: Mirror, path: Path, content: bytes) -> None:
    """Save a file as people do, and wait until both sides have it."""
    file = mirror.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    mirror.loop.mark(path)
    wait_for(lambda: mirror.remote.contents.get(path) == content)
    wait_for(lambda: sha_of(mirror, path) == sha256_of(content))


def sha_of(mirror: Mirror, path: Path) -> str | None:
    state = mirror.ledger.synced.get("docs", [path]).get(path)
    return None if state is None else state.sha256


def version_of(mirror: Mirror, path: Path, content: bytes) -> VersionRow:
    sha256 = sha256_of(content)
    return next(row for row in mirror.ledger.versions.of("docs", path) if row.sha256 == sha256)


def ask(mirror: Mirror, wanted: Sequence[NewRequest]) -> list[int]:
    requests = mirror.ledger.requests.add(wanted, datetime.now(UTC))
    mirror.loop.request(Run.ASKED)
    return requests


def restore(path: Path, version: Ulid, expect: Ulid | None = None) -> NewRequest:
    return NewRequest("docs", path, RequestKind.RESTORE, version, expect)


def answered(mirror: Mirror, request: int) -> RequestRow:
    """Wait until it is over with a request, and give what came of it."""

    def is_over() -> bool:
        mirror.loop.request(Run.ASKED)
        row = mirror.ledger.requests.get(request)
        return row is not None and row.state not in (RequestState.OPEN, RequestState.HELD)

    wait_for(is_over, every_s=0.02)
    row = mirror.ledger.requests.get(request)
    assert row is not None
    return row


def test_an_older_version_comes_back_on_both_sides_as_a_new_one(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    first = version_of(mirror, "a", b"first")

    [request] = ask(mirror, [restore("a", first.id)])
    row = answered(mirror, request)

    assert row.state is RequestState.DONE
    assert mirror.files == mirror.remote.contents == {"a": b"first"}
    newest, second, oldest = mirror.ledger.versions.of("docs", "a")
    assert newest.origin is Origin.RESTORE
    assert newest.parent == second.id
    assert [newest.is_current, second.is_current, oldest.is_current] == [True, False, False]
    with mirror.remote.read_archived(second.id) as content:
        assert content.sha256() == second.sha256


def test_a_deleted_file_comes_back_under_another_name_if_that_is_asked(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "f/a", b"mine")
    save(mirror, "c", b"c")  # an empty folder would be a hold
    (mirror.root / "f/a").unlink()
    mirror.run()
    [gone] = mirror.ledger.versions.of("docs", "f/a")

    requests = ask(mirror, [restore("f/a", gone.id, expect=""), restore("g/b", gone.id)])
    states = [answered(mirror, request).state for request in requests]

    assert states == [RequestState.DONE, RequestState.DONE]
    assert (
        mirror.files
        == mirror.remote.contents
        == {
            "c": b"c",
            "f/a": b"mine",
            "g/b": b"mine",
        }
    )


def test_an_edit_stays_and_the_version_comes_beside_it(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a.txt", b"first")
    save(mirror, "a.txt", b"second")
    first = version_of(mirror, "a.txt", b"first")
    (mirror.root / "a.txt").write_bytes(b"just edited")  # and nobody has told the loop

    [request] = ask(mirror, [restore("a.txt", first.id)])
    row = answered(mirror, request)
    mirror.run()

    assert row.state is RequestState.CONFLICT
    copy = f"a.conflict-{first.sha256[:8]}.txt"
    assert mirror.files == mirror.remote.contents == {"a.txt": b"just edited", copy: b"first"}
    assert [each.copy_path for each in mirror.ledger.conflicts.all("docs")] == [copy]


def test_a_touch_is_no_edit(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    os.utime(mirror.root / "a", (1, 1))

    [request] = ask(mirror, [restore("a", version_of(mirror, "a", b"first").id)])

    assert answered(mirror, request).state is RequestState.DONE
    assert mirror.files == {"a": b"first"}


def test_what_has_changed_since_it_was_asked_about_is_left_as_it_is(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    first, second = (version_of(mirror, "a", content) for content in (b"first", b"second"))
    save(mirror, "a", b"third")

    requests = ask(
        mirror,
        [
            restore("a", first.id, expect=second.id),
            NewRequest("docs", "a", RequestKind.REMOVE, expect=second.id),
        ],
    )
    states = [answered(mirror, request).state for request in requests]

    assert states == [RequestState.SKIPPED, RequestState.SKIPPED]
    assert mirror.files == {"a": b"third"}


def test_what_is_to_be_taken_away_goes_from_both_sides_past_the_guard(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    mirror.start()
    for path in ("a", "b", "c"):
        save(mirror, path, path.encode())
    wanted = [
        NewRequest("docs", path, RequestKind.REMOVE, expect=version_of(mirror, path, content).id)
        for path, content in (("a", b"a"), ("b", b"b"))
    ]

    states = [answered(mirror, request).state for request in ask(mirror, wanted)]
    mirror.run()

    assert states == [RequestState.DONE, RequestState.DONE]
    assert mirror.files == mirror.remote.contents == {"c": b"c"}
    assert mirror.ledger.holds.all("docs") == []
    [row] = mirror.ledger.versions.of("docs", "a")
    assert not row.is_current
    with mirror.remote.read_archived(row.id) as content:
        assert content.sha256() == row.sha256


def test_a_file_that_is_gone_from_one_side_already_goes_from_the_other(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror(delete_limit=0)
    mirror.start()
    save(mirror, "a", b"a")
    mirror.remote.user_delete("a")  # as a crash between the two leaves it

    wanted = NewRequest("docs", "a", RequestKind.REMOVE, expect=version_of(mirror, "a", b"a").id)
    [request] = ask(mirror, [wanted])

    assert answered(mirror, request).state is RequestState.DONE
    assert mirror.files == {}


def test_a_version_whose_bytes_are_nowhere_is_refused_with_its_reason(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    first = version_of(mirror, "a", b"first")
    del mirror.remote.archive[first.id]

    [request] = ask(mirror, [restore("a", first.id)])
    row = answered(mirror, request)

    assert row.state is RequestState.FAILED
    assert "on neither side, nor in an archive" in (row.note or "")
    assert mirror.files == {"a": b"second"}
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_a_request_is_carried_out_after_a_restart(new_mirror: Callable[..., Mirror]) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    mirror.stop()
    first = version_of(mirror, "a", b"first")
    [request] = mirror.ledger.requests.add([restore("a", first.id)], datetime.now(UTC))

    mirror.loop = mirror.new_loop()
    mirror.start()

    assert answered(mirror, request).state is RequestState.DONE
    assert mirror.files == mirror.remote.contents == {"a": b"first"}


def test_what_was_put_back_before_a_crash_goes_up_as_what_it_is(
    new_mirror: Callable[..., Mirror],
) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    mirror.stop()
    first = version_of(mirror, "a", b"first")
    [request] = mirror.ledger.requests.add([restore("a", first.id)], datetime.now(UTC))
    (mirror.root / "a").write_bytes(b"first")  # as the daemon had left it

    mirror.loop = mirror.new_loop()
    mirror.start()

    assert answered(mirror, request).state is RequestState.DONE
    newest = mirror.ledger.versions.of("docs", "a")[0]
    assert (newest.sha256, newest.origin) == (first.sha256, Origin.RESTORE)
    assert mirror.remote.contents == {"a": b"first"}


@pytest.mark.parametrize("decision", [HoldState.APPROVED, HoldState.DISCARDED])
def test_a_rewind_waits_for_a_person_and_keeps_nothing_from_travelling(
    new_mirror: Callable[..., Mirror], decision: HoldState
) -> None:
    mirror = new_mirror()
    mirror.start()
    save(mirror, "a", b"first")
    save(mirror, "a", b"second")
    first = version_of(mirror, "a", b"first")
    hold = mirror.ledger.holds.hold_rewind(
        "docs", "rewind", [restore("a", first.id)], datetime.now(UTC)
    )
    mirror.loop.request(Run.ASKED)
    save(mirror, "b", b"b")
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.files == {"a": b"second", "b": b"b"}

    mirror.ledger.holds.decide(hold.id, decision, datetime.now(UTC))
    [request] = mirror.ledger.requests.in_hold(hold.id, 10)
    row = answered(mirror, request.id)
    mirror.loop.request(Run.ASKED)
    wait_for(lambda: mirror.ledger.holds.get(hold.id).state is HoldState.DONE)

    if decision is HoldState.APPROVED:
        assert row.state is RequestState.DONE
        assert mirror.files == mirror.remote.contents == {"a": b"first", "b": b"b"}
    else:
        assert row.state is RequestState.SKIPPED
        assert mirror.files == {"a": b"second", "b": b"b"}


@pytest.mark.parametrize(
    ("mode", "path"), [(Mode.TWO_WAY, "old.partial"), (Mode.PULL, "b")], ids=["left out", "pull"]
)
def test_what_would_not_travel_is_refused_and_not_waited_for_for_ever(
    new_mirror: Callable[..., Mirror], mode: Mode, path: Path
) -> None:
    mirror = new_mirror(mode=mode)
    mirror.remote.user_write("a", b"one")
    mirror.start()
    mirror.remote.user_write("a", b"two")
    mirror.run()
    version = version_of(mirror, "a", b"one")

    [request] = ask(mirror, [restore(path, version.id)])

    assert answered(mirror, request).state is RequestState.FAILED
    assert mirror.files == {"a": b"two"}


def test_what_comes_to_the_place_of_a_refused_newcomer_is_carried_when_that_is_over(
    new_mirror: Callable[..., Mirror],
) -> None:
    """It waited for the refusal; nobody tells of it once more."""
    mirror = new_mirror()
    mirror.suspicious_limit = 0
    mirror.restart()
    (mirror.root / "a.txt").write_bytes(b"words")
    mirror.start()
    (mirror.root / "a.txt.locked").write_bytes(os.urandom(500))
    (mirror.root / "a.txt").unlink()
    mirror.run()
    wait_for(lambda: mirror.ledger.changes.standing("docs", "a.txt.locked") is not None)
    mirror.stop()
    [hold] = mirror.ledger.holds.all("docs", (HoldState.OPEN,))
    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.remote.user_write("a.txt.locked", b"other words")
    mirror.loop = mirror.new_loop()

    mirror.start()

    wait_for(lambda: mirror.files.get("a.txt.locked") == b"other words")
    wait_for(lambda: mirror.files == mirror.remote.contents)
