"""Whether a content still is what its name says: what encrypts, and what only saves again."""

from __future__ import annotations

import gzip
import itertools
import random

import pytest

from docferry.core.alike import (
    BLOCK_BYTES,
    Sample,
    fits,
    is_doubtful,
    is_strange,
    places_of,
    why_unlike,
)

CHANCE = random.Random(7)
WORDS = b"All were there, and nothing was decided. " * 40
CYRILLIC = "Там были люди, читали книги. ".encode() * 40
LATIN = "Größe, Maß und Äpfel: für den Käufer. ".encode("latin-1") * 40


def noise(size: int) -> bytes:
    return CHANCE.randbytes(size)


def packed(seed: int) -> bytes:
    return b"PK\x03\x04" + random.Random(seed).randbytes(4000)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + WORDS * 30
JPEG = b"\xff\xd8\xff\xe0"


def sample(content: bytes) -> Sample:
    blocks = tuple(content[at : at + size] for at, size in places_of(len(content)))
    return Sample(len(content), blocks)


@pytest.mark.parametrize(
    ("path", "old", "new", "why"),
    [
        ("a.docx", packed(1), noise(4000), "it is no docx any more"),
        ("a.DOCX", packed(1), noise(40), "it is no docx any more"),
        ("a.pdf", b"%PDF-1.7 " + WORDS, noise(3000), "it is no pdf any more"),
        ("a.txt", WORDS, noise(300), "it is no txt any more"),
        ("a.txt", b"Call Anna\n", b"\x01\x8f\xc3\x00\xf0\x91\x02\xaa\xbb", "it is no txt any more"),
        ("a.csv", CYRILLIC, noise(20_000), "it is no csv any more"),
        ("a.md", LATIN, noise(900), "it is no md any more"),
        ("a.txt", WORDS * 50, noise(4096) + (WORDS * 50)[4096:], "it is no txt any more"),
        ("a.doc", OLE, OLE[:8] + noise(len(OLE) - 8), "it looks encrypted, and did not before"),
        ("plan", WORDS, noise(2000), "it looks encrypted, and did not before"),
        ("a.dat", bytes(9000), noise(9000), "it looks encrypted, and did not before"),
        ("a.xyz", WORDS * 60, noise(4096) + WORDS * 58, "it looks encrypted, and did not before"),
    ],
)
def test_what_a_program_has_encrypted_is_unlike_what_was_there(
    path: str, old: bytes, new: bytes, why: str
) -> None:
    assert why_unlike(path, sample(old), sample(new)) == why


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("a.docx", packed(1), packed(2)),
        ("a.jpg", JPEG + noise(5000), JPEG + noise(6000)),
        ("a.txt", WORDS, WORDS.replace(b"All", b"Few")),
        ("a.txt", WORDS, CYRILLIC),
        ("a.txt", CYRILLIC, LATIN),
        ("a.txt", WORDS, b""),
        ("a.txt", b"", WORDS),
        ("a.pdf", b"%PDF-1.4 " + WORDS, b"%PDF-1.7 " + noise(5000)),  # saved by another program
        ("a.doc", packed(1), packed(2)),  # a .docx by its content, as it was before
        ("a.gpg", noise(5000), noise(5000)),
        ("a.bin", noise(5000), noise(5000)),
        ("a.js", WORDS, b"var a=function(b){return b};" * 90),
        ("a.log", WORDS, "\ufeffUTF-16, all of it".encode("utf-16")),
    ],
)
def test_what_people_and_their_programs_save_is_like_what_was_there(
    path: str, old: bytes, new: bytes
) -> None:
    assert why_unlike(path, sample(old), sample(new)) is None


@pytest.mark.parametrize("size", [64, 100, 300, 1000, 5000, 100_000])
def test_words_are_never_taken_for_noise_and_noise_hardly_ever_for_words(size: int) -> None:
    words = (WORDS * 100)[:size]

    assert not is_doubtful("a.unknown", sample(words))
    assert [is_doubtful("a.unknown", sample(noise(size))) for _ in range(50)].count(False) <= 1
    assert not any(fits("a.txt", sample(noise(size))) for _ in range(50))


def test_a_character_cut_in_two_by_a_sample_makes_no_text_none() -> None:
    for shift in range(4):
        content = b"x" * shift + "€ and ü, 漢字. ".encode() * 9000

        assert fits("a.txt", sample(content)) is True


def test_an_ordinary_edit_leaves_no_doubt_so_that_nothing_is_fetched() -> None:
    for path, content in (("a.docx", packed(1)), ("a.txt", WORDS), ("a.jpg", JPEG + noise(900))):
        assert not is_doubtful(path, sample(content))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a.docx.locked", True),
        ("a.crypted", True),
        ("a.WNCRY", True),
        ("a.id-7f3a", True),
        ("a.docx", False),
        ("a.JPEG", False),
        ("a.log.1", False),
        ("a.2026-11-27", False),
        ("a.docx.bak", False),
        ("a.conflict-7692c3ad", False),
        ("a.conflict-of-ours", True),
        ("DSCF0001.RAF", False),
        ("contract.pdf.p7m", False),
        ("Makefile", False),
        (".profile", False),
        ("v1.2 of the plan", False),
    ],
)
def test_an_ending_is_strange_that_is_no_kind_of_file(name: str, *, is_one: bool) -> None:
    assert is_strange(f"folder/{name}") is is_one


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 1, 2**40])
def test_samples_lie_inside_the_content_and_are_few(size: int) -> None:
    places = [*places_of(size)]

    assert len(places) <= 3
    assert all(at >= 0 and at + length <= size for at, length in places)
    assert all(a[0] + a[1] <= b[0] for a, b in itertools.pairwise(places))


def test_what_is_only_packed_for_the_first_time_is_said_to_look_encrypted() -> None:
    """Of a kind that nobody knows they cannot be told apart: the limit is for that."""
    content = gzip.compress(CHANCE.randbytes(9000))

    assert why_unlike("a.unknown", sample(WORDS), sample(content)) is not None
