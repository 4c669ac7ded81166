"""A reload: what is new counts, what is wrong is refused, what has not changed goes on."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import servers
from processes import wait_for
from proxy import Proxy, Request, in_front_of
from system.conftest import NewSite
from system.daemon import Daemon, Mirror, Site

ENDS = ("config.reloaded", "config.refused")
GOOD = "docferry_config_last_reload_successful"


def ends(daemon: Daemon) -> list[dict[str, Any]]:
    return [event for event in daemon.events() if event["event"] in ENDS]


def reload(daemon: Daemon) -> dict[str, Any]:
    """Have the configuration read anew; give the event that tells how that ended."""
    before = len(ends(daemon))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for(lambda: len(ends(daemon)) > before)
    return ends(daemon)[-1]


def figure(daemon: Daemon, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", daemon.fetch("/metrics"), re.MULTILINE)
    assert found is not None
    return float(found[1])


def add(site: Site, server: servers.S3Server, name: str) -> Mirror:
    mirror = site.mirrors[name] = Mirror(name, site.folder / name, server)
    return mirror


def test_a_mirror_comes_and_goes_and_nothing_of_it_is_deleted(
    site: Site, server: servers.S3Server
) -> None:
    site.docs.write("a", b"a")
    with site.running() as daemon:
        new = add(site, server, "new")
        new.folder.mkdir()
        new.write("b", b"b")
        site.configure()

        came = reload(daemon)
        daemon.wait_until("in-step", "new", "docs")
        del site.mirrors["new"]
        site.configure()
        went = reload(daemon)
        site.docs.write("c", b"c")
        site.settle(daemon)

        assert came["mirrors"] == {"came": ["new"]}
        assert went["mirrors"] == {"went": ["new"]}
        assert list(daemon.health()) == ["docs"]
        assert new.objects() == new.files() == {"b": b"b"}
        assert figure(daemon, GOOD) == 1


def test_a_mirror_that_comes_back_knows_what_it_knew(site: Site, server: servers.S3Server) -> None:
    with site.running() as daemon:
        new = add(site, server, "new")
        new.folder.mkdir()
        new.write("gone", b"gone")
        new.write("stays", b"stays")
        site.configure()
        reload(daemon)
        daemon.wait_for(lambda: len(new.objects()) == 2)
        daemon.wait_until("in-step", "new")
        del site.mirrors["new"]
        site.configure()
        reload(daemon)

        (new.folder / "gone").unlink()
        site.mirrors["new"] = new
        site.configure()
        reload(daemon)

        daemon.wait_for(lambda: new.objects() == {"stays": b"stays"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rescan = 'often'", r"mirror\.docs\.rescan"),
        ("half a table [", "line"),
    ],
)
def test_a_faulty_file_is_refused_as_a_whole(site: Site, line: str, says: str) -> None:
    with site.running() as daemon:
        good = site.config.read_text()
        checked = site
        site.config.write_text(f"{good}\n{line}\n")

        refused = reload(daemon)

        assert refused["event"] == "config.refused"
        assert re.search(says, refused["reason"])
        assert refused["reason"] in checked.ended("check").stderr  # the same words, all of them
        assert figure(daemon, GOOD) == 0
        site.docs.write("a", b"a")
        daemon.wait_for(lambda: site.docs.objects() == {"a": b"a"})
        told = site.ended("status")
        if says != "line":  # then the file still says where the state is
            assert f"(pid {daemon.process.pid}) goes on as it was configured before" in told.stderr
        site.config.write_text(good)
        assert reload(daemon)["event"] == "config.reloaded"
        assert figure(daemon, GOOD) == 1


def test_what_only_a_restart_changes_is_refused_by_name_and_status_tells(site: Site) -> None:
    with site.running() as daemon:
        good = site.config.read_text()
        site.config.write_text("transfers = 3\n" + good.replace('poll = "200ms"', "poll = 9"))

        refused = reload(daemon)

        assert "only a restart changes transfers" in refused["reason"]
        shown = site.ended("status")
        assert shown.returncode == 1
        assert "the older one is in force" in shown.stdout
        assert "only a restart changes transfers" in shown.stdout
        site.docs.put("theirs", b"theirs")  # still polled each 200 ms
        daemon.wait_for(lambda: site.docs.files() == {"theirs": b"theirs"}, timeout_s=5)
        site.config.write_text(good)
        reload(daemon)
        assert site.ended("status").returncode == 0


def test_a_folder_of_another_daemon_is_refused_before_anything_is_changed(
    site: Site, new_site: NewSite, server: servers.S3Server
) -> None:
    other = new_site()
    with other.running(), site.running() as daemon:
        taken = add(site, server, "taken")
        taken.folder = other.docs.folder
        site.configure(options="poll = 9")

        refused = reload(daemon)

        assert "already runs on this folder" in refused["reason"]
        assert list(daemon.health()) == ["docs"]
        del site.mirrors["taken"]
        site.configure()
        reload(daemon)


def test_the_log_level_counts_at_once(site: Site) -> None:
    with site.running() as daemon:
        site.config.write_text(site.config.read_text() + '\n[log]\nlevel = "debug"\n')

        reload(daemon)

        daemon.wait_for(lambda: any(event["level"] == "debug" for event in daemon.events()))


def test_reloads_while_a_store_is_silent_and_a_stop_in_the_middle(
    site: Site, server: servers.S3Server
) -> None:
    let_go = threading.Event()

    def silent(request: Request) -> bool:
        return request.path.startswith("/documents") and let_go.wait(30) and False

    with in_front_of(server) as proxy:
        slow = add(site, server, "slow")
        slow.folder.mkdir()
        site.configure(more=f'[store.slow]\nendpoint_url = "{proxy.url}"\n')
        text = site.config.read_text().replace(
            '[mirror.slow]\nstore = "main"', '[mirror.slow]\nstore = "slow"'
        )
        site.config.write_text(text)
        proxy.mood = silent
        with site.running(until=None) as daemon:
            daemon.wait_until("in-step", "docs")
            daemon.wait_for(lambda: proxy.at_once > 0)  # it waits for an answer now

            site.config.write_text(text.replace("200ms", "201ms"))
            changed = reload(daemon)
            site.docs.write("a", b"a")
            daemon.wait_for(lambda: site.docs.objects() == {"a": b"a"})
            daemon.process.send_signal(signal.SIGHUP)
            code = daemon.stop()
            let_go.set()

    assert changed["mirrors"] == {"changed": ["docs", "slow"]}
    assert code == 0


def test_a_mirror_that_hung_begins_anew_once_it_has_ended(
    site: Site, server: servers.S3Server
) -> None:
    let_go = threading.Event()

    with in_front_of(server) as proxy:
        site.endpoint_url = proxy.url
        site.configure()
        with site.running() as daemon:
            proxy.mood = lambda request: let_go.wait(30) and False
            daemon.wait_for(lambda: proxy.at_once > 0)
            site.configure(options='poll = "201ms"')
            reload(daemon)
            assert daemon.health() == {}

            let_go.set()
            site.docs.write("a", b"a")

            daemon.wait_until("in-step")
            daemon.wait_for(lambda: site.docs.objects() == {"a": b"a"})


def test_a_drop_folder_comes_changes_and_goes(site: Site) -> None:
    drop, other = site.folder / "drop", site.folder / "other"
    with site.running() as daemon:
        site.configure(more=f'[drop.in]\nfolder = "{drop}"\ninto = "docs"\nsettle = 0\n')
        assert reload(daemon)["drops"] == {"came": ["in"]}
        (drop / "a").write_bytes(b"a")
        daemon.wait_for(lambda: "a" in site.docs.objects())

        site.configure(more=f'[drop.in]\nfolder = "{other}"\ninto = "docs"\nsettle = 0\n')
        assert reload(daemon)["drops"] == {"changed": ["in"]}
        (drop / "b").write_bytes(b"b")
        (other / "c").write_bytes(b"c")
        daemon.wait_for(lambda: "c" in site.docs.objects())
        site.configure()

        assert reload(daemon)["drops"] == {"went": ["in"]}
        assert (drop / "b").exists()


def test_threads_and_files_do_not_grow_with_reloads(site: Site, server: servers.S3Server) -> None:
    process = Path("/proc")

    def held(daemon: Daemon) -> tuple[int, int]:
        of = process / str(daemon.process.pid)
        return len(list((of / "task").iterdir())), len(list((of / "fd").iterdir()))

    drop = f'[drop.in]\nfolder = "{site.folder / "drop"}"\ninto = "docs"\n'
    with site.running() as daemon:
        new = Mirror("new", site.folder / "new", server)
        new.folder.mkdir()

        def there_and_back(round: int) -> None:
            site.mirrors["new"] = new
            site.configure(options=f"settle = 0.{round + 1}", more=drop)
            assert reload(daemon)["event"] == "config.reloaded"
            del site.mirrors["new"]
            site.configure()
            assert reload(daemon)["event"] == "config.reloaded"
            daemon.wait_until("in-step")

        for round in range(2):
            there_and_back(round)
        threads, files = held(daemon)
        for round in range(10):
            there_and_back(round)

        daemon.wait_for(lambda: held(daemon)[0] <= threads + 2 and held(daemon)[1] <= files + 4)


# Rules.

COPY = """
[converter.copy]
kind = "command"
command = ["/bin/cp", "{input}", "{output}"]
produces = ".out"
"""


def rule(name: str, converter: str, pattern: str) -> str:
    return (
        f'[[convert]]\nname = "{name}"\nfrom = "docs"\npatterns = ["{pattern}"]\n'
        f'to = "made/{{path}}.{{ext}}"\nwith = "{converter}"\n'
    )


def slow(site: Site) -> str:
    """Write a converter that takes long."""
    program = site.folder / "slow"
    program.write_text('#!/bin/sh\nsleep 4\ncp "$1" "$2"\n')
    program.chmod(0o755)
    return (
        f'[converter.slow]\nkind = "command"\ncommand = ["{program}", "{{input}}", "{{output}}"]\n'
        'produces = ".slow"\n'
    )


def test_a_new_rule_works_at_once_and_leaves_what_runs_alone(new_site: NewSite) -> None:
    site = new_site(names=("docs", "made"))
    first = slow(site) + rule("first", "slow", "*.txt")
    site.configure(more=first)
    with site.running() as daemon:
        site.docs.write("a.txt", b"a")
        daemon.wait_for(lambda: site.json("status")["jobs"].get("running") == 1)
        site.configure(more=first + COPY + rule("second", "copy", "*.doc"))

        assert reload(daemon)["rules"] == {"came": ["second"]}
        site.docs.write("b.doc", b"b")
        daemon.wait_for(lambda: site.mirrors["made"].objects() == {"b.doc.out": b"b"})

        daemon.wait_for(lambda: "a.txt.slow" in site.mirrors["made"].objects())
        (done,) = [job for job in daemon.events("job.done") if job["rule"] == "first"]
        assert done["attempts"] == 1
        assert daemon.events("job.stopped") == daemon.events("job.requeued") == []


def test_a_rule_that_was_away_works_off_what_came_meanwhile(new_site: NewSite) -> None:
    site = new_site(names=("docs", "made"))
    both = COPY + rule("copies", "copy", "*.doc")
    site.configure(more=both)
    with site.running() as daemon:
        site.configure()
        assert reload(daemon)["rules"] == {"went": ["copies"]}
        site.docs.write("a.doc", b"a")
        daemon.wait_for(lambda: "a.doc" in site.docs.objects())
        daemon.wait_until("in-step", "docs", "made")
        assert site.json("status")["jobs"].get("done", 0) == 0

        site.configure(more=both)
        reload(daemon)

        daemon.wait_for(lambda: site.mirrors["made"].objects() == {"a.doc.out": b"a"})


def test_documents_of_a_mirror_that_begins_anew_are_converted_all_the_same(
    new_site: NewSite,
) -> None:
    site = new_site(names=("docs", "made"))
    more = COPY + rule("copies", "copy", "*.doc")
    site.configure(more=more)
    wanted = {}
    with site.running() as daemon:
        for round in range(6):
            for number in range(20):
                site.docs.write(f"{round}-{number}.doc", f"{round} {number}".encode())
                wanted[f"{round}-{number}.doc.out"] = f"{round} {number}".encode()
            site.configure(options=f'poll = "{201 + round}ms"', more=more)
            assert reload(daemon)["mirrors"] == {"changed": ["docs", "made"]}

        daemon.wait_for(lambda: site.mirrors["made"].objects() == wanted, timeout_s=60)
        assert daemon.events("job.dead") == daemon.events("job.skipped") == []


# Keys.


class Doorman:
    """Lets in whom the store knows, but for those whose key was taken back."""

    def __init__(self) -> None:
        self.taken_back: set[str] = set()
        self.seen: set[str] = set()

    def __call__(self, request: Request) -> bool:
        found = re.search(r"Credential=([^/]+)/", request.headers.get("Authorization", ""))
        key = found[1] if found else ""
        self.seen.add(key)
        return key in self.taken_back and request.refuse(403, "InvalidAccessKeyId")


@pytest.fixture
def doorman() -> Doorman:
    return Doorman()


@pytest.fixture
def guarded(
    tmp_path_factory: pytest.TempPathFactory, doorman: Doorman
) -> Iterator[tuple[servers.S3Server, Proxy]]:
    """A store that takes two keys, behind somebody who takes them back."""
    with (
        servers.seaweedfs(tmp_path_factory.mktemp("keys"), more_keys=("second",)) as server,
        in_front_of(server) as proxy,
    ):
        proxy.mood = doorman
        yield server, proxy


def put_keys(folder: Path, key: str, secret: str) -> None:
    """As a tool does that renews them: each file at once, one after the other."""
    folder.mkdir(exist_ok=True)
    for name, text in (("access_key_id", key), ("secret_access_key", secret)):
        new = folder / f".{name}"
        new.write_text(text)
        new.rename(folder / f"main.{name}")


def test_keys_rotate_under_load_and_no_file_fails(
    guarded: tuple[servers.S3Server, Proxy], doorman: Doorman, tmp_path: Path
) -> None:
    server, proxy = guarded
    secrets, folder = tmp_path / "secrets", tmp_path / "site"
    folder.mkdir()
    put_keys(secrets, servers.ACCESS_KEY_ID, servers.SECRET_ACCESS_KEY)
    site = Site(folder, server)
    site.endpoint_url = proxy.url
    site.configure()
    site.config.write_text(f'credentials_dir = "{secrets}"\n{site.config.read_text()}')
    is_over = threading.Event()
    written: dict[str, bytes] = {}

    def load() -> None:
        number = 0
        while not is_over.wait(0.005):
            number += 1
            content = f"{number}".encode() * 2000
            site.docs.write(f"{number % 10}/{number}", content)
            written[f"{number % 10}/{number}"] = content

    with site.running() as daemon:
        writer = threading.Thread(target=load)
        writer.start()
        try:
            wait_for(lambda: len(written) > 100, 30)
            put_keys(secrets, "second", "second-secret")
            doorman.taken_back.add(servers.ACCESS_KEY_ID)  # at once, and docferry looks each 2 s
            daemon.wait_for(lambda: len(ends(daemon)) > 0)
            so_far = len(written)
            wait_for(lambda: len(written) > so_far + 100, 30)
        finally:
            is_over.set()
            writer.join()
        site.settle(daemon, timeout_s=60)

        assert site.docs.objects() == written
        assert daemon.events("operation.failed") == []
        assert ends(daemon)[-1]["new_keys_of"] == ["main"]
        assert site.status()["docs"].problems == {}
        assert proxy.refused > 0  # the old key was in use when it was taken back
    site.close()
