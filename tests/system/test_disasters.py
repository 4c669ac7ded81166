"""A side that is not itself: nothing travels, a person is told, and it heals by itself."""

from __future__ import annotations

import shutil

import pytest

from processes import wait_for
from system.conftest import NewSite
from system.daemon import Site
from system.disasters import (
    FILES,
    LIMIT,
    Disaster,
    assert_held,
    assert_in_step,
    assert_logged,
    assert_planned,
    bring_the_folder_back,
    empty_both_sides,
    empty_the_folder,
    empty_the_prefix,
    filled,
    find_the_marker,
    holds_of,
    in_step,
    leave_an_empty_mount_point,
    link_the_folder_to_an_empty_one,
    lose_the_marker,
    lose_the_twin,
    mount_the_folder_of_another_mirror,
    put_the_twin_back,
    put_the_twin_of_another_mirror,
    snapshot,
    take_the_folder_away,
    wait_until_blocked,
)
from system.outcomes import REFUSES, outcome

DISASTERS = {
    "empty-mount": Disaster(
        leave_an_empty_mount_point, ("local side", "has no marker"), bring_the_folder_back
    ),
    "linked": Disaster(
        link_the_folder_to_an_empty_one, ("local side", "has no marker"), bring_the_folder_back
    ),
    "wrong-mount": Disaster(
        mount_the_folder_of_another_mirror, ("local side", "another mirror"), bring_the_folder_back
    ),
    "no-marker": Disaster(lose_the_marker, ("local side", "has no marker"), find_the_marker),
    "no-twin": Disaster(lose_the_twin, ("remote side", "has no marker"), put_the_twin_back),
    "wrong-twin": Disaster(
        put_the_twin_of_another_mirror, ("remote side", "another mirror"), put_the_twin_back
    ),
    "emptied-folder": Disaster(empty_the_folder, ("local side", "has no marker")),
    "emptied-prefix": Disaster(empty_the_prefix, ("remote side", "has no marker")),
    "both-emptied": Disaster(empty_both_sides, ("local side", "has no marker")),
}
UNDONE = {name for name, disaster in DISASTERS.items() if disaster.undo}


@pytest.fixture
def site(new_site: NewSite) -> Site:
    return in_step(new_site)


def test_while_docferry_is_down_no_disaster_deletes_or_moves_anything(new_site: NewSite) -> None:
    site = in_step(new_site, DISASTERS)
    for name, disaster in DISASTERS.items():
        disaster.do(site.mirrors[name])
    before = snapshot(site.mirrors)
    planned, told, checked = site.plan(), site.asked("plan"), site.asked("check")

    events = site.run_once(code=1)

    assert snapshot(site.mirrors) == before
    assert list(site.mirrors["empty-mount"].folder.iterdir()) == []
    holds = assert_held(site, DISASTERS)
    assert {hold.kind for hold in holds.values()} == {"identity"}
    assert_logged(events, holds)
    assert_planned(planned, holds)
    assert site.plan() == planned
    assert (told.returncode, checked.returncode) == (1, 4)
    for name, hold in holds.items():
        assert f"{name}: nothing would travel: {hold.reason}" in told.stdout
        assert f"mirror {name}: {hold.reason}" in checked.stdout


def test_while_docferry_runs_no_disaster_deletes_anything_and_all_heal(new_site: NewSite) -> None:
    site = filled(new_site, DISASTERS)
    with site.running() as daemon:
        with daemon.paused():
            for name, disaster in DISASTERS.items():
                disaster.do(site.mirrors[name])
            before = snapshot(site.mirrors)
        wait_until_blocked(site, daemon, DISASTERS)
        holds = assert_held(site, DISASTERS)
        assert_logged(daemon.events(), holds)
        assert_planned(site.plan(), holds)
        assert snapshot(site.mirrors) == before

        for name, disaster in DISASTERS.items():
            if disaster.undo:
                disaster.undo(site.mirrors[name])
            else:
                said = site.asked("holds", "approve", str(holds[name].id))
                assert "nothing is deleted" in said.stdout

        assert_in_step(site, daemon, DISASTERS)
        for name in DISASTERS:
            assert site.mirrors[name].files() == ({} if name == "both-emptied" else FILES)
            resolved = [event["hold"] for event in daemon.events("hold.resolved")]
            assert (holds[name].id in resolved) is (name in UNDONE)


