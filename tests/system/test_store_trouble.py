"""Trouble with the store: it is named with its remedy, all else goes on, and it heals by itself."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import groupby
from pathlib import Path

import pytest

import proxy
import servers
from system.daemon import Mirror, Site
from system.outcomes import HEALS, outcome
from system.trouble import (
    CHECK_CLOCK,
    CHECK_STORE,
    HEALS_WITHIN_S,
    heals,
    is_named,
    problem,
    problems,
    site_on,
    started_again,
)

# It is not there, or not for us.


@outcome("nobody listens at the endpoint", HEALS, sees="is the store running?")
def test_an_endpoint_where_nobody_listens_is_named(site: Site) -> None:
    (port,) = servers.free_ports(1)
    site.endpoint_url = f"http://127.0.0.1:{port}"
    site.configure()
    with site.running(until=None) as daemon:
        is_named(daemon, site, "unreachable", site.endpoint_url, "is the store running?")
        assert daemon.fetch("/healthz") == "alive\n"
        assert [event["level"] for event in daemon.events("mirror.unreachable")] == ["error"]

    checked, planned = site.asked("check"), site.asked("plan")

    assert checked.returncode == CHECK_STORE
    assert site.endpoint_url in checked.stdout
    assert "is the store running?" in checked.stdout
    assert planned.returncode == 1
    assert site.endpoint_url in planned.stdout


def test_wrong_credentials_are_named_and_never_shown(site: Site) -> None:
    site.credentials = (servers.ACCESS_KEY_ID, "not-the-secret-at-all")
    with site.running(until=None) as daemon:
        is_named(daemon, site, "blocked", "the secret access key is not the access key's")
        assert daemon.events("mirror.blocked")
        assert "not-the-secret-at-all" not in daemon.log.read_text() + str(daemon.readiness())

    checked = site.ended("check")

    assert checked.returncode == CHECK_STORE
    assert "correct the credentials" in checked.stdout
    assert "not-the-secret-at-all" not in checked.stdout


def test_an_access_key_that_nobody_knows_is_named(site: Site) -> None:
    site.credentials = ("nobody-knows-me", servers.SECRET_ACCESS_KEY)

    checked = site.ended("check")

    assert checked.returncode == CHECK_STORE
    assert "does not know the access key: correct the credentials" in checked.stdout


@outcome("the bucket is not there", HEALS, sees="create it, or correct `bucket`")
def test_a_missing_bucket_is_named_never_made_and_it_heals_once_it_is_there(
    site: Site, server: servers.S3Server
) -> None:
    """SeaweedFS makes a bucket when something is put into it: a mistyped name, too."""
    site.bucket = "made-later"
    site.configure()
    site.docs.write("a.txt", b"a")
    assert site.ended("check").returncode == CHECK_STORE
    with site.running(until=None) as daemon:
        is_named(daemon, site, "blocked", "bucket made-later", "create it, or correct `bucket`")
        buckets = server.client().list_buckets()["Buckets"]
        assert "made-later" not in {bucket["Name"] for bucket in buckets}

        server.make_bucket("made-later")

        daemon.wait_until("in-step", timeout_s=HEALS_WITHIN_S)
        key = site.docs.prefix + "a.txt"
        assert server.client().get_object(Bucket="made-later", Key=key)["Body"].read() == b"a"


# It refuses for a while.


@pytest.fixture
def between(server: servers.S3Server) -> Iterator[proxy.Proxy]:
    """Give what stands between docferry and the store; the test's own hands are beyond it."""
    with proxy.in_front_of(server) as running:
        yield running


@pytest.fixture
def far_site(site: Site, between: proxy.Proxy) -> Site:
    site.endpoint_url = between.url
    site.configure()
    return site


@pytest.mark.parametrize(
    ("status", "code", "health", "says"),
    [
        pytest.param(
            403,
            "AccessDenied",
            "blocked",
            "correct them or the bucket's policy",
            marks=outcome("the credentials do not allow it", HEALS, sees="the bucket's policy"),
        ),
        pytest.param(
            403,
            "RequestTimeTooSkewed",
            "unreachable",
            "set this machine's time (NTP)",
            marks=outcome(
                "clocks that differ by more than 15 minutes",
                HEALS,
                sees="this machine's time (NTP)",
            ),
        ),
        pytest.param(
            200,
            "a log-in page",
            "waiting",
            "is a proxy or a log-in page in between?",
            marks=outcome("a log-in page instead of the store", HEALS),
        ),
    ],
)
def test_a_store_that_refuses_for_a_while_is_named_deletes_nothing_and_it_heals(
    far_site: Site, between: proxy.Proxy, status: int, code: str, health: str, says: str
) -> None:
    docs = far_site.docs
    with far_site.running() as daemon:
        docs.write("before.txt", b"before")
        docs.put("theirs.txt", b"theirs")
        heals(daemon, far_site)

        between.mood = lambda request: request.refuse(status, code)
        (docs.folder / "before.txt").unlink()
        docs.write("mine.txt", b"mine")
        docs.remove("theirs.txt")

        is_named(daemon, far_site, health, says, between.url)
        assert docs.objects() == {"before.txt": b"before"}
        assert docs.files() == {"mine.txt": b"mine", "theirs.txt": b"theirs"}
        assert daemon.health() == {"docs": health}

        between.mood = None

        heals(daemon, far_site)
        assert docs.objects() == {"mine.txt": b"mine"}
        assert daemon.events("mirror.recovered") or health == "waiting"


