"""Many deletions at once: they wait for a person, everything else goes on, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from system.conftest import NewSite
from system.daemon import Daemon, Mirror, Site
from system.disasters import (
    FILES,
    LIMIT,
    Deed,
    Disaster,
    assert_held,
    assert_in_step,
    assert_logged,
    assert_planned,
    delete_all_files,
    delete_most_files,
    documents,
    filled,
    holds_of,
    in_step,
    leave_an_empty_mount_point,
    move_the_files_elsewhere,
    remove_all_objects,
    remove_most_objects,
    snapshot,
    wait_until_blocked,
)
from system.outcomes import ASKS, outcome

PATHS = list(FILES)
NO_FILE = "the folder holds no file any more"
NO_OBJECT = "the bucket holds no file any more"
TO_BUCKET = "gone from the folder and would be deleted in the bucket"
TO_FOLDER = "gone from the bucket and would be deleted in the folder"
TEN = "10 files are gone from"
DISASTERS = {
    "all-files": Disaster(delete_all_files, (NO_FILE,)),
    "most-files": Disaster(delete_most_files, (TEN,)),
    "moved": Disaster(move_the_files_elsewhere, (NO_FILE,)),
    "all-objects": Disaster(remove_all_objects, (NO_OBJECT,)),
    "most-objects": Disaster(remove_most_objects, (TEN,)),
}


@pytest.fixture
def site(new_site: NewSite) -> Site:
    return in_step(new_site)


@pytest.fixture
def filled_site(new_site: NewSite) -> Site:
    return filled(new_site)


def test_many_deletions_while_docferry_is_down_delete_nothing(new_site: NewSite) -> None:
    site = in_step(new_site, DISASTERS)
    # Emptied is emptied, however few there were.
    site.mirrors["moved"].options = "delete_limit = 100"
    site.configure(options=LIMIT)
    for name, disaster in DISASTERS.items():
        disaster.do(site.mirrors[name])
    before = snapshot(site.mirrors)
    planned, told = site.plan(), site.asked("plan")

    events = site.run_once(code=1)

    assert snapshot(site.mirrors) == before
    holds = assert_held(site, DISASTERS)
    assert {hold.kind for hold in holds.values()} == {"deletions"}
    assert_logged(events, holds)
    assert_planned(planned, holds)
    assert all(plan.operations == [] for plan in planned.values())
    for name, plan in planned.items():
        assert {path for _, path in plan.held_back} == gone_from(site.mirrors[name])
    assert site.plan() == planned
    assert told.returncode == 1
    for name, hold in holds.items():
        assert f"{name}: {hold.count} deletions would be held: {hold.reason}" in told.stdout


@outcome("more files are deleted than delete_limit", ASKS)
def test_many_deletions_while_docferry_runs_wait_and_all_else_goes_on(new_site: NewSite) -> None:
    names = [f"{name}-{decision}" for name in DISASTERS for decision in ("approve", "discard")]
    disasters = {name: DISASTERS[name.rpartition("-")[0]] for name in names}
    site = filled(new_site, names, options=f'{LIMIT}poll = "1s"')
    with site.running() as daemon:
        befall(site, daemon, disasters)
        wait_until_blocked(site, daemon, names)
        holds = assert_held(site, disasters)
        assert_logged(daemon.events(), holds)
        assert_planned(site.plan(), holds)
        for name, mirror in site.mirrors.items():
            mirror.write(f"{name}/new.txt", b"new")
        for name, mirror in site.mirrors.items():
            daemon.wait_for(lambda m=mirror, n=name: m.get(f"{n}/new.txt") == b"new")  # type: ignore[misc]
            assert mirror.files().items() | mirror.objects().items() >= FILES.items()

        for name in names:
            site.asked("holds", name.rpartition("-")[2], str(holds[name].id))

        assert_in_step(site, daemon, names)
        assert site.holds() == []
    for name, disaster in disasters.items():
        mirror = site.mirrors[name]
        is_approved = name.endswith("approve")
        stays = dict(list(FILES.items())[-2:]) if TEN in disaster.says else {}
        wanted = stays if is_approved else FILES
        assert documents(mirror) == wanted | {f"{name}/new.txt": b"new"}
        archived = {*mirror.archived_files(), *mirror.archived_objects()}
        assert archived >= (set(FILES.values()) - set(stays.values()) if is_approved else set())


# What a person decides, and what happens meanwhile.


def test_what_is_decided_while_docferry_is_down_is_planned_and_done(new_site: NewSite) -> None:
    site = in_step(new_site, ["approved", "discarded"])
    for mirror in site.mirrors.values():
        delete_most_files(mirror)
    assert not site.work_off()
    holds = holds_of(site)
    site.run("holds", "approve", str(holds["approved"].id))
    site.run("holds", "discard", str(holds["discarded"].id))
    planned = site.plan()

    site.run_once()

    gone = PATHS[:-2]
    assert planned["approved"].operations == [("delete_remote", path) for path in gone]
    assert planned["discarded"].operations == [
        (kind, path) for path in gone for kind in ("forget", "download")
    ]
    assert site.mirrors["approved"].objects().keys() == set(PATHS[-2:])
    assert site.mirrors["discarded"].files() == FILES
    assert site.holds() == []


def test_what_was_approved_and_came_back_is_not_deleted(site: Site) -> None:
    delete_most_files(site.docs)
    assert not site.work_off()
    site.asked("holds", "approve", str(holds_of(site)["docs"].id))
    for path in PATHS[:8]:
        site.docs.write(path, FILES[path])
    planned = site.plan()["docs"]

    site.run_once()

    assert ("delete_remote", PATHS[8]) in planned.operations
    assert site.docs.files() == site.docs.objects() == without(PATHS[8:10])


def test_approved_deletions_wait_until_the_sides_are_themselves(site: Site) -> None:
    delete_most_files(site.docs)
    assert not site.work_off()
    site.asked("holds", "approve", str(holds_of(site)["docs"].id))
    leave_an_empty_mount_point(site.docs)
    planned = site.plan()["docs"]

    site.run_once(code=1)

    assert site.docs.objects() == FILES
    assert planned.operations == []
    assert planned.refused == site.status()["docs"].reason
    assert {hold.kind for hold in site.holds()} == {"deletions", "identity"}


def test_what_comes_after_an_approved_hold_waits_for_another(filled_site: Site) -> None:
    site = filled_site
    with site.running() as daemon:
        befall(site, daemon, {"docs": Disaster(remove(PATHS[:8]), ())})
        wait_until_blocked(site, daemon)
        first = holds_of(site)["docs"]
        with daemon.paused():
            site.asked("holds", "approve", str(first.id))
            remove(PATHS[8:10])(site.docs)

        daemon.wait_for(lambda: len(site.docs.files()) == 4)
        daemon.wait_for(lambda: site.holds() != [])
        wait_until_blocked(site, daemon)

        second = holds_of(site)["docs"]
        assert (second.id, second.count) == (first.id + 1, 2)
        assert second.reason == (
            f"2 files are {TO_FOLDER}, after 8 within ten minutes; delete_limit is 5"
        )
        assert_planned(site.plan(), {"docs": second})
        assert site.docs.files() == without(PATHS[:8])


def test_what_comes_while_a_hold_is_open_comes_into_it(filled_site: Site) -> None:
    site = filled_site
    with site.running() as daemon:
        befall(site, daemon, {"docs": Disaster(remove(PATHS[:6]), ())})
        wait_until_blocked(site, daemon)
        first = holds_of(site)["docs"]

        remove(PATHS[6:7])(site.docs)

        daemon.wait_for(lambda: holds_of(site)["docs"].count == 7)
        second = holds_of(site)["docs"]
        assert second.id == first.id
        assert second.reason == f"7 files are {TO_FOLDER}; delete_limit is 5"
        assert_planned(site.plan(), {"docs": second})
        assert site.docs.files() == FILES


def test_a_hold_shrinks_and_ends_as_the_files_come_back(new_site: NewSite) -> None:
    disasters = {
        "folder": Disaster(delete_most_files, ()),
        "bucket": Disaster(remove_most_objects, ()),
    }
    site = filled(new_site, disasters)
    with site.running() as daemon:
        befall(site, daemon, disasters)
        wait_until_blocked(site, daemon, disasters)

        give_back(site, PATHS[:8])

        reasons = {
            f"2 files are {gone}, and what was held before is not decided yet"
            for gone in (TO_BUCKET, TO_FOLDER)
        }
        daemon.wait_for(lambda: {hold.reason for hold in site.holds()} == reasons)
        assert [hold.count for hold in site.holds()] == [2, 2]
        assert_planned(site.plan(), holds_of(site))
        give_back(site, PATHS[8:10])
        assert_in_step(site, daemon, disasters)
        assert site.mirrors["folder"].files() == site.mirrors["bucket"].files() == FILES


# The limit.


def test_deletions_in_small_groups_are_held_beyond_the_limit(filled_site: Site) -> None:
    site = filled_site
    with site.running() as daemon:
        for group in (PATHS[:2], PATHS[2:4]):
            remove(group)(site.docs)
            daemon.wait_for(lambda gone=group: not site.docs.files().keys() & set(gone))  # type: ignore[misc]
            daemon.wait_until("in-step")
    remove(PATHS[4:6])(site.docs)
    planned = site.plan()

    site.run_once(code=1)

    reason = f"2 files are {TO_FOLDER}, after 4 within ten minutes; delete_limit is 5"
    holds = assert_held(site, {"docs": Disaster(remove_all_objects, (reason,))})
    assert_planned(planned, holds)
    assert site.docs.files() == without(PATHS[:4])
    assert set(site.docs.archived_files()) == {FILES[path] for path in PATHS[:4]}


def test_a_mass_deletion_that_is_seen_as_it_happens_stops_at_the_limit(filled_site: Site) -> None:
    site = filled_site
    with site.running() as daemon:
        for path in PATHS[:-1]:  # one after the other: what is seen first looks harmless
            site.docs.remove(path)
        wait_until_blocked(site, daemon)

        travelled = FILES.keys() - site.docs.files().keys()

        daemon.wait_for(lambda: holds_of(site)["docs"].count == len(PATHS) - 1 - len(travelled))
        assert len(travelled) <= 5
        assert set(site.docs.archived_files()) == {FILES[path] for path in travelled}


def test_with_a_limit_of_nothing_each_deletion_waits(new_site: NewSite) -> None:
    site = in_step(new_site, ["docs"], options="delete_limit = 0")
    (site.docs.folder / PATHS[0]).unlink()
    planned = site.plan()

    site.run_once(code=1)

    reason = f"1 file is {TO_BUCKET}; delete_limit is 0"
    holds = assert_held(site, {"docs": Disaster(delete_all_files, (reason,))})
    assert_planned(planned, holds)
    assert not site.work_off()
    assert holds_of(site) == holds  # the same one, after a restart too
    assert site.docs.objects() == FILES


# What is no deletion.


def test_files_that_were_only_renamed_are_no_deletions(new_site: NewSite) -> None:
    site = in_step(new_site, ["folder", "bucket"])
    folder, bucket = site.mirrors["folder"], site.mirrors["bucket"]
    wanted = {path.replace("folder/", "renamed/"): content for path, content in FILES.items()}
    (folder.folder / "folder").rename(folder.folder / "renamed")
    for path, content in wanted.items():
        bucket.put(path, content)
    remove_all_objects(bucket)
    planned = site.plan()

    site.run_once()

    for name, goes, comes in (
        ("folder", "delete_remote", "upload"),
        ("bucket", "delete_local", "download"),
    ):
        assert (planned[name].held_back, planned[name].hold_reason) == ([], None)
        operations = [(goes, path) for path in FILES] + [(comes, path) for path in wanted]
        assert sorted(planned[name].operations) == sorted(operations)
        assert site.mirrors[name].files() == site.mirrors[name].objects() == wanted


def test_a_changed_filter_deletes_nothing(site: Site) -> None:
    for options in ('exclude = ["folder/"]', 'include = ["*.pdf"]'):
        site.configure(options=f"{options}\ndelete_limit = 0\n")
        planned = site.plan()["docs"]

        assert site.work_off()

        assert (planned.operations, planned.held_back) == ([], [])
        assert site.docs.files() == site.docs.objects() == FILES
    site.configure(options=LIMIT)
    assert site.plan()["docs"].operations == []


def test_what_was_deleted_on_both_sides_is_forgotten(site: Site) -> None:
    delete_all_files(site.docs)
    remove_all_objects(site.docs)
    planned = site.plan()["docs"]

    site.run_once()

    assert (planned.refused, planned.held_back) == (None, [])
    assert planned.operations == [("forget", path) for path in PATHS]
    assert site.status()["docs"].files == 0
    assert site.holds() == []


def befall(site: Site, daemon: Daemon, disasters: dict[str, Disaster]) -> None:
    """Let docferry see each disaster as a whole."""
    with daemon.paused():
        for name, disaster in disasters.items():
            disaster.do(site.mirrors[name])


def remove(paths: Iterable[str]) -> Deed:
    return lambda docs: docs.remove(*paths)


def give_back(site: Site, paths: Iterable[str]) -> None:
    """Let files come back where they are missing: in one mirror's folder, the other's bucket."""
    for path in paths:
        site.mirrors["folder"].write(path, FILES[path])
        site.mirrors["bucket"].put(path, FILES[path])


def gone_from(mirror: Mirror) -> set[str]:
    return FILES.keys() - (mirror.files().keys() & mirror.objects().keys())


def without(paths: Iterable[str]) -> dict[str, bytes]:
    gone = set(paths)
    return {path: content for path, content in FILES.items() if path not in gone}