def test_a_lost_marker_cannot_be_discarded_away(site: Site) -> None:
    leave_an_empty_mount_point(site.mirrors["docs"])
    with site.running(until="blocked") as daemon:
        hold = holds_of(site)["docs"]

        said = site.asked("holds", "discard", str(hold.id))

        assert said.returncode == 2
        assert "cannot be discarded" in said.stderr
        assert holds_of(site) == {"docs": hold}
        assert daemon.health() == {"docs": "blocked"}
        assert (site.docs.files(), site.docs.objects()) == ({}, FILES)


def test_a_folder_that_is_gone_stops_its_own_mirror_and_heals(new_site: NewSite) -> None:
    site = in_step(new_site, ["docs", "other"])
    take_the_folder_away(site.docs)
    planned, checked = site.plan(), site.asked("check")
    with site.running(until=None) as daemon:
        daemon.wait_until("unreachable")
        site.mirrors["other"].write("new.txt", b"new")
        daemon.wait_for(lambda: site.mirrors["other"].get("new.txt") == b"new")

        assert site.docs.objects() == FILES
        assert not site.docs.folder.exists()
        assert planned["docs"].refused == site.status()["docs"].reason
        assert f"cannot open the folder {site.docs.folder}" in (planned["docs"].refused or "")
        assert (planned["other"].refused, planned["other"].operations) == (None, [])
        assert f"mirror docs: {site.docs.folder} is gone" in checked.stdout

        bring_the_folder_back(site.docs)

        assert_in_step(site, daemon, ["docs", "other"])
        assert site.docs.files() == FILES


@outcome("a second daemon is started with another one, and the same folder", REFUSES)
def test_a_folder_in_which_another_daemon_works_is_refused(new_site: NewSite) -> None:
    site, second = filled(new_site), new_site()
    with site.running() as daemon:
        second.docs.folder = site.docs.folder
        second.configure()

        ended = second.ended("run", "--once")

        assert ended.returncode == 75
        assert f"already runs on this folder, {site.docs.folder}" in ended.stderr
        assert f"pid {daemon.process.pid}" in ended.stderr
        assert second.docs.all_keys() == []


# A configuration that is wrong.


def test_a_mistyped_prefix_deletes_nothing_and_moves_nothing(site: Site) -> None:
    right = site.docs.prefix
    site.docs.prefix = right.replace("docs-", "dosc-")
    site.configure(options=LIMIT)
    planned = site.plan()

    site.run_once(code=1)

    assert (site.docs.files(), site.docs.all_keys()) == (FILES, [])
    was = f"Until now this mirror was s3://{site.bucket}/{right}: correct `prefix`"
    says = ("remote side", site.docs.prefix, "has no marker", was)
    holds = assert_held(site, {"docs": Disaster(empty_the_prefix, says)})
    assert_planned(planned, holds)
    checked = site.asked("check")
    assert checked.returncode == 4
    assert holds["docs"].reason in checked.stdout
    assert f"docferry holds approve {holds['docs'].id}" in checked.stdout
    site.docs.prefix = right
    site.configure(options=LIMIT)
    assert site.plan()["docs"].operations == []
    assert site.work_off()
    assert site.docs.files() == site.docs.objects() == FILES
    assert site.holds() == []


def test_the_same_prefix_spelt_otherwise_is_the_same(site: Site) -> None:
    bare = site.docs.prefix.rstrip("/")
    for spelt in (bare, f"/{bare}/"):
        site.configure(options=f'{LIMIT}prefix = "{spelt}"')

        planned = site.plan()["docs"]

        assert (planned.refused, planned.operations, planned.held_back) == (None, [], [])


