"""Webhooks of a real daemon: told as it happens, after a kill, and with secrets that change."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from servers import make_certificate
from system.conftest import NewSite
from system.daemon import Site
from webhook_receiver import OLDER, SECRET, Got, ReceiverServer, Said, receiving

_RULES = """
[[convert]]
name = "text"
from = "docs"
patterns = ["*.txt"]
to = "docs/made/{stem}.md"
with = "text"

[[convert]]
name = "bad"
from = "docs"
patterns = ["*.bad"]
to = "docs/made/{stem}.md"
with = "fails"
attempts = 1

[converter.fails]
kind = "command"
command = ["/bin/false", "{input}"]
produces = "md"
"""


@pytest.fixture
def crm() -> Iterator[ReceiverServer]:
    with receiving() as crm:
        yield crm


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The folder with the secret of the webhook."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "crm.webhook").write_text(SECRET)
    return folder


@pytest.fixture
def site(new_site: NewSite, crm: ReceiverServer, keys: Path) -> Site:
    return _site(new_site, keys, crm, "")


def _site(
    new_site: NewSite,
    keys: Path,
    crm: ReceiverServer,
    more: str,
    *,
    rules: str = "",
    options: str = "",
) -> Site:
    table = f'[webhook.crm]\nurl = "{crm.url}"\nallow_private = true\n{more}'
    site = new_site(options=options, more=table + rules)
    site.config.write_text(f'credentials_dir = "{keys}"\n{site.config.read_text()}')
    return site


def about(got: Got) -> tuple[str, str]:
    return got.told["type"], got.told["data"]["path"]


def told(crm: ReceiverServer, path: str) -> list[str]:
    """Give what the receiver was told of *path*, without repeats."""
    first = {one.id: one for one in reversed(crm.got)}
    in_order = [one for one in crm.got if first[one.id] is one]
    return [event for event, of in map(about, in_order) if of == path]


def test_a_file_is_told_on_its_whole_way(site: Site, crm: ReceiverServer) -> None:
    with site.running() as daemon:
        site.docs.write("stays.txt", b"a folder without any file would be held")
        file = site.docs.write("a.txt", b"first")
        daemon.wait_for(lambda: told(crm, "a.txt") == ["file.added"])
        site.docs.put("a.txt", b"second, by somebody else")
        daemon.wait_for(lambda: told(crm, "a.txt") == ["file.added", "file.changed"])
        file.unlink()
        daemon.wait_for(lambda: told(crm, "a.txt")[2:] == ["file.removed"])
        metrics = daemon.fetch("/metrics")

    assert all(Webhook(SECRET).verify(one.body, dict(one.headers)) for one in crm.got)
    assert 'docferry_webhook_deliveries_total{outcome="done",webhook="crm"} 4.0' in metrics
    assert 'docferry_webhook_queued{webhook="crm"} 0.0' in metrics
    assert 'docferry_webhook_receiver_up{webhook="crm"} 1.0' in metrics


def test_all_that_happens_beside_is_told(
    new_site: NewSite, crm: ReceiverServer, keys: Path
) -> None:
    site = _site(new_site, keys, crm, "", rules=_RULES, options='patrol = "1s"\n')
    with site.running() as daemon:
        for name in ("a.txt", "b.bad", "c", "d"):
            site.docs.write(name, b"the content of " + name.encode())
        daemon.wait_for(lambda: {"conversion.done", "conversion.dead"} <= kinds(crm))
        site.settle(daemon)
        _rot(site.docs.folder / "c")
        daemon.wait_for(lambda: "verify.found" in kinds(crm), 60)
        for name in ("a.txt", "b.bad", "c", "d"):
            (site.docs.folder / name).unlink()
        (site.docs.folder / "made" / "a.md").unlink()
        daemon.wait_for(lambda: "hold.opened" in kinds(crm), 60)

    told_of = {one.told["type"]: one.told["data"] for one in crm.got}
    assert told_of["conversion.done"]["path"] == "a.txt"
    assert told_of["conversion.done"]["result"]["path"] == "made/a.md"
    assert (told_of["conversion.dead"]["path"], told_of["conversion.dead"]["rule"]) == (
        "b.bad",
        "bad",
    )
    found = told_of["verify.found"]
    assert (found["path"], found["side"], found["is_healed"]) == ("c", "local", True)
    assert told_of["hold.opened"]["mirror"] == "docs"


def kinds(crm: ReceiverServer) -> set[str]:
    return {one.told["type"] for one in crm.got}


def _rot(file: Path) -> None:
    """Change bytes in place, with size and mtime as they were: nobody edited it."""
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"ROT")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_kill_loses_no_event_and_changes_no_order(site: Site, crm: ReceiverServer) -> None:
    crm.answers = lambda _: Said(503)
    with site.running() as daemon:
        for number in range(3):
            site.docs.write("a.txt", b"%d" % number)
            site.settle(daemon)
        daemon.wait_for(lambda: bool(crm.got))
        daemon.kill()
    crm.got.clear()
    crm.answers = lambda _: Said()

    with site.running() as daemon:
        daemon.wait_for(lambda: len(told(crm, "a.txt")) == 3)

    assert told(crm, "a.txt") == ["file.added", "file.changed", "file.changed"]


def test_a_receiver_with_tls_is_told_where_its_ca_is_trusted(
    new_site: NewSite, keys: Path, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path)
    with receiving(tls=made) as crm:
        site = _site(new_site, keys, crm, f'verify_tls = "{made.ca}"\n')
        with site.running() as daemon:
            site.docs.write("a.txt", b"first")
            daemon.wait_for(lambda: told(crm, "a.txt") == ["file.added"])

    assert Webhook(SECRET).verify(crm.got[0].body, dict(crm.got[0].headers)) == crm.got[0].told


def test_a_receiver_whose_certificate_nobody_vouches_for_is_told_nothing_and_that_is_said(
    new_site: NewSite, keys: Path, tmp_path: Path
) -> None:
    with receiving(tls=make_certificate(tmp_path)) as crm:
        site = _site(new_site, keys, crm, "")
        checked = site.run("check", code=8)
        tried = site.run("webhooks", "test", "crm", code=1)
        with site.running() as daemon:
            site.docs.write("a.txt", b"first")
            daemon.wait_for(lambda: "TLS: " in site.run("webhooks", "deliveries"))
            metrics = daemon.fetch("/metrics")

        assert crm.got == []
    for said in (checked, tried):
        assert f"{crm.url.removesuffix('/hooks?key=k')}: TLS: " in said
    assert 'docferry_webhook_deliveries_total{outcome="unreachable",webhook="crm"}' in metrics
    assert 'docferry_webhook_deliveries_total{outcome="done",webhook="crm"}' not in metrics


def test_what_a_single_run_does_is_told_by_it(site: Site, crm: ReceiverServer) -> None:
    site.docs.folder.mkdir(exist_ok=True)
    site.docs.write("a.txt", b"first")

    site.run_once()

    assert told(crm, "a.txt") == ["file.added"]


def test_a_secret_is_exchanged_while_the_daemon_runs(
    site: Site, crm: ReceiverServer, keys: Path
) -> None:
    with site.running() as daemon:
        site.docs.write("a.txt", b"first")
        daemon.wait_for(lambda: len(crm.got) == 1)
        (keys / "crm.webhook.previous").write_text(SECRET)
        (keys / "crm.webhook").write_text(OLDER)
        daemon.wait_for(lambda: bool(daemon.events("config.reloaded")))
        site.docs.write("b.txt", b"second")
        daemon.wait_for(lambda: len(crm.got) == 2)

    before, after = crm.got
    with pytest.raises(WebhookVerificationError):
        Webhook(OLDER).verify(before.body, dict(before.headers))
    for known in (SECRET, OLDER):
        assert Webhook(known).verify(after.body, dict(after.headers)) == after.told
    log = daemon.log.read_text()
    assert [hidden for hidden in (SECRET, OLDER, "key=k") if hidden in log] == []


def test_a_replay_is_sent_at_once(site: Site, crm: ReceiverServer) -> None:
    crm.answers = lambda _: Said(410)
    with site.running() as daemon:
        site.docs.write("a.txt", b"first")
        daemon.wait_for(lambda: bool(daemon.events("webhook.dead")))
        crm.answers = lambda _: Said()

        site.run("webhooks", "replay", "--all")
        daemon.wait_for(lambda: len(crm.got) == 2)

    assert crm.got[0].id == crm.got[1].id
