"""The README's way from a package to a mirrored folder, and where people leave it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import servers
from system.in_systemd import ROOT, Machine
from system.packages import Packages
from system.trouble import CHECK_FOLDER, CHECK_STORE

pytestmark = [pytest.mark.root, pytest.mark.tools("dpkg", "zstd")]

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def machine(packages: Packages, server: servers.S3Server) -> Iterator[Machine]:
    """One with docferry installed, and with the README's configuration for *server*."""
    [text] = re.findall(r"```toml\n(\[store\.main\]\n.*?)```", README, flags=re.DOTALL)
    with Machine() as started:
        started("dpkg", "--install", packages.deb)
        prefix = f"newcomer-{id(started)}"
        text = text.replace("https://s3.example.com", server.endpoint_url)
        text = text.replace("office/", f"{prefix}/")
        started.write("/etc/docferry/docferry.toml", f"{text}\n[metrics]\nport = 0\n")
        yield started


def give_credentials(machine: Machine) -> None:
    for name, secret in (
        ("main.access_key_id", servers.ACCESS_KEY_ID),
        ("main.secret_access_key", servers.SECRET_ACCESS_KEY),
    ):
        file = f"/etc/docferry/credentials/{name}"
        machine("install", "-m", "600", "/dev/stdin", file, stdin=f"{secret}\n")


def move_to_data(machine: Machine) -> None:
    """Have /data/docs mirrored, a folder of root's with a document in it."""
    machine("sed", "-i", 's|"/srv/docferry/docs"|"/data/docs"|', "/etc/docferry/docferry.toml")
    machine.write("/data/docs/offers/a.txt", "an offer")


def test_what_the_readme_says_gives_a_mirrored_folder(machine: Machine) -> None:
    give_credentials(machine)
    machine("docferry", "check")
    machine("systemctl", "start", "docferry")
    machine("useradd", "anna")
    machine("adduser", "anna", "docferry")

    by_anna = ("runuser", "-u", "anna", "--", "sh", "-c")
    machine(*by_anna, "echo hello >/srv/docferry/docs/a.txt")

    asked = (*by_anna, "docferry ls docs; docferry status")

    # The agreement is written down a moment before the mirror is called in step.
    def is_in_step() -> bool:
        said = machine(*asked, code=None)
        return "1 file" in said and "docs: in-step" in said

    machine.wait_for(is_in_step)


def test_who_forgets_the_credentials_is_told_where_they_belong(machine: Machine) -> None:
    said = machine("docferry", "check", code=CHECK_STORE)

    assert "STORE.access_key_id and STORE.secret_access_key in /etc/docferry/credentials" in said


def test_check_by_root_tells_what_the_service_may_not(machine: Machine) -> None:
    give_credentials(machine)
    move_to_data(machine)

    said = machine("docferry", "check", code=CHECK_FOLDER)

    assert "let the user docferry read and write /data/docs" in said
    assert "docferry check --systemd --write" in said


def test_what_the_readme_says_of_another_folder_opens_it_to_the_service(machine: Machine) -> None:
    give_credentials(machine)
    move_to_data(machine)
    [lines] = re.findall(r"```\n(chgrp -R docferry /data/docs.*?)```", README, flags=re.DOTALL)

    machine("sh", "-e", "-c", lines)

    assert "unit:" not in machine("docferry", "check")
    machine.wait_for(lambda: "1 file" in machine("docferry", "status", code=None))
    assert machine("docferry", "cat", "offers/a.txt") == "an offer"


def test_who_may_only_look_is_told_who_may_do_more(machine: Machine) -> None:
    give_credentials(machine)
    machine("systemctl", "start", "docferry")
    machine.put("/srv/docferry/docs/a.txt", b"one")
    machine.wait_for(lambda: "3 B in step" in machine("docferry", "status", code=None))
    machine.put("/srv/docferry/docs/a.txt", b"another")
    machine.wait_for(lambda: "7 B in step" in machine("docferry", "status", code=None))
    machine("useradd", "--groups", "docferry", "anna")

    checked = machine.ended("runuser", "-u", "anna", "--", "docferry", "check")
    asked = machine.ended("runuser", "-u", "anna", "--", "docferry", "restore", "a.txt")

    assert "what anna may do; the service runs as docferry" in checked.stdout
    assert "Ask as root" in asked.stderr
