"""What happens, told as it happens: nothing twice, nothing left out, nothing of others' mirrors."""

from __future__ import annotations

import asyncio
import json
import pathlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from commands import Desk
from docferry.ledger import Ledger
from docferry.ledger.events import Events
from docferry.model import MirrorHealth
from docferry.web.api import PREFIX
from docferry.web.event_lines import Lines
from docferry.web.feed import Feed, Over, OverError
from docferry.web.past import Passed, Past
from ledger_rows import NOW, uploaded
from serving import Served, served


@pytest.fixture
def desk(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Desk:
    found = Desk(tmp_path, capsys, monkeypatch)
    found.configure("docs", "other")
    return found


@pytest.fixture
def ledger(desk: Desk) -> Iterator[Ledger]:
    with desk.ledger() as opened:
        yield opened


@pytest.fixture
def api(desk: Desk, ledger: Ledger) -> Iterator[Served]:
    with served(desk.loaded, ledger) as running:
        yield running


@contextmanager
def listening(api: Served, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Listen; gives the events as they come."""
    url = f"{api.url}{PREFIX}/events"
    with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        assert next(lines).startswith("retry:")
        yield _events_in(lines)


def _events_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    for line in lines:
        if line.startswith(("id:", "event:", "data:")):
            name, _, value = line.partition(": ")
            found[name] = json.loads(value) if name == "data" else value
        elif not line and found:
            yield found
            found = {}


class SlowEvents(Events):
    """Those of a ledger that does not say which is the last one before it may."""

    def __init__(self, real: Events) -> None:
        self._real = real
        self.is_asked, self.may_answer = threading.Event(), threading.Event()

    def last(self) -> int:
        self.is_asked.set()
        self.may_answer.wait(30)
        return self._real.last()


def created(api: Served, name: str, by: str | None = None) -> str:
    """Give the secret of an admin's key."""
    wanted = {"name": name, "role": "admin"}
    return str(api.post("/keys", key=by, json=wanted).json()["secret"])


def happen(ledger: Ledger, *paths: str, mirror: str = "docs") -> None:
    ledger.record(mirror, [uploaded(path) for path in paths], at=NOW)


def test_who_listens_is_told_what_happens_from_then_on(api: Served, ledger: Ledger) -> None:
    happen(ledger, "before.txt")
    with listening(api) as events:
        happen(ledger, "a.txt")
        ledger.mirrors.put("docs", health=MirrorHealth.IN_STEP)

        first, second = next(events), next(events)

    assert (first["event"], first["data"]["path"]) == ("file", "a.txt")
    assert (second["event"], second["data"]["mirror"]) == ("mirror", "docs")
    assert int(first["id"]) < int(second["id"])


def test_who_was_away_is_told_what_they_missed_and_nothing_twice(
    api: Served, ledger: Ledger
) -> None:
    with listening(api) as events:
        happen(ledger, "a.txt")
        last = next(events)["id"]
    happen(ledger, "b.txt")

    with listening(api, **{"Last-Event-ID": last}) as events:
        happen(ledger, "c.txt")
        told = [next(events)["data"]["path"] for _ in range(2)]

    assert told == ["b.txt", "c.txt"]


def test_who_was_away_for_long_is_told_to_look_anew(api: Served, ledger: Ledger) -> None:
    for number in range(22):
        happen(ledger, *(f"{number}/{n}" for n in range(1000)))

    with listening(api, **{"Last-Event-ID": "1"}) as events:
        assert next(events)["event"] == "reset"
        happen(ledger, "a.txt")
        assert next(events)["data"]["path"] == "a.txt"


@pytest.mark.parametrize("strange", ["99999999", str(2**62)])
def test_who_comes_with_an_id_of_another_ledger_looks_anew(
    api: Served, ledger: Ledger, strange: str
) -> None:
    happen(ledger, "a.txt")
    with listening(api, **{"Last-Event-ID": strange}) as events:
        assert next(events)["event"] == "reset"
        happen(ledger, "b.txt")
        assert next(events)["data"]["path"] == "b.txt"


def test_more_at_once_than_is_kept_is_told_and_those_who_come_hear_again(
    api: Served, ledger: Ledger
) -> None:
    with listening(api) as events:
        happen(ledger, *(f"{n}.txt" for n in range(25_000)))

        assert next(events)["event"] == "reset"
    with listening(api) as events:
        happen(ledger, "a.txt")
        assert next(events)["data"]["path"] == "a.txt"


def test_a_key_of_one_mirror_hears_of_no_other(api: Served, ledger: Ledger) -> None:
    wanted = {"name": "p", "role": "viewer", "mirrors": ["docs"]}
    key = api.post("/keys", json=wanted).json()["secret"]
    with listening(api, Authorization=f"Bearer {key}") as events:
        happen(ledger, "secret.txt", mirror="other")
        happen(ledger, "a.txt")

        assert next(events)["data"]["path"] == "a.txt"


def test_a_key_that_was_revoked_hears_nothing_more(api: Served, ledger: Ledger) -> None:
    api.desk.feed = Feed(ledger, api.desk.is_ending, beat_s=0.05)
    key = created(api, "p")
    with listening(api, Authorization=f"Bearer {key}") as events:
        api.post("/keys/p/revoke", key=key)

        assert list(events) == []  # it ends


def test_nor_while_much_happens(api: Served, ledger: Ledger) -> None:
    api.desk.feed = Feed(ledger, api.desk.is_ending, beat_s=0.1)
    key, is_over = created(api, "p"), threading.Event()

    def go_on() -> None:
        number = 0
        while not is_over.wait(0.02):
            happen(ledger, f"{number}.txt")
            number += 1

    busy = threading.Thread(target=go_on)
    busy.start()
    try:
        with listening(api, Authorization=f"Bearer {key}") as events:
            next(events)
            api.post("/keys/p/revoke", key=key)

            assert len(list(events)) < 1000  # it ends
    finally:
        is_over.set()
        busy.join()


def test_a_key_that_many_listen_with_is_asked_for_once(ledger: Ledger) -> None:
    asked: list[str] = []
    feed = Feed(ledger, threading.Event(), beat_s=0.05)

    async def listen(credential: str) -> Over:
        def still_counts() -> bool:
            asked.append(credential)
            return False

        with feed.listening("me", credential, still_counts) as listener:
            feed.look()
            with pytest.raises(OverError) as over:
                await listener.get(10)
        return over.value.why

    async def listen_all() -> list[Over]:
        return await asyncio.gather(*map(listen, ["one", "one", "one", "other"]))

    assert asyncio.run(listen_all()) == [Over.ENDED] * 4
    assert sorted(asked) == ["one", "other"]


def test_where_no_thread_could_be_had_the_next_one_looks(ledger: Ledger) -> None:
    feed = Feed(ledger, threading.Event())

    async def listen() -> int:
        with feed.listening("me", "key", lambda: True) as listener:
            usual = threading.stack_size(1 << 46)  # more than any machine has: none can begin
            try:
                with pytest.raises(RuntimeError):
                    feed.look()
            finally:
                threading.stack_size(usual)
            feed.look()
            happen(ledger, "a.txt")
            return len(await listener.get(10))

    assert asyncio.run(listen()) > 0
    feed.join()


def test_who_waits_for_the_ledger_holds_up_nobody_else_who_comes(ledger: Ledger) -> None:
    slow = SlowEvents(ledger.events)
    ledger.events = slow
    feed, counts = Feed(ledger, threading.Event()), threading.Event()

    async def come() -> None:
        with feed.listening("me", "key", lambda: True):
            feed.require_room("other")
            counts.set()

    looking = threading.Thread(target=feed.look)
    coming = threading.Thread(target=lambda: asyncio.run(come()))
    looking.start()
    assert slow.is_asked.wait(10)
    coming.start()
    try:
        assert counts.wait(5)
    finally:
        slow.may_answer.set()
        for one in (looking, coming):
            one.join()
        feed.join()


def test_what_has_passed_is_written_once_for_all_who_come_back(ledger: Ledger) -> None:
    happen(ledger, *(f"{n}.txt" for n in range(1200)))
    past, ids = Past(ledger), [row.id for row in ledger.events.after(0, 5000) or ()]

    async def come_back(cursor: int) -> list[Lines]:
        found: list[Lines] = []
        while (part := await past.after(cursor)) is not None:
            found.append(part.lines)
            if part.is_all:
                break
            cursor = part.last
        return found

    first, again = asyncio.run(come_back(0)), asyncio.run(come_back(0))
    later = asyncio.run(come_back(300))

    assert [line.id for lines in first for line in lines.lines] == ids
    assert [line.id for lines in later for line in lines.lines] == ids[300:]
    assert again[0] is first[0]
    assert later[1] is first[1]  # also for those who had more of it


def test_what_was_written_long_ago_is_read_anew(ledger: Ledger) -> None:
    happen(ledger, *(f"{n}.txt" for n in range(600)))
    past = Past(ledger, counts_s=0.0)

    async def twice() -> list[Passed | None]:
        return [await past.after(0), await past.after(0)]

    first, again = asyncio.run(twice())

    assert first == again
    assert first is not again


def test_nobody_listens_beyond_the_limit(api: Served, ledger: Ledger) -> None:
    api.desk.feed = Feed(ledger, api.desk.is_ending, most=1)
    with listening(api):
        said = api.get("/events")

    assert said.status_code == 503
    assert said.json()["code"] == "too-many-listeners"


def test_one_key_leaves_room_for_others(api: Served, ledger: Ledger) -> None:
    api.desk.feed = Feed(ledger, api.desk.is_ending, most=2)
    boss = created(api, "boss")
    other = created(api, "other", by=boss)
    with listening(api, Authorization=f"Bearer {boss}"):
        again = api.get("/events", key=boss)
        with listening(api, Authorization=f"Bearer {other}"):
            pass

    assert again.status_code == 503
