"""Documents as people's programs write them, as Markdown: what is in them, in its order."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from io import BytesIO

import docx
import pytest

from converting import converted, staged
from docferry.convert import ConversionError, Limits
from docferry.convert.markdown import MarkdownConverter
from samples import hostile, make, office, real

LIMITS = Limits(timeout_s=60)

TABLE = "| port | crossings |\n| --- | --- |\n| Rostock | 1204 |\n| Trelleborg | 1198 |\n"
WIDE_TABLE = "| Rostock    | 1204      |\n| Trelleborg | 1198      |\n"
NESTED = "- Tickets\n  - for the crew\n  - for guests\n- Lifeboats\n- Tea\n"
FLAT = "- Tickets\n- for the crew\n- for guests\n- Lifeboats\n- Tea\n"
WORDS = "The ferry leaves at seven. Grüße aus Warnemünde, and a *word* in **bold**"


@pytest.fixture(scope="module")
def converter() -> Iterator[MarkdownConverter]:
    shared = MarkdownConverter(slots=1)
    yield shared
    shared.stop()


@pytest.fixture(scope="module")
def documents() -> dict[str, bytes]:
    return office.make_all() | {"report.msg": office.outlook_mail()}


@pytest.fixture
def markdown_of(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> Callable[[str, bytes], str]:
    return lambda name, content: converted(converter, staged(tmp_path, name, content), LIMITS)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("handbook.docx", (WORDS, "## What to take\n", NESTED, TABLE)),
        ("handbook.odt", (WORDS, "## What to take\n", NESTED, TABLE)),
        ("handbook.epub", (WORDS, "## What to take\n", NESTED, WIDE_TABLE)),
        ("handbook.html", (WORDS, "## What to take\n", NESTED, WIDE_TABLE)),
        ("handbook.pdf", (WORDS, "## What to take\n", FLAT, TABLE)),
        ("handbook.rtf", (WORDS, "## What to take\n", "- Tickets\n", TABLE)),
        ("crossings.xlsx", ("## Crossings\n", TABLE[:-1], "## Notes\n", real.UMLAUTS)),
        ("crossings.csv", (TABLE,)),
        ("harbour.pptx", ("## Harbour\n", real.UMLAUTS, "## Crossings\n", TABLE, "\n![")),
        ("report.eml", (real.UMLAUTS, "Dear Ada,\n", "report.docx")),
        (
            "report.msg",
            (real.UMLAUTS, "office@harbour", "ada@crossing", "2026-01-25", "Dear Ada,\n", "report"),
        ),
    ],
)
def test_what_is_in_a_document_is_in_its_markdown_and_in_its_order(
    name: str,
    parts: tuple[str, ...],
    documents: dict[str, bytes],
    markdown_of: Callable[[str, bytes], str],
) -> None:
    result = markdown_of(name, documents[name])

    found = [result.find(part) for part in parts]
    assert -1 not in found
    assert found == sorted(found)


@pytest.mark.tools("soffice")
@pytest.mark.parametrize(
    ("suffix", "parts"),
    [
        ("doc", ("# Ferry report\n", "## What to take\n", "- Tickets\n- more tickets\n", "fog.")),
        ("odt", ("# Ferry report\n", "## What to take\n", "- Tickets\n", TABLE, "fog.")),
        ("rtf", ("Ferry report", "What to take", "- Tickets\n", TABLE)),
        ("pdf", ("# Ferry report\n", "## What to take\n", "- Tickets\n- more tickets\n", TABLE)),
    ],
)
def test_what_office_saves_keeps_headings_lists_and_tables(
    suffix: str, parts: tuple[str, ...], markdown_of: Callable[[str, bytes], str]
) -> None:
    result = markdown_of(f"report.{suffix}", real.by_office(real.docx(), ".docx", suffix))

    found = [result.find(part) for part in parts]
    assert -1 not in found
    assert found == sorted(found)


@pytest.mark.tools("soffice")
def test_what_stands_on_each_page_is_kept(markdown_of: Callable[[str, bytes], str]) -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Harbour office"
    document.sections[0].footer.paragraphs[0].text = "Ferry report"
    for number in range(60):
        document.add_paragraph(f"Paragraph {number}. " + f"{real.SENTENCE} " * 9)
    file = BytesIO()
    document.save(file)

    result = markdown_of("a.pdf", real.by_office(file.getvalue(), ".docx", "pdf"))

    assert result.count("Harbour office") == result.count("Ferry report") > 2


@pytest.mark.tools("soffice")
def test_slides_of_open_document_say_each_thing_once(
    markdown_of: Callable[[str, bytes], str],
) -> None:
    slides = real.by_office(real.pptx(), ".pptx", "odp")

    result = markdown_of("harbour.odp", slides)

    assert result.startswith("## Harbour\n\n- The ferry leaves at seven.\n")
    assert TABLE in result
    assert result.count("Harbour") == 1
    assert "Master" not in result


def test_lists_in_lists_of_word_stay_in_them(markdown_of: Callable[[str, bytes], str]) -> None:
    document = docx.Document()
    for words, level in (("Tickets", 0), ("for the crew", 1), ("Tea", 0)):
        paragraph = document.add_paragraph(words, style="List Bullet")
        numbers = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        numbers.get_or_add_ilvl().val, numbers.get_or_add_numId().val = level, 1
    file = BytesIO()
    document.save(file)

    result = markdown_of("list.docx", file.getvalue())

    assert "- Tickets\n  - for the crew\n- Tea\n" in result.replace("1. ", "- ")


def test_a_footnote_has_one_number(markdown_of: Callable[[str, bytes], str]) -> None:
    result = markdown_of("report.docx", real.docx())

    assert f"{real.UMLAUTS}.[^1]\n" in result
    assert "[^1]:\n    Unless there is fog.\n" in result


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_text_stays_as_it_is(name: str, markdown_of: Callable[[str, bytes], str]) -> None:
    text = "---\ntitle: x\n---\n\n# a\n1.  two  blanks\n   <b>*raw*</b> | a_b\nnext line\n"

    assert markdown_of(name, text.replace("\n", "\r\n").encode()) == text


def test_all_of_a_page_is_kept_but_what_is_no_text(
    markdown_of: Callable[[str, bytes], str],
) -> None:
    page = (
        "<html><head><style>p {}</style></head><body><nav>menu</nav><header>head</header>"
        "<form>form</form><p>words</p><script>var x;</script><footer>foot</footer></body></html>"
    )

    assert markdown_of("a.html", page.encode()).split() == ["menu", "head", "form", "words", "foot"]


def test_the_html_of_a_mail_becomes_markdown(markdown_of: Callable[[str, bytes], str]) -> None:
    mail = EmailMessage()
    mail["Subject"] = real.UMLAUTS
    mail.set_content("plain")
    mail.add_alternative(f"<ul><li>{real.UMLAUTS}</li></ul>", "html", charset="iso-8859-1")

    result = markdown_of("a.eml", mail.as_bytes())

    assert f"**Subject**: {real.UMLAUTS}\n" in result
    assert f"- {real.UMLAUTS}\n" in result


def test_a_sheet_has_all_its_rows(markdown_of: Callable[[str, bytes], str]) -> None:
    rows = [("row", str(number), "x") for number in range(50_000)]

    result = markdown_of("large.xlsx", make.xlsx(rows))

    assert result.count("| row |") == len(rows)


def test_text_out_of_word_has_no_names_of_styles(tmp_path: pathlib.Path) -> None:
    converter = MarkdownConverter(to="text", slots=1)

    result = converted(converter, staged(tmp_path, "report.docx", real.docx()), LIMITS)
    converter.stop()

    assert "Ferry report\n" in result
    assert "style_name" not in result


@pytest.mark.tools("tesseract")
def test_a_line_of_a_scan_is_kept_whose_words_no_dictionary_has(
    markdown_of: Callable[[str, bytes], str],
) -> None:
    result = markdown_of("scan.pdf", real.scan())

    assert result.split("\n\n")[1:3] == [real.SENTENCE, real.UMLAUTS]


@pytest.mark.tools("pdfunite", "tesseract")
def test_of_a_pdf_with_scans_every_page_is_read(
    converter: MarkdownConverter, documents: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    paths = [tmp_path / name for name in ("text.pdf", "scan.pdf", "all.pdf")]
    paths[0].write_bytes(documents["handbook.pdf"])
    paths[1].write_bytes(real.scan())
    subprocess.run(["pdfunite", paths[0], paths[1], paths[0], paths[2]], check=True)
    document = staged(tmp_path, "all.pdf", paths[2].read_bytes())

    done = converter.convert(document, document.path.parent, limits=LIMITS)

    text = done.path.read_text()
    assert done.note.startswith("page 2 read by OCR")
    assert text.count(TABLE) == 2
    assert TABLE in text[: text.index("Fog over the Baltic")]


def test_a_protected_pdf_is_refused_with_that_reason(
    markdown_of: Callable[[str, bytes], str],
) -> None:
    with pytest.raises(ConversionError, match=r"a\.pdf: it is protected by a password"):
        markdown_of("a.pdf", hostile.encrypted_pdf())