def skew_told(text: str) -> float:
    """Read how far the clocks differ, in seconds."""
    found = re.search(r"clock differs from the store's by ([+-]\d+) s", text)
    assert found is not None, text
    return float(found[1])


def now_and(skew: timedelta) -> str:
    return format_datetime(datetime.now(UTC) + skew, usegmt=True)


def test_a_clock_that_the_store_refuses_is_named_with_how_far_it_is_off(
    far_site: Site, between: proxy.Proxy
) -> None:
    between.headers = {"Date": now_and(timedelta(minutes=30))}
    between.mood = lambda request: request.refuse(403, "RequestTimeTooSkewed")

    checked = far_site.asked("check")

    assert checked.returncode == CHECK_CLOCK
    assert abs(skew_told(checked.stdout) - 1800) < 60
    assert "timedatectl set-ntp true" in checked.stdout


def test_a_clock_that_is_a_little_off_is_shown_and_files_travel(
    far_site: Site, between: proxy.Proxy
) -> None:
    between.headers = {"Date": now_and(timedelta(minutes=-5))}

    checked = far_site.asked("check")
    far_site.docs.write("a.txt", b"a")
    far_site.run_once()

    assert checked.returncode == CHECK_CLOCK
    assert abs(skew_told(checked.stdout) + 300) < 60
    assert far_site.docs.objects() == {"a.txt": b"a"}


def test_a_store_that_asks_for_less_gets_less_and_then_more_again(
    far_site: Site, between: proxy.Proxy
) -> None:
    docs = far_site.docs

    def at_a_time() -> list[int]:
        """Tell how many operations docferry took to be right, each time it was asked for less."""
        return [event["at_a_time"] for event in daemon.events("store.throttled")]

    with far_site.running() as daemon:
        between.mood = no_writes_of_documents
        for number in range(40):
            docs.write(f"{number}.txt", b"one of many")
        daemon.wait_for(lambda: 1 in at_a_time())
        assert [limit for limit, _ in groupby(at_a_time())] == [8, 4, 2, 1]
        assert {event["store"] for event in daemon.events("store.throttled")} == {"main"}
        daemon.wait_for(lambda: "the store asks for fewer requests" in problem(far_site, "0.txt"))

        between.mood = None

        heals(daemon, far_site)
        for number in range(40, 160):
            docs.write(f"{number}.txt", b"one of many")
        heals(daemon, far_site)
        asked = len(at_a_time())
        between.mood = no_writes_of_documents
        docs.write("last.txt", b"the last one")
        daemon.wait_for(lambda: len(at_a_time()) > asked)
        assert at_a_time()[asked] > 2  # half of what it had come to again


def no_writes_of_documents(request: proxy.Request) -> bool:
    is_one = request.command == "PUT" and request.path.endswith(".txt")
    return is_one and request.refuse(503, "SlowDown")


def test_a_name_that_is_too_long_for_the_store_is_shown_and_everything_else_travels(
    site: Site,
) -> None:
    docs = site.docs
    folder = "/".join(["long" * 50] * 5)
    with site.running() as daemon:
        docs.write(f"{folder}/too long.txt", b"a key of more than 1,024 bytes")
        docs.write("short.txt", b"short")
        daemon.wait_for(lambda: docs.get("short.txt") == b"short")
        daemon.wait_for(lambda: f"{folder}/too long.txt" in problems(site))
        assert "the name is too long for the store: shorten it" in problem(
            site, f"{folder}/too long.txt"
        )
        assert daemon.health() == {"docs": "waiting"}

        (docs.folder / folder / "too long.txt").rename(docs.folder / "not any more.txt")

        heals(daemon, site)


# It is gone, or says nothing.


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[servers.S3Server]:
    """Give a store that a test may stop."""
    folder = tmp_path / "own-server"
    folder.mkdir()
    with servers.seaweedfs(folder) as started:
        yield started


