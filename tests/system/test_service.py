"""The life of a service, from the package's first day on a machine to its purge."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from proxy import Proxy, Request, in_front_of
from system.daemon import STOP_WITHIN_S
from system.in_systemd import Machine
from system.monitoring import Prometheus, prometheus
from system.packages import Packages, build

pytestmark = [
    pytest.mark.root,
    pytest.mark.tools("dpkg", "dbus-daemon", "zstd"),
    pytest.mark.timeout(600),  # packages are made, and this machine may be busy with others
]

DOCS = "/srv/docferry/docs"
CREDENTIALS = "/etc/docferry/credentials"
STATE = "/var/lib/docferry"
RULES = "/usr/share/doc/docferry/examples/prometheus/alerts.yml"
PREFIX = "office/"
CONFIG = """\
[store.main]
endpoint_url = "{endpoint_url}"

[mirror.docs]
store = "main"
bucket = "{bucket}"
prefix = "office/"
local = "/srv/docferry/docs"
poll = "200ms"
settle = "200ms"
delete_limit = 3

[[convert]]
name = "text"
from = "docs"
patterns = ["*.html"]
to = "docs/{{dir}}{{stem}}.md"
with = "markdown"

[metrics]
port = {port}
"""
NEW_KEY = "second"
#: So that nobody waits for minutes; only what the unit has is made shorter.
QUICK = {"RestartSec": "100ms", "WatchdogSec": "6s"}
#: Saves a file after the other until it is told that it is enough, each 20th a page.
LOAD = """\
import itertools, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
for number in itertools.count():
    kind = "txt" if number % 20 else "html"
    print(f"{number}.{kind}", flush=True)
    (folder / f"{number}.{kind}").write_text(f"number {number}")
    if pathlib.Path(sys.argv[2]).exists():
        break
    time.sleep(0.02)
"""


class Service:
    """docferry as whoever follows the README has it, and the bucket as others see it."""

    def __init__(self, machine: Machine, server: servers.S3Server, gate: Proxy) -> None:
        self.machine = machine
        self.gate = gate  #: what docferry's requests go through
        (self.port,) = servers.free_ports(1)
        self._server = server

    def configure(self, key: str, secret: str, *, more: str = "") -> None:
        text = CONFIG.format(endpoint_url=self.gate.url, bucket=servers.BUCKET, port=self.port)
        keys = {"main.access_key_id": key, "main.secret_access_key": secret}
        self.machine.configure(more + text, keys)

    @property
    def main_pid(self) -> str:
        return self.machine.show("MainPID")["MainPID"]

    @property
    def restarts(self) -> int:
        """How often systemd has started it again by itself."""
        return int(self.machine.show("NRestarts")["NRestarts"])

    def put(self, path: str, text: str) -> None:
        self.machine.put(f"{DOCS}/{path}", text.encode())

    def folder(self) -> dict[str, str]:
        """Give the MD5 of each document in the folder, by its path."""
        script = 'cd "$1" && find . -name .docferry -prune -o -type f -exec md5sum {} +'
        listed = self.machine("sh", "-c", script, "sh", DOCS).splitlines()
        return {path.removeprefix("./"): md5 for md5, path in (line.split("  ") for line in listed)}

    def bucket(self) -> dict[str, str]:
        """Give the MD5 of each document in the bucket, by its path: that is its ETag."""
        pages = self._server.client().get_paginator("list_objects_v2")
        objects = [
            found
            for page in pages.paginate(Bucket=servers.BUCKET, Prefix=PREFIX)
            for found in page.get("Contents", ())
        ]
        found = {one["Key"].removeprefix(PREFIX): one["ETag"].strip('"') for one in objects}
        return {path: md5 for path, md5 in found.items() if not path.startswith(".docferry/")}

    def wait_until_in_step(self) -> None:
        """Wait until all is said to be well, and see that both sides hold the same."""
        self.machine.wait_for(lambda: self.machine.ended("docferry", "status").returncode == 0)
        self.machine.wait_for(lambda: self.folder() == self.bucket())


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as started:
        yield started


@pytest.fixture
def service(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One on a store that takes two keys."""
    folder = tmp_path_factory.mktemp("store")
    with (
        servers.seaweedfs(folder, more_keys=(NEW_KEY,)) as server,
        in_front_of(server) as gate,
    ):
        yield Service(machine, server, gate)


