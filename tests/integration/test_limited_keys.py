"""What a key that is limited to one mirror learns of another, by every route: nothing."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Any

import pytest
import requests

from api_keys import kept, key_text
from browsing import Browser
from commands import Desk
from conversion_rows import RULE, dead, done, queued, running
from docferry.app.verify_runs import RunState, Wanted
from docferry.core.failures import Failed
from docferry.core.keys import Role
from docferry.job import Failure
from docferry.ledger import Ledger
from docferry.ledger.conflicts import BegunConflict
from docferry.ledger.job_pages import Which
from docferry.ledger.requests import NewRequest
from docferry.model import DeleteRemote, Mode, OrderedRun, Outcome, RequestKind, Ulid
from docferry.web.api import PREFIX
from integration import test_api_routes, test_page_forms
from ledger_rows import MINUTE, NOW, sha_of, ulid_of, uploaded, version
from limited_asks import ASKED, STREAMS, VISITED, Ask
from processes import wait_for
from serving import Served, served

VAULT_RULE = RULE.replace("to-markdown", "vault-rule").replace('from = "docs"', 'from = "vault"')
#: Whatever is of the other mirror has one of these words in its name.
OF_THE_VAULT = ("vault", "untold")


@dataclass(frozen=True, slots=True)
class Named:
    """What of one mirror can be named."""

    mirror: str
    path: str
    version: Ulid
    result: Ulid
    rule: str
    job: Ulid
    shared: Ulid
    letter: Ulid
    hold: int
    conflict: int
    request: int
    order: int
    run: Ulid
    key: str
    webhook: str = "no-such-webhook"

    def filled(self, template: Any) -> Any:
        """Put the names into a text, or into all texts of a value."""
        if isinstance(template, str):
            return re.sub(r"{(\w+)}", lambda name: str(getattr(self, name[1])), template)
        if isinstance(template, dict):
            return {key: self.filled(one) for key, one in template.items()}
        return [self.filled(one) for one in template] if isinstance(template, list) else template

    @property
    def all(self) -> list[str]:
        return [str(getattr(self, name)) for name in self.__dataclass_fields__]


NOTHING = Named(
    mirror="strange",
    path="strange/nothing.docx",
    version=ulid_of("no version"),
    result=ulid_of("no result"),
    rule="strange-rule",
    job=ulid_of("no job"),
    shared=ulid_of("no shared job"),
    letter=ulid_of("no letter"),
    hold=9001,
    conflict=9002,
    request=9003,
    order=9004,
    run=ulid_of("no run"),
    key="strange-key",
)


@dataclass(frozen=True, slots=True)
class Sights:
    """The API, a key for one mirror alone, and what there is of that and of the other."""

    api: Served
    key: str
    mine: Named
    theirs: Named
    secrets: tuple[str, ...]

    def ask(self, route: str, named: Named, ask: Ask) -> requests.Response:
        method, (path, body) = route.split()[0], ask
        given: dict[str, Any] = {"json": named.filled(body)} if method == "POST" else {}
        return self.api.ask(method, named.filled(path), key=self.key, **given)

    def visit(self, browser: Browser, route: str, named: Named, ask: Ask) -> requests.Response:
        path, fields = named.filled(ask[0]), named.filled(ask[1])
        if route.startswith("GET"):
            return browser.get(path)
        said = browser.send(path, **fields)
        if said.status_code != 303:
            return said
        return browser.get(said.headers["Location"])

    def told_of(self, said: requests.Response, named: Named) -> str:
        """Give what an answer tells, but for what was asked; by the same words the same."""
        text = f"{said.status_code} {_headers(said)}\n{said.text}"
        text = re.sub(r"just now|[\d.]+\sm?s ago", "lately", text)
        for one in sorted(named.all, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", "·", text.replace("%2F", "/"))
        return re.sub(r"\d+", "·", text)  # times, and how long ago they were

    def leaked(self, said: requests.Response, asked: Ask) -> list[str]:
        """Give what an answer tells that it must not, and that was not asked with."""
        text = f"{_headers(said)}\n{said.text}".lower()
        given = str(self.mine.filled(list(asked)))
        return [one for one in self.secrets if one.lower() in text and one not in given]


def _headers(said: requests.Response) -> Mapping[str, str]:
    varying = ("date", "content-length", "etag")
    return {name: one for name, one in said.headers.items() if name.lower() not in varying}


def _record(ledger: Ledger, mirror: str, path: str, content: str = "") -> Ulid:
    row = version(path, content, mirror=mirror)
    ledger.record(mirror, [replace(uploaded(path, content), version=row)], at=NOW)
    return row.id


def _filled(api: Served, mirror: str, word: str, rule: str, result: str) -> Named:
    """Let everything have happened in a mirror that can; names of it begin with *word*."""
    ledger = api.desk.ledger
    of: dict[str, Any] = {"mirror": mirror, "rule": rule}
    path = f"{word}/plan.docx"
    made = done(ledger, path, result, **of, place=f"processed/{word}-{{ulid}}.md")
    letter = dead(ledger, f"{word}-bad.docx", reason=f"{word} is damaged", output=word, **of)
    waiting = queued(ledger, f"{word}-queued.docx", at=NOW + 5 * MINUTE, **of)
    _record(ledger, mirror, f"{word}-gone.txt")
    gone = DeleteRemote(f"{word}-gone.txt", "e")
    ledger.record(mirror, [Outcome(gone, synced=None)], at=NOW)
    held = _record(ledger, mirror, f"{word}-held.txt")
    ledger.holds.park(mirror, [(DeleteRemote(f"{word}-held.txt", "etag"), sha_of("x"))])
    hold = ledger.holds.hold(mirror, f"too many {word}", NOW)
    assert hold is not None
    displaced = version(f"{word}.docx", "displaced", mirror=mirror)
    ledger.conflicts.recover(BegunConflict(displaced, f"{word}.conflict.docx"), NOW)
    asked = NewRequest(mirror, f"{word}-held.txt", RequestKind.RESTORE, held)
    [request] = ledger.requests.add([asked], NOW)
    problem = {"kind": "failed", "message": f"{word} is a socket", "at": NOW, "retry_at": None}
    ledger.problems.put(mirror, f"{word}-bad.txt", **problem)  # type: ignore[arg-type]
    order, _ = ledger.orders.ask(mirror, OrderedRun.POLL, NOW)
    ledger.orders.pause(mirror, f"{word} disks", NOW)
    run = api.desk.verify_runs.start(api.desk.config, ledger, Wanted((mirror,)), lambda: NOW)
    wait_for(lambda: run.state is not RunState.RUNNING)
    return Named(
        mirror=mirror,
        path=path,
        version=made.version,
        result=made.version if mirror == "vault" else ulid_of(f"{made.id}{result}"),
        rule=rule,
        job=made.id,
        shared=waiting.id,
        letter=letter.id,
        hold=hold.id,
        conflict=next(one.id for one in ledger.conflicts.all(mirror)),
        request=request,
        order=order.id,
        run=run.id,
        key=f"{word}-key",
    )


def _share(ledger: Ledger) -> Ulid:
    """Let the two have contents in common, converted for the other one first; give a job."""
    same = "one content"
    theirs = done(
        ledger, "untold-twin.docx", "of-twin.md", content=same, mirror="vault", rule="vault-rule"
    )
    _record(ledger, "docs", "twin.docx", same)
    mine = running(ledger, "copy.docx", content=f"{same} again")
    result, at = theirs.result_path, NOW + MINUTE
    ledger.jobs.finish(mine.id, at, result, theirs.result_sha256, shared_with=theirs.id)
    missed = running(ledger, "missed.docx")
    ledger.jobs.dead(
        missed.id, at, Failed(Failure.STORING, "cannot put the result to result-1: it is taken")
    )
    return mine.id


@pytest.fixture(params=[("docs",), ("docs", "processed")], ids=" ".join)
def sights(
    request: pytest.FixtureRequest,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Sights]:
    desk = Desk(tmp_path, capsys, monkeypatch)
    desk.configure("docs", "vault", "processed", more=RULE + VAULT_RULE)
    with desk.ledger() as ledger, served(desk.loaded, ledger) as api:
        for mirror in ("vault", "processed"):
            facts = {"store": "main", "bucket": "documents", "prefix": f"{mirror}/"}
            local = f"{tmp_path}/{mirror}"
            ledger.mirrors.put(mirror, **facts, local=local, mode=Mode.TWO_WAY)
        mine = _filled(api, "docs", "open", "to-markdown", "of-open.md")
        theirs = _filled(api, "vault", "untold", "vault-rule", "of-other.md")
        mine = replace(mine, shared=_share(ledger))
        boss = _key(api, None, name="boss", role="admin")
        for one in (mine, theirs):
            _key(api, boss, name=one.key, role="viewer", mirrors=[one.mirror])
        limited = [*request.param, "gone"]  # of the configuration before
        key = _limited(ledger, limited)
        yield Sights(api, key, mine, theirs, _secrets(ledger, request.param))


def _key(api: Served, by: str | None, **wanted: Any) -> str:
    return str(api.post("/keys", key=by, json=wanted).json()["secret"])


def _limited(ledger: Ledger, mirrors: Sequence[str]) -> str:
    """Make an admin's key, also for a mirror that is configured no more."""
    made = key_text(7)
    ledger.keys.add(kept(made, "limited", role=Role.ADMIN, mirrors=tuple(mirrors)))
    return made.text


