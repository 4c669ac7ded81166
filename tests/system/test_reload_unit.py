"""`systemctl reload`, and keys that change while the service runs, under a real systemd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from system.in_systemd import Machine
from system.test_unit import DOCS, QUICK, Service

pytestmark = [
    pytest.mark.root,
    pytest.mark.tools("dbus-daemon", "findmnt", "nsenter", "setpriv", "systemd-run", "unshare"),
]

SECRETS = "/etc/docferry/keys"


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        machine.install()
        machine.drop_in(QUICK)
        yield machine


@pytest.fixture
def service(machine: Machine, server: servers.S3Server, tmp_path: Path) -> Service:
    return Service(machine, server.endpoint_url, f"{tmp_path.name}/")


def reloads(machine: Machine) -> int:
    return machine.journal().count('"config.reloaded"')


def test_a_reload_is_told_to_systemd_and_a_refusal_to_whoever_asks(service: Service) -> None:
    machine = service.machine
    service.start()
    service.wait_until("1 mirror in step")
    pid = machine.show("MainPID")

    service.configure(docs=DOCS, more="[mirror.half]\n")
    machine("systemctl", "reload", "docferry")
    machine.wait_for(lambda: "is refused, an older one counts" in service.status)
    told = machine("docferry", "status", code=2)
    service.configure(docs=DOCS, more='[log]\nlevel = "warning"\n[log]\n')
    machine("systemctl", "reload", "docferry")
    service.configure(docs=DOCS, new="/srv/docferry/new")
    machine("systemctl", "reload", "docferry")

    service.wait_until("2 mirrors in step")
    assert told == ""
    expected = pid | {"ActiveState": "active"}  # it goes on "reloading" until READY=1 is read
    machine.wait_for(lambda: machine.show("MainPID", "ActiveState") == expected)


def test_a_reload_does_not_renew_what_systemd_has_loaded_and_a_folder_of_ours_does(
    service: Service,
) -> None:
    machine = service.machine
    machine("install", "-d", "-o", "root", "-g", "docferry", "-m", "0750", SECRETS)

    def put(name: str, secret: str) -> None:
        machine.write(f"{SECRETS}/.new", secret, mode="640")
        machine("chgrp", "docferry", f"{SECRETS}/.new")
        machine("mv", f"{SECRETS}/.new", f"{SECRETS}/main.{name}")

    put("access_key_id", servers.ACCESS_KEY_ID)
    put("secret_access_key", "wrong")
    service.start()
    service.wait_until("1 mirror in step")  # by the keys that systemd has loaded
    text = machine("cat", "/etc/docferry/docferry.toml")
    machine.write("/etc/docferry/docferry.toml", f'credentials_dir = "{SECRETS}"\n{text}')
    machine("systemctl", "reload", "docferry")
    machine.wait_for(lambda: "docs blocked" in service.status)
    before = reloads(machine)

    put("secret_access_key", servers.SECRET_ACCESS_KEY)

    service.wait_until("1 mirror in step")
    assert reloads(machine) == before + 1
    assert service.restarts == 0