def test_the_places_of_another_mirror_are_refused(new_site: NewSite) -> None:
    site = in_step(new_site, ["folder", "prefix", "other"])
    other = site.mirrors.pop("other")
    before = snapshot({"other": other})
    site.mirrors["folder"].folder = other.folder
    site.mirrors["prefix"].prefix = other.prefix
    site.configure(options=LIMIT)
    planned = site.plan()

    site.run_once(code=1)

    assert snapshot({"other": other}) == before
    assert site.mirrors["folder"].objects() == site.mirrors["prefix"].files() == FILES
    says = {
        "folder": ("local side", "another mirror", str(other.folder), "correct `local`"),
        "prefix": ("remote side", "another mirror", other.prefix, "correct `prefix`"),
    }
    disasters = {name: Disaster(empty_the_prefix, words) for name, words in says.items()}
    assert_planned(planned, assert_held(site, disasters))


@pytest.mark.parametrize("lost", ["state", "name"])
def test_a_ledger_that_knows_nothing_deletes_nothing(site: Site, lost: str) -> None:
    (site.docs.folder / "folder/00.txt").unlink()
    site.docs.remove("folder/01.txt")
    site.docs.write("folder/02.txt", b"edited")
    if lost == "state":
        shutil.rmtree(site.state)
    else:
        site.docs.name = "papers"
        site.mirrors = {"papers": site.docs}
        site.configure(options="delete_limit = 0")
    (mirror,) = site.mirrors.values()
    wait_for(lambda: not site.plan()[mirror.name].waiting)  # until what was edited is at rest
    planned = site.plan()[mirror.name]

    site.run_once()

    assert planned.held_back == []
    assert {kind for kind, _ in planned.operations} == {
        "upload",
        "download",
        "keep_both",
        "mark_synced",
    }
    assert mirror.files() == mirror.objects()
    assert set(FILES.values()) | {b"edited"} == set(mirror.files().values())


def test_a_ledger_restored_from_an_old_backup_deletes_nothing(site: Site) -> None:
    backup = site.folder / "backup"
    shutil.copytree(site.state, backup)
    site.docs.write("folder/00.txt", b"edited since")
    site.docs.write("new.txt", b"new since")
    (site.docs.folder / "folder/01.txt").unlink()
    assert site.work_off()
    held = site.docs.files()
    shutil.rmtree(site.state)
    shutil.copytree(backup, site.state)
    planned = site.plan()["docs"]

    site.run_once()

    assert planned.held_back == []
    assert {kind for kind, _ in planned.operations} == {"mark_synced", "forget"}
    assert site.docs.files() == site.docs.objects() == held


# A folder in another place, or as it once was.


def test_a_folder_that_moved_and_is_linked_goes_on(new_site: NewSite) -> None:
    site = filled(new_site)
    with site.running() as daemon:
        with daemon.paused():
            elsewhere = site.docs.folder.with_name("elsewhere")
            shutil.copytree(site.docs.folder, elsewhere)
            shutil.rmtree(site.docs.folder)
            site.docs.folder.symlink_to(elsewhere)

        site.docs.write("new.txt", b"new")
        daemon.wait_for(lambda: site.docs.get("new.txt") == b"new")

        assert_in_step(site, daemon, ["docs"])
        assert site.docs.objects() == FILES | {"new.txt": b"new"}


def test_a_subfolder_that_became_a_link_deletes_nothing_and_is_shown(site: Site) -> None:
    folder = site.docs.folder / "folder"
    folder.rename(site.folder / "elsewhere")
    folder.symlink_to(site.folder / "elsewhere")
    planned = site.plan()["docs"]

    site.run_once(code=1)

    assert site.docs.objects() == FILES
    assert (planned.operations, planned.held_back) == ([], [])
    problems = site.status()["docs"].problems
    assert planned.waiting.keys() == problems.keys() == {"folder"}
    assert "symbolic link" in problems["folder"]


def test_a_folder_restored_from_an_old_backup_loses_nothing(site: Site) -> None:
    backup = site.folder / "backup"
    shutil.copytree(site.docs.folder, backup)
    site.docs.write("folder/00.txt", b"edited since")
    site.docs.write("new.txt", b"new since")
    assert site.work_off()
    shutil.rmtree(site.docs.folder)
    shutil.copytree(backup, site.docs.folder)

    site.run_once()

    assert site.docs.files() == site.docs.objects() == FILES
    assert {b"edited since", b"new since"} <= set(site.docs.archived_objects())
