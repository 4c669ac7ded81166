"""What the tests on disasters share: mirrors in step, what can befall them, what is then said."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from system.conftest import NewSite
from system.daemon import RESERVED, Daemon, Hold, Mirror, Plan, Site, empty

FILES = {f"folder/{number:02}.txt": f"document {number}".encode() for number in range(12)}
LIMIT = "delete_limit = 5\n"
MARKER = f"{RESERVED}/mirror.json"

Deed: TypeAlias = Callable[[Mirror], None]


@dataclass(frozen=True, slots=True)
class Disaster:
    """What befalls a mirror, and words of the reason that docferry gives."""

    do: Deed
    says: tuple[str, ...]
    undo: Deed | None = None  #: None: it cannot be undone


def filled(new_site: NewSite, names: Iterable[str] = ("docs",), options: str = LIMIT) -> Site:
    """Give mirrors whose folders hold twelve documents; more than five deletions wait."""
    site = new_site(names=tuple(names), options=options)
    for mirror in site.mirrors.values():
        for path, content in FILES.items():
            mirror.write(path, content)
    return site


def in_step(new_site: NewSite, names: Iterable[str] = ("docs",), options: str = LIMIT) -> Site:
    """Give such mirrors with the documents on both sides, and docferry not running."""
    site = filled(new_site, names, options)
    assert site.work_off()
    return site


# What can happen to a folder and to a bucket.


def take_the_folder_away(docs: Mirror) -> None:
    docs.folder.rename(docs.folder.with_name(f"{docs.name}-elsewhere"))


def bring_the_folder_back(docs: Mirror) -> None:
    if docs.folder.is_symlink():
        docs.folder.unlink()
    elif docs.folder.exists():
        shutil.rmtree(docs.folder)
    docs.folder.with_name(f"{docs.name}-elsewhere").rename(docs.folder)


def leave_an_empty_mount_point(docs: Mirror) -> None:
    """As if its disk were not mounted any more."""
    take_the_folder_away(docs)
    docs.folder.mkdir()


def link_the_folder_to_an_empty_one(docs: Mirror) -> None:
    leave_an_empty_mount_point(docs)
    docs.folder.rename(docs.folder.with_name(f"{docs.name}-empty"))
    docs.folder.symlink_to(f"{docs.name}-empty")


def mount_the_folder_of_another_mirror(docs: Mirror) -> None:
    leave_an_empty_mount_point(docs)
    (docs.folder / RESERVED).mkdir()
    (docs.folder / MARKER).write_bytes(b'{"docferry": 1, "id": "another"}')


def empty_the_folder(docs: Mirror) -> None:
    empty(docs.folder)


def lose_the_marker(docs: Mirror) -> None:
    (docs.folder / MARKER).rename(docs.folder.with_name(f"{docs.name}-marker"))


def find_the_marker(docs: Mirror) -> None:
    docs.folder.with_name(f"{docs.name}-marker").rename(docs.folder / MARKER)


def lose_the_twin(docs: Mirror) -> None:
    docs.remove(MARKER)


def put_the_twin_back(docs: Mirror) -> None:
    docs.put(MARKER, (docs.folder / MARKER).read_bytes())


def put_the_twin_of_another_mirror(docs: Mirror) -> None:
    docs.put(MARKER, b'{"docferry": 1, "id": "another"}')


def empty_the_prefix(docs: Mirror) -> None:
    docs.remove(*docs.all_keys())


def empty_both_sides(docs: Mirror) -> None:
    empty_the_folder(docs)
    empty_the_prefix(docs)


def delete_all_files(docs: Mirror) -> None:
    for path in docs.folder.iterdir():
        if path.name != RESERVED:
            shutil.rmtree(path)


def delete_most_files(docs: Mirror) -> None:
    for path in list(FILES)[:-2]:
        (docs.folder / path).unlink()


def move_the_files_elsewhere(docs: Mirror) -> None:
    """What is left is no document: a filter leaves it out."""
    (docs.folder / "folder").rename(docs.folder.with_name(f"{docs.name}-moved"))
    docs.write("~$open.docx", b"an editor's dropping")


def remove_all_objects(docs: Mirror) -> None:
    docs.remove(*FILES)


def remove_most_objects(docs: Mirror) -> None:
    docs.remove(*list(FILES)[:-2])


# What is said.


def snapshot(mirrors: Mapping[str, Mirror]) -> dict[str, object]:
    """Give all that both sides hold, docferry's own too."""
    return {
        name: (
            mirror.files(),
            mirror.objects(),
            sorted(mirror.all_keys()),
            sorted(mirror.archived_files()),
        )
        for name, mirror in mirrors.items()
    }


