"""The packages: what is in them, and what they do to a machine, from first to last."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from system.in_systemd import Machine
from system.packages import ROOT, Packages, build, listed

pytestmark = [pytest.mark.root, pytest.mark.tools("dpkg", "rpm", "zstd")]

CONFIG = """\
[store.main]
endpoint_url = "{endpoint_url}"

[mirror.docs]
store = "main"
bucket = "{bucket}"
prefix = "{prefix}"
local = "/srv/docferry/docs"
poll = "1s"
settle = "100ms"

[mirror.processed]
store = "main"
bucket = "{bucket}"
prefix = "{prefix}-processed/"
local = "/srv/docferry/processed"
poll = "1s"

[[convert]]
name = "text"
from = "docs"
patterns = ["*.html"]
to = "processed/{{stem}}.{{ext}}"
with = "markdown"

[metrics]
port = 0
"""
SECRETS = {
    "main.access_key_id": servers.ACCESS_KEY_ID,
    "main.secret_access_key": servers.SECRET_ACCESS_KEY,
}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return build(tmp_path_factory.mktemp("newer"), release=2)


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as started:
        yield started


@pytest.fixture
def mirroring(machine: Machine, packages: Packages, server: servers.S3Server) -> Machine:
    """A machine on which one followed the README: a page in a mirrored folder, converted."""
    install(machine, packages.deb)
    prefix = f"packages-{id(machine)}"
    machine.configure(
        CONFIG.format(endpoint_url=server.endpoint_url, bucket=servers.BUCKET, prefix=prefix),
        SECRETS,
    )
    machine("systemctl", "start", "docferry")
    machine("sh", "-c", "echo '<h1>Ferry</h1>' >/srv/docferry/docs/page.html")
    result = "/srv/docferry/processed/page.md"
    machine.wait_for(lambda: machine("ls", result, code=None) != "")
    assert machine("cat", result).strip() == "# Ferry"
    return machine


def install(machine: Machine, deb: Path) -> str:
    return machine("dpkg", "--install", deb)


# What is in them.


def test_the_same_commit_gives_the_same_bytes(packages: Packages, tmp_path: Path) -> None:
    again = build(tmp_path)

    for one, other in zip(
        sorted(packages.folder.iterdir()), sorted(tmp_path.iterdir()), strict=True
    ):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes(), one.name
    assert again.deb.name == "docferry_0.1.0-1_amd64.deb"


def test_nothing_names_the_machine_that_it_was_built_on(packages: Packages, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", packages.deb, tmp_path], check=True)

    naming = subprocess.run(
        ["grep", "-rlF", "-e", str(ROOT), "-e", "build/stage", "-e", sys.prefix, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    assert naming == ""


def test_only_root_may_change_what_is_installed(packages: Packages) -> None:
    there = listed(packages.deb)

    assert {"/usr/bin/docferry", "/usr/lib/systemd/system/docferry.service"} <= there.keys()
    assert {owner for _, owner in there.values()} == {"root/root"}
    writable = [path for path, (mode, _) in there.items() if mode[0] != "l" and "w" in mode[4:]]
    assert writable == []
    assert there["/etc/docferry/credentials/"][0] == "drwx------"


def test_the_page_is_in_the_packages_with_all_of_its_files(packages: Packages) -> None:
    web = ROOT / "daemon" / "docferry" / "web"
    ours = {path.name for kind in ("templates", "assets") for path in (web / kind).iterdir()}

    installed = {Path(path).name for path in listed(packages.deb) if "/docferry/web/" in path}
    with zipfile.ZipFile(packages.wheel) as wheel:
        in_wheel = {Path(path).name for path in wheel.namelist()}

    assert ours <= installed
    assert ours <= in_wheel


def test_the_rpm_has_the_same_files_and_scripts_that_count_installations(
    packages: Packages, tmp_path: Path
) -> None:
    def rpm(*words: str | Path) -> str:
        command = ["rpm", "--dbpath", tmp_path / "db", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    files = set(rpm("-qpl", packages.rpm).split())

    theirs = {
        path.rstrip("/") for path, (mode, _) in listed(packages.deb).items() if mode[0] != "d"
    }
    shells = {"/usr/share/zsh/vendor-completions/_docferry"}  # each has its place for it
    assert theirs - shells <= files
    scripts = rpm("-qp", "--scripts", packages.rpm)
    assert [name for name in ("postinstall", "preuninstall", "postuninstall") if name in scripts]
    assert "/etc/docferry/docferry.toml" in rpm("-qpc", packages.rpm)
    root = tmp_path / "root"
    rpm("-i", "--root", root, "--nodeps", "--noscripts", packages.rpm)
    assert (root / "usr/lib/docferry/bin/docferry").is_file()


def test_the_sdist_gives_the_wheel_and_the_wheel_a_command(
    packages: Packages, tmp_path: Path
) -> None:
    # tarfile of Debian 12 knows no filter yet, and later ones warn without.
    subprocess.run(["tar", "--extract", "--file", packages.sdist], cwd=tmp_path, check=True)
    [source] = tmp_path.iterdir()
    hatchling = Path(sys.executable).with_name("hatchling")
    build_wheel = [str(hatchling), "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build_wheel, cwd=source, capture_output=True, check=True)
    made = tmp_path / packages.wheel.name
    venv = tmp_path / "venv"
    # What docferry needs comes from the venv that runs this: no test downloads.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(made)], capture_output=True, check=True)
    site = next(venv.glob("lib/*/site-packages"))
    (site / "others.pth").write_text(str(next(Path(sys.prefix).glob("lib/*/site-packages"))))

    said = subprocess.run(
        [venv / "bin" / "docferry", "--version"], capture_output=True, text=True, check=True
    )

    assert said.stdout == "docferry, version 0.1.0\n"
    assert made.stat().st_size == packages.wheel.stat().st_size


@pytest.mark.tools("man")
def test_the_man_page_renders_without_a_warning_and_has_every_command(
    packages: Packages, tmp_path: Path
) -> None:
    subprocess.run(["dpkg-deb", "--extract", packages.deb, tmp_path], check=True)
    page = tmp_path / "usr/share/man/man1/docferry.1.gz"

    shown = subprocess.run(
        ["man", "--warnings", "--local-file", page],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
    )

    assert shown.stderr == ""
    for line in ("docferry run [OPTIONS]", "docferry dead replay [OPTIONS]", "/etc/docferry/"):
        assert line in shown.stdout
    assert gzip.decompress(page.read_bytes()).startswith(b".TH DOCFERRY 1")


# What they do to a machine.


def test_installed_it_is_enabled_and_does_nothing_until_it_is_configured(
    machine: Machine, packages: Packages
) -> None:
    said = install(machine, packages.deb)

    assert "not started: edit /etc/docferry/docferry.toml first" in said
    assert machine("docferry", "--version") == "docferry, version 0.1.0\n"
    assert machine("systemctl", "is-enabled", "docferry") == "enabled\n"
    assert machine("systemctl", "is-active", "docferry", code=3) == "inactive\n"
    machine("systemctl", "start", "docferry", code=1)
    assert "at least one [mirror.NAME]" in machine.journal()
    assert machine("ls", "/srv/docferry") == ""


@pytest.mark.tools("bash")
def test_bash_completes_commands(machine: Machine, packages: Packages) -> None:
    install(machine, packages.deb)
    script = (
        ". /usr/share/bash-completion/bash_completion; _completion_loader docferry; "
        "COMP_WORDS=(docferry ret) COMP_CWORD=1; _docferry_completion docferry ret docferry; "
        'echo "${COMPREPLY[@]}"'
    )

    assert machine("bash", "-c", script) == "retention\n"


def test_a_folder_is_mirrored_and_its_documents_are_converted(mirroring: Machine) -> None:
    assert "page.html" in mirroring("docferry", "ls", "docs")
    assert mirroring("find", "/usr/lib/docferry", "/usr/bin/docferry", "-user", "docferry") == ""


def test_an_upgrade_keeps_the_edited_configuration_and_starts_the_new_version(
    mirroring: Machine, newer: Packages
) -> None:
    edited = mirroring("cat", "/etc/docferry/docferry.toml")
    before = mirroring.show("MainPID")

    install(mirroring, newer.deb)

    # It reads its credentials once more when it has begun: "reloading" for a moment.
    mirroring.wait_for(lambda: mirroring.show("ActiveState")["ActiveState"] == "active")
    assert mirroring("dpkg-query", "--show", "--showformat=${Version}", "docferry") == "0.1.0-2"
    assert mirroring("cat", "/etc/docferry/docferry.toml") == edited
    assert mirroring.show("MainPID") != before


def test_an_upgrade_neither_starts_nor_enables_what_a_person_has_switched_off(
    machine: Machine, packages: Packages, newer: Packages
) -> None:
    install(machine, packages.deb)

    install(machine, newer.deb)  # enabled, and not running
    after_one = machine("systemctl", "is-active", "docferry", code=3)
    machine("systemctl", "disable", "docferry")
    install(machine, newer.deb)

    assert after_one == machine("systemctl", "is-active", "docferry", code=3) == "inactive\n"
    assert machine("systemctl", "is-enabled", "docferry", code=1) == "disabled\n"


def test_a_removal_ends_it_and_keeps_state_and_documents(mirroring: Machine) -> None:
    said = mirroring("dpkg", "--remove", "docferry")

    assert "Kept: /var/lib/docferry (the ledger)" in said
    assert mirroring("systemctl", "is-active", "docferry", code=3) == "inactive\n"
    mirroring("ls", "/var/lib/docferry/ledger.sqlite3", "/etc/docferry/docferry.toml")
    mirroring("ls", "/srv/docferry/docs/page.html", "/srv/docferry/processed/page.md")
    assert mirroring("ls", "/usr/lib/docferry", code=2) == ""


def test_a_purge_deletes_the_ledger_and_the_secrets_and_no_document(mirroring: Machine) -> None:
    documents = ("find", "/srv/docferry", "-type", "f", "-exec", "sha256sum", "{}", "+")
    before = mirroring(*documents)

    said = mirroring("dpkg", "--purge", "docferry")

    assert "The documents in mirrored folders and in the bucket are untouched" in said
    for gone in ("/var/lib/docferry", "/etc/docferry", "/var/log/docferry"):
        mirroring("test", "!", "-e", gone)
    assert "/docs/.docferry/" in before
    assert mirroring(*documents) == before
    mirroring("id", "docferry")


def test_a_purge_leaves_what_is_not_docferrys_own(machine: Machine, packages: Packages) -> None:
    install(machine, packages.deb)
    kept = ("/var/lib/docferry/letters/a.txt", "/var/lib/docferry/b.txt")
    for file in kept:
        machine.write(file, "a document")

    said = machine("dpkg", "--purge", "docferry")

    assert "Kept, for it is not the ledger's: what is in /var/lib/docferry" in said
    assert machine("cat", *kept) == "a documenta document"