def test_systemd_finds_no_fault_with_the_installed_unit_and_little_that_it_leaves_open(
    machine: Machine, packages: Packages
) -> None:
    machine("dpkg", "--install", packages.deb)

    verified = machine.ended("systemd-analyze", "verify", "docferry.service")
    security = machine("systemd-analyze", "security", "--no-pager", "docferry.service")

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    exposure = re.search(r"Overall exposure level.*: ([\d.]+)", security)
    assert exposure is not None
    assert float(exposure[1]) <= 1.5


@pytest.mark.tools("prometheus", "strace")
def test_a_service_lives_from_its_installation_to_its_purge(
    service: Service, packages: Packages, tmp_path: Path
) -> None:
    it_is_installed_and_started(service, packages)
    a_file_reaches_the_bucket_and_has_its_markdown_beside_it(service)
    with prometheus(tmp_path, service.port, quick_rules(service.machine, tmp_path)) as watching:
        an_alert_fires_until_a_person_has_acted(service, watching)
    its_times_are_shortened(service)
    it_comes_back_from_a_kill(service)
    it_comes_back_from_a_hung_loop(service)
    it_takes_new_keys_without_a_restart(service)
    an_upgrade_under_load_loses_nothing(service, build(tmp_path / "newer", release=2))
    it_stops_in_time(service)
    a_removal_keeps_state_and_documents(service)
    a_purge_takes_the_state_and_no_document(service)


def it_is_installed_and_started(service: Service, packages: Packages) -> None:
    service.machine("dpkg", "--install", packages.deb)
    service.configure(servers.ACCESS_KEY_ID, servers.SECRET_ACCESS_KEY)
    service.machine("systemctl", "start", "docferry")
    service.machine("useradd", "anna", "-G", "docferry")


def a_file_reaches_the_bucket_and_has_its_markdown_beside_it(service: Service) -> None:
    service.put("page.html", "<h1>Ferry</h1>")

    service.machine.wait_for(lambda: set(service.bucket()) == {"page.html", "page.md"})
    service.wait_until_in_step()
    assert service.machine("cat", f"{DOCS}/page.md").strip() == "# Ferry"


def quick_rules(machine: Machine, folder: Path) -> Path:
    """Give the installed rules, but for how long each waits before it fires: that is minutes."""
    rules = folder / "alerts.yml"
    rules.write_text(re.sub(r"for: \w+", "for: 300ms", machine("cat", RULES)))
    return rules


def an_alert_fires_until_a_person_has_acted(service: Service, watching: Prometheus) -> None:
    machine = service.machine
    old = [f"old-{number}.txt" for number in range(5)]  # more than delete_limit
    for path in old:
        service.put(path, path)
    machine.wait_for(lambda: service.bucket().keys() >= {*old})
    service.wait_until_in_step()
    assert not watching.is_firing("DocferryHoldOpen")

    machine("rm", *(f"{DOCS}/{path}" for path in old))
    machine.wait_for(lambda: watching.is_firing("DocferryHoldOpen"))
    [hold] = json.loads(machine("docferry", "holds", "list", "--json"))
    assert len(service.bucket().keys() & {*old}) == hold["count"]
    machine("docferry", "holds", "approve", str(hold["id"]))

    machine.wait_for(lambda: not watching.is_firing("DocferryHoldOpen"))
    service.wait_until_in_step()
    assert set(service.bucket()) == {"page.html", "page.md"}


def its_times_are_shortened(service: Service) -> None:
    unit = service.machine("systemctl", "cat", "docferry")
    shorter = [f"{name}={value}\n" for name, value in QUICK.items() if f"\n{name}=" in unit]
    service.machine.drop_in("[Service]\n" + "".join(shorter))


def it_comes_back_from_a_kill(service: Service) -> None:
    service.machine("kill", "-9", service.main_pid)
    service.put("after the kill.txt", "a")

    service.machine.wait_for(lambda: service.restarts == 1)
    service.machine.wait_for(lambda: "after the kill.txt" in service.bucket())
    service.wait_until_in_step()


def it_comes_back_from_a_hung_loop(service: Service) -> None:
    machine = service.machine
    # Whoever opens the mirror's folder is held there: the loop, at its next poll.
    strace = f"strace -f -p {service.main_pid} -o /dev/null -P {DOCS}"
    hold = "-e trace=openat -e inject=openat:delay_enter=300000000"
    machine("systemd-run", "--unit=hang", *strace.split(), *hold.split())
    machine.wait_for(lambda: "daemon.hung" in machine.journal(), 30)
    machine("systemctl", "kill", "--signal=KILL", "hang")
    service.put("after the hang.txt", "a")

    machine.wait_for(lambda: service.restarts == 2, 30)
    assert "Failed with result 'watchdog'" in machine.journal()
    machine.wait_for(lambda: "after the hang.txt" in service.bucket())
    service.wait_until_in_step()


