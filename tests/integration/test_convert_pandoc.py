"""Pandoc as a converter: the real one, and what it is kept from."""

from __future__ import annotations

import pathlib
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from by_programs import converted, picture_of_the_machine, staged, words_of
from docferry.convert.base import ConversionError, ConversionStoppedError, Limits
from docferry.convert.pandoc import FORMATS, PandocConverter, program
from docferry.errors import UserError
from docferry.job import Failure
from samples import real

GARBAGE = random.Random(7).randbytes(3000)


@pytest.mark.parametrize("to", FORMATS)
def test_a_report_becomes_each_format(to: str, tmp_path: pathlib.Path) -> None:
    converter = PandocConverter("pandoc", to)

    result = converted(converter, staged(tmp_path, ".docx", real.docx()), tmp_path)

    words = words_of(result.path)
    assert real.UMLAUTS in words
    assert "Trelleborg" in words


def test_the_structure_of_a_report_is_kept(tmp_path: pathlib.Path) -> None:
    converter = PandocConverter("pandoc", "md")

    result = converted(converter, staged(tmp_path, ".docx", real.docx()), tmp_path)

    lines = result.path.read_text().splitlines()
    assert "# Ferry report" in lines
    assert "- Tickets" in lines
    assert "| Rostock    | 1204      |" in lines
    assert "[^1]: Unless there is fog." in lines


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".html", real.html()),
        (".pptx", real.pptx()),
        (".csv", b"Gr\xfc\xdfe aus Warnem\xfcnde,1\n"),
        (".md", real.UMLAUTS.encode()),
        (".txt", real.UMLAUTS.encode()),
        (".epub", real.by_pandoc(program().path(), real.docx(), ".docx", "epub")),
    ],
)
def test_each_kind_that_it_reads_becomes_markdown(
    suffix: str, content: bytes, tmp_path: pathlib.Path
) -> None:
    converter = PandocConverter("pandoc", "md")

    result = converted(converter, staged(tmp_path, suffix, content), tmp_path)

    assert real.UMLAUTS in words_of(result.path)


def test_which_sort_of_text_a_text_is_its_name_tells(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"Title\n=====\n\n* `words`\n", name="readme.rst")

    result = converted(PandocConverter("pandoc", "html"), document, tmp_path)

    assert 'class="title-ref">words<' in result.path.read_text()


def test_options_are_passed_on(tmp_path: pathlib.Path) -> None:
    converter = PandocConverter("pandoc", "md", ["--shift-heading-level-by=1"])

    result = converted(converter, staged(tmp_path, ".md", b"# Title\n"), tmp_path)

    assert result.path.read_text() == "## Title\n"


def test_a_document_does_not_bring_along_files_of_the_machine(tmp_path: pathlib.Path) -> None:
    page = f'<p>words <img src="{picture_of_the_machine()}"></p>'.encode()

    result = converted(PandocConverter("pandoc", "html"), staged(tmp_path, ".html", page), tmp_path)

    assert "words" in result.path.read_text()
    assert "base64" not in result.path.read_text()


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        (".docx", GARBAGE, "couldn't unpack docx container"),
        (".docx", real.docx()[:9000], "couldn't unpack docx container"),
        (".odt", b"only words", "ended with"),
        (".pdf", b"%PDF-1.4", "pandoc does not read pdf"),
        (".xlsx", b"x", "pandoc does not read xlsx"),
        ("", b"\0\1", "pandoc does not read documents of unknown kind"),
    ],
)
def test_what_it_cannot_read_is_refused(
    suffix: str, content: bytes, message: str, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, suffix, content, name="report")

    with pytest.raises(ConversionError, match=message) as caught:
        converted(PandocConverter("pandoc", "md"), document, tmp_path)

    assert caught.value.failure is Failure.REFUSED


def test_a_document_that_needs_too_much_memory_is_given_up(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".md", b"*a* [b](c) `d`\n\n" * 100_000)

    with pytest.raises(ConversionError, match=r"\(memory\)") as caught:
        converted(
            PandocConverter("pandoc", "html"), document, tmp_path, limits=Limits(memory_mib=128)
        )

    assert caught.value.failure is Failure.MEMORY


def test_a_document_that_takes_too_long_is_given_up(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".md", b"*a* [b](c) `d`\n\n" * 100_000)

    with pytest.raises(ConversionError, match=r"longer than 0\.3 s") as caught:
        converted(
            PandocConverter("pandoc", "html"), document, tmp_path, limits=Limits(timeout_s=0.3)
        )

    assert caught.value.failure is Failure.TIMEOUT


def test_a_wrong_option_is_no_failure_of_the_document(tmp_path: pathlib.Path) -> None:
    converter = PandocConverter("pandoc", "md", ["--no-such-option"])

    with pytest.raises(UserError, match="pandoc refuses its options: Unknown option"):
        converted(converter, staged(tmp_path, ".md", b"x"), tmp_path)


def test_stopping_starts_no_more(tmp_path: pathlib.Path) -> None:
    converter = PandocConverter("pandoc", "md")
    converter.stop()

    with pytest.raises(ConversionStoppedError):
        converted(converter, staged(tmp_path, ".md", b"x"), tmp_path)


def test_an_unknown_format_is_refused_at_the_start() -> None:
    with pytest.raises(UserError, match="and not pdf"):
        PandocConverter("pandoc", "pdf")


def test_the_recipe_depends_on_format_and_options() -> None:
    recipes = {PandocConverter("pandoc", to).recipe() for to in FORMATS}
    recipes.add(PandocConverter("pandoc", "md", ["--toc"]).recipe())

    assert len(recipes) == len(FORMATS) + 1


def test_several_documents_at_a_time_do_not_meet(tmp_path: pathlib.Path) -> None:
    converter = PandocConverter("pandoc", "docx")

    def convert(number: int) -> str:
        folder = tmp_path / str(number)
        document = staged(folder, ".md", f"number {number}".encode())
        result = converted(converter, document, folder)
        return zipfile.ZipFile(result.path).read("word/document.xml").decode()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(convert, range(8)))

    assert all(f"number {number}<" in text for number, text in enumerate(results))
