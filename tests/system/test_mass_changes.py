"""A program that encrypts a folder, or a mad script: it is held, and all comes back at a word."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from system import encrypting
from system.conftest import NewSite
from system.daemon import Daemon, Hold, Mirror, Site
from system.outcomes import ASKS, outcome

MOST = 25
NOTE = "README_TO_DECRYPT.txt"
SCRIPT = Path(encrypting.__file__)
#: How each mirror's folder is encrypted: while docferry is up, or down.
WAYS = {
    "a-down": "in_place",
    "b-up": "head_alone",
    "c-down": "beside",
    "d-up": "then_renamed",
    "e-up": "renamed_alone",
    "f-down": "under_another_name",
}


def words(number: int) -> bytes:
    return f"Minutes of meeting {number}: all were there, and nothing was decided.\n".encode() * 20


def office(number: int) -> bytes:
    """Give what a word processor saves: packed, and so as noisy as what is encrypted."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("word/document.xml", words(number) * 9)
        file.writestr("word/media/image.bin", random.Random(number).randbytes(9000))
    return packed.getvalue()


def documents(count: int) -> dict[str, bytes]:
    return {
        f"team-{number % 5}/{number:04}.{'docx' if number % 2 else 'md'}": (
            office(number) if number % 2 else words(number)
        )
        for number in range(count)
    }


@outcome("a program encrypts a folder", ASKS)
@pytest.mark.timeout(300)
def test_a_program_that_encrypts_1000_files_is_held_within_25_and_one_command_has_all_back(
    new_site: NewSite,
) -> None:
    files = documents(1000)
    site = filled(new_site, files)
    with site.running() as daemon:
        encrypt(site.docs, "in_place")

        hold = wait_until_held(site, daemon, len(files))
        noise = hashes(without_notes(site.docs.files()))
        assert noise.isdisjoint(hashes(files))
        assert len(spoilt(site.docs, files)) <= MOST
        assert hold.kind == "changes"

        site.asked("holds", "discard", str(hold.id))

        daemon.wait_for(lambda: without_notes(site.docs.files()) == files, 120)
        daemon.wait_for(lambda: without_notes(site.docs.objects()) == files, 120)
        daemon.wait_until("in-step", timeout_s=60)
        assert site.holds() == []
        kept = {sha256(one) for one in (*site.docs.archived_files(), *site.docs.archived_objects())}
        assert noise <= kept


@pytest.mark.timeout(300)
def test_each_way_to_encrypt_a_folder_is_held_while_docferry_runs_and_after_it_was_down(
    new_site: NewSite,
) -> None:
    files = documents(40)
    site = filled(new_site, files, [*WAYS], 'poll = "1s"')
    assert site.work_off()
    for name, how in WAYS.items():
        if name.endswith("down"):
            encrypt(site.mirrors[name], how)
    with site.running(until=None) as daemon:
        up = [name for name in WAYS if name.endswith("up")]
        daemon.wait_until("in-step", *up, timeout_s=60)
        for name in up:
            encrypt(site.mirrors[name], WAYS[name])
        holds = {name: wait_until_held(site, daemon, len(files), name) for name in WAYS}
        for name, mirror in site.mirrors.items():
            assert len(spoilt(mirror, files)) <= MOST, name

        for hold in holds.values():
            site.asked("holds", "discard", str(hold.id))

        for name, mirror in site.mirrors.items():
            daemon.wait_for(lambda m=mirror: without_notes(m.files()) == files, 60)  # type: ignore[misc]
            daemon.wait_for(lambda m=mirror: without_notes(m.objects()) == files, 60)  # type: ignore[misc]
            daemon.wait_until("in-step", name, timeout_s=60)
        assert site.holds() == []


def test_a_mad_script_in_the_bucket_is_held_and_all_other_mirrors_go_on(new_site: NewSite) -> None:
    files = documents(40)
    site = filled(new_site, files, ["docs", "others"])
    with site.running() as daemon:
        for path, content in files.items():
            site.docs.put(path, encrypting.encrypted(content))
        hold = wait_until_held(site, daemon, len(files))
        assert len([path for path in files if site.docs.files()[path] != files[path]]) <= MOST

        site.docs.write("new.txt", b"new")
        site.mirrors["others"].write("new.txt", b"new")
        for mirror in site.mirrors.values():
            daemon.wait_for(lambda m=mirror: m.get("new.txt") == b"new")  # type: ignore[misc]
        shown = site.asked("holds", "show", str(hold.id)).stdout
        assert "it is no md any more" in shown
        assert f"docferry holds discard {hold.id}" in shown

        site.asked("holds", "discard", str(hold.id))

        wanted = files | {"new.txt": b"new"}
        daemon.wait_for(lambda: site.docs.files() == site.docs.objects() == wanted)
        daemon.wait_until("in-step")


