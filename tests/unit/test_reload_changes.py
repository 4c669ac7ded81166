"""What another configuration changes, and what goes on as if nothing had happened."""

from __future__ import annotations

import pathlib
from dataclasses import replace

import pytest

from config_files import BASE, DOCS, DROP, OTHER, RULE, STORE, Written
from docferry.config import Config, SecretStr
from docferry.config.changes import Changes, Named, changes, may_meet

ALL = STORE + DOCS + OTHER + DROP + RULE


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def with_keys(config: Config, secret: str) -> Config:
    store = replace(config.stores["main"], access_key_id="id", secret_access_key=SecretStr(secret))
    return replace(config, stores={"main": store})


CHANGED = [
    ("", Changes()),
    (DOCS.replace("[mirror.docs]", "[mirror.docs]\npoll = 5"), Changes(Named(change=("docs",)))),
    (
        DOCS + DROP,
        Changes(drops=Named(come=("scans",))),
    ),
    (DOCS + OTHER, Changes(Named(come=("other",)))),
    (OTHER, Changes(Named(come=("other",), go=("docs",)))),
    (DOCS + OTHER + RULE, Changes(Named(come=("other",)), rules=Named(come=("text",)))),
]


@pytest.mark.parametrize(("more", "found"), CHANGED)
def test_what_differs_is_found(file: Written, more: str, found: Changes) -> None:
    old = file.load(BASE)

    assert changes(old, file.load(STORE + (more or DOCS))) == found


def test_a_drop_folder_goes_with_the_mirror_that_it_feeds(file: Written) -> None:
    old = file.load(ALL)

    found = changes(old, file.load(ALL.replace("[mirror.docs]", "[mirror.docs]\npoll = 5")))

    assert (found.mirrors, found.drops) == (Named(change=("docs",)), Named(change=("scans",)))


def test_a_mirror_goes_with_its_store(file: Written) -> None:
    old = file.load(ALL)

    found = changes(old, file.load(ALL.replace(STORE, STORE + 'region = "eu"\n')))

    assert found.mirrors.change == ("docs", "other")
    assert found.keys == ()


def test_new_keys_alone_stop_no_mirror(file: Written) -> None:
    old = file.load(ALL)

    found = changes(with_keys(old, "old"), with_keys(old, "new"))

    assert found == Changes(keys=("main",))


@pytest.mark.parametrize(
    "limit",
    [
        'bandwidth_up = "1MiB"',
        'bandwidth_down = ["08:00-18:00 1MiB"]',
        'requests = "9/s"',
        'budget = "9/h"',
    ],
)
def test_new_limits_alone_stop_no_mirror(file: Written, limit: str) -> None:
    old = file.load(ALL + QUEUE)

    found = changes(old, file.load(ALL.replace(STORE, f"{STORE}{limit}\n") + QUEUE))

    assert found == Changes(limits=("main",))


QUEUE = '[sqs.events]\nstore = "main"\nqueue_url = "https://sqs.eu-west-1.amazonaws.com/1/q"\n'


def test_queues_come_go_and_change(file: Written) -> None:
    without, old = file.load(ALL), file.load(ALL + QUEUE)
    new = file.load(ALL + QUEUE.replace("/q", "/other"))

    assert changes(without, old) == Changes(queues=Named(come=("events",)))
    assert changes(old, without) == Changes(queues=Named(go=("events",)))
    assert changes(old, new) == Changes(queues=Named(change=("events",)))


def test_a_queue_is_read_anew_with_new_keys(file: Written) -> None:
    old = file.load(ALL + QUEUE)

    found = changes(with_keys(old, "old"), with_keys(old, "new"))

    assert found == Changes(queues=Named(change=("events",)), keys=("main",))


def test_a_queue_changes_with_its_store(file: Written) -> None:
    old = file.load(ALL + QUEUE)

    found = changes(old, file.load(ALL.replace(STORE, STORE + 'region = "eu"\n') + QUEUE))

    assert found.queues.change == ("events",)


def test_a_rule_changes_with_its_converter(file: Written) -> None:
    converter = '[converter.markdown]\nkind = "markdown"\n'
    old = file.load(ALL)

    found = changes(old, file.load(ALL + converter + "at_once = 1\n"))

    assert found == Changes(rules=Named(change=("text",)))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('state_dir = "/elsewhere"\n', "state_dir"),
        ("transfers = 3\n", "transfers"),
        ("[metrics]\nport = 1\n", "metrics.port"),
        ('[log]\nformat = "json"\n', "log.format"),
    ],
)
def test_what_only_a_restart_changes_is_named(file: Written, line: str, key: str) -> None:
    old = file.load(BASE)

    assert changes(old, file.load(line + BASE)).after_restart == (key,)


def test_the_log_level_counts_at_once(file: Written) -> None:
    old = file.load(BASE)

    assert changes(old, file.load('[log]\nlevel = "debug"\n' + BASE)) == Changes()


MEETINGS = [
    ({}, True),  # the same name
    ({"name": "b"}, True),  # and the same places
    ({"name": "b", "bucket": "other"}, True),
    ({"name": "b", "local": pathlib.Path("/b")}, True),
    ({"name": "b", "bucket": "other", "local": pathlib.Path("/b")}, False),
    ({"name": "b", "bucket": "other", "local": pathlib.Path("/srv/docs/b")}, True),
    ({"name": "b", "bucket": "other", "local": pathlib.Path("/srv")}, True),
    ({"name": "b", "prefix": "docs/b/", "local": pathlib.Path("/b")}, True),
    ({"name": "b", "prefix": "", "local": pathlib.Path("/b")}, True),
    ({"name": "b", "prefix": "b/", "local": pathlib.Path("/b")}, False),
]


@pytest.mark.parametrize(("other", "may"), MEETINGS)
def test_two_that_could_work_on_the_same_files_are_told(
    file: Written, other: dict[str, object], *, may: bool
) -> None:
    one = file.load(BASE).mirrors["docs"]

    assert may_meet(one, replace(one, **other)) is may  # type: ignore[arg-type]
