"""What `docferry plan` says, `docferry run` does, and `docferry status` tells: before and after."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable

import pytest

from processes import wait_for
from system.conftest import NewSite
from system.daemon import Hold, Mirror, Plan, Site

FILES = {
    f"{folder}/{number}.txt": f"{folder} {number}".encode()
    for folder in "pq"
    for number in range(5)
}


def changed_on_both_sides(site: Site) -> None:
    docs = site.docs
    docs.write("p/0.txt", b"edited in the folder")
    docs.put("p/1.txt", b"edited in the bucket")
    for edit in (docs.write, docs.put):
        edit("p/2.txt", b"the same edit on both sides")
    docs.write("p/3.txt", b"one edit")
    docs.put("p/3.txt", b"another edit")
    docs.write("p/4.txt", b"an edit beats a deletion")
    docs.remove("p/4.txt")
    (docs.folder / "q/0.txt").rename(docs.folder / "q/renamed.txt")
    docs.remove("q/1.txt")
    docs.put("q/elsewhere.txt", FILES["q/1.txt"])
    (docs.folder / "q/2.txt").unlink()
    docs.remove("q/2.txt")
    os.utime(docs.folder / "q/3.txt", ns=(1, 1))
    docs.remove("q/3.txt")
    docs.put("q/4.txt", FILES["q/4.txt"])
    docs.write("new here.txt", b"new here")
    docs.put("new there.txt", b"new there")


def odd_names(site: Site) -> None:
    docs = site.docs
    docs.put("a", b"a file")
    docs.put("a/b", b"below it")
    docs.put("p/0.txt/c", b"below a file that was agreed on")
    docs.put("q", b"where a folder is")
    docs.put("tab\there", b"a control character")
    docs.write("back\\slash", b"a backslash")
    docs.write("50%_off", b"like an escape")
    for form in ("NFC", "NFD"):
        docs.put(unicodedata.normalize(form, "caf\u00e9"), form.encode())
    docs.put("TWIN", b"upper case")
    docs.write("twin", b"lower case")


def too_many_deletions(site: Site) -> None:
    docs = site.docs
    docs.remove("p/0.txt", "p/1.txt", "p/2.txt", "p/3.txt")
    (docs.folder / "p/0.txt").rename(docs.folder / "renamed, so no loss.txt")
    docs.write("goes on.txt", b"all the same")


def an_open_hold(site: Site) -> None:
    too_many_deletions(site)
    rest(site.docs)
    assert not site.work_off()
    site.docs.write("since then.txt", b"new")
    site.docs.remove("q/0.txt")


def an_approved_hold(site: Site) -> None:
    an_open_hold(site)
    site.run("holds", "approve", str(the_hold(site).id))


def a_discarded_hold(site: Site) -> None:
    an_open_hold(site)
    site.run("holds", "discard", str(the_hold(site).id))


def an_emptied_bucket_and_something_new(site: Site) -> None:
    site.docs.remove(*site.docs.objects())
    site.docs.write("new.txt", b"so it will not be empty")


def an_unmounted_folder(site: Site) -> None:
    site.docs.folder.rename(site.folder / "elsewhere")
    site.docs.folder.mkdir()


def an_approved_join(site: Site) -> None:
    an_unmounted_folder(site)
    assert not site.work_off()
    site.run("holds", "approve", str(the_hold(site).id))


def a_mode_that_pushes(site: Site) -> None:
    changed_on_both_sides(site)
    site.configure(options='mode = "push"')


def a_mode_that_pulls(site: Site) -> None:
    changed_on_both_sides(site)
    site.configure(options='mode = "pull"')


def another_filter(site: Site) -> None:
    changed_on_both_sides(site)
    site.configure(options='exclude = ["p/", "*.tmp"]')


def killed_in_mid_work(site: Site) -> None:
    docs = site.docs
    for number in range(200):
        docs.write(f"many/{number}.txt", b"number %d" % number)
    daemon = site.start()
    daemon.wait_for(lambda: len(docs.all_keys()) > 60)
    daemon.kill()
    for number in range(0, 200, 7):
        docs.write(f"many/{number}.txt", b"edited since")
        (docs.folder / f"many/{number + 1}.txt").unlink()


def a_ledger_from_a_backup(site: Site) -> None:
    docs = site.docs
    kept = (site.state / "ledger.sqlite3").read_bytes()
    docs.write("p/0.txt", b"edited after the backup")
    docs.write("new.txt", b"new after the backup")
    rest(docs)
    assert site.work_off()
    for path in site.state.glob("ledger.sqlite3*"):
        path.unlink()
    (site.state / "ledger.sqlite3").write_bytes(kept)
    docs.write("p/0.txt", b"edited once more")
    (docs.folder / "new.txt").unlink()


MIXTURES = [
    changed_on_both_sides,
    odd_names,
    an_open_hold,
    an_approved_hold,
    a_discarded_hold,
    an_emptied_bucket_and_something_new,
    an_approved_join,
    a_mode_that_pushes,
    a_mode_that_pulls,
    another_filter,
    killed_in_mid_work,
    a_ledger_from_a_backup,
]


@pytest.mark.parametrize("bring_about", MIXTURES)
def test_a_run_does_what_was_planned_and_status_tells_so(
    new_site: NewSite, bring_about: Callable[[Site], None]
) -> None:
    site = new_site(options="delete_limit = 2")
    for path, content in FILES.items():
        site.docs.write(path, content)
    rest(site.docs)
    assert site.work_off()
    bring_about(site)
    rest(site.docs)
    before = site.status(), both_sides(site.docs)

    planned = site.plan()["docs"]

    assert (site.status(), both_sides(site.docs)) == before
    assert planned.waiting == {}
    done_before = len(happened(site))

    code = site.ended("run", "--once").returncode

    assert sorted(planned.operations) == sorted(happened(site)[done_before:])
    assert_status_tells(site, planned, code)
    again = site.plan()["docs"]
    assert again.operations == []
    assert (again.held_back, again.hold_reason) == (planned.held_back, planned.hold_reason)
    assert (again.refused, again.left_alone) == (planned.refused, planned.left_alone)


def assert_status_tells(site: Site, planned: Plan, code: int) -> None:
    status, docs = site.status()["docs"], site.docs
    assert held_back(site) == (planned.held_back, planned.hold_reason)
    assert [hold.reason for hold in status.holds if hold.kind == "identity"] == (
        [] if planned.refused is None else [planned.refused]
    )
    assert status.problems.keys() == planned.left_alone.keys()
    is_in_step = not (planned.held_back or planned.refused or planned.left_alone)
    assert (code == 0, status.health == "in-step") == (is_in_step, is_in_step)
    if is_in_step and "exclude" not in site.config.read_text():
        assert docs.files() == docs.objects()
        assert status.files == len(docs.files())


def held_back(site: Site) -> tuple[list[tuple[str, str]], str | None]:
    """Give the deletions that wait for a person, as the ledger has them, and why."""
    with site.ledger() as ledger:
        rows = ledger.execute(
            "select 'delete_' || side, path, reason from deletion join hold on hold.id = hold"
            " where state = 'open' order by path"
        )
        found = [*rows]
    return [(kind, path) for kind, path, _ in found], found[0][2] if found else None


def the_hold(site: Site) -> Hold:
    [hold] = site.holds()
    return hold


def both_sides(docs: Mirror) -> object:
    return docs.files(), docs.objects(), sorted(docs.all_keys())


def happened(site: Site) -> list[tuple[str, str]]:
    """Give every operation of the ledger's history: its kind and path."""
    with site.ledger() as ledger:
        return list(ledger.execute("select kind, path from history order by id"))


def rest(docs: Mirror) -> None:
    """Wait until every file has rested for the settle time."""
    times = (path.lstat().st_ctime for path in docs.folder.rglob("*"))
    newest = max(times, default=0.0)
    wait_for(lambda: time.time() - newest > 0.2)
