"""What becomes of a result, and of what is at its path."""

from __future__ import annotations

import pytest

from docferry.core.places import place_of
from docferry.core.results import (
    Way,
    is_by_path,
    is_of_types,
    origin_of,
    way_for,
    why_unusable,
)
from docferry.model import Origin


@pytest.mark.parametrize(
    ("found", "ours", "way"),
    [
        (None, set(), Way.WRITE),
        (None, {"old"}, Way.WRITE),
        ("new", set(), Way.LEAVE),
        ("old", {"old", "older"}, Way.REPLACE),
        ("mine", {"old"}, Way.REFUSE),
        ("mine", set(), Way.REFUSE),
    ],
)
def test_only_what_a_conversion_put_there_is_replaced(
    found: str | None, ours: set[str], way: Way
) -> None:
    assert way_for(found, "new", ours) is way


@pytest.mark.parametrize(
    "path", ["a.md", "a/b c/d.md", "ä/{ulid}.md", "50%_off.md", ".hidden", "a" * 255]
)
def test_a_usable_path_has_nothing_against_it(path: str) -> None:
    assert why_unusable(path) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "cannot be used"),
        ("/a.md", "cannot be used"),
        ("a//b.md", "cannot be used"),
        ("a/../b.md", "cannot be used"),
        ("a/.", "cannot be used"),
        ("a/", "cannot be used"),
        (".docferry/versions/x", "cannot be used"),
        ("%_~/.docferry/x", "cannot be used"),
        ("%_~/a.md", "cannot be used"),
        ("a\0b.md", "cannot be used"),
        ("a\udcff.md", "not UTF-8"),
        ("ä" * 128, "longer than 255 bytes"),
        ("/".join(["a" * 200] * 6), "longer than 1024 bytes"),
    ],
)
def test_an_unusable_path_is_told_with_its_reason(path: str, why: str) -> None:
    assert why in (why_unusable(path) or "")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{ulid}.{ext}", False),
        ("{sha256}.{ext}", False),
        ("{dir}{stem}-{ulid}.{ext}", False),
        ("{dir}{stem}.{ext}", True),
        ("{rule}/{path}.{ext}", True),
    ],
)
def test_a_place_is_by_path_unless_each_version_has_its_own(
    template: str, *, expected: bool
) -> None:
    place = place_of("processed", template, "a/{ulid}.txt", ".md", "text")

    assert is_by_path(place) is expected


@pytest.mark.parametrize(
    ("media_type", "types", "expected"),
    [
        ("application/pdf", (), True),
        ("", (), True),
        ("application/pdf", ("application/pdf",), True),
        ("image/png", ("application/pdf", "image/*"), True),
        ("text/plain", ("application/pdf", "image/*"), False),
        ("", ("application/pdf",), False),
        ("imagery/png", ("image/*",), False),
    ],
)
def test_a_rule_takes_the_types_that_it_names(
    media_type: str, types: tuple[str, ...], *, expected: bool
) -> None:
    assert is_of_types(media_type, types) is expected


@pytest.mark.parametrize(
    ("told", "is_result", "expected"),
    [
        (Origin.LOCAL, True, Origin.CONVERSION),  # a crash forgot it
        (Origin.CONVERSION, False, Origin.LOCAL),  # a person was quicker
        (Origin.LOCAL, False, Origin.LOCAL),
        (Origin.CONVERSION, True, Origin.CONVERSION),
        (Origin.STORE, True, Origin.STORE),
        (Origin.RESTORE, False, Origin.RESTORE),
    ],
)
def test_the_ledger_knows_better_where_a_content_comes_from(
    told: Origin, expected: Origin, *, is_result: bool
) -> None:
    assert origin_of(told, is_result=is_result) is expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Origin.STORE, Origin.CONVERSION),  # it came down, and says that it is a result
        (Origin.RESTORE, Origin.RESTORE),
        (Origin.DROP, Origin.DROP),
    ],
)
def test_an_object_tells_where_it_comes_from_if_nobody_else_does(
    told: Origin, expected: Origin
) -> None:
    assert origin_of(told, is_result=True, is_claimed=True) is expected
