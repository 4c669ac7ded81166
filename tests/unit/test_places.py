"""Places: what a template names, and the path that a result gets."""

from __future__ import annotations

import pytest

from docferry.core.places import (
    DEFAULT_TEMPLATE,
    FIELDS,
    fields_in,
    is_named_after,
    is_of_place,
    is_place,
    may_be_result,
    place_of,
    result_path,
)

ULID = "01KAT0000000000000000000AA"
SHA256 = "ab" * 32


def path_for(template: str, path: str) -> str:
    return result_path(place_of("processed", template, path, ".md", "text"), ULID, SHA256)


@pytest.mark.parametrize(
    ("template", "path", "result"),
    [
        (DEFAULT_TEMPLATE, "offers/q3.docx", f"{ULID}.md"),
        ("{sha256}.{ext}", "q3.docx", f"{SHA256}.md"),
        ("{path}.{ext}", "offers/2026/q3.docx", "offers/2026/q3.docx.md"),
        ("{dir}{stem}.{ext}", "offers/2026/q3.docx", "offers/2026/q3.md"),
        ("{dir}{stem}.{ext}", "q3.docx", "q3.md"),
        ("{rule}/{name}", "offers/q3.docx", "text/q3.docx"),
        ("{stem}", "archive.tar.gz", "archive.tar"),
        ("{stem}", "README", "README"),
        ("{stem}", ".profile", ".profile"),
        ("{stem}-{ulid}", "{ulid}{x}.docx", "{ulid}{x}-" + ULID),
        ("{path}", "a/{/}}b", "a/{/}}b"),
    ],
)
def test_a_template_is_filled_in(template: str, path: str, result: str) -> None:
    assert path_for(template, path) == result


def test_equal_contents_share_a_place_unless_the_template_goes_by_the_path() -> None:
    def places(template: str) -> set[str]:
        paths = ("a.docx", "b/c.docx")
        return {place_of("processed", template, path, ".md", "text") for path in paths}

    assert places(DEFAULT_TEMPLATE) == {"processed/{ulid}.md"}
    assert places("{sha256}") == {"processed/{sha256}"}
    assert len(places("{path}.{ext}")) == 2


def test_every_field_can_be_named_and_no_other() -> None:
    assert fields_in("/".join(f"{{{name}}}" for name in FIELDS)) == {*FIELDS}
    for odd in ("{nobody}", "{ulid!r}", "{ulid:>30}", "{", "}", "{{ulid}}", "{}", "{0}"):
        with pytest.raises(ValueError, match=r"."):
            fields_in(odd)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("processed/{ulid}.md", True),
        ("processed/a/b.md", True),
        ("processed/{{ulid}}.md", True),  # of a document whose name has braces
        ("others/{ulid}.md", False),
        ("processed/../{ulid}.md", False),
        ("processed//etc/passwd", False),
        ("processed/.docferry/mirror.json", False),
        ("processed/", False),
        ("processed", False),
        ("processed/{nobody}", False),
        ("processed/{ulid.nothing}", False),
        ("processed/{ulid.__class__}", False),
        ("processed/{ulid!r}", False),
        ("processed/{ulid:>9000000000}", False),  # nine gigabytes
        ("{ulid:>9000000000}/processed", False),
        ("processed/{0}", False),
        ("processed/{", False),
    ],
)
def test_a_place_is_one_that_a_result_can_be_given_a_path_of(text: str, *, is_one: bool) -> None:
    assert is_place(text, "processed") is is_one


@pytest.mark.parametrize(
    ("template", "path", "is_so"),
    [
        ("{ulid}.{ext}", "people/jane doe.docx", False),
        ("{sha256}.{ext}", "people/jane doe.docx", False),
        ("{dir}{ulid}.{ext}", "people/jane doe.docx", False),
        ("{dir}{stem}.{ext}", "people/jane doe.docx", True),
        ("{path}.{ext}", "people/jane doe.docx", True),
        ("{name}", "people/jane doe.docx", True),
        ("{stem}.{ext}", "jane {doe}.docx", True),
        ("{stem}.{ext}", ".profile", True),
        ("{ulid}.{ext}", "m.docx", False),  # a letter of "md" is not its name
    ],
)
def test_a_place_tells_a_name_or_does_not(template: str, path: str, *, is_so: bool) -> None:
    place = place_of("processed", template, path, ".md", "text")

    assert is_named_after(place, path) is is_so


@pytest.mark.parametrize(
    ("template", "path", "may_be"),
    [
        ("{ulid}.{ext}", f"{ULID}.md", True),
        ("{ulid}.{ext}", "01KAT0000000000000000000BB.md", False),
        ("{dir}{stem}.{ext}", "in/a.md", True),
        ("{dir}{stem}.{ext}", "in/a.md.txt", False),
        ("{rule}/{path}.{ext}", "text/in/a.docx.md", True),
        ("{rule}/{path}.{ext}", "others/in/a.docx.md", False),
        ("{stem}-{name}-end", "a-a.docx-end", True),
        ("{stem}-{name}-end", "a-end", False),  # no character belongs to two parts
        ("{stem}-x-{sha256}", f"a-x-b-x-{SHA256}", True),
        ("{dir}{stem}", "in/a\nb", True),
        ("fixed", "fixed", True),
        ("fixed", "fixed.md", False),
    ],
)
def test_a_path_is_one_that_a_template_can_give_or_it_is_not(
    template: str, path: str, *, may_be: bool
) -> None:
    assert may_be_result(path, template, ULID, SHA256, ".md", "text") is may_be


def test_no_path_takes_long_to_be_told_from_a_result() -> None:
    """A pattern with nine wildcards would not end in a lifetime; strangers choose the paths."""
    template = "/".join(["{dir}{stem}"] * 4) + "/{name}.{ext}"

    assert not may_be_result("a/-" * 341, template, ULID, SHA256, ".md", "text")


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        ("in/01KAT0000000000000000000BB.md", True),  # of another version: results are shared
        (f"in/{ULID}.pdf", False),
        (f"out/{ULID}.md", False),
    ],
)
def test_a_path_belongs_to_a_place_or_does_not(path: str, *, is_so: bool) -> None:
    assert is_of_place(path, "processed/in/{ulid}.md") is is_so