def _secrets(ledger: Ledger, mirrors: Sequence[str]) -> tuple[str, ...]:
    """Give what must not be told: names of what is not seen, and the ids of what it has."""
    hidden = [name for name in ("vault", "processed") if name not in mirrors]
    ids = [row.id for one in hidden for row in ledger.versions.tree_at(one, NOW + 9 * MINUTE)]
    ids += [row.id for row in ledger.job_pages.newest(Which(hidden), None, 1000)]
    results = ("processed", "of-open", "of-twin", "of-other", "result-1")
    return (*OF_THE_VAULT, *ids, *(results if "processed" in hidden else ()))


def test_the_tables_have_every_route(sights: Sights) -> None:
    pages = test_page_forms.NEEDED.keys()

    assert test_api_routes.NEEDED.keys() == ASKED.keys() | (STREAMS & test_api_routes.NEEDED.keys())
    assert pages == VISITED.keys() | {"POST /logout"} | (STREAMS & pages)


def test_no_route_tells_of_another_mirror(sights: Sights) -> None:
    told = {
        f"{route} {ask}": found
        for route, asks in _looks_first(ASKED)
        for ask in asks
        if (found := sights.leaked(sights.ask(route, sights.mine, ask), ask))
    }

    assert told == {}


def test_what_another_mirror_has_is_to_every_route_as_if_it_were_not(sights: Sights) -> None:
    assert _differences(sights, sights.ask, ASKED) == {}