def wait_until_blocked(site: Site, daemon: Daemon, names: Iterable[str] = ("docs",)) -> None:
    """Wait until `docferry status` says so; the port for machines says it a moment before."""
    wanted = set(names)
    daemon.wait_for(
        lambda: wanted <= {n for n, said in site.status().items() if said.health == "blocked"}
    )


def documents(mirror: Mirror) -> dict[str, bytes]:
    """Give what the folder holds, but for what the usual filter leaves out."""
    return {path: held for path, held in mirror.files().items() if not path.startswith("~$")}


def holds_of(site: Site) -> dict[str, Hold]:
    """Give the one hold that each mirror has."""
    found = {hold.mirror: hold for hold in site.holds()}
    assert len(found) == len(site.holds())
    return found


def assert_held(site: Site, disasters: Mapping[str, Disaster]) -> dict[str, Hold]:
    """See that each of these mirrors is blocked, why, and what to do about it, in all places."""
    status, holds = site.status(), holds_of(site)
    told = " ".join(site.asked("status").stdout.split())
    for name, disaster in disasters.items():
        assert status[name].health == "blocked", name
        assert status[name].holds == [holds[name]]
        assert status[name].reason == holds[name].reason
        assert [word for word in disaster.says if word not in holds[name].reason] == []
        assert f"hold {holds[name].id} (open" in told
        assert f"docferry holds show {holds[name].id}" in told
        assert holds[name].reason in told
        assert holds[name].reason in site.asked("holds", "show", str(holds[name].id)).stdout
    return {name: holds[name] for name in disasters}


def assert_logged(events: list[dict[str, object]], holds: Mapping[str, Hold]) -> None:
    """See that the log has, for each hold, when it was opened, why, and what to do."""
    for name, hold in holds.items():
        mine = [event for event in events if event.get("mirror") == name]
        opened = [event for event in mine if event["event"] == "hold.opened"]
        assert [event["hold"] for event in opened][-1:] == [hold.id]
        assert f"docferry holds approve {hold.id}" in str(opened[-1]["remedy"]) or (
            f"docferry holds show {hold.id}" in str(opened[-1]["remedy"])
        )
        assert opened[-1]["reason"] == hold.reason
        assert [event["reason"] for event in mine if event["event"] == "mirror.blocked"]


def assert_planned(plans: Mapping[str, Plan], holds: Mapping[str, Hold]) -> None:
    """See that a plan says what docferry says."""
    for name, hold in holds.items():
        if hold.kind == "identity":
            assert plans[name] == Plan([], hold.reason, [], None, {}, {})
        else:
            assert (plans[name].refused, plans[name].hold_reason) == (None, hold.reason)
            assert len(plans[name].held_back) == hold.count


def assert_in_step(site: Site, daemon: Daemon, names: Iterable[str]) -> None:
    """Wait until docferry says so, and see that it is so."""
    wanted = tuple(names)
    daemon.wait_until("in-step", *wanted, timeout_s=90)
    for name in wanted:
        mirror = site.mirrors[name]
        assert documents(mirror) == mirror.objects(), name
        assert name not in {hold.mirror for hold in site.holds()}
