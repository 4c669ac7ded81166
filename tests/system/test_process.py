"""A document that somebody names is converted now, by a running daemon, and followed to its end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from conversion_servers import FailingServer
from system.conftest import NewSite
from system.daemon import Site

RULE = """
[converter.service]
kind = "multipart"
url = "{url}/convert"
produces = "md"
[[convert]]
name = "text"
from = "docs"
patterns = ["*.txt"]
to = "processed/{{path}}.{{ext}}"
with = "service"
"""


@pytest.fixture
def service() -> Iterator[FailingServer]:
    with FailingServer() as server:
        yield server


@pytest.fixture
def site(new_site: NewSite, service: FailingServer) -> Site:
    return new_site(names=("docs", "processed"), more=RULE.format(url=service.url))


def test_a_file_that_was_just_saved_is_followed_until_its_result_is_on_both_sides(
    site: Site,
) -> None:
    with site.running():
        site.docs.write("offers/a.txt", b"words")

        said = site.asked("process", "offers/a.txt", "--wait", "--json")

        assert said.returncode == 0, said.stderr
        assert site.mirrors["processed"].get("offers/a.txt.md") == b"# Converted\n\nWORDS"
        assert site.mirrors["processed"].is_equal()
    facts = json.loads(said.stdout)
    assert facts["end"] == "done"
    stages = [step["stage"] for step in facts["steps"]]
    assert stages == [
        "settled",
        "queued",
        "downloading",
        "converting",
        "storing",
        "done",
        "arrived",
    ]


def test_an_edit_is_waited_for_and_not_the_content_of_before(site: Site) -> None:
    with site.running() as daemon:
        site.docs.write("a.txt", b"one")
        site.settle(daemon)
        assert site.asked("process", "a.txt", "--wait").returncode == 0
        site.docs.write("a.txt", b"two")

        said = site.asked("process", "a.txt", "--wait")

        assert said.returncode == 0, said.stdout
        assert site.mirrors["processed"].get("a.txt.md") == b"# Converted\n\nTWO"


def test_what_is_done_is_done_again_by_force_alone(site: Site, service: FailingServer) -> None:
    with site.running() as daemon:
        site.docs.write("a.txt", b"one")
        site.settle(daemon)
        site.asked("process", "a.txt", "--wait")
        before = service.calls

        plain = site.asked("process", "a.txt", "--wait")
        left = service.calls
        forced = site.asked("process", "a.txt", "--wait", "--force")

        assert [plain.returncode, forced.returncode] == [0, 0]
        assert [before, left, service.calls] == [1, 1, 2]


def test_what_comes_to_nothing_ends_the_waiting_with_a_code(site: Site) -> None:
    with site.running():
        site.docs.write("a.pdf", b"%PDF-")

        no_rule = site.asked("process", "a.pdf", "--wait")
        no_file = site.asked("process", "b.txt", "--wait")

    assert [no_rule.returncode, no_file.returncode] == [2, 2]
    assert "no rule converts 'a.pdf'" in no_rule.stderr