@outcome("the store is gone for a while", HEALS)
def test_a_store_that_is_gone_for_a_while_is_named_and_it_heals(
    own_server: servers.S3Server, tmp_path: Path
) -> None:
    with site_on(own_server, tmp_path / "site") as site, site.running() as daemon:
        site.docs.write("before.txt", b"before")
        heals(daemon, site)
        own_server.process.kill()
        own_server.process.wait()
        is_named(daemon, site, "unreachable", site.endpoint_url)
        site.docs.write("meanwhile.txt", b"meanwhile")
        (site.docs.folder / "before.txt").unlink()
        assert daemon.events("mirror.unreachable")

        with started_again(own_server):
            heals(daemon, site)

            assert site.docs.objects() == {"meanwhile.txt": b"meanwhile"} == site.docs.files()
        assert daemon.events("mirror.recovered")


@contextmanager
def hanging(server: servers.S3Server) -> Iterator[None]:
    """Let a store take requests and answer none."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def mirror_on(server: servers.S3Server, folder: Path) -> tuple[Mirror, str]:
    """Give a mirror of another store, and its tables."""
    other = Mirror("other", folder, server)
    return (
        other,
        f"""
        [store.other]
        endpoint_url = "{server.endpoint_url}"
        [mirror.other]
        store = "other"
        bucket = "{servers.BUCKET}"
        prefix = "{other.prefix}"
        local = "{other.folder}"
        poll = "200ms"
        settle = "100ms"
    """,
    )


@outcome("the store hangs", HEALS, sees="it has been waiting")
def test_a_store_that_hangs_is_named_and_keeps_nobody_waiting(
    own_server: servers.S3Server, server: servers.S3Server, tmp_path: Path
) -> None:
    other, table = mirror_on(server, tmp_path / "other")
    with site_on(own_server, tmp_path / "site") as site:
        site.configure(more=table)
        wanted = {f"{number}.txt": b"waits" for number in range(50)}
        with site.running() as daemon:
            daemon.wait_until("in-step", "other")
            with hanging(own_server):
                for name, content in wanted.items():  # more than there are threads
                    site.docs.write(name, content)
                is_named(daemon, site, "waiting", "it has been waiting", own_server.endpoint_url)
                assert daemon.events("mirror.silent")
                assert daemon.fetch("/healthz") == "alive\n"

                other.write("mine.txt", b"mine")
                other.put("theirs.txt", b"theirs")
                both = {"mine.txt": b"mine", "theirs.txt": b"theirs"}
                daemon.wait_for(lambda: other.files() == other.objects() == both)

                assert daemon.stop() == 0  # within ten seconds, though a request hangs
        assert site.docs.files() == wanted
        assert site.work_off()
        assert site.docs.objects() == wanted


# Over TLS.


@outcome("a certificate that has expired", HEALS, sees="certificate has expired: renew it")
@outcome("a certificate of somebody else", HEALS, sees="nobody trusted here vouches")
def test_a_certificate_that_proves_nothing_is_named_and_it_heals_once_a_good_one_is_shown(
    site: Site, server: servers.S3Server, tmp_path: Path
) -> None:
    lives = timedelta(days=-1), timedelta(days=1)
    expired, renewed = servers.make_certificates(tmp_path, *lives)
    (tmp_path / "others").mkdir()
    strangers = servers.make_certificate(tmp_path / "others")
    with proxy.in_front_of(server, expired) as between:
        site.endpoint_url, site.store_options = between.url, f'verify_tls = "{expired.ca}"'
        site.configure()
        with site.running(until=None) as daemon:
            is_named(daemon, site, "unreachable", between.url, "certificate has expired: renew it")
            site.docs.write("a.txt", b"a")
            checked = site.ended("check")
            assert checked.returncode == CHECK_STORE
            assert "its certificate has expired: renew it" in checked.stdout

            between.show(renewed)

            heals(daemon, site)
            assert site.docs.objects() == {"a.txt": b"a"}

            between.show(strangers)
            site.docs.write("b.txt", b"b")
            site.docs.remove("a.txt")
            is_named(daemon, site, "unreachable", between.url, "nobody trusted here vouches")
            assert site.docs.files() == {"a.txt": b"a", "b.txt": b"b"}
            between.show(renewed)

            heals(daemon, site)
            assert site.docs.objects() == {"b.txt": b"b"}


def test_a_certificate_that_nobody_trusted_vouches_for_is_named_with_the_remedy(
    site: Site, server: servers.S3Server, tmp_path: Path
) -> None:
    certificate = servers.make_certificate(tmp_path)
    with proxy.in_front_of(server, certificate) as between:
        site.docs.write("a.txt", b"a")
        site.endpoint_url = between.url
        site.configure()

        checked = site.ended("check")

        assert checked.returncode == CHECK_STORE
        assert "nobody trusted here vouches for its certificate" in checked.stdout
        assert "set `verify_tls` to the CA's file" in checked.stdout
        assert site.docs.all_keys() == []

        site.store_options = f'verify_tls = "{certificate.ca}"'
        site.configure()

        assert site.work_off()
        assert site.docs.objects() == {"a.txt": b"a"}