@pytest.mark.parametrize("decision", ["approve", "discard"])
def test_a_decided_hold_is_carried_out_however_often_docferry_is_killed(
    new_site: NewSite, decision: str
) -> None:
    files = documents(50)
    site = filled(new_site, files)
    with site.running() as daemon:
        encrypt(site.docs, "beside")
        hold = wait_until_held(site, daemon, len(files))
        noise = {
            path: content for path, content in site.docs.files().items() if path.endswith(".locked")
        }
        daemon.kill()
    site.asked("holds", decision, str(hold.id))
    for number in range(4):
        daemon = site.start()
        done = len(site.docs.archived_files()) + len(site.docs.archived_objects())
        daemon.wait_for(lambda n=number, d=done: _has_gone_on(site, d + 3 * n))  # type: ignore[misc]
        daemon.kill()

    with site.running() as daemon:
        wanted = files if decision == "discard" else noise
        daemon.wait_for(lambda: without_notes(site.docs.files()) == wanted)
        daemon.wait_for(lambda: without_notes(site.docs.objects()) == wanted)
        daemon.wait_until("in-step")
    assert site.holds() == []
    kept = hashes(site.docs.files()) | {
        sha256(one) for one in (*site.docs.archived_files(), *site.docs.archived_objects())
    }
    assert hashes(files) | hashes(noise) <= kept


def test_what_offices_do_in_bursts_is_not_held(new_site: NewSite) -> None:
    files = documents(60)
    site = filled(new_site, files)
    with site.running() as daemon:
        for path, content in files.items():  # search and replace, and saved again by a program
            number = int(Path(path).stem)
            changed = (
                office(number + 5000) if path.endswith("docx") else content.replace(b"all", b"few")
            )
            site.docs.write(path, changed)
        for number in range(60):  # unpacked: new, noisy and of no known kind
            site.docs.write(f"unpacked/{number}.blob", random.Random(number).randbytes(2000))
        for path in files:
            if path.startswith("team-1/"):
                (site.docs.folder / path).touch()

        site.settle(daemon)

        assert site.holds() == []
        assert len(site.docs.objects()) == 120


def test_a_plan_says_what_would_be_held(new_site: NewSite) -> None:
    files = documents(30)
    site = filled(new_site, files)
    site.run_once()
    encrypt(site.docs, "in_place")
    planned = site.plan()["docs"]

    site.run_once(code=1)

    [hold] = site.holds()
    assert len(planned.held_back) == hold.count == 10
    assert {kind for kind, _ in planned.held_back} == {"upload"}
    assert len(planned.operations) == 20 + 5  # the notes
    assert planned.hold_reason is not None
    assert site.plan()["docs"].held_back != []


def filled(
    new_site: NewSite,
    files: Mapping[str, bytes],
    names: list[str] | None = None,
    options: str = "",
) -> Site:
    site = new_site(names=tuple(names or ["docs"]), options=options)
    for mirror in site.mirrors.values():
        for path, content in files.items():
            mirror.write(path, content)
    return site


def encrypt(mirror: Mirror, how: str) -> None:
    """Run the program, at full speed, until it ends."""
    subprocess.run([sys.executable, str(SCRIPT), str(mirror.folder), how], check=True)


def wait_until_held(site: Site, daemon: Daemon, count: int, name: str = "docs") -> Hold:
    """Wait until all that has not travelled is held: the hold grows no more."""
    mirror = site.mirrors[name]

    def hold() -> Hold | None:
        return next((one for one in site.holds() if one.mirror == name), None)

    daemon.wait_for(lambda: hold() is not None, 60)
    daemon.wait_for(lambda: _is_all_held(site, mirror, count, hold()), 120)
    found = hold()
    assert found is not None
    return found


def _is_all_held(site: Site, mirror: Mirror, count: int, hold: Hold | None) -> bool:
    """Say whether each of *count* files waits or has travelled; with some each deletion waits."""
    if hold is None:
        return False
    with site.ledger() as ledger:
        query = "SELECT count(*) FROM change WHERE hold = ?"
        [(changes,)] = ledger.execute(query, [hold.id])
    return changes >= count and site.status()[mirror.name].health == "blocked"


def spoilt(mirror: Mirror, files: Mapping[str, bytes]) -> set[str]:
    """Give the paths at which the bucket is not as it was."""
    found = without_notes(mirror.objects())
    return {path for path in found.keys() | files.keys() if found.get(path) != files.get(path)}


def without_notes(found: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in found.items() if not path.endswith(NOTE)}


def _has_gone_on(site: Site, archived: int) -> bool:
    now = len(site.docs.archived_files()) + len(site.docs.archived_objects())
    return now >= archived or site.status()["docs"].health == "in-step"


def hashes(found: Mapping[str, bytes]) -> set[str]:
    return {sha256(content) for content in found.values()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
