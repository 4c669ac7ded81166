"""The map between keys and local names, case by case. tests/property/ has the promises."""

from __future__ import annotations

import pytest

from docferry.core.paths import (
    alias_for,
    conflict_copy_path,
    fault_in_name,
    is_alias,
    is_odd,
    is_reserved,
    key_of,
    path_of,
)

SHA256 = "1f2e3d4c" + "0" * 56

PLAIN = [
    "a",
    "reports/2026/annual statement (final).docx",
    ".hidden/..data/...",
    "100%/%20/a+b&c=d?#*~$'\"<>|:;",
    "50%_off.pdf",  # "%_", but no escape
    "x%_41",  # an escape that is never written
    "x%_25_",  # an escaped name, but of a key that needs none
    "x%_+/y",  # nothing is long enough to go on
    "a/%_~",  # a detour leads somewhere
    "e\u0301 and \u00e9, A and a",
    "\u56f3\u66f8\u3000\u9928/\u8cc7\u6599.pdf",
    "\U0001f4c4" * 63,
    "x" * 255,
    "a/" * 300 + "a",
]

AWKWARD = {
    "": "%_",
    "/": "%_/%_",
    "a/": "a/%_",
    "/a": "%_/a",
    "a//b": "a/%_/b",
    ".": "%_2E",
    "../../etc/passwd": "%_2E%_2E/%_2E%_2E/etc/passwd",
    "a/./b": "a/%_2E/b",
    "a\0b": "a%_00b",
    "a\\b": "a%_5Cb",
    "two\nlines\x7f": "two%_0Alines%_7F",
    "a%_5Cb": "a\\b",
    "two%_0Alines": "two\nlines",
    "x" * 256: "x" * 252 + "%_+/xxxx",
    "\u00e9" * 128: "\u00e9" * 126 + "%_+/\u00e9\u00e9",
    "a" + "\u20ac" * 85: "a" + "\u20ac" * 83 + "%_+/\u20ac\u20ac",
    "x" * 252 + "%_25": "x" * 252 + "%_+/%_25_25",
    "x" * 504 + "..": "x" * 252 + "%_+/" + "x" * 252 + "..",
    "x" * 254 + "..": "x" * 252 + "%_+/xx..",
    "x" * 250 + "\0..": "x" * 250 + "%_%_+/00..",
    # These read like the escaped name of another key, and give way.
    "%_": "%_25_",
    "a/%_/b": "a/%_25_/b",
    "a/%_25_/b": "a/%_25_25_/b",
    "%_2E": "%_25_2E",
    "x" * 252 + "%_+/xxxx": "x" * 252 + "%_+/%_25_+/xxxx",
    # These read like a detour.
    "%_~/a": "%_25_~/a",
    "a/%_~~/b": "a/%_25_~~/b",
}


@pytest.mark.parametrize("key", PLAIN)
def test_a_usable_name_stays_as_it_is(key: str) -> None:
    assert path_of(key) == key
    assert key_of(key) == key


@pytest.mark.parametrize(("key", "path"), AWKWARD.items())
def test_an_awkward_key_gets_a_reversible_name(key: str, path: str) -> None:
    assert path_of(key) == path
    assert key_of(path) == key
    assert is_odd(path)


@pytest.mark.parametrize("path", ["a", "100%", "a.b_c", "\u3000\u00e9\u00a0"])
def test_a_plain_path_is_not_odd(path: str) -> None:
    assert not is_odd(path)


def test_a_backslash_or_control_character_on_disk_stays_out_of_the_key() -> None:
    assert key_of("a\\b") == "a%_5Cb"
    assert key_of("two\nlines") == "two%_0Alines"


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        (".docferry", True),
        (".docferry/mirror.json", True),
        (".docferry/", True),
        ("%_~/.docferry/mirror.json", True),
        ("%_~/%_~~/.docferry/versions/x", True),
        (".docferry.txt", False),
        (".docferry%_2F", False),
        ("a/.docferry/b", False),
        (".Docferry/b", False),
        ("%_25_~/.docferry/mirror.json", False),
        ("docs/a", False),
    ],
)
def test_only_the_first_segment_is_reserved(name: str, reserved: bool) -> None:  # noqa: FBT001
    assert is_reserved(name) is reserved


