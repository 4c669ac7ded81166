"""Lists of office documents, before a library reads them."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from docferry.convert import lists

BULLETS, NUMBERS = ("bullet", "bullet"), ("decimal", "decimal")


def word(paragraphs: list[tuple[int, int] | None], looks: dict[int, tuple[str, str]]) -> bytes:
    """Make a document of paragraphs that are in a list (level, number), or in none."""
    body = "".join(f"<w:p>{_place(place)}<w:r/></w:p>" for place in paragraphs)
    kinds = "".join(
        f'<w:abstractNum w:abstractNumId="{9 - number}">'
        + "".join(
            f'<w:lvl w:ilvl="{level}"><w:numFmt w:val="{look}"/></w:lvl>'
            for level, look in enumerate(levels)
        )
        + "</w:abstractNum>"
        for number, levels in looks.items()
    )
    numbers = "".join(
        f'<w:num w:numId="{number}"><w:abstractNumId w:val="{9 - number}"/></w:num>'
        for number in looks
    )
    return packed({"word/document.xml": body, "word/numbering.xml": kinds + numbers})


def _place(place: tuple[int, int] | None) -> str:
    if place is None:
        return ""
    level, number = place
    return f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'


def packed(parts: dict[str, str]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return file.getvalue()


def part(content: bytes, name: str) -> str:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return archive.read(name).decode()


@pytest.mark.parametrize(
    ("paragraphs", "expected"),
    [
        ([(0, 1), (1, 2), (1, 2), (0, 1)], [(0, 1), (1, 1), (1, 1), (0, 1)]),
        ([(0, 1), (1, 3), (0, 1)], [(0, 1), (1, 3), (0, 1)]),  # numbers among bullets
        ([(0, 1), None, (1, 2)], [(0, 1), None, (1, 2)]),  # another list
        ([(1, 2), (0, 1)], [(1, 2), (0, 1)]),
        ([(0, 1), (0, 2)], [(0, 1), (0, 2)]),
        ([(0, 1), (1, 7)], [(0, 1), (1, 7)]),  # a list that nothing is said about
    ],
)
def test_a_list_in_a_list_is_given_its_number_if_they_look_the_same(
    paragraphs: list[tuple[int, int] | None], expected: list[tuple[int, int] | None]
) -> None:
    looks = {1: BULLETS, 2: BULLETS, 3: NUMBERS}

    found = lists.of_word(word(paragraphs, looks))

    assert part(found, "word/document.xml") == part(word(expected, looks), "word/document.xml")


def test_of_the_style_of_a_list_the_first_level_counts() -> None:
    level = '<text:list-level-style-{} text:level="{}"/>'
    style = '<text:list-style style:name="a">{}</text:list-style>'
    both = level.format("bullet", 1) + level.format("number", 2)
    document = packed({"content.xml": style.format(both), "styles.xml": "", "picture": "x"})

    found = lists.of_open_document(document)

    assert part(found, "content.xml") == style.format(level.format("bullet", 1))
    assert part(found, "picture") == "x"


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        packed({"word/document.xml": "<w:p/>"}),
        word([(0, 1), (1, 1)], {1: BULLETS}),
        word([(0, 1), (1, 2)], {1: BULLETS, 2: BULLETS})[:-40],
    ],
)
def test_what_needs_no_change_or_cannot_be_read_stays_as_it_is(content: bytes) -> None:
    assert lists.of_word(content) == content


def test_damaged_parts_are_left_to_the_library() -> None:
    content = bytearray(word([(0, 1), (1, 2)], {1: BULLETS, 2: BULLETS}))
    at = content.index(b"document.xml") + len("document.xml")
    content[at : at + 8] = b"\xff" * 8

    assert lists.of_word(bytes(content)) == content