def it_takes_new_keys_without_a_restart(service: Service) -> None:
    machine = service.machine
    before = service.main_pid
    # What systemd has handed over stays as it was at the start: docferry has to read them itself.
    service.configure(NEW_KEY, f"{NEW_KEY}-secret", more=f'credentials_dir = "{CREDENTIALS}"\n')
    machine("chgrp", "--recursive", "docferry", CREDENTIALS)
    machine("chmod", "--recursive", "u=rwX,g=rX,o=", CREDENTIALS)

    machine("systemctl", "reload", "docferry")
    machine.wait_for(lambda: '"new_keys_of": ["main"]' in machine.journal())
    service.gate.mood = refuses_the_old_key
    service.put("after the reload.txt", "a")

    machine.wait_for(lambda: "after the reload.txt" in service.bucket())
    service.wait_until_in_step()
    assert service.main_pid == before


def refuses_the_old_key(request: Request) -> bool:
    is_old = f"Credential={servers.ACCESS_KEY_ID}/" in request.headers.get("Authorization", "")
    return is_old and request.refuse(403, "InvalidAccessKeyId")


def an_upgrade_under_load_loses_nothing(service: Service, newer: Packages) -> None:
    machine = service.machine
    before = service.folder()
    edited = machine("cat", "/etc/docferry/docferry.toml")
    run = "systemd-run --unit=load --uid=anna -p UMask=0007 -p StandardOutput=append:/run/dropped"
    machine(*run.split(), "/usr/bin/python3", "-c", LOAD, f"{DOCS}/load", "/run/enough")
    machine.wait_for(lambda: len(dropped(machine)) > 20)

    machine("dpkg", "--install", newer.deb)

    so_far = len(dropped(machine))
    machine.wait_for(lambda: len(dropped(machine)) > so_far + 20)
    machine("touch", "/run/enough")
    machine.wait_for(lambda: machine.show("ActiveState", unit="load")["ActiveState"] == "inactive")
    expected = {f"load/{name}": md5 for name, md5 in dropped(machine).items()}
    results = {path.replace(".html", ".md") for path in expected if path.endswith(".html")}
    machine.wait_for(lambda: set(service.bucket()) == {*before, *expected, *results})
    service.wait_until_in_step()
    assert service.folder().items() >= (before | expected).items()
    it_runs_what_is_installed(service)
    version = machine("dpkg-query", "--show", "--showformat=${Version}", "docferry")
    assert version.endswith("-2")
    assert machine("cat", "/etc/docferry/docferry.toml") == edited


def dropped(machine: Machine) -> dict[str, str]:
    """Give the MD5 of what the load has written, by name."""
    names = machine("cat", "/run/dropped", code=None).split()  # the first is yet to come
    contents = {name: f"number {name.partition('.')[0]}" for name in names}
    return {name: hashlib.md5(text.encode()).hexdigest() for name, text in contents.items()}


def it_runs_what_is_installed(service: Service) -> None:
    """What was replaced below a process that goes on is marked as deleted in its map."""
    loaded = service.machine("cat", f"/proc/{service.main_pid}/maps").splitlines()
    ours = [line for line in loaded if "/usr/lib/docferry/" in line]
    assert ours
    assert [line for line in ours if line.endswith("(deleted)")] == []


def it_stops_in_time(service: Service) -> None:
    began_s = time.monotonic()
    service.machine("systemctl", "stop", "docferry")

    assert time.monotonic() - began_s < STOP_WITHIN_S
    ended = service.machine.show("Result", "ExecMainStatus")
    assert ended == {"Result": "success", "ExecMainStatus": "0"}


def a_removal_keeps_state_and_documents(service: Service) -> None:
    documents = service.folder(), service.bucket()

    service.machine("dpkg", "--remove", "docferry")

    service.machine("test", "-f", f"{STATE}/ledger.sqlite3")
    service.machine("test", "!", "-e", "/usr/lib/docferry")
    assert (service.folder(), service.bucket()) == documents


def a_purge_takes_the_state_and_no_document(service: Service) -> None:
    documents = service.folder(), service.bucket()

    service.machine("dpkg", "--purge", "docferry")

    for gone in (STATE, "/etc/docferry", "/var/log/docferry"):
        service.machine("test", "!", "-e", gone)
    assert (service.folder(), service.bucket()) == documents
