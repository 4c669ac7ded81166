"""PDF by pandoc and typst: what documents say is on the pages, whatever is wrong with them."""

from __future__ import annotations

import base64
import pathlib
import random
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from by_programs import converted, staged, words_of
from docferry.convert import pandoc
from docferry.convert.base import ConversionError, ConversionStoppedError, Limits
from docferry.convert.pdf import PdfConverter
from docferry.errors import UserError
from docferry.model import Failure
from samples import make, real

GARBAGE = random.Random(7).randbytes(3000)
DATA = "data:image/png;base64," + base64.b64encode(real.picture()).decode()
DAMAGED = "data:image/png;base64," + base64.b64encode(real.picture()[:300]).decode()


def pictures_in(pdf: pathlib.Path) -> int:
    return len(re.findall(rb"/Subtype\s*/Image", pdf.read_bytes()))


# What becomes of documents.


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".docx", real.docx),
        (".pptx", real.pptx),
        (".html", real.html),
        (".epub", lambda: real.by_pandoc(pandoc.program().path(), real.docx(), ".docx", "epub")),
        (".odt", lambda: real.by_pandoc(pandoc.program().path(), real.docx(), ".docx", "odt")),
        (".md", lambda: f"# Title\n\n{real.UMLAUTS}".encode()),
        (".txt", real.UMLAUTS.encode),
        (".txt", lambda: real.UMLAUTS.encode("cp1252")),
        (".txt", lambda: real.UMLAUTS.encode("utf-16")),
        (".csv", lambda: f"{real.UMLAUTS};1\nx;2\n".encode()),
        (".csv", lambda: f"{real.UMLAUTS},1\nx,2\n".encode("cp1252")),
        (".tsv", lambda: f"{real.UMLAUTS}\t1\nx\t2\n".encode()),
    ],
)
def test_what_people_write_becomes_a_pdf_that_says_the_same(
    suffix: str, content: Callable[[], bytes], tmp_path: pathlib.Path
) -> None:
    result = converted(PdfConverter(), staged(tmp_path, suffix, content()), tmp_path)

    assert result.path.read_bytes().startswith(b"%PDF-")
    assert real.UMLAUTS in words_of(result.path)
    assert result.note in ("", "2 pictures are not shown")


def test_a_report_keeps_its_parts(tmp_path: pathlib.Path) -> None:
    result = converted(PdfConverter(), staged(tmp_path, ".docx", real.docx()), tmp_path)

    words = words_of(result.path)
    for part in ("Ferry report", "more lifeboats", "Trelleborg", "Unless there is fog."):
        assert part in words
    assert words.count("Ferry report") == 1  # the title and the first heading are the same
    assert pictures_in(result.path) == 1
    assert result.note == ""


def test_pages_are_a4(tmp_path: pathlib.Path) -> None:
    result = converted(PdfConverter(), staged(tmp_path, ".md", b"words"), tmp_path)

    assert re.search(rb"/MediaBox ?\[0 0 595\.\d+ 841\.\d+\]", result.path.read_bytes())


def test_the_same_document_becomes_the_same_bytes(tmp_path: pathlib.Path) -> None:
    content = real.docx()

    first, second = (
        converted(PdfConverter(), staged(tmp_path / name, ".docx", content), tmp_path / name)
        for name in ("1", "2")
    )

    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_text_is_set_as_it_is(tmp_path: pathlib.Path) -> None:
    text = '# no *heading*\n#let x = 1 $y$ \\ "quoted" `code`\n'

    result = converted(PdfConverter(), staged(tmp_path, ".txt", text.encode()), tmp_path)

    assert '# no *heading*' in words_of(result.path)
    assert '#let x = 1 $y$ \\ "quoted" `code`' in words_of(result.path)


def test_a_text_named_so_is_markdown(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"a *word*\n", name="readme.md")

    assert words_of(converted(PdfConverter(), document, tmp_path).path).startswith("a word")


def test_rows_of_different_lengths_are_all_there(tmp_path: pathlib.Path) -> None:
    table = b"one,two,three\n\"a,b\",c\nlast\n"

    result = converted(PdfConverter(), staged(tmp_path, ".csv", table), tmp_path)

    assert words_of(result.path).split()[:6] == ["one", "two", "three", "a,b", "c", "last"]


# What typst would stop at.


@pytest.mark.parametrize(
    "markup",
    [
        '<p>a <a href="#nowhere">word</a></p>',
        '<h1 id="x">a</h1><h2 id="x">word</h2><a href="#x">up</a>',
        '<p>a <a href="">word</a> <a href="javascript:x">b</a></p>',
        '<p>a <a href="https://x.example">word</a>.Dataset</p>',
        "<p>a <b>word</b>.more <code>x</code>.y <i>z</i>(1)</p>",
        f'<p>a word <a href="https://x.example/{"y" * 9000}">long</a></p>',
        "<p>a word #let $x @y &lt;z&gt; \\ // /* `</p>",
        "<table><tr><td rowspan=3>a</td><td colspan=9>word</td></tr></table>",
        '<p>a word</p><p><a id="q" href="#q">x</a><span id="q">y</span></p>',
    ],
)
def test_what_the_web_is_full_of_does_not_stop_it(markup: str, tmp_path: pathlib.Path) -> None:
    result = converted(PdfConverter(), staged(tmp_path, ".html", markup.encode()), tmp_path)

    assert {"a", "word"} <= set(re.findall(r"\w+", words_of(result.path)))
    assert result.note == ""


