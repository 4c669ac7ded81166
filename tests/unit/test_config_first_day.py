"""What README and example call enough for the first day is enough."""

from __future__ import annotations

import pathlib
import re

import pytest

from config_files import Written

ROOT = pathlib.Path(__file__).parents[2]
README, EXAMPLE = ROOT / "README.md", ROOT / "config" / "docferry.toml"


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def test_what_the_readme_calls_enough_is_enough(file: Written) -> None:
    shown = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)

    first_day, with_rules = file.load(shown[0]), file.load("".join(shown[:2]))

    assert list(first_day.mirrors) == ["docs"]
    assert [rule.name for rule in with_rules.converts] == ["text", "pages"]


def test_the_keys_that_the_example_calls_enough_are_enough(file: Written) -> None:
    installed = re.sub(r"^(?=[^#\n])", "#", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    head, body = installed.split("The ledger and files under way")
    named = re.findall(r"^#   (\[\w+\.\w+\]) +(.+)$", head, flags=re.MULTILINE)
    for header, keys in named:
        before, below = body.split(f"#{header}", maxsplit=1)
        for key in keys.split(", "):
            below = below.replace(f"\n#{key} = ", f"\n{key} = ", 1)
        body = before + header + below

    config = file.load("#" + body)

    assert [header for header, _ in named] == ["[store.main]", "[mirror.docs]"]
    assert str(config.mirrors["docs"].local) == "/srv/docferry/docs"