def test_a_conversion_that_another_mirror_has_called_for_is_not_named(sights: Sights) -> None:
    """Two rules with one converter, one target and one place share what they make."""
    ledger, same = sights.api.desk.ledger, "wanted on both sides"
    theirs = _record(ledger, "vault", "untold-wanted.docx", same)
    mine = _record(ledger, "docs", "wanted.docx", same)
    boss = key_text(8)
    ledger.keys.add(kept(boss, "boss-of-all", role=Role.ADMIN))
    assert sights.api.post(f"/files/{theirs}/process", key=boss.text).ok

    one = sights.api.post(f"/files/{mine}/process", key=sights.key)
    some = sights.api.post("/files/process", key=sights.key, json={"identifiers": [mine]})

    assert one.status_code == some.status_code == 202
    assert one.json()["jobs"] == []
    assert "Location" not in one.headers
    assert some.json()["items"][0]["jobs"] == []
    assert "vault" not in one.text + some.text


def test_no_page_tells_of_another_mirror(sights: Sights) -> None:
    browser = _browser(sights)
    told = {
        f"{route} {ask}": found
        for route, asks in _looks_first(VISITED)
        for ask in asks
        if (found := sights.leaked(sights.visit(browser, route, sights.mine, ask), ask))
    }

    assert told == {}


def test_what_another_mirror_has_is_to_every_page_as_if_it_were_not(sights: Sights) -> None:
    browser = _browser(sights)

    def visit(route: str, named: Named, ask: Ask) -> requests.Response:
        return sights.visit(browser, route, named, ask)

    assert _differences(sights, visit, VISITED) == {}


def test_the_stream_of_events_tells_nothing_of_another_mirror(sights: Sights) -> None:
    """All that has happened, and then what happens now."""
    url, headers = f"{sights.api.url}{PREFIX}/events", {"Authorization": f"Bearer {sights.key}"}
    ledger = sights.api.desk.ledger
    with requests.get(
        url, headers=headers | {"Last-Event-ID": "0"}, stream=True, timeout=30
    ) as answer:
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        heard = _until(lines, "missed.docx", "dead")
        _record(ledger, "vault", "untold-now.txt")
        _record(ledger, "docs", "open-now.txt")
        heard += _until(lines, "open-now.txt", "upload")

    assert "open/plan.docx" in heard
    assert [one for one in sights.secrets if one in heard] == []


def _until(lines: Iterator[str], path: str, what: str) -> str:
    heard = ""
    for line in lines:
        heard += f"{line}\n"
        if path in line and what in line:
            return heard
    raise AssertionError(f"nothing was heard of {path}: {heard}")


def _browser(sights: Sights) -> Browser:
    browser = Browser(sights.api)
    browser.log_in(sights.key)
    return browser


def _differences(
    sights: Sights,
    ask: Callable[[str, Named, Ask], requests.Response],
    table: Mapping[str, list[Ask]],
) -> dict[str, list[str]]:
    """Give where what there is of another mirror is not answered as what is not there."""
    found = {}
    for route, asks in _looks_first(table):
        for one in [one for one in asks if "{" in f"{one[0]} {[*one[1].values()]}"]:
            theirs, nothing = (
                sights.told_of(ask(route, named, one), named).splitlines()
                for named in (sights.theirs, NOTHING)
            )
            if theirs != nothing:
                found[f"{route} {one}"] = [*unified_diff(nothing, theirs, n=0)]
    return found


def _looks_first(table: Mapping[str, list[Ask]]) -> list[tuple[str, list[Ask]]]:
    """Give what only looks before what changes something."""
    return sorted(table.items(), key=lambda one: one[0].startswith("POST"))