def test_a_formula_that_cannot_be_set_does_not_cost_the_text(tmp_path: pathlib.Path) -> None:
    # typst has the name, and wants what is not there.
    page = '<p>words <math><mrow><mi>#panic()</mi><mo>}</mo></mrow></math> after</p>'
    document = staged(tmp_path, ".html", page.encode())

    words = words_of(converted(PdfConverter(), document, tmp_path).path)

    assert "words" in words
    assert "after" in words


def test_pictures_within_a_page_are_shown(tmp_path: pathlib.Path) -> None:
    page = f'<p>words <img src="{DATA}"> <img src="{DATA}" width="4000"></p>'.encode()

    result = converted(PdfConverter(), staged(tmp_path, ".html", page), tmp_path)

    assert pictures_in(result.path) >= 1
    assert result.note == ""


def test_a_damaged_picture_costs_no_other_and_is_told(tmp_path: pathlib.Path) -> None:
    page = f'<p>words <img src="{DATA}"> <img src="{DAMAGED}"></p>'.encode()

    result = converted(PdfConverter(), staged(tmp_path, ".html", page), tmp_path)

    assert pictures_in(result.path) == 1
    assert "words" in words_of(result.path)
    assert result.note == "1 picture is not shown"


def test_a_document_does_not_bring_along_files_of_the_machine(tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(real.picture())
    page = (
        f'<p>words <img src="{secret}"> <img src="{secret.as_uri()}"> '
        f'<img src="../../secret.png"> <img src="http://127.0.0.1:1/x.png" alt="a ferry"></p>'
    ).encode()

    result = converted(PdfConverter(), staged(tmp_path, ".html", page), tmp_path)

    assert pictures_in(result.path) == 0
    assert "[a ferry]" in words_of(result.path)
    assert result.note == "4 pictures are not shown"


def test_a_documents_own_typst_is_not_carried_out(tmp_path: pathlib.Path) -> None:
    text = b"words `#panic()`{=typst}\n\n```{=typst}\n#panic()\n```\n"
    document = staged(tmp_path, ".ipynb", _notebook(text))

    result = converted(PdfConverter(), document, tmp_path)

    assert "words" in words_of(result.path)
    assert result.note == ""


def _notebook(text: bytes) -> bytes:
    cell = b'{"cell_type": "raw", "metadata": {"raw_mimetype": "text/x-typst"}, "source": ["%s"]}'
    plain = b'{"cell_type": "markdown", "metadata": {}, "source": ["%s"]}'
    source = text.replace(b"\n", b"\\n").replace(b'"', b'\\"')
    cells = b", ".join((plain % source, cell % b"#panic()"))
    return b'{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}' % cells


# What goes wrong.


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        (".docx", GARBAGE, "couldn't unpack docx container"),
        (".docx", make.docx()[:500], "couldn't unpack docx container"),
        (".odt", b"only words", "ended with"),
        (".xlsx", b"x", "does not read xlsx"),
        (".doc", b"x", "does not read doc"),
        ("", b"\0\1", "does not read documents of unknown kind"),
    ],
)
def test_what_it_cannot_read_is_refused(
    suffix: str, content: bytes, message: str, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, suffix, content, name="report")

    with pytest.raises(ConversionError, match=message) as caught:
        converted(PdfConverter(), document, tmp_path)

    assert caught.value.failure is Failure.REFUSED


def test_a_document_that_takes_too_long_is_given_up(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".md", b"*a* [b](c) `d`\n\n" * 50_000)

    with pytest.raises(ConversionError, match="longer than") as caught:
        converted(PdfConverter(), document, tmp_path, limits=Limits(timeout_s=1))

    assert caught.value.failure is Failure.TIMEOUT


def test_stopping_starts_no_more(tmp_path: pathlib.Path) -> None:
    converter = PdfConverter()
    converter.stop()

    with pytest.raises(ConversionStoppedError):
        converted(converter, staged(tmp_path, ".md", b"x"), tmp_path)


def test_several_documents_at_a_time_do_not_meet(tmp_path: pathlib.Path) -> None:
    converter = PdfConverter()

    def convert(number: int) -> str:
        folder = tmp_path / str(number)
        document = staged(folder, ".md", f"number {number}".encode())
        return words_of(converted(converter, document, folder).path)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(convert, range(6)))

    assert all(text.startswith(f"number {number}") for number, text in enumerate(results))


def test_the_release_names_both_programs() -> None:
    assert re.fullmatch(r"pandoc \d\S+, typst \d\S+", PdfConverter().release())


def test_a_pandoc_too_old_for_typst_is_refused_at_the_start(tmp_path: pathlib.Path) -> None:
    old = tmp_path / "pandoc"
    old.write_text("#!/bin/sh\necho pandoc 2.17.1.1\n")
    old.chmod(0o755)

    with pytest.raises(UserError, match=r"needs pandoc 3\.1\.2 or newer, not pandoc 2\.17"):
        PdfConverter(pandoc_program=pandoc.program(str(old)))
