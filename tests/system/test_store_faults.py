"""
Faults between docferry and its store, each on a mirror of its own, while people work on both sides.

All at once, under one daemon: each fault begins, is told, goes on, and ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import pytest

import proxy
import servers
import store_faults as faults
from store_faults import WRITES
from system.faulty import Scene, StoreFault, heal, play, scenes
from system.outcomes import ASKS, HEALS, Outcome, outcome
from system.trouble import HEALS_WITHIN_S

#: All stores are probed, each through a proxy.
START_WITHIN_S = 120.0
TOLD_WITHIN_S = 60.0
GET, PUT, LIST = frozenset({"get"}), frozenset({"put", "uploadId"}), frozenset({"list"})
OTHER_MD5 = "d41d8cd98f00b204e9800998ecf8427e"

Case: TypeAlias = tuple[StoreFault, pytest.MarkDecorator]


def of_documents(does: faults.Does, kinds: frozenset[str]) -> StoreFault:
    return StoreFault(does, kinds, all_keys=False, with_large=True)


def cut_handshakes(between: proxy.Proxy) -> None:
    between.takes_connections = False


def take_connections(between: proxy.Proxy) -> None:
    between.takes_connections = True


def say_no_continue(between: proxy.Proxy) -> None:
    between.says_continue = False


def say_continue(between: proxy.Proxy) -> None:
    between.says_continue = True


CASES: dict[str, Case] = {
    "slow-down": (
        StoreFault(faults.refuses(503, "SlowDown")),
        outcome("503 SlowDown", HEALS, sees="the store asks for fewer requests"),
    ),
    "500": (
        StoreFault(faults.refuses(500, "InternalError")),
        outcome("500 InternalError", HEALS, sees="the store has trouble of its own"),
    ),
    "gateway": (
        StoreFault(faults.says_bad_gateway),
        outcome("502 or 504 of a gateway", HEALS, sees="does not reach the store"),
    ),
    "late-error": (
        StoreFault(faults.fails_after_saying_200, frozenset({"copy", "post", "uploadId"})),
        outcome("200 with an error in the body", HEALS, sees="the store has trouble of its own"),
    ),
    "expired": (
        StoreFault(faults.refuses(400, "ExpiredToken")),
        outcome("expired credentials", HEALS, sees="renew the credentials"),
    ),
    "log-in": (
        StoreFault(faults.says_log_in),
        outcome("a log-in page instead of the store", HEALS, sees="a log-in page in between?"),
    ),
    "redirect": (
        StoreFault(faults.leads_elsewhere(302)),
        outcome("redirects", HEALS, sees="it sends us elsewhere"),
    ),
    "refused": (
        StoreFault(None, begin=proxy.Proxy.stop, end=proxy.Proxy.start),
        outcome("connections are refused", HEALS, sees="cannot connect: is the store running?"),
    ),
    "black-hole": (
        StoreFault(faults.says_nothing),
        outcome("connections are taken, and never answered", HEALS, sees="it has been waiting"),
    ),
    "handshake": (
        StoreFault(None, begin=cut_handshakes, end=take_connections, over_tls=True),
        outcome("TLS handshakes are cut", HEALS, sees="TLS failed"),
    ),
    "upload-reset": (
        StoreFault(
            faults.breaks_off_what_goes,
            PUT,
            all_keys=False,
            is_before_the_body=True,
            with_large=True,
        ),
        outcome("uploads break off", HEALS, sees="the store closed the connection"),
    ),
    "download-reset": (
        of_documents(faults.breaks_off_what_comes, GET),
        outcome("downloads break off", HEALS, sees="the answer broke off"),
    ),
    "cut-short": (
        of_documents(faults.cuts_short(is_told=False), GET),
        outcome("downloads end early", HEALS, sees="the answer broke off"),
    ),
    "cut-and-told": (
        of_documents(faults.cuts_short(is_told=True), GET),
        outcome("downloads are shorter, and say so", HEALS, sees="it came damaged"),
    ),
    "flipped": (
        of_documents(faults.flips_a_bit, GET),
        outcome("downloads are altered", HEALS, sees="it came damaged"),
    ),
    "other-etag": (
        of_documents(faults.says_etag(OTHER_MD5), GET | {"head", "put"}),
        outcome("wrong ETags", HEALS, sees="it keeps changing while docferry works on it"),
    ),
    "no-etag": (
        StoreFault(faults.says_etag(None), GET | {"head", "put"}),
        outcome("no ETags", HEALS, sees="is not one of an S3 store"),
    ),
    "drip": (
        StoreFault(faults.drips, GET | LIST),
        outcome("answers come drop by drop", HEALS),
    ),
    "half-listed": (
        StoreFault(faults.lists_half, LIST),
        outcome("listings lack objects, and say that they are whole", HEALS),
    ),
    "none-listed": (
        StoreFault(faults.lists_nothing, LIST),
        outcome("listings are empty", ASKS, sees="the bucket holds no file any more"),
    ),
    "past-listed": (
        StoreFault(faults.ListsThePast(), LIST),
        outcome("listings are old", HEALS),
    ),
    "lost-answers": (
        StoreFault(faults.does_it_and_is_silent, WRITES),
        outcome("changes are made, and their answers lost", HEALS, sees="closed the connection"),
    ),
    "asked-twice": (
        StoreFault(faults.asks_twice),
        outcome("a proxy sends requests twice", HEALS),
    ),
    "answered-twice": (
        StoreFault(faults.answers_twice),
        outcome("answers come twice", HEALS),
    ),
    "no-continue": (
        StoreFault(None, begin=say_no_continue, end=say_continue),
        outcome("100 Continue never comes", HEALS),
    ),
}


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest,
    server: servers.S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Scene]]:
    """Play what is asked for; give each scene as it was in the end, with the daemon still there."""
    wanted = {
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "played" in item.fixturenames
    }
    cases = {name: (fault, mark.args[2]) for name, (fault, mark) in CASES.items() if name in wanted}
    with scenes(cases, server, tmp_path_factory.mktemp("faults")) as (site, found):
        for scene in found:
            scene.before()
        with site.running(until=None) as daemon:
            daemon.wait_until("in-step", *site.mirrors, timeout_s=START_WITHIN_S)
            site.settle(daemon)
            play(site, found, TOLD_WITHIN_S)
            heal([each for each in found if asks_nobody(each)], daemon, HEALS_WITHIN_S)
            for scene in found:
                scene.finish(site)
            for hold in site.holds():
                site.run("holds", "approve", str(hold.id))
            heal([each for each in found if not asks_nobody(each)], daemon, HEALS_WITHIN_S)
        yield {scene.name: scene for scene in found}


def asks_nobody(scene: Scene) -> bool:
    return CASES[scene.name][1].args[1] is Outcome.HEALS


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=mark) for name, (_, mark) in CASES.items()]
)
def test_a_fault_of_the_store_harms_nothing_and_ends_as_the_manual_says(
    played: dict[str, Scene], name: str
) -> None:
    scene = played[name]

    assert scene.wrong == set()
    assert scene.archived() == []
    assert scene.healed_in_s is not None
    assert scene.differing() == []
    assert scene.conflicts == []
    assert bool(scene.holds) == (not asks_nobody(scene))
