"""`docferry verify`: what a person is told of a mirror's bytes, and what it costs."""

from __future__ import annotations

import os
import pathlib

from system.conftest import NewSite
from system.daemon import Site


def rot(path: pathlib.Path) -> None:
    """Change bytes in place, with size and mtime as they were: the token stays."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"ROT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def filled(site: Site) -> Site:
    """Bring some documents into step, one of them in a second version."""
    for name in ("a", "b", "d/c", "odd%2Fname"):
        site.docs.write(name, f"the content of {name}".encode())
    assert site.work_off()
    site.docs.write("a", b"the second content of a")
    assert site.work_off()
    return site


def test_before_the_first_run_there_is_nothing_to_verify(site: Site) -> None:
    said = site.ended("verify")

    assert said.returncode == 2
    assert "docferry run" in said.stderr


def test_a_mirror_in_step_is_well(site: Site) -> None:
    filled(site)
    before = site.docs.files(), site.docs.objects(), site.docs.all_keys()

    for options in ((), ("--read",), ("--side", "local"), ("--side", "remote")):
        said = site.asked("verify", *options)
        assert (said.returncode, said.stderr) == (0, "")
        assert "docs: looked at 4 files and 1 displaced version" in said.stdout
        assert "docs: all is well" in said.stdout

    assert (site.docs.files(), site.docs.objects(), site.docs.all_keys()) == before


def test_what_has_rotted_is_named_with_what_was_expected(site: Site) -> None:
    filled(site)
    rot(site.docs.folder / "b")

    [report] = site.json("verify")
    said = site.asked("verify", "docs")

    [finding] = report["findings"]
    assert (report["is_well"], report["counts"], report["files"]) == (False, {"content": 1}, 4)
    assert (finding["kind"], finding["side"], finding["path"]) == ("content", "local", "b")
    assert "sha256" in finding["expected"]
    assert said.returncode == 1
    assert "docs: 1 content" in said.stdout
    assert "docs: content: a running docferry heals it" in said.stdout


def test_what_is_not_carried_over_is_no_damage_but_not_well_either(site: Site) -> None:
    filled(site)
    site.docs.write("new", b"new")
    (site.docs.folder / "b").unlink()
    site.docs.put("d/c", b"edited in the bucket")

    [report] = site.json("verify")

    assert report["counts"] == {"not-synced": 3}
    assert {one["path"] for one in report["findings"]} == {"new", "b", "d/c"}
    assert site.work_off()
    site.run("verify", "--read")


def test_a_lost_archived_object_is_named(site: Site) -> None:
    filled(site)
    [archived] = [key for key in site.docs.all_keys() if "/versions/" in key]
    site.docs.remove(archived[archived.index(".docferry") :])

    [report] = site.json("verify")

    assert report["counts"] == {"archive-missing": 1}
    assert report["findings"][0]["side"] == "remote"


def test_one_mirror_that_does_not_answer_does_not_hide_the_others(new_site: NewSite) -> None:
    site = new_site(names=("docs", "other"))
    site.docs.write("a", b"content")
    assert site.work_off()
    site.docs.folder.rename(site.docs.folder.with_name("elsewhere"))

    reports = {report["mirror"]: report for report in site.json("verify")}

    assert reports["docs"]["refused"]
    assert reports["docs"]["findings"] == []
    assert reports["other"]["is_well"]


def test_beside_a_daemon_at_work_nothing_is_called_damaged(site: Site) -> None:
    filled(site)
    with site.running() as daemon:
        for number in range(40):
            site.docs.write(f"n/{number}", b"new %d" % number)
            site.docs.write("b", b"again %d" % number)

        [report] = site.json("verify", "--read")

        assert {*report["counts"]} <= {"not-synced"}
        site.settle(daemon)
        assert site.ended("verify", "--read").returncode == 0
