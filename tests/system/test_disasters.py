"""Disasters that look like deletions: nothing is deleted, a person is told and decides."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TypeAlias

import pytest

from system.conftest import NewSite
from system.daemon import RESERVED, Daemon, Hold, Mirror, Site, empty

FILES = {f"folder/{number:02}.txt": f"document {number}".encode() for number in range(12)}
LIMIT = "delete_limit = 5\n"

Disaster: TypeAlias = Callable[[Mirror], None]


@pytest.fixture
def site(new_site: NewSite) -> Site:
    """Twelve documents on both sides; more than five deletions wait for a person."""
    site = new_site(options=LIMIT)
    for path, content in FILES.items():
        site.docs.write(path, content)
    site.run_once()
    assert site.docs.objects() == FILES
    return site


# What can happen to a folder and to a bucket.


def replace_by_an_empty_folder(docs: Mirror) -> None:
    """As if its disk were not mounted any more."""
    docs.folder.rename(docs.folder.with_name("unmounted"))
    docs.folder.mkdir()


def bring_the_folder_back(docs: Mirror) -> None:
    shutil.rmtree(docs.folder)
    docs.folder.with_name("unmounted").rename(docs.folder)


def take_the_folder_away(docs: Mirror) -> None:
    docs.folder.rename(docs.folder.with_name("unmounted"))


def empty_the_folder(docs: Mirror) -> None:
    empty(docs.folder)


def delete_all_files(docs: Mirror) -> None:
    for path in docs.folder.iterdir():
        if path.name != RESERVED:
            shutil.rmtree(path)


def delete_most_files(docs: Mirror) -> None:
    for path in list(FILES)[:-2]:
        (docs.folder / path).unlink()


def empty_the_prefix(docs: Mirror) -> None:
    docs.remove(*docs.all_keys())


def remove_all_objects(docs: Mirror) -> None:
    docs.remove(*FILES)


def remove_most_objects(docs: Mirror) -> None:
    docs.remove(*list(FILES)[:-2])


LOST_IDENTITY = [
    pytest.param(replace_by_an_empty_folder, "local side", id="empty-mount"),
    pytest.param(empty_the_folder, "local side", id="emptied-folder"),
    pytest.param(empty_the_prefix, "remote side", id="emptied-bucket"),
]
IN_THE_FOLDER = [
    pytest.param(delete_all_files, "the local side holds no file any more", id="all-files"),
    pytest.param(delete_most_files, "10 files would be deleted", id="most-files"),
]
IN_THE_BUCKET = [
    pytest.param(remove_all_objects, "the remote side holds no file any more", id="all-objects"),
    pytest.param(remove_most_objects, "10 files would be deleted", id="most-objects"),
]


# A side that is not itself: everything stands still.


@pytest.mark.parametrize(("disaster", "side"), LOST_IDENTITY)
def test_a_side_that_lost_its_marker_deletes_nothing_on_the_other(
    site: Site, disaster: Disaster, side: str
) -> None:
    disaster(site.docs)
    planned = site.plan()["docs"]

    site.run_once(code=1)

    assert FILES in (site.docs.files(), site.docs.objects())
    assert planned.operations == []
    assert planned.refused is not None
    assert_told(site, side, "marker")
    assert planned.refused == site.status()["docs"].reason


@pytest.mark.parametrize(("disaster", "side"), LOST_IDENTITY)
def test_a_side_that_loses_its_marker_while_docferry_runs_deletes_nothing(
    site: Site, disaster: Disaster, side: str
) -> None:
    with site.running() as daemon:
        disaster(site.docs)

        daemon.wait_until("blocked")

        assert FILES in (site.docs.files(), site.docs.objects())
        assert_told(site, side, "marker")
        assert_logged(daemon, side)


@pytest.mark.parametrize(("disaster", "side"), LOST_IDENTITY)
def test_to_approve_a_lost_marker_joins_the_sides_anew_and_deletes_nothing(
    site: Site, disaster: Disaster, side: str
) -> None:
    disaster(site.docs)
    with site.running(until="blocked") as daemon:
        site.run("holds", "approve", str(the_hold(site).id))

        daemon.wait_until("in-step")

        assert site.docs.files() == site.docs.objects() == FILES
        assert site.holds() == []


def test_to_discard_a_lost_marker_leaves_everything_as_it_is(site: Site) -> None:
    replace_by_an_empty_folder(site.docs)
    with site.running(until="blocked") as daemon:
        first = the_hold(site)

        said = site.run("holds", "discard", str(first.id))

        daemon.wait_for(lambda: [hold.id for hold in site.holds()] == [first.id + 1])
        assert "come back" not in said  # until the side is itself again, nothing travels
        assert daemon.health() == {"docs": "blocked"}
        assert (site.docs.files(), site.docs.objects()) == ({}, FILES)


def test_a_folder_that_is_mounted_again_heals_by_itself(site: Site) -> None:
    replace_by_an_empty_folder(site.docs)
    with site.running(until="blocked") as daemon:
        bring_the_folder_back(site.docs)

        daemon.wait_until("in-step", timeout_s=90)

        assert site.docs.files() == site.docs.objects() == FILES
        assert site.holds() == []


def test_a_folder_that_is_gone_deletes_nothing_and_heals_when_it_is_back(site: Site) -> None:
    with site.running() as daemon:
        take_the_folder_away(site.docs)
        daemon.wait_for(lambda: daemon.health()["docs"] in ("blocked", "unreachable"))
        assert site.docs.objects() == FILES
        assert str(site.docs.folder) in (site.status()["docs"].reason or "")

        site.docs.folder.with_name("unmounted").rename(site.docs.folder)

        daemon.wait_until("in-step", timeout_s=90)
        assert site.docs.files() == site.docs.objects() == FILES


def test_a_mistyped_prefix_deletes_nothing_and_moves_nothing(site: Site) -> None:
    right = site.docs.prefix
    site.docs.prefix = right.replace("docs-", "dosc-")
    site.configure(options=LIMIT)
    assert site.plan()["docs"].refused is not None

    site.run_once(code=1)

    assert site.docs.files() == FILES
    assert site.docs.all_keys() == []
    assert_told(site, "remote side", site.docs.prefix)
    site.docs.prefix = right
    site.configure(options=LIMIT)
    site.run_once()
    assert site.docs.files() == site.docs.objects() == FILES
    assert site.holds() == []


def test_a_folder_of_another_mirror_is_refused(new_site: NewSite, site: Site) -> None:
    other = new_site()
    other.docs.write("other.txt", b"of the other mirror")
    other.run_once()
    site.docs.folder = other.docs.folder
    site.configure()

    site.run_once(code=1)

    assert site.docs.objects() == FILES
    assert other.docs.files() == {"other.txt": b"of the other mirror"}
    assert_told(site, "local side", "another mirror")


# Many deletions: they wait, and the rest goes on.


@pytest.mark.parametrize(("disaster", "reason"), IN_THE_FOLDER)
def test_many_files_deleted_in_the_folder_are_not_deleted_in_the_bucket(
    site: Site, disaster: Disaster, reason: str
) -> None:
    disaster(site.docs)
    gone = FILES.keys() - site.docs.files().keys()
    planned = site.plan()["docs"]

    site.run_once(code=1)

    assert site.docs.objects() == FILES
    assert {path for _, path in planned.held_back} == gone
    assert planned.operations == []
    assert planned.hold_reason == the_hold(site).reason
    assert_told(site, reason)
    assert site.plan()["docs"].held_back == planned.held_back


@pytest.mark.parametrize(("disaster", "reason"), IN_THE_BUCKET)
def test_many_objects_removed_from_the_bucket_are_not_deleted_in_the_folder(
    site: Site, disaster: Disaster, reason: str
) -> None:
    disaster(site.docs)
    gone = FILES.keys() - site.docs.objects().keys()
    planned = site.plan()["docs"]

    site.run_once(code=1)

    assert site.docs.files() == FILES
    assert {path for _, path in planned.held_back} == gone
    assert planned.operations == []
    assert planned.hold_reason == the_hold(site).reason
    assert_told(site, reason)


@pytest.mark.parametrize(("disaster", "reason"), IN_THE_FOLDER + IN_THE_BUCKET)
def test_many_deletions_while_docferry_runs_wait_and_everything_else_goes_on(
    site: Site, disaster: Disaster, reason: str
) -> None:
    with site.running() as daemon:
        disaster(site.docs)
        daemon.wait_until("blocked")
        site.docs.write("new.txt", b"new")
        daemon.wait_for(lambda: site.docs.get("new.txt") == b"new")

        everything = site.docs.files() | site.docs.objects()

        assert everything == FILES | {"new.txt": b"new"}
        assert_told(site)
        assert_logged(daemon)
        assert {hold.kind for hold in site.holds()} == {"deletions"}


@pytest.mark.parametrize(("disaster", "reason"), IN_THE_FOLDER + IN_THE_BUCKET)
def test_approved_deletions_are_carried_out_and_the_archive_has_the_files(
    site: Site, disaster: Disaster, reason: str
) -> None:
    disaster(site.docs)
    kept = {**site.docs.files(), **site.docs.objects()}
    kept = {path: kept[path] for path in site.docs.files() if path in site.docs.objects()}
    with site.running(until="blocked") as daemon:
        site.run("holds", "approve", str(the_hold(site).id))

        daemon.wait_until("in-step")

        assert site.docs.files() == site.docs.objects() == kept
        assert site.holds() == []
    archived = {*site.docs.archived_files(), *site.docs.archived_objects()}
    assert archived >= set(FILES.values()) - set(kept.values())


@pytest.mark.parametrize(("disaster", "reason"), IN_THE_FOLDER + IN_THE_BUCKET)
def test_after_discarded_deletions_the_files_come_back(
    site: Site, disaster: Disaster, reason: str
) -> None:
    disaster(site.docs)
    with site.running(until="blocked") as daemon:
        site.run("holds", "discard", str(the_hold(site).id))

        daemon.wait_until("in-step")

        assert site.docs.files() == site.docs.objects() == FILES
        assert site.holds() == []


def test_a_hold_is_gone_when_the_files_are_back_by_themselves(site: Site) -> None:
    delete_most_files(site.docs)
    with site.running(until="blocked") as daemon:
        for path, content in FILES.items():
            site.docs.write(path, content)

        daemon.wait_for(lambda: site.docs.files() == site.docs.objects() == FILES)

    site.run_once()
    assert site.holds() == []


def test_files_that_were_only_renamed_are_no_deletions(site: Site) -> None:
    (site.docs.folder / "folder").rename(site.docs.folder / "renamed")
    wanted = {path.replace("folder/", "renamed/"): content for path, content in FILES.items()}
    planned = site.plan()["docs"]

    site.run_once()

    assert planned.hold_reason is None
    assert site.docs.objects() == wanted


def test_a_changed_filter_deletes_nothing(site: Site) -> None:
    site.configure(options='exclude = ["folder/"]\ndelete_limit = 0\n')
    planned = site.plan()["docs"]

    site.run_once()

    assert (planned.operations, planned.held_back) == ([], [])
    assert site.docs.files() == site.docs.objects() == FILES
    site.configure(options='include = ["*.pdf"]\ndelete_limit = 0\n')
    site.run_once()
    assert site.docs.files() == site.docs.objects() == FILES
    site.configure(options=LIMIT)
    assert site.plan()["docs"].operations == []


def the_hold(site: Site) -> Hold:
    (hold,) = site.holds()
    return hold


def assert_told(site: Site, *words: str) -> None:
    """See that the mirror is said to be blocked, why, and what to do, in all places."""
    status = site.status()["docs"]
    hold = the_hold(site)
    told = site.run("status", code=1)
    assert status.health == "blocked"
    assert [each.id for each in status.holds] == [hold.id]
    for word in words:
        assert word in hold.reason
    assert hold.reason in told.replace("\n", " ")
    assert "docferry holds" in told
    assert site.ended("plan").returncode == 1


def assert_logged(daemon: Daemon, *words: str) -> None:
    opened = daemon.events("hold.opened")[-1]
    assert "docferry holds" in opened["remedy"]
    assert [word for word in words if word not in opened["reason"]] == []
    assert daemon.events("mirror.blocked")
