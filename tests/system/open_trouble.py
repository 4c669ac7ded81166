"""
Trouble: what fails is named with its remedy, all else goes on, and it heals by itself.

As root nothing is forbidden: there docferry runs without the capabilities that make it so.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest

import servers
from docferry.core.paths import path_of
from system.conftest import NewSite
from system.daemon import Site, free_port

AS_PEOPLE_ARE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
HEALS_WITHIN_S = 120.0
CHECK_STORE, CHECK_FOLDER = 3, 4  # exit codes of `docferry check`


def reason(site: Site) -> str:
    return site.status()["docs"].reason or ""


def problem(site: Site, path: str) -> str:
    return site.status()["docs"].problems.get(path, "")


# The store.


def test_an_endpoint_where_nobody_listens_is_named(site: Site) -> None:
    site.endpoint_url = f"http://127.0.0.1:{free_port()}"
    site.configure()
    with site.running(until="unreachable") as daemon:
        assert site.endpoint_url in reason(site)
        assert "is the store running?" in reason(site)
        assert daemon.fetch("/healthz") == "alive\n"
    checked = site.ended("check")
    assert checked.returncode == CHECK_STORE
    assert site.endpoint_url in checked.stdout
    planned = site.ended("plan")
    assert planned.returncode == 1
    assert site.endpoint_url in planned.stderr
    assert "Traceback" not in planned.stderr


def test_wrong_credentials_are_named_and_never_shown(site: Site) -> None:
    site.credentials = (servers.ACCESS_KEY_ID, "not-the-secret-at-all")
    with site.running(until="blocked") as daemon:
        assert "credentials" in reason(site)
        assert "not-the-secret-at-all" not in daemon.log.read_text() + site.run("status", code=1)
    checked = site.ended("check")
    assert checked.returncode == CHECK_STORE
    assert "credentials" in checked.stdout


def test_an_access_key_that_nobody_knows_is_named(site: Site) -> None:
    site.credentials = ("nobody-knows-me", servers.SECRET_ACCESS_KEY)
    with site.running(until="blocked"):
        assert "access key" in reason(site)


def test_a_missing_bucket_is_named_and_it_heals_once_it_is_made(
    site: Site, server: servers.S3Server
) -> None:
    site.bucket = "made-later"
    site.configure()
    with site.running(until="blocked") as daemon:
        site.docs.write("a.txt", b"a")
        assert "made-later" in reason(site)
        assert "create it" in reason(site)
        assert site.ended("check").returncode == CHECK_STORE

        server.make_bucket("made-later")

        daemon.wait_until("in-step", timeout_s=HEALS_WITHIN_S)
        key = site.docs.prefix + "a.txt"
        assert server.client().get_object(Bucket="made-later", Key=key)["Body"].read() == b"a"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[servers.S3Server]:
    """Give a store that a test may stop."""
    folder = tmp_path / "own-server"
    folder.mkdir()
    with servers.seaweedfs(folder) as started:
        yield started


@contextmanager
def site_on(server: servers.S3Server, folder: Path) -> Iterator[Site]:
    folder.mkdir()
    site = Site(folder, server)
    try:
        yield site
    finally:
        site.close()


def test_a_store_that_is_gone_for_a_while_is_named_and_it_heals(
    own_server: servers.S3Server, tmp_path: Path
) -> None:
    with site_on(own_server, tmp_path / "site") as site, site.running() as daemon:
        site.docs.write("before.txt", b"before")
        daemon.wait_for(lambda: site.docs.get("before.txt") == b"before")
        own_server.process.kill()
        own_server.process.wait()
        daemon.wait_until("unreachable", timeout_s=60)
        site.docs.write("meanwhile.txt", b"meanwhile")
        (site.docs.folder / "before.txt").unlink()
        assert site.endpoint_url in reason(site)
        assert "unreachable" in site.run("status", code=1)
        assert daemon.events("mirror.unreachable")

        with started_again(own_server):
            daemon.wait_until("in-step", timeout_s=HEALS_WITHIN_S)

            assert site.docs.objects() == {"meanwhile.txt": b"meanwhile"} == site.docs.files()
        assert daemon.events("mirror.recovered")


def test_a_store_that_hangs_deletes_nothing_and_status_still_answers(
    own_server: servers.S3Server, tmp_path: Path
) -> None:
    with site_on(own_server, tmp_path / "site") as site, site.running() as daemon:
        site.docs.write("a.txt", b"a")
        daemon.wait_for(lambda: site.docs.get("a.txt") == b"a")
        own_server.process.send_signal(signal.SIGSTOP)
        try:
            site.docs.write("b.txt", b"b")

            assert site.json("status")["pid"] == daemon.process.pid
            assert daemon.fetch("/healthz") == "alive\n"
            assert daemon.stop() == 0  # within ten seconds, though a request hangs
            assert site.docs.files() == {"a.txt": b"a", "b.txt": b"b"}
        finally:
            own_server.process.send_signal(signal.SIGCONT)
        site.run_once()
        assert site.docs.objects() == {"a.txt": b"a", "b.txt": b"b"}


@contextmanager
def started_again(server: servers.S3Server) -> Iterator[None]:
    """Start the same server on the same port and files."""
    command = server.process.args
    assert isinstance(command, list)
    folder = next(str(word).partition("=")[2] for word in command if "-dir=" in str(word))
    with Path(folder, "again.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


# The folder.


@pytest.fixture
def usual_site(site: Site) -> Site:
    """Give a site whose docferry may only do what the modes of files allow."""
    if os.geteuid() == 0:
        site.wrapper = AS_PEOPLE_ARE
    return site


@pytest.mark.tools("setpriv")
def test_an_unreadable_file_is_shown_and_everything_else_travels(usual_site: Site) -> None:
    docs = usual_site.docs
    with usual_site.running() as daemon:
        secret = docs.folder / "secret.txt"
        secret.touch(mode=0o000)
        docs.write("open.txt", b"open")
        daemon.wait_for(lambda: docs.get("open.txt") == b"open")
        daemon.wait_for(lambda: "secret.txt" in usual_site.status()["docs"].problems)
        assert "ermission" in problem(usual_site, "secret.txt")
        assert docs.get("secret.txt") is None

        secret.chmod(0o600)

        daemon.wait_for(lambda: docs.get("secret.txt") == b"", HEALS_WITHIN_S)
        daemon.wait_until("in-step")
        assert usual_site.status()["docs"].problems == {}


@pytest.mark.tools("setpriv")
def test_an_unreadable_folder_deletes_nothing_and_is_shown(usual_site: Site) -> None:
    docs = usual_site.docs
    docs.write("sub/a.txt", b"a")
    docs.write("b.txt", b"b")
    usual_site.run_once()
    (docs.folder / "sub").chmod(0o000)

    usual_site.run_once(code=1)

    assert docs.objects() == {"sub/a.txt": b"a", "b.txt": b"b"}
    assert "ermission" in problem(usual_site, "sub")
    assert usual_site.plan()["docs"].operations == []
    (docs.folder / "sub").chmod(0o755)
    usual_site.run_once()
    assert usual_site.status()["docs"].problems == {}


@pytest.mark.tools("setpriv")
def test_a_read_only_folder_is_named_and_uploads_go_on(usual_site: Site) -> None:
    docs = usual_site.docs
    docs.write("sub/mine.txt", b"mine")
    with usual_site.running() as daemon:
        (docs.folder / "sub").chmod(0o555)
        docs.put("sub/theirs.txt", b"theirs")
        docs.put("theirs.txt", b"theirs")
        daemon.wait_for(lambda: (docs.folder / "theirs.txt").exists())
        daemon.wait_for(lambda: "sub/theirs.txt" in usual_site.status()["docs"].problems)
        assert "ermission" in problem(usual_site, "sub/theirs.txt")
        assert str(docs.folder) in problem(usual_site, "sub/theirs.txt")
        docs.write("also mine.txt", b"mine, too")
        daemon.wait_for(lambda: docs.get("also mine.txt") == b"mine, too")
        assert daemon.health() == {"docs": "waiting"}

        (docs.folder / "sub").chmod(0o755)

        daemon.wait_for(lambda: (docs.folder / "sub/theirs.txt").exists(), HEALS_WITHIN_S)
        daemon.wait_until("in-step")


@pytest.mark.tools("setpriv")
def test_check_names_a_folder_that_cannot_be_written(usual_site: Site) -> None:
    usual_site.docs.folder.mkdir(mode=0o555)

    checked = usual_site.ended("check")

    assert checked.returncode == CHECK_FOLDER
    assert f"let the user of docferry (uid {os.geteuid()}) read and write" in checked.stdout


def test_what_is_no_file_is_left_alone_and_shown(site: Site) -> None:
    docs, outside = site.docs, site.folder / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(b"not of the mirror")
    docs.write("a.txt", b"a")
    (docs.folder / "link.txt").symlink_to(outside / "secret.txt")
    (docs.folder / "link").symlink_to(outside)
    os.mkfifo(docs.folder / "pipe")
    with chdir(docs.folder), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")  # its whole name would be too long
    docs.put("link/new.txt", b"must not get outside")

    site.run_once(code=1)

    assert docs.objects() == {"a.txt": b"a", "link/new.txt": b"must not get outside"}
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert site.status()["docs"].problems.keys() >= {"link.txt", "link", "pipe", "socket"}


def test_a_name_that_is_not_utf8_is_shown_and_everything_else_travels(site: Site) -> None:
    docs = site.docs
    docs.write("a.txt", b"a")
    Path(os.fsdecode(os.fsencode(docs.folder) + b"/\xff.txt")).write_bytes(b"latin-1")

    site.run_once(code=1)

    assert docs.get("a.txt") == b"a"
    assert any("UTF-8" in message for message in site.status()["docs"].problems.values())
    assert "UTF-8" in site.run("status", code=1)


@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_full_disk_is_named_nothing_half_written_is_seen_and_it_heals(
    new_site: NewSite, tmp_path: Path
) -> None:
    site = new_site()
    docs = site.docs
    with a_small_disk(docs.folder, "2m"), site.running() as daemon:
        docs.put("large.bin", b"x" * 4_000_000)
        docs.put("small.txt", b"small")
        daemon.wait_for(lambda: (docs.folder / "small.txt").exists())
        daemon.wait_for(lambda: "large.bin" in site.status()["docs"].problems)
        assert "large.bin" not in docs.files()
        assert "full" in problem(site, "large.bin")
        assert docs.get("large.bin") is not None

        subprocess.run(["mount", "-o", "remount,size=16m", docs.folder], check=True)

        daemon.wait_for(lambda: docs.files() == docs.objects(), HEALS_WITHIN_S)
        daemon.wait_until("in-step")


@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_folder_remounted_read_only_is_named_and_heals(new_site: NewSite) -> None:
    site = new_site()
    docs = site.docs
    with a_small_disk(docs.folder, "2m"), site.running() as daemon:
        docs.write("mine.txt", b"mine")
        daemon.wait_for(lambda: docs.get("mine.txt") == b"mine")
        subprocess.run(["mount", "-o", "remount,ro", docs.folder], check=True)
        docs.put("theirs.txt", b"theirs")
        daemon.wait_for(lambda: "read-only" in str(site.status()["docs"]))

        subprocess.run(["mount", "-o", "remount,rw", docs.folder], check=True)

        daemon.wait_for(lambda: docs.files() == docs.objects(), HEALS_WITHIN_S)
        daemon.wait_until("in-step")


@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_disk_that_is_unmounted_while_docferry_is_down_deletes_nothing(
    new_site: NewSite,
) -> None:
    site = new_site()
    with a_small_disk(site.docs.folder, "2m"):
        site.docs.write("a.txt", b"a")
        site.run_once()

    site.run_once(code=1)

    assert site.docs.objects() == {"a.txt": b"a"}
    assert site.status()["docs"].health == "blocked"


@contextmanager
def a_small_disk(folder: Path, size: str) -> Iterator[None]:
    """Have a file system of its own at *folder*."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