@pytest.mark.parametrize("key", [".docferry", ".docferry/", ".docferry//a", ".docferry/a\\b"])
def test_a_reserved_key_has_a_reserved_path(key: str) -> None:
    assert is_reserved(path_of(key))


@pytest.mark.parametrize(
    ("key", "blocked_by", "alias"),
    [
        ("a/b", "a", "%_~/a/b"),  # a file where a folder is needed
        ("docs/a/b/c", "docs/a", "docs/%_~/a/b/c"),
        ("docs/a", "docs/a", "docs/%_~/a"),  # a folder where the file would be
        ("a/", "a", "%_~/a/%_"),
        ("a/b/c", "%_~/a/b", "%_~/a/%_~/b/c"),  # the alias is blocked as well
        ("a/b/c", "%_~/a", "%_~/%_~/a/b/c"),
        ("a/b", "%_~", "%_~~/a/b"),  # by a file named like a detour
        ("a/b", "%_~~", "%_~~~/a/b"),
        ("x/%_~", "x/%_~", "x/%_~~/%_~"),
        ("x" * 255, "x" * 255, "%_~/" + "x" * 255),
        ("x" * 256, "x" * 252 + "%_+", "%_~/" + "x" * 252 + "%_+/xxxx"),
    ],
)
def test_a_blocked_key_takes_a_detour(key: str, blocked_by: str, alias: str) -> None:
    assert alias_for(key, blocked_by=blocked_by) == alias
    assert key_of(alias) == key
    assert is_alias(alias)
    assert is_odd(alias)


@pytest.mark.parametrize("blocked_by", ["b", "a/bc", "a/b/c", "", "%_~/b"])
def test_what_is_elsewhere_blocks_nothing(blocked_by: str) -> None:
    with pytest.raises(ValueError, match="not in the way"):
        alias_for("a/b", blocked_by=blocked_by)


@pytest.mark.parametrize("path", ["a", "a/%_~", "%_~", "%_25_~/a", "x%_~/a"])
def test_a_path_without_a_detour_is_no_alias(path: str) -> None:
    assert not is_alias(path)


@pytest.mark.parametrize(
    ("path", "copy_path"),
    [
        ("a/b.pdf", "a/b.conflict-1f2e3d4c.pdf"),
        ("a.d/b", "a.d/b.conflict-1f2e3d4c"),
        (".profile", ".profile.conflict-1f2e3d4c"),
        ("a.tar.gz", "a.tar.conflict-1f2e3d4c.gz"),
        ("d/" + "x" * 251 + ".pdf", "d/" + "x" * 233 + ".conflict-1f2e3d4c.pdf"),
        ("\u00e9" * 127, "\u00e9" * 118 + ".conflict-1f2e3d4c"),
        ("a." + "x" * 253, "a." + "x" * 235 + ".conflict-1f2e3d4c"),
        ("%_~/a/b.pdf", "%_~/a/b.conflict-1f2e3d4c.pdf"),
        (
            "a/1. who said what, when, and to whom",  # a dot in a sentence
            "a/1. who said what, when, and to whom.conflict-1f2e3d4c",
        ),
    ],
)
def test_a_conflict_copy_is_named_after_its_content(path: str, copy_path: str) -> None:
    assert conflict_copy_path(path, SHA256) == copy_path
    assert all(len(name.encode()) <= 255 for name in copy_path.split("/"))


def test_a_name_that_is_not_utf8_has_a_fault() -> None:
    latin1 = "caf\u00e9.txt".encode("latin-1").decode("utf-8", "surrogateescape")

    assert fault_in_name(latin1) == "the name is not valid UTF-8: rename the file"


@pytest.mark.parametrize("name", ["a", "caf\u00e9.txt", "\U0001f4c4", "a\nb", "a\\b"])
def test_a_name_that_can_be_mirrored_has_no_fault(name: str) -> None:
    assert fault_in_name(name) is None
