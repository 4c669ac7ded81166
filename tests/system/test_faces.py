"""The process that serves the API: the daemon starts it, tells it what counts, and ends it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
import requests

import servers
from processes import children_of, is_gone, wait_for
from system.daemon import Daemon, Site
from system.shown import made_key

TAKEN = 75


@pytest.fixture
def site(tmp_path: Path, server: servers.S3Server) -> Site:
    found = Site(tmp_path, server)
    (found.api_port,) = servers.free_ports(1)
    return found


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    with site.running() as running:
        wait_for(lambda: is_served(site))
        yield running


def is_served(site: Site, path: str = "/healthz") -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{site.api_port}{path}", timeout=5).ok
    except requests.ConnectionError:
        return False


def face_of(daemon: Daemon) -> int:
    """Give the process that serves."""
    [pid] = [
        pid
        for pid in children_of(daemon.process.pid)
        if b"docferry.web" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


def test_a_daemon_in_step_is_told_to_be_alive_and_ready(site: Site, daemon: Daemon) -> None:
    assert is_served(site, "/healthz")
    wait_for(lambda: is_served(site, "/readyz"))


def test_a_process_that_was_killed_is_started_again(site: Site, daemon: Daemon) -> None:
    before = face_of(daemon)

    os.kill(before, signal.SIGKILL)

    daemon.wait_for(lambda: bool(daemon.events("faces.failed")))
    # Who asks meanwhile waits in line: the daemon listens.
    assert is_served(site)
    assert face_of(daemon) != before


def test_whoever_asks_goes_before_what_is_carried(daemon: Daemon) -> None:
    assert policies_of(daemon.process.pid) == {os.SCHED_BATCH}
    assert policies_of(face_of(daemon)) == {os.SCHED_OTHER}


def policies_of(pid: int) -> set[int]:
    """Give how the threads of a process are scheduled."""
    return {os.sched_getscheduler(int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}


def test_none_outlives_a_daemon_that_was_killed(daemon: Daemon) -> None:
    face = face_of(daemon)

    daemon.kill()

    wait_for(lambda: is_gone(face))


def test_none_outlives_a_daemon_that_was_told_to_end(daemon: Daemon) -> None:
    face = face_of(daemon)

    assert daemon.stop() == 0
    assert is_gone(face)


def test_who_listens_holds_up_no_end(site: Site, daemon: Daemon) -> None:
    url = f"http://127.0.0.1:{site.api_port}/api/v1/events"
    with requests.get(url, stream=True, timeout=30) as answer:
        lines = answer.iter_lines(chunk_size=1)
        next(lines)

        assert daemon.stop() == 0

        assert b"event: reset" not in list(lines)  # what follows is told later
    assert not daemon.events("faces.failed")


def test_a_port_that_is_taken_is_told_before_anything_travels(site: Site) -> None:
    site.docs.write("a.txt", b"a")
    with socket.create_server(("127.0.0.1", site.api_port)):
        ended = site.ended("run")

    assert ended.returncode == TAKEN
    assert "choose another `host` or `port` in [api]" in ended.stderr
    assert not site.docs.objects()


def test_a_unix_socket_is_for_the_service_and_its_group(site: Site) -> None:
    path = site.folder / "api.sock"
    site.configure(more=f'[api]\nsocket = "{path}"\n')
    with site.running() as daemon:
        assert path.stat().st_mode & 0o777 == 0o660
        daemon.wait_for(lambda: b"200 OK" in answer_on(path))
    assert not path.exists()


def answer_on(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return connection.makefile("rb").read()


def test_a_reload_changes_the_address(site: Site, daemon: Daemon) -> None:
    socket_path = site.folder / "api.sock"
    site.configure(more=f'[api]\nsocket = "{socket_path}"\n')

    daemon.process.send_signal(signal.SIGHUP)

    wait_for(socket_path.exists)
    wait_for(lambda: is_served(site))


def test_with_a_certificate_it_speaks_tls_alone(site: Site) -> None:
    made = servers.make_certificate(site.folder)
    site.configure(more=f'[api]\ntls_cert = "{made.certificate}"\ntls_key = "{made.key}"\n')
    with site.running():
        url = f"127.0.0.1:{site.api_port}/healthz"

        said = requests.get(f"https://{url}", verify=str(made.ca), timeout=10)

        assert said.json() == {"alive": True}


def test_over_tls_a_session_is_for_tls_alone(site: Site) -> None:
    made = servers.make_certificate(site.folder)
    site.configure(more=f'[api]\ntls_cert = "{made.certificate}"\ntls_key = "{made.key}"\n')
    with site.running(), requests.Session() as visitor:
        ca = str(made.ca)
        url = f"https://127.0.0.1:{site.api_port}"
        form = {"key": made_key(site, "clerk", "viewer")}

        said = visitor.post(f"{url}/login", form, headers={"Origin": url}, timeout=10, verify=ca)

        jar: CookieJar = visitor.cookies
        [cookie] = jar
        assert (said.status_code, said.url) == (200, f"{url}/")
        assert "clerk" in said.text
        assert (cookie.name, cookie.secure, cookie.path) == ("__Host-docferry", True, "/")
        assert not cookie.domain_specified
        in_the_clear = requests.Request(
            "GET", url.replace("https", "http"), cookies=visitor.cookies
        )
        assert "Cookie" not in in_the_clear.prepare().headers
        # A cookie that some page in the clear has set by the other name is none.
        stranger = {"docferry": cookie.value or ""}
        asked = requests.get(f"{url}/files", cookies=stranger, verify=ca, timeout=10)
        assert "/login?" in asked.url


def test_a_renewed_certificate_counts_by_itself(site: Site) -> None:
    made, renewed = (servers.make_certificate(folder(site, name)) for name in ("old", "new"))
    site.configure(more=f'[api]\ntls_cert = "{made.certificate}"\ntls_key = "{made.key}"\n')
    with site.running():
        url = f"https://127.0.0.1:{site.api_port}/healthz"
        assert requests.get(url, verify=str(made.ca), timeout=10).ok

        renewed.key.replace(made.key)
        renewed.certificate.replace(made.certificate)

        wait_for(lambda: is_shown(url, renewed.ca))


def folder(site: Site, name: str) -> Path:
    found = site.folder / name
    found.mkdir()
    return found


def is_shown(url: str, ca: Path) -> bool:
    try:
        return requests.get(url, verify=str(ca), timeout=10).ok
    except requests.ConnectionError:  # the old one is shown, or nobody serves for a moment
        return False


@pytest.mark.parametrize(("present", "missing"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_half_a_certificate_is_refused(site: Site, present: str, missing: str) -> None:
    made = servers.make_certificate(site.folder)
    site.configure(more=f'[api]\n{present} = "{made.certificate}"\n')

    said = site.ended("check")

    assert said.returncode == 2
    assert f"api.{missing}" in said.stderr


def test_check_tells_of_a_key_that_is_of_another_certificate(site: Site) -> None:
    made = servers.make_certificate(site.folder)
    site.configure(more=f'[api]\ntls_cert = "{made.ca}"\ntls_key = "{made.key}"\n')

    assert "do not go together" in site.ended("check").stdout


def test_check_warns_of_an_api_that_anybody_can_listen_to(site: Site) -> None:
    site.configure(more='[api]\nhost = "0.0.0.0"\n')

    assert "listens on 0.0.0.0 without TLS" in site.ended("check").stdout
