"""Requests are counted, limited and fitted to a budget; a store that asks for less gets less."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

import proxy
import servers
from contract.test_s3_meter import kind_of
from system.conftest import NewSite
from system.daemon import Daemon, Site
from system.test_reload import reload

LIMITED_S = 2.0
KIB = 1024


class Line:
    """What goes over the line to the store."""

    def __init__(self, between: proxy.Proxy) -> None:
        self.url = between.url
        self.seen: Counter[str] = Counter()
        self.is_refusing = False
        self._lock = threading.Lock()
        between.mood = self._look

    def _look(self, request: proxy.Request) -> bool:
        kind = kind_of(request)
        with self._lock:
            self.seen[kind] += 1
        # What boto3 tries again then goes well: nobody but the meter hears of it.
        is_first = kind == "put" and "Boto" not in request.headers["User-Agent"]
        return self.is_refusing and is_first and request.refuse(503, "SlowDown")


@pytest.fixture
def line(server: servers.S3Server) -> Iterator[Line]:
    with proxy.in_front_of(server) as between:
        yield Line(between)


def figures(daemon: Daemon, name: str) -> dict[tuple[str, ...], float]:
    """Give what the daemon tells of *name*, by the values of its labels in their order."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(daemon.fetch("/metrics"))
        for sample in family.samples
        if sample.name == f"docferry_{name}"
    }


def counted(daemon: Daemon) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, kind, _, _), count in figures(daemon, "store_requests_total").items():
        found[kind] += int(count)
    return found


def transfers(daemon: Daemon) -> float:
    return figures(daemon, "store_concurrency")["transfers", "main"]


def configure(site: Site, options: str, poll: str = "200ms") -> None:
    site.store_options = options
    site.configure(options=f'poll = "{poll}"')


def test_what_the_store_gets_is_counted_limited_and_fitted_to_a_budget(
    new_site: NewSite, line: Line
) -> None:
    site = new_site(names=("docs", "processed"))
    site.endpoint_url = line.url
    configure(site, "")
    site.docs.write("small.txt", b"small")
    site.docs.write("large.bin", os.urandom(9 << 20))
    site.mirrors["processed"].put("from-the-bucket.txt", b"below another prefix")
    with site.running() as daemon:
        site.settle(daemon)
        daemon.wait_for(lambda: counted(daemon) == line.seen)

        configure(site, 'budget = "600/h"')
        assert reload(daemon)["new_limits_of"] == ["main"]
        (told,) = daemon.events("budget.stretched")
        assert told["stretch"] > 10
        interval_s = figures(daemon, "poll_interval_seconds")["docs",]
        assert interval_s == pytest.approx(0.2 * told["stretch"], rel=0.01)
        site.docs.write("more.txt", b"documents do not wait for it")
        daemon.wait_for(lambda: site.docs.get("more.txt") is not None)
        (store,) = json.loads(site.asked("status", "--json").stdout)["stores"]
        assert (store["name"], store["row"]["stretch"]) == ("main", told["stretch"])
        assert "to keep to the budget of 600 requests an hour" in site.asked("status").stdout

        configure(site, f'bandwidth_up = "{100}KiB"')
        reload(daemon)
        assert daemon.events("budget.eased")
        began_s = time.monotonic()
        site.docs.write("limited.bin", os.urandom(int(LIMITED_S * 100 * KIB)))
        daemon.wait_for(lambda: site.docs.get("limited.bin") is not None)
        assert time.monotonic() - began_s > 0.9 * LIMITED_S


def test_a_store_that_asks_for_less_gets_less_of_both_mirrors_and_then_more_again(
    new_site: NewSite, line: Line
) -> None:
    site = new_site(names=("docs", "processed"))
    site.endpoint_url = line.url
    site.configure()
    with site.running() as daemon:
        assert transfers(daemon) == 16
        line.is_refusing = True
        numbers = itertools.count()

        def is_low() -> bool:
            site.docs.write(f"{next(numbers)}.txt", b"refused at first")
            return transfers(daemon) <= 4

        daemon.wait_for(is_low)

        line.is_refusing = False
        lowest = transfers(daemon)
        for number in range(60):
            site.mirrors["processed"].write(f"{number}.txt", b"of the other mirror")

        daemon.wait_for(lambda: transfers(daemon) > lowest)
        site.settle(daemon)
