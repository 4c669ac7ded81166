"""Versions from end to end, in front of each kind of store: with versioning, without, poor."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import servers
from system.daemon import Daemon, Site

STORES = ("versioned", "plain", "poor")


@pytest.fixture(scope="module", params=STORES)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.S3Server]:
    if request.param == "poor":
        with servers.rclone(tmp_path_factory.mktemp("poor")) as started:
            yield started
    else:
        yield request.getfixturevalue("versioned" if request.param == "versioned" else "server")


@pytest.fixture
def site(store: servers.S3Server, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, store)
    yield site
    site.close()


def versions(site: Site, path: str) -> list[dict[str, Any]]:
    """Give what is said of the versions of a path, the newest first."""
    found: list[dict[str, Any]] = site.json("versions", path)["versions"]
    return found


def content_of(site: Site, version: str) -> str:
    return site.run("cat", version)


def save(site: Site, daemon: Daemon, path: str, content: str) -> None:
    """Save a file, and wait until its version is listed."""
    before = _listed(site, path)
    site.docs.write(path, content.encode())
    daemon.wait_for(lambda: _listed(site, path) > before)
    site.settle(daemon)


def _listed(site: Site, path: str) -> int:
    said = site.asked("versions", path, "--json")
    return len(json.loads(said.stdout)["versions"]) if said.returncode == 0 else 0


def is_brought_up(site: Site) -> bool:
    """Say whether the bucket's archive has every displaced version."""
    with site.ledger() as ledger:
        query = "select count(*) from version where left_at is not null and not archived_remote"
        [lacking] = ledger.execute(query).fetchone()
    return bool(lacking == 0)


#: What `check` says cannot be promised: of versions that strangers overwrite, and of rot.
CANNOT = {
    "versioned": (),
    "plain": ("has no versioning",),
    "poor": ("has no versioning", "the store ignores", "may look like an edit"),
}


def test_what_cannot_be_promised_is_said(site: Site, request: pytest.FixtureRequest) -> None:
    said = site.json("check")

    kind = request.node.callspec.params["store"]
    warnings = [found["what"] for found in said if found["level"] == "warning"]
    about_store = [text for text in warnings if "not there yet" not in text]
    assert len(about_store) == len(CANNOT[kind]), about_store
    for text in CANNOT[kind]:
        assert any(text in warning for warning in about_store)


