"""The unit, under a real systemd: it works confined, says what it does, and comes back."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest

import proxy
import servers
from system.in_systemd import ROOT, Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.tools("dbus-daemon", "findmnt", "nsenter", "setpriv", "systemd-run", "unshare"),
]

UNIT = ROOT / "systemd" / "docferry.service"
DOCS = "/srv/docferry/docs"
KEYS = {
    "main.access_key_id": servers.ACCESS_KEY_ID,
    "main.secret_access_key": servers.SECRET_ACCESS_KEY,
}
#: So that nobody waits for minutes; the proportions stay.
QUICK = "[Service]\nRestartSec=100ms\nWatchdogSec=6s\n"


class Service:
    """docferry as it is installed, with the mirrors of a test."""

    def __init__(self, machine: Machine, endpoint_url: str, prefix: str) -> None:
        self.machine = machine
        self.endpoint_url = endpoint_url
        self.prefix = prefix
        (self.port,) = servers.free_ports(1)
        self.configure(docs=DOCS)

    def configure(self, *, more: str = "", **mirrors: str) -> None:
        text = (
            f'[store.main]\nendpoint_url = "{self.endpoint_url}"\n[metrics]\nport = {self.port}\n'
        )
        for name, folder in mirrors.items():
            text += (
                f'[mirror.{name}]\nstore = "main"\nbucket = "{servers.BUCKET}"\n'
                f'prefix = "{self.prefix}{name}/"\nlocal = "{folder}"\n'
                'poll = "200ms"\nsettle = "200ms"\n'
            )
        self.machine.configure(text + more, KEYS)

    def start(self) -> None:
        self.machine("systemctl", "start", "docferry")

    @property
    def status(self) -> str:
        return self.machine.show("StatusText")["StatusText"]

    @property
    def restarts(self) -> int:
        return int(self.machine.show("NRestarts")["NRestarts"])

    def wait_until(self, status: str) -> None:
        self.machine.wait_for(lambda: self.status == status)

    def wait_for_words(self, *words: str) -> None:
        """Wait for all of them in the journal: it reads what a process leaves in its own time."""
        self.machine.wait_for(lambda: all(each in self.machine.journal() for each in words))

    def failed(self) -> tuple[int, str]:
        """Start it, wait until systemd has given up on it; give its exit code and its status."""
        self.machine("systemctl", "start", "docferry", code=None)
        self.machine.wait_for(lambda: self.machine.show("ActiveState")["ActiveState"] == "failed")
        return int(self.machine.show("ExecMainStatus")["ExecMainStatus"]), self.status


@pytest.fixture
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        machine.install()
        machine.drop_in(QUICK)
        yield machine


@pytest.fixture
def service(machine: Machine, server: servers.S3Server, tmp_path: Path) -> Service:
    return Service(machine, server.endpoint_url, f"{tmp_path.name}/")


# The unit itself.


def test_systemd_finds_no_fault_with_the_unit_and_little_that_it_leaves_open(
    machine: Machine,
) -> None:
    machine("rm", "/etc/systemd/system/docferry.service.d/test.conf")
    machine.write("/usr/share/man/man1/docferry.1", ".TH docferry 1\n.SH NAME\ndocferry \\- x\n")

    verified = machine.ended("systemd-analyze", "verify", "docferry.service")
    security = machine("systemd-analyze", "security", "--no-pager", "docferry.service")

    assert verified.stdout + verified.stderr == ""
    exposure = re.search(r"Overall exposure level.*: ([\d.]+)", security)
    assert exposure is not None
    assert float(exposure[1]) <= 1.5


def test_each_group_of_lines_of_the_sandbox_has_its_reason_above_it() -> None:
    sandbox = UNIT.read_text().split("# ── The sandbox")[1].split("[Install]")[0]

    groups = [group for group in sandbox.split("\n\n") if re.search("^[A-Z].*=", group, re.M)]
    bare = [group for group in groups if not group.strip().startswith("#")]

    assert bare == []


# It works.


def test_it_mirrors_and_converts_and_ends(service: Service) -> None:
    machine = service.machine
    rule = 'from = "docs"\npatterns = ["*.docx"]\n'
    service.configure(
        docs=DOCS,
        more=f'[[convert]]\nname = "text"\n{rule}to = "docs"\nwith = "markdown"\n'
        f'[[convert]]\nname = "print"\n{rule}to = "docs/{{path}}.pdf"\nwith = "libreoffice"\n'
        f'[[convert]]\nname = "pages"\n{rule}to = "docs/{{path}}-2.pdf"\n'
        'with = ["markdown", "pdf"]\n',
    )
    service.start()
    service.wait_until("1 mirror in step")

    machine.put(f"{DOCS}/a.docx", _document("Some words"), mode="640")

    machine.wait_for(lambda: "Some words" in machine("sh", "-c", f"cat {DOCS}/*.md", code=None))
    for name in ("a.docx.pdf", "a.docx-2.pdf"):
        machine.wait_for(lambda name=name: _begins(machine, f"{DOCS}/{name}", "%PDF"))  # type: ignore[misc]
    begin_s = time.monotonic()
    machine("systemctl", "stop", "docferry")
    assert time.monotonic() - begin_s < 10
    assert machine.show("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}


def test_a_converter_is_handed_none_of_the_services_capabilities(service: Service) -> None:
    machine = service.machine
    # PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET: without one of these a program of no root has none.
    tell = "import ctypes, sys; print([ctypes.CDLL(None).prctl(47, 1, number, 0, 0) "
    tell += "for number in range(41)], file=open(sys.argv[1], 'w'))"
    machine.write("/usr/local/lib/capabilities.py", tell)
    command = '["python3", "/usr/local/lib/capabilities.py", "{output}", "{input}"]'
    service.configure(
        docs=DOCS,
        more=f'[converter.caps]\nkind = "command"\ncommand = {command}\nproduces = ".txt"\n'
        '[[convert]]\nname = "caps"\nfrom = "docs"\npatterns = ["*.csv"]\n'
        'to = "docs/{stem}.txt"\nwith = "caps"\n',
    )
    service.start()
    service.wait_until("1 mirror in step")
    status = machine("cat", f"/proc/{machine.show('MainPID')['MainPID']}/status")
    assert f"CapAmb:\t{1 << 28:016x}" in status  # CAP_LEASE: there is one to be handed on

    machine.put(f"{DOCS}/a.csv", b"a,b\n1,2\n")

    machine.wait_for(lambda: machine.ended("test", "-s", f"{DOCS}/a.txt").returncode == 0)
    assert machine("cat", f"{DOCS}/a.txt") == f"{[0] * 41}\n"


def test_what_another_user_drops_comes_in_at_once(service: Service) -> None:
    machine = service.machine
    service.configure(docs=DOCS, more=f'[drop.in]\nfolder = "{DOCS}-in"\ninto = "docs"\n')
    machine.folder(f"{DOCS}-in")
    machine("useradd", "anna", "-G", "docferry")
    service.start()
    service.wait_until("1 mirror in step")

    machine("runuser", "-u", "anna", "--", "sh", "-c", f"umask 7; echo hello > {DOCS}-in/a.txt")

    # Without CAP_LEASE nobody can tell whether anna still has it open, and it waits for a minute.
    machine.wait_for(lambda: machine("cat", f"{DOCS}/a.txt", code=None) == "hello\n", 20)


def test_the_group_may_look_and_nobody_else(service: Service) -> None:
    machine = service.machine
    machine("useradd", "anna", "-G", "docferry")
    machine("useradd", "otto")
    service.start()
    service.wait_until("1 mirror in step")

    of_group = machine.ended("runuser", "-u", "anna", "docferry", "status")
    of_others = machine.ended("runuser", "-u", "otto", "docferry", "status")
    of_root = machine.ended("docferry", "check", "--json")
    machine("systemctl", "stop", "docferry")
    while_stopped = machine.ended("runuser", "-u", "anna", "docferry", "ls", "docs")

    assert (of_group.returncode, of_group.stderr) == (0, "")
    assert "docs: in-step" in of_group.stdout
    assert (while_stopped.returncode, while_stopped.stderr) == (0, "")
    assert of_others.returncode == 1
    assert of_root.returncode == 0, of_root.stdout  # it has the keys of the service


def test_what_it_brings_the_group_may_change(service: Service, server: servers.S3Server) -> None:
    machine = service.machine
    machine("useradd", "anna", "-G", "docferry")
    key = f"{service.prefix}docs/sub/a.txt"
    server.client().put_object(Bucket=servers.BUCKET, Key=key, Body=b"one\n")
    service.start()
    machine.wait_for(lambda: machine("cat", f"{DOCS}/sub/a.txt", code=None) == "one\n")

    machine("runuser", "-u", "anna", "--", "sh", "-c", f"echo two >> {DOCS}/sub/a.txt")

    machine.wait_for(
        lambda: (
            server.client().get_object(Bucket=servers.BUCKET, Key=key)["Body"].read()
            == b"one\ntwo\n"
        )
    )


def test_with_a_hundred_thousand_known_files_it_is_ready_within_two_seconds(
    service: Service,
) -> None:
    machine = service.machine
    service.start()
    machine.put(f"{DOCS}/a.txt", b"a")
    ledger = "/var/lib/docferry/ledger.sqlite3"
    machine.wait_for(lambda: _count(machine, ledger) == 1)
    machine("systemctl", "stop", "docferry")
    machine("/usr/bin/python3", "-c", _MANY, ledger)
    machine("chown", "docferry:docferry", "-R", "/var/lib/docferry")
    assert _count(machine, ledger) == 100_001

    service.start()

    # It waits for nobody until then. Of the clock's seconds others, who test too, take a part.
    shown = machine.show("ActiveState", "CPUUsageNSec")
    assert shown["ActiveState"] == "active"
    assert int(shown["CPUUsageNSec"]) < 2e9


# What is wrong.


def test_without_a_configuration_it_says_so_and_is_not_started_again(service: Service) -> None:
    service.machine("rm", "/etc/docferry/docferry.toml")

    code, status = service.failed()

    assert (code, service.restarts) == (2, 0)
    assert "is not there" in status
    assert status in service.machine("systemctl", "status", "docferry", code=None)


def test_with_a_faulty_configuration_it_says_what_is_wrong(service: Service) -> None:
    service.configure(docs=DOCS, more="[mirror.x]\nlocal = 7\n")

    code, status = service.failed()

    assert (code, service.restarts) == (2, 0)
    assert "mirror.x.local" in status


def test_as_a_user_who_may_not_it_says_what_he_may_not(service: Service) -> None:
    service.machine.drop_in(QUICK + "User=nobody\nGroup=nogroup\n")
    service.machine("chmod", "600", "/etc/docferry/docferry.toml")

    code, status = service.failed()

    assert (code, service.restarts) == (2, 0)
    assert "Permission denied" in status


def test_root_leaves_nothing_in_the_folder_of_the_services_user(service: Service) -> None:
    service.start()
    service.machine("systemctl", "stop", "docferry")

    refused = service.machine.ended("docferry", "run", "--once")

    assert refused.returncode == 2
    assert "belongs to the user docferry" in refused.stderr
    owners = service.machine("find", "/var/lib/docferry", "-printf", "%u\n").split()
    assert set(owners) == {"docferry"}


def test_a_user_who_is_not_there_is_waited_for_by_nobody(service: Service) -> None:
    service.machine.drop_in(QUICK + "User=nosuchuser\n")

    code, _ = service.failed()

    assert (code, service.restarts) == (217, 0)
    service.wait_for_words("Failed to determine user credentials")


def test_credentials_that_cannot_be_read_are_named(service: Service) -> None:
    service.machine.write("/etc/docferry/credentials/main.secret_access_key", "two words")

    code, status = service.failed()

    assert (code, service.restarts) == (2, 0)
    assert "main.secret_access_key wrong: is empty or has blanks in it" in _words(status)
    assert "two words" not in service.machine.journal()


def test_without_the_folder_of_credentials_it_is_not_started_again(service: Service) -> None:
    service.machine("rm", "-r", "/etc/docferry/credentials")

    code, _ = service.failed()

    assert (code, service.restarts) == (243, 0)
    service.wait_for_words("Failed to set up credentials")


def test_a_port_that_is_taken_is_tried_again_until_it_is_free(service: Service) -> None:
    with socket.create_server(("127.0.0.1", service.port)):
        service.machine("systemctl", "start", "docferry", code=None)
        service.machine.wait_for(lambda: service.restarts > 1)
        service.wait_for_words(
            f"cannot listen on 127.0.0.1 port {service.port}: Address already in use", "status=75"
        )

    service.wait_until("1 mirror in step")


def test_a_second_one_waits_for_the_first_to_end(service: Service) -> None:
    machine = service.machine
    command = "LoadCredential=docferry:/etc/docferry/credentials"
    machine("install", "-d", "-o", "docferry", "-m", "750", "/var/lib/docferry")
    machine("systemd-run", "--unit=first", "-p", "User=docferry", "-p", command, "docferry", "run")
    machine.wait_for(lambda: "daemon.started" in machine.journal("first"))

    machine("systemctl", "start", "docferry", code=None)
    machine.wait_for(lambda: service.restarts > 0)
    service.wait_for_words("docferry already runs on this state directory")
    machine("systemctl", "stop", "first")

    service.wait_until("1 mirror in step")


def test_a_mirror_whose_mount_is_missing_waits_and_the_others_work(service: Service) -> None:
    machine = service.machine
    away = "/srv/docferry/away"
    machine.folder(away)
    machine.folder("/mnt/disk")
    machine("mount", "--bind", "/mnt/disk", away)
    service.configure(docs=DOCS, away=away)
    service.start()
    service.wait_until("2 mirrors in step")
    machine("systemctl", "stop", "docferry")
    machine("umount", away)

    service.start()
    machine.wait_for(lambda: service.status.startswith("1 of 2 mirrors in step; away blocked ("))
    machine.put(f"{DOCS}/a.txt", b"works")
    machine.wait_for(lambda: "docs: in-step" in machine("docferry", "status", code=None))
    machine("mount", "--bind", "/mnt/disk", away)

    service.wait_until("2 mirrors in step")
    assert service.restarts == 0


# The watchdog.


def test_a_daemon_that_stands_still_is_ended_and_comes_back_in_step(service: Service) -> None:
    machine = service.machine
    service.start()
    service.wait_until("1 mirror in step")

    machine("kill", "-STOP", machine.show("MainPID")["MainPID"])

    machine.wait_for(lambda: service.restarts == 1)
    service.wait_for_words("Watchdog timeout (limit 6s)")
    machine.put(f"{DOCS}/a.txt", b"a")
    service.wait_until("1 mirror in step")
    assert machine("find", "/var/lib/docferry", "/", "-maxdepth", "1", "-name", "core*") == ""


@pytest.mark.tools("strace")
def test_a_hung_loop_is_named_and_ended_and_comes_back_in_step(service: Service) -> None:
    machine = service.machine
    service.start()
    service.wait_until("1 mirror in step")

    # Whoever opens the mirror's folder is held there: the loop, at its next poll.
    strace = f"strace -f -p {machine.show('MainPID')['MainPID']} -o /dev/null -P {DOCS}"
    hold = "-e trace=openat -e inject=openat:delay_enter=300000000"
    machine("systemd-run", "--unit=hang", *strace.split(), *hold.split())
    # Let go only once it has told where it stood: a loop that is free again stands elsewhere.
    stack = re.compile(r'local_folder.py", line \d+ in open')
    machine.wait_for(lambda: stack.search(machine.journal()) is not None)
    machine("systemctl", "kill", "--signal=KILL", "hang")

    machine.wait_for(lambda: service.restarts == 1)
    service.wait_for_words(
        "daemon.hung",
        "the loop of mirror docs has not gone round for",
        "Failed with result 'watchdog'",
    )
    service.wait_until("1 mirror in step")


def test_a_slow_store_is_no_reason_for_a_restart(
    service: Service, server: servers.S3Server
) -> None:
    with proxy.in_front_of(server) as slow:
        service.endpoint_url = slow.url
        service.configure(docs=DOCS)
        service.start()
        service.wait_until("1 mirror in step")
        over = threading.Event()
        slow.mood = lambda _: over.wait(4)  # most of the watchdog's time, for each request

        service.machine.put(f"{DOCS}/a.txt", b"a")
        service.machine.wait_for(lambda: slow.at_once > 0)
        service.machine.wait_for(
            lambda: bool(
                server.client()
                .list_objects_v2(Bucket=servers.BUCKET, Prefix=f"{service.prefix}docs/a.txt")
                .get("Contents")
            )
        )
        over.set()

    assert service.restarts == 0
    assert "daemon.hung" not in service.machine.journal()


# Folders elsewhere.


def test_check_writes_the_drop_in_by_which_it_may_write_to_folders_elsewhere(
    service: Service,
) -> None:
    machine = service.machine
    places = {"blank": "/srv/my docs/100%h", "home": "/home/anna/docs", "odd": '/mnt/"a:b'}
    for path in places.values():
        machine.folder(path)
    machine("chmod", "755", "/home/anna", "/srv/my docs")
    service.configure(**{name: path.replace('"', '\\"') for name, path in places.items()})
    shown = machine("docferry", "check", "--systemd")

    first = machine("docferry", "check", "--systemd", "--write")
    again = machine("docferry", "check", "--systemd", "--write")
    machine("systemctl", "daemon-reload")
    service.start()

    service.wait_until("3 mirrors in step")
    assert machine("cat", "/etc/systemd/system/docferry.service.d/folders.conf") == shown
    assert ("systemctl daemon-reload" in first, "says so already" in again) == (True, True)
    assert "folders.conf" not in machine("systemd-analyze", "verify", "docferry.service", code=None)
    service.configure(docs=DOCS)
    assert "taken away" in machine("docferry", "check", "--systemd", "--write")


def _document(text: str) -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _begins(machine: Machine, path: str, text: str) -> bool:
    return machine.ended("head", "-c", str(len(text)), path).stdout == text


def _words(text: str) -> str:
    return " ".join(text.split())


def _count(machine: Machine, ledger: str) -> int:
    return int(machine("/usr/bin/python3", "-c", _COUNT, ledger))


_COUNT = """\
import sqlite3, sys
with sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True) as ledger:
    print(*ledger.execute("SELECT count(*) FROM synced").fetchone())
"""
#: Copies the one file's rows for a hundred thousand others.
_MANY = """\
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
for table, ours in (("synced", {"path": "path || n.n"}), ("version", {"path": "path || n.n", "id":
    "substr(id, 1, 18) || printf('%08d', n.n)"})):
    names = [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(ours.get(name, name) for name in names)
    ledger.execute(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000) "
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}, n"
    )
ledger.commit()
"""
