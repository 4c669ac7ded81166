"""A change in the bucket of which the store tells is on the disk long before the next poll."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

import servers
from samples.notifications import records
from system.daemon import Daemon, Site
from system.test_reload import reload

SECRET = "open-sesame-open-sesame"
#: Longer than any test: what is seen was told.
NEVER = 'poll = "1h"\nrescan = "1h"'


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have the secret in its file; give a port for the API."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "notifications.secret").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    (port,) = servers.free_ports(1)
    return port


def told_site(folder: Path, server: servers.S3Server, port: int) -> Site:
    folder.mkdir()
    site = Site(folder, server, options=NEVER)
    site.api_port = port
    return site


@pytest.fixture
def told(api: int, tmp_path: Path, server: servers.S3Server) -> Iterator[Site]:
    site = told_site(tmp_path / "site", server, api)
    yield site
    site.close()


def tell(site: Site, *keys: str) -> int:
    url = f"http://127.0.0.1:{site.api_port}/api/v1/notifications/main"
    event = {"Records": [records(site.docs.prefix + key)["Records"][0] for key in keys]}
    headers = {"Authorization": f"Bearer {SECRET}"}
    return requests.post(url, json=event, headers=headers, timeout=30).status_code


def counted(daemon: Daemon, source: str, outcome: str) -> float:
    line = f'docferry_hints_total{{outcome="{outcome}",source="{source}"}} '
    lines = [one for one in daemon.fetch("/metrics").splitlines() if one.startswith(line)]
    return float(lines[0].removeprefix(line)) if lines else 0.0


def test_what_is_told_is_on_the_disk_before_a_poll(told: Site) -> None:
    docs = told.docs
    with told.running() as daemon:
        docs.put("sub/a.txt", b"one")
        docs.put("not told of", b"x")

        code = tell(told, "sub/a.txt")

        daemon.wait_for(lambda: docs.files() == {"sub/a.txt": b"one"})
        assert code == 204
        assert counted(daemon, "main", "followed") == 1
    assert not any(path.name == "hints" for path in told.state.iterdir())


def test_a_hint_of_nothing_changes_nothing(told: Site) -> None:
    docs = told.docs
    docs.put("a", b"a")
    with told.running() as daemon:
        for key in ("a", "never/there", ".docferry/mirror.json", "../../etc/passwd"):
            tell(told, key)
        docs.put("b", b"b")
        tell(told, "b")

        daemon.wait_for(lambda: docs.files() == {"a": b"a", "b": b"b"})
        told.settle(daemon)
        assert daemon.events("hold.opened") == daemon.events("conflict.found") == []


def test_a_flood_of_forged_hints_ends_in_a_poll_that_finds_everything(told: Site) -> None:
    docs = told.docs
    with told.running() as daemon:
        docs.put("real", b"real")
        for _ in range(4):
            tell(told, *(f"forged/{number}" for number in range(1000)))

        daemon.wait_for(lambda: docs.files() == {"real": b"real"})
        assert counted(daemon, "main", "limited") > 0


def test_seaweedfs_itself_tells_of_what_comes_changes_moves_and_goes(
    api: int, tmp_path: Path
) -> None:
    folder = tmp_path / "seaweedfs"
    folder.mkdir()
    (folder / "notification.toml").write_text(
        "[notification.webhook]\n"
        "enabled = true\n"
        f'endpoint = "http://127.0.0.1:{api}/api/v1/notifications/main"\n'
        f'bearer_token = "{SECRET}"\n'
        f'path_prefixes = ["/buckets/{servers.BUCKET}/"]\n'
        "max_retries = 1\n"  # it sends one after the other: what came before the API waits
        "backoff_seconds = 1\n"
    )
    with servers.seaweedfs(folder) as server:
        told = told_site(tmp_path / "site", server, api)
        docs = told.docs
        with told.running() as daemon:
            docs.put("a b+ü%.txt", b"one")
            docs.put("sub/b.txt", b"two")
            daemon.wait_for(lambda: docs.files() == {"a b+ü%.txt": b"one", "sub/b.txt": b"two"})

            docs.put("a b+ü%.txt", b"another")
            docs.remove("sub/b.txt")
            daemon.wait_for(lambda: docs.files() == {"a b+ü%.txt": b"another"})
            told.settle(daemon)
        told.close()


def test_a_queue_comes_with_a_reload_and_tells(api: int, tmp_path: Path) -> None:
    folder = tmp_path / "moto"
    folder.mkdir()
    with servers.moto(folder) as server:
        told = told_site(tmp_path / "site", server, api)
        docs = told.docs
        queue = f'[sqs.events]\nstore = "main"\nqueue_url = "{_queue_of(server)}"\n'
        with told.running() as daemon:
            told.configure(options=NEVER, more=queue)
            came = reload(daemon)

            docs.put("a b+ü.txt", b"one")

            daemon.wait_for(lambda: docs.files() == {"a b+ü.txt": b"one"})
            assert counted(daemon, "sqs.events", "followed") > 0
            told.configure(options=NEVER)
            assert (came["queues"], reload(daemon)["queues"]) == (
                {"came": ["events"]},
                {"went": ["events"]},
            )
            told.configure(options=NEVER, more=queue)
            reload(daemon)
            assert daemon.stop() == 0  # nobody waits for the queue
        told.close()


def _queue_of(server: servers.S3Server) -> str:
    """Make a queue that is told of what changes in the bucket."""
    aws: Any = boto3.session.Session().client(
        "sqs",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=servers.ACCESS_KEY_ID,
        aws_secret_access_key=servers.SECRET_ACCESS_KEY,
    )
    url: str = aws.create_queue(QueueName="events")["QueueUrl"]
    asked = aws.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    server.client().put_bucket_notification_configuration(
        Bucket=servers.BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": asked["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                }
            ]
        },
    )
    return url
