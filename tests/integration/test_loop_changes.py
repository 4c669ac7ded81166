"""One mirror's loop before the brake: which changes are held, what a person decides, what comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from docferry.engine.runs import Run
from docferry.model import Attributes, HoldState, MirrorHealth, Mode, Side
from docferry.storage.base import Storage
from docferry.storage.local import LocalStorage
from docferry.storage.memory import BytesContent
from looped_mirror import Mirror
from processes import wait_for
from spoilt_mirror import (
    EDIT,
    FILES,
    LIMIT,
    archived,
    decide,
    edit,
    encrypt,
    held,
    objects,
    open_holds,
    sha256,
    skipped,
    with_documents,
    write,
)


@pytest.fixture
def mirror(new_mirror: Callable[..., Mirror]) -> Mirror:
    return with_documents(new_mirror)


@pytest.mark.parametrize("side", Side)
def test_files_that_are_encrypted_are_held_beyond_the_limit_before_they_spread(
    mirror: Mirror, side: Side
) -> None:
    encrypt(mirror, side)

    mirror.run()

    hold = held(mirror, 6)
    assert (hold.kind, hold.changes) == ("changes", 6)
    assert mirror.health is MirrorHealth.BLOCKED
    other = objects(mirror) if side is Side.LOCAL else mirror.files
    assert len([path for path in FILES if other[path] != FILES[path]]) == LIMIT
    mirror.run()
    assert held(mirror, 6) == hold


@pytest.mark.parametrize("side", Side)
def test_what_is_encrypted_where_the_other_side_has_deleted_it_counts_and_is_held(
    mirror: Mirror, side: Side
) -> None:
    """An edit beats a deletion: so it goes there as well."""
    encrypt(mirror, side)
    for path in FILES:
        if side is Side.LOCAL:
            mirror.remote.user_delete(path)
        else:
            (mirror.root / path).unlink()

    mirror.run()

    held(mirror, 6)
    assert len(objects(mirror) if side is Side.LOCAL else mirror.files) == LIMIT


@pytest.mark.parametrize("side", Side)
def test_conflicts_with_what_was_encrypted_count_and_are_had_back(
    mirror: Mirror, side: Side
) -> None:
    other, paths = Side.REMOTE if side is Side.LOCAL else Side.LOCAL, [*FILES]
    noise = encrypt(mirror, side, paths[:LIMIT])
    for path in paths[:LIMIT]:
        edit(mirror, other, path)
    mirror.run()
    assert len(objects(mirror)) == len(FILES) + LIMIT
    noise |= encrypt(mirror, side, paths[LIMIT:])
    mirror.run()
    held(mirror, 6)

    decide(mirror, HoldState.DISCARDED)

    as_edited = FILES | dict.fromkeys(paths[:LIMIT], EDIT)
    wait_for(lambda: {path: mirror.files.get(path) for path in FILES} == as_edited)
    wait_for(lambda: mirror.files == objects(mirror))
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert not noise & {sha256(content) for content in mirror.files.values()}
    assert noise <= archived(mirror)


@pytest.mark.parametrize("side", Side)
def test_a_discarded_hold_of_changes_brings_all_contents_back_those_too_that_had_travelled(
    mirror: Mirror, side: Side
) -> None:
    noise = encrypt(mirror, side)
    mirror.run()
    held(mirror, 6)

    decide(mirror, HoldState.DISCARDED)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs") == []
    assert noise <= archived(mirror)
    rows = [row for path in FILES for row in mirror.ledger.versions.of("docs", path)]
    assert noise <= {row.sha256 for row in rows if row.archived_local or row.archived_remote}
    mirror.run()
    assert mirror.files == objects(mirror) == FILES
    assert open_holds(mirror) == []


def test_a_refusal_is_carried_out_by_whoever_looks_at_what_was_decided(mirror: Mirror) -> None:
    """Nobody tells of requests: until somebody does, all would be walked again and again."""
    encrypt(mirror, Side.LOCAL)
    mirror.run()
    hold = held(mirror, 6)

    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    mirror.loop.request(Run.HOLDS)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)


def test_what_is_refused_in_the_bucket_goes_though_its_files_here_were_touched(
    mirror: Mirror,
) -> None:
    noise = encrypt(mirror, Side.REMOTE)
    mirror.run()
    held(mirror, 6)
    mirror.stop()
    for path in FILES:
        os.utime(mirror.root / path)
    mirror.loop = mirror.new_loop()
    decide(mirror, HoldState.DISCARDED)

    mirror.start()

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs") == []
    assert noise <= archived(mirror)


@pytest.mark.parametrize("side", Side)
def test_an_approved_hold_of_changes_lets_them_all_travel(mirror: Mirror, side: Side) -> None:
    noise = encrypt(mirror, side)
    mirror.run()
    held(mirror, 6)

    decide(mirror, HoldState.APPROVED)

    wait_for(lambda: mirror.files == objects(mirror))
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert {sha256(content) for content in mirror.files.values()} == noise
    assert mirror.ledger.holds.all("docs") == []
    assert {sha256(content) for content in FILES.values()} <= archived(mirror)


def test_renames_to_a_strange_ending_are_held_with_their_deletions_and_come_back(
    mirror: Mirror,
) -> None:
    noise = set()
    for path in FILES:
        content = os.urandom(500)
        noise.add(sha256(content))
        write(mirror, f"{path}.locked", content)
        (mirror.root / path).unlink()

    mirror.run()

    hold = held(mirror, 15)
    assert (hold.kind, hold.changes) == ("changes", 6)
    there = objects(mirror)
    assert {path: there[path] for path in FILES} == FILES
    assert len(there) == len(FILES) + LIMIT

    decide(mirror, HoldState.DISCARDED)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs") == []
    assert noise <= archived(mirror)


def test_while_a_burst_is_held_what_is_new_travels_and_other_edits_wait_with_it(
    mirror: Mirror,
) -> None:
    paths = [*FILES]
    encrypt(mirror, Side.LOCAL, paths[:5])
    mirror.run()
    held(mirror, 2)

    write(mirror, "folder/new.txt", b"new")
    write(mirror, paths[8], b"an edit")
    mirror.run()

    held(mirror, 3)
    wait_for(lambda: objects(mirror).get("folder/new.txt") == b"new")
    assert objects(mirror)[paths[8]] == FILES[paths[8]]


def test_a_hold_of_changes_ends_by_itself_when_the_files_are_as_they_were(mirror: Mirror) -> None:
    encrypt(mirror, Side.LOCAL)
    mirror.run()
    items = mirror.ledger.changes.items(held(mirror, 6).id)
    waiting = [one.path for one in items if not one.travelled]

    for path in waiting:
        write(mirror, path, FILES[path])
        mirror.loop.mark(path)

    wait_for(lambda: open_holds(mirror) == [])
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)


def test_a_restart_forgets_neither_what_travelled_nor_what_is_held(mirror: Mirror) -> None:
    paths = [*FILES]
    encrypt(mirror, Side.LOCAL, paths[:2])
    mirror.run()
    assert open_holds(mirror) == []
    mirror.restart()
    encrypt(mirror, Side.LOCAL, paths[2:5])

    mirror.start()

    hold = held(mirror, 2)
    mirror.restart()
    mirror.start()
    assert held(mirror, 2) == hold
    decide(mirror, HoldState.DISCARDED)
    wait_for(lambda: mirror.files == objects(mirror) == FILES)


def test_a_refusal_of_which_a_part_is_taken_back_ends_all_the_same(mirror: Mirror) -> None:
    """What is not to be put back is looked at anew: nothing is held, nothing goes round."""
    paths = [*FILES]
    encrypt(mirror, Side.LOCAL, paths[:5])
    mirror.run()
    held(mirror, 2)
    mirror.stop()
    [hold] = open_holds(mirror)
    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    rows = mirror.ledger.requests.open("docs", 99)
    mirror.ledger.requests.cancel([rows[0].id, rows[-1].id], datetime.now(UTC))
    mirror.restart()

    mirror.start()

    wait_for(lambda: mirror.files == objects(mirror))
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    wait_for(lambda: mirror.ledger.holds.all("docs", (HoldState.DISCARDED,)) == [])
    assert sum(mirror.files[path] != FILES[path] for path in FILES) == 2


def test_what_is_held_stays_so_when_all_of_it_is_touched_while_docferry_is_down(
    mirror: Mirror,
) -> None:
    """Else it would begin anew: as many would travel once more, and the first stay spoilt."""
    encrypt(mirror, Side.LOCAL)
    mirror.run()
    hold = held(mirror, 6)
    mirror.stop()
    tokens = {one.path: one.token for one in mirror.ledger.changes.items(hold.id)}
    for path in FILES:
        os.utime(mirror.root / path)
    mirror.loop = mirror.new_loop()

    mirror.start()

    def are_held_anew() -> bool:
        items = [one for one in mirror.ledger.changes.items(hold.id) if not one.travelled]
        return len(items) == 6 and all(one.token != tokens[one.path] for one in items)

    wait_for(are_held_anew)
    there = objects(mirror)
    assert len([path for path in FILES if there[path] != FILES[path]]) == LIMIT
    decide(mirror, HoldState.DISCARDED)
    wait_for(lambda: mirror.files == objects(mirror) == FILES)


def test_an_approved_change_that_the_mode_bars_by_now_leaves_its_hold(mirror: Mirror) -> None:
    encrypt(mirror, Side.REMOTE)
    mirror.run()
    held(mirror, 6)
    mirror.stop()
    mirror.mode = Mode.PUSH
    mirror.loop = mirror.new_loop()
    decide(mirror, HoldState.APPROVED)

    mirror.start()

    wait_for(lambda: mirror.ledger.holds.all("docs") == [])
    assert sum(mirror.files[path] != FILES[path] for path in FILES) == LIMIT


def test_what_had_travelled_comes_back_though_nothing_but_deletions_is_held_by_now(
    mirror: Mirror,
) -> None:
    for path in FILES:
        write(mirror, f"{path}.locked", os.urandom(500))
        (mirror.root / path).unlink()
    mirror.run()
    hold = held(mirror, 15)
    for change in mirror.ledger.changes.items(hold.id):
        if not change.travelled:
            (mirror.root / change.path).unlink()
    mirror.run()
    held(mirror, 9)

    decide(mirror, HoldState.DISCARDED)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert mirror.ledger.holds.all("docs", (HoldState.DISCARDED,)) == []


@pytest.mark.parametrize("side", Side)
def test_what_was_archived_before_a_crash_is_told_of_by_a_version(
    mirror: Mirror, side: Side
) -> None:
    noise = encrypt(mirror, side)
    mirror.run()
    hold = held(mirror, 6)
    mirror.stop()
    changes = mirror.ledger.changes.items(hold.id)
    decide(mirror, HoldState.DISCARDED)
    storage: Storage = mirror.remote
    if side is Side.LOCAL:
        storage = LocalStorage(mirror.root, needs_marker=True)
    for change in changes:  # as one that died before it could write it down
        if not change.travelled:
            content = BytesContent(FILES[change.path])
            displaced = Attributes(version=change.displaces, path=change.path)
            storage.write(
                change.path, content, Attributes(), expect=change.token, archive=displaced
            )
    mirror.loop = mirror.new_loop()

    mirror.start()

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    rows = [row for path in FILES for row in mirror.ledger.versions.of("docs", path)]
    assert noise <= {row.sha256 for row in rows if row.archived_local or row.archived_remote}


@pytest.mark.parametrize("side", Side)
def test_what_somebody_has_edited_since_a_refusal_stays_and_all_else_comes_back(
    mirror: Mirror, side: Side
) -> None:
    encrypt(mirror, side)
    mirror.run()
    changes = mirror.ledger.changes.items(held(mirror, 6).id)
    path = next(change.path for change in changes if not change.travelled)
    [hold] = open_holds(mirror)
    # Nobody tells the loop: the edit travels before it looks at what is asked for.
    mirror.ledger.holds.decide(hold.id, HoldState.DISCARDED, datetime.now(UTC))
    edit(mirror, side, path)
    mirror.loop.mark(path)
    wait_for(lambda: mirror.ledger.synced.get("docs", [path])[path].sha256 == sha256(EDIT))

    mirror.loop.request(Run.HOLDS)

    wait_for(lambda: mirror.files == objects(mirror) == FILES | {path: EDIT})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert skipped(mirror) == [path]
    assert mirror.ledger.holds.all("docs") == []


@pytest.mark.parametrize("spoilt", Side)
@pytest.mark.parametrize("edited", Side)
def test_what_nobody_has_seen_when_a_refusal_is_carried_out_stays(
    mirror: Mirror, spoilt: Side, edited: Side
) -> None:
    noise = encrypt(mirror, spoilt)
    mirror.run()
    changes = mirror.ledger.changes.items(held(mirror, 6).id)
    path = next(change.path for change in changes if not change.travelled)
    mirror.stop()
    decide(mirror, HoldState.DISCARDED)
    edit(mirror, edited, path)
    mirror.loop = mirror.new_loop()

    mirror.start()

    wait_for(lambda: mirror.files == objects(mirror) == FILES | {path: EDIT})
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert skipped(mirror) == [path]
    assert spoilt is edited or noise <= archived(mirror)


def test_a_newcomer_goes_though_it_was_spoilt_again_after_it_had_travelled(
    mirror: Mirror,
) -> None:
    for path in FILES:
        write(mirror, f"{path}.locked", os.urandom(500))
        (mirror.root / path).unlink()
    mirror.run()
    changes = mirror.ledger.changes.items(held(mirror, 15).id)
    again = [change.path for change in changes if change.travelled]
    assert len(again) == LIMIT
    for path in again:
        write(mirror, path, os.urandom(600))
    mirror.run()
    held(mirror, 18)

    decide(mirror, HoldState.DISCARDED)

    wait_for(lambda: mirror.files == objects(mirror) == FILES)
    wait_for(lambda: mirror.health is MirrorHealth.IN_STEP)
    assert open_holds(mirror) == []


def test_what_is_made_of_each_new_picture_is_not_held(mirror: Mirror) -> None:
    """Noise of no known kind beside files that came just now, and stay."""
    names = [f"photos/{number}" for number in range(2 * LIMIT)]
    for name in names:
        write(mirror, f"{name}.jpg", b"\xff\xd8\xff\xe0" + os.urandom(500))
    mirror.run()
    for name in names:
        write(mirror, f"{name}.rawest", os.urandom(500))

    mirror.run()

    wait_for(lambda: all(f"{name}.rawest" in objects(mirror) for name in names))
    assert open_holds(mirror) == []
