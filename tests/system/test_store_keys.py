"""Keys that end or were never right: the mirror is blocked, and goes on once they are renewed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import proxy
import servers
from system.daemon import Site
from system.outcomes import HEALS, outcome
from system.trouble import heals, is_named

RENEWED = "second"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    """A store that takes two keys."""
    with servers.seaweedfs(tmp_path_factory.mktemp("keys"), more_keys=(RENEWED,)) as started:
        yield started


@pytest.fixture
def site(store: servers.S3Server, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    made = Site(folder, store)
    yield made
    made.close()


def put_secret(folder: Path, secret: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "main.access_key_id").write_text(servers.ACCESS_KEY_ID)
    (folder / ".new").write_text(secret)
    (folder / ".new").rename(folder / "main.secret_access_key")


@outcome("wrong credentials", HEALS, sees="the secret access key is not the access key's")
def test_a_wrong_secret_blocks_and_the_right_one_heals_without_a_restart(
    site: Site, tmp_path: Path
) -> None:
    put_secret(tmp_path / "secrets", "never-right")
    site.config.write_text(f'credentials_dir = "{tmp_path}/secrets"\n{site.config.read_text()}')
    site.docs.write("mine.txt", b"mine")
    site.docs.put("theirs.txt", b"theirs")
    with site.running(until=None) as daemon:
        is_named(daemon, site, "blocked", "the secret access key is not the access key's")
        assert (site.docs.files(), site.docs.objects()) == (
            {"mine.txt": b"mine"},
            {"theirs.txt": b"theirs"},
        )

        put_secret(tmp_path / "secrets", servers.SECRET_ACCESS_KEY)

        heals(daemon, site)


class HandedOut:
    """Keys that a program hands out, as for a role: it says when they end."""

    def __init__(self, folder: Path) -> None:
        self._keys = folder / "keys.json"
        self.profile = folder / "aws-config"
        self.profile.write_text(f"[default]\ncredential_process = cat {self._keys}\n")

    def put(self, key: str, secret: str, *, ends_in: timedelta) -> None:
        ends_at = (datetime.now(UTC) + ends_in).isoformat()
        keys = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret, "Expiration": ends_at}
        beside = self._keys.with_suffix(".new")
        beside.write_text(json.dumps(keys))
        beside.rename(self._keys)


@outcome("expired credentials", HEALS, sees="renew the credentials")
def test_keys_of_a_role_that_end_while_docferry_runs_are_named_and_it_goes_on_with_new_ones(
    site: Site, store: servers.S3Server, tmp_path: Path
) -> None:
    handed_out = HandedOut(tmp_path)
    # botocore asks for new ones at each request from a quarter of an hour before they end.
    handed_out.put(servers.ACCESS_KEY_ID, servers.SECRET_ACCESS_KEY, ends_in=timedelta(minutes=12))
    unset = ("-u", "AWS_ACCESS_KEY_ID", "-u", "AWS_SECRET_ACCESS_KEY")
    site.wrapper = ("env", *unset, f"AWS_CONFIG_FILE={handed_out.profile}")
    with proxy.in_front_of(store) as between:
        site.endpoint_url = between.url
        site.configure()
        with site.running() as daemon:
            site.docs.write("before.txt", b"before")
            heals(daemon, site)

            def refuse_the_first(request: proxy.Request) -> bool:
                is_old = f"Credential={servers.ACCESS_KEY_ID}/" in request.headers["Authorization"]
                return is_old and request.refuse(400, "ExpiredToken")

            between.mood = refuse_the_first
            handed_out.put(
                servers.ACCESS_KEY_ID, servers.SECRET_ACCESS_KEY, ends_in=timedelta(seconds=-1)
            )
            site.docs.write("mine.txt", b"mine")
            (site.docs.folder / "before.txt").unlink()
            site.docs.put("theirs.txt", b"theirs")
            is_named(daemon, site, "blocked", "renew the credentials")
            assert site.docs.objects() == {"before.txt": b"before", "theirs.txt": b"theirs"}

            handed_out.put(RENEWED, f"{RENEWED}-secret", ends_in=timedelta(hours=1))

            heals(daemon, site)
            assert site.docs.objects() == {"mine.txt": b"mine", "theirs.txt": b"theirs"}