# What strangers call their objects.

ODD_KEYS = (
    "a",
    "a/b",
    "a//b",
    "../x",
    "./y",
    "u/../../v",
    "/absolute",
    "..",
    "with body/",
    "back\\slash",
    "%_2E%_2E/x",
    "..%2Fx",
    "x" * 300,
    "d/" + "y" * 255 + "/z",
    "ü" * 200,
    "e\u0301",
    "\u00e9",
    "CON",
    "trailing.",
    " ",
)


@pytest.fixture
def moto_site(tmp_path: Path) -> Iterator[Site]:
    """Give a site on moto, which bears keys that SeaweedFS rewrites or refuses."""
    folder = tmp_path / "moto"
    folder.mkdir()
    with servers.moto(folder) as started, site_on(started, tmp_path / "site") as site:
        yield site


def test_no_key_escapes_collides_or_is_left_out(moto_site: Site) -> None:
    docs = moto_site.docs
    contents = {key: f"the body of {key}".encode() for key in ODD_KEYS}
    for key, content in contents.items():
        docs.put(key, content)
    docs.put("an empty folder/", b"")
    before = everything_outside(moto_site)

    with moto_site.running() as daemon:
        daemon.wait_for(lambda: docs.files() == contents, HEALS_WITHIN_S)
        daemon.wait_until("in-step")
        assert everything_outside(moto_site) == before
        assert docs.objects() == {**contents, "an empty folder/": b""}

        (docs.folder / path_of("../x")).write_bytes(b"edited in the folder")

        daemon.wait_for(lambda: docs.get("../x") == b"edited in the folder")
    assert everything_outside(moto_site) == before


def everything_outside(site: Site) -> list[Path]:
    """List what is around the folder, but for docferry's state and log."""
    own = (site.docs.folder, site.state)
    return sorted(
        path
        for path in site.folder.parent.rglob("*")
        if not any(path.is_relative_to(each) for each in own) and path.suffix != ".log"
    )


def test_what_strangers_put_below_docferrys_own_prefix_is_not_mirrored(site: Site) -> None:
    site.docs.write("a.txt", b"a")
    site.run_once()
    site.docs.put(".docferry/versions/planted", b"planted")
    site.docs.put(".docferry/lock", b"planted")

    site.run_once()

    assert site.docs.files() == {"a.txt": b"a"}
    assert (site.docs.folder / ".docferry/lock").read_bytes() != b"planted"