def test_the_life_of_a_document(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        save(site, daemon, "a.txt", "one\n")
        save(site, daemon, "a.txt", "two\n")
        docs.put("a.txt", b"three, of a stranger\n")
        daemon.wait_for(lambda: docs.files()["a.txt"] == b"three, of a stranger\n")
        site.settle(daemon)

        # All of them can be read, wherever their bytes are.
        three, two, one = versions(site, "a.txt")
        texts = [content_of(site, row["id"]) for row in (one, two, three)]
        assert texts == ["one\n", "two\n", "three, of a stranger\n"]
        assert [row["origin"] for row in (one, two, three)] == ["local", "local", "store"]
        difference = site.run("diff", one["id"], two["id"], code=1)
        assert difference.splitlines()[-2:] == ["-one", "+two"]

        # An older one is had back on both sides, as a new one.
        assert site.ended("restore", one["id"]).returncode == 0
        site.settle(daemon)
        assert docs.objects()["a.txt"] == docs.files()["a.txt"] == b"one\n"
        assert versions(site, "a.txt")[0]["origin"] == "restore"

        # What was deleted, too.
        docs.remove("a.txt")
        docs.write("b.txt", b"b")
        daemon.wait_for(lambda: "a.txt" not in docs.files())
        site.settle(daemon)
        site.run("undelete", "a.txt")
        site.settle(daemon)
        assert docs.objects() == docs.files() == {"a.txt": b"one\n", "b.txt": b"b"}

        # The bucket is enough, and all is as it should be.
        daemon.wait_for(lambda: is_brought_up(site))
        site.run("verify", "--read")


def test_a_whole_tree_is_had_back_at_an_instant(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        for name in ("kept", "edited", "deleted"):
            save(site, daemon, f"f/{name}.txt", f"{name}\n")
        before = docs.files()
        instant = versions(site, "f/deleted.txt")[0]["id"]
        save(site, daemon, "f/edited.txt", "edited since\n")
        save(site, daemon, "f/new.txt", "new\n")
        (docs.folder / "f/deleted.txt").unlink()
        daemon.wait_for(lambda: "f/deleted.txt" not in docs.all_keys())
        site.settle(daemon)

        found = site.json("rewind", "docs/f", "--to", instant)
        is_as_it_was = docs.files() == before
        site.run("holds", "approve", str(found["hold"]["id"]))
        daemon.wait_for(lambda: docs.files() == before)
        site.settle(daemon)

    assert not is_as_it_was
    assert len(found["steps"]) == 3
    assert docs.objects() == docs.files() == before


def test_a_lost_machine_is_had_back_from_the_bucket(site: Site) -> None:
    docs = site.docs
    with site.running() as daemon:
        for text in ("one\n", "two\n", "three\n"):
            save(site, daemon, "a.txt", text)
        docs.put("b.txt", b"of a stranger")
        site.settle(daemon)
        daemon.wait_for(lambda: is_brought_up(site))
    site.run_once()  # and takes a snapshot
    before = [(row["id"], row["sha256"]) for row in versions(site, "a.txt")]
    files = docs.files()
    shutil.rmtree(site.state)
    shutil.rmtree(docs.folder)

    assert site.ended("rebuild", "--yes").returncode == 0

    assert docs.files() == docs.objects() == files
    assert [(row["id"], row["sha256"]) for row in versions(site, "a.txt")] == before
    assert [content_of(site, version) for version, _ in before] == ["three\n", "two\n", "one\n"]


def test_retention_takes_what_it_said_and_no_held_one(site: Site) -> None:
    docs = site.docs
    docs.options = "keep_last = 1\n"
    site.configure()
    with site.running() as daemon:
        for text in ("one\n", "two\n", "three\n", "four\n"):
            save(site, daemon, "a.txt", text)
        daemon.wait_for(lambda: is_brought_up(site))
        four, three, two, one = versions(site, "a.txt")
        site.run("hold", one["id"])
        said = site.json("retention", "docs")
        site.run("retention", "docs", "--now", code=None)
        daemon.wait_for(lambda: versions(site, "a.txt")[2]["gone_at"] is not None)
        daemon.wait_for(lambda: _archived(docs.all_keys()) == {three["id"], one["id"]})

        refused = site.asked("cat", two["id"])
        assert content_of(site, one["id"]) == "one\n"
        assert content_of(site, three["id"]) == "three\n"
        site.run("verify")

    assert two["id"] in json.dumps(said)
    assert refused.returncode != 0
    assert "let go" in refused.stderr
    assert versions(site, "a.txt")[0]["id"] == four["id"]


def _archived(keys: list[str]) -> set[str]:
    folder = ".docferry/versions/"
    return {key.removeprefix(folder) for key in keys if key.startswith(folder)}


def test_of_what_was_erased_nothing_is_left(site: Site, store: servers.S3Server) -> None:
    docs = site.docs
    with site.running() as daemon:
        for text in ("secret one\n", "secret two\n"):
            save(site, daemon, "secret.txt", text)
        save(site, daemon, "other.txt", "other\n")
        daemon.wait_for(lambda: is_brought_up(site))
        rows = versions(site, "secret.txt")
        site.run("erase", "secret.txt", "--all-versions", "--yes")

        assert docs.files() == docs.objects() == {"other.txt": b"other\n"}
        assert not {row["id"] for row in rows} & _archived(docs.all_keys())
        said = site.ended("cat", rows[0]["id"])
        assert said.returncode == 2
        assert "was erased" in said.stderr
        site.settle(daemon)

    files = [path for path in site.state.rglob("*") if path.is_file()]
    assert [path for path in files if b"secret" in path.read_bytes()] == []
    assert not any(b"secret" in each for each in docs.archived_objects() + docs.archived_files())
    if store.name == "seaweedfs":
        found = docs.client.list_object_versions(
            Bucket=servers.BUCKET, Prefix=f"{docs.prefix}secret.txt"
        )
        assert "Versions" not in found
        assert "DeleteMarkers" not in found
