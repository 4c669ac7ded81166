"""LibreOffice as a converter: the real one, with documents that real programs have written."""

from __future__ import annotations

import pathlib
import random
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from by_programs import converted, staged, words_of
from docferry.convert.base import ConversionError, ConversionStoppedError, Limits
from docferry.convert.libreoffice import FORMATS, LibreOfficeConverter
from docferry.errors import UserError
from docferry.model import Failure
from processes import wait_for
from samples import make, real

pytestmark = pytest.mark.tools("soffice")

LATIN = f"{real.SENTENCE}\n{real.UMLAUTS}\n".encode("cp1252")
GARBAGE = random.Random(7).randbytes(3000)


def office(to: str = "pdf") -> LibreOfficeConverter:
    return LibreOfficeConverter("libreoffice", to)


# What becomes of documents.


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".docx", real.docx),
        (".xlsx", real.xlsx),
        (".pptx", real.pptx),
        (".html", real.html),
        (".odt", lambda: real.by_office(real.docx(), ".docx", "odt")),
        (".doc", lambda: real.by_office(real.docx(), ".docx", "doc")),
        (".rtf", lambda: real.by_office(real.docx(), ".docx", "rtf")),
        (".xls", lambda: real.by_office(real.xlsx(), ".xlsx", "xls")),
        (".ppt", lambda: real.by_office(real.pptx(), ".pptx", "ppt")),
        (".txt", lambda: LATIN),
        (".txt", lambda: LATIN.decode("cp1252").encode()),
        (".txt", lambda: LATIN.decode("cp1252").encode("utf-16")),
        (".csv", lambda: LATIN.replace(b"\n", b";1\n")),
    ],
)
def test_what_people_write_becomes_a_pdf_that_says_the_same(
    suffix: str, content: Callable[[], bytes], tmp_path: pathlib.Path
) -> None:
    result = converted(office(), staged(tmp_path, suffix, content()), tmp_path)

    assert result.path.read_bytes().startswith(b"%PDF-")
    assert real.UMLAUTS in words_of(result.path)


def test_a_workbook_becomes_all_its_sheets_with_what_was_calculated(
    tmp_path: pathlib.Path,
) -> None:
    result = converted(office(), staged(tmp_path, ".xlsx", real.xlsx()), tmp_path)

    words = words_of(result.path)
    assert "all 2402" in words
    assert real.UMLAUTS in words


@pytest.mark.parametrize("to", ["docx", "odt", "txt", "html"])
def test_a_text_becomes_another_kind_of_text(to: str, tmp_path: pathlib.Path) -> None:
    result = converted(office(to), staged(tmp_path, ".docx", real.docx()), tmp_path)

    words = words_of(result.path)
    assert real.UMLAUTS in words
    assert "Trelleborg" in words


def test_the_pictures_of_a_text_are_in_its_web_page(tmp_path: pathlib.Path) -> None:
    result = converted(office("html"), staged(tmp_path, ".docx", real.docx()), tmp_path)

    assert "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg" in result.path.read_text()
    assert result.note == ""


def test_a_sheet_becomes_another_kind_of_sheet(tmp_path: pathlib.Path) -> None:
    result = converted(office("xlsx"), staged(tmp_path, ".csv", b"port;1\n"), tmp_path)

    assert "xl/workbook.xml" in zipfile.ZipFile(result.path).namelist()


def test_a_hostile_name_plays_no_part(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"words", name="--headless $(id)\n';x.txt")

    assert "words" in words_of(converted(office(), document, tmp_path).path)


def test_a_document_is_converted_while_another_is(tmp_path: pathlib.Path) -> None:
    converter = office()

    def convert(number: int) -> str:
        folder = tmp_path / str(number)
        document = staged(folder, ".txt", f"number {number}".encode())
        return words_of(converted(converter, document, folder).path)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(convert, range(3))) == ["number 0", "number 1", "number 2"]


# What is not done for a document.


def test_a_document_does_not_bring_along_files_of_the_machine(tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(real.picture())
    page = f'<p>words <img src="{secret.as_uri()}"></p>'.encode()

    result = converted(office("html"), staged(tmp_path, ".html", page), tmp_path)

    assert "words" in result.path.read_text()
    assert "iVBORw0KGgoAAAANSUhEUg" not in result.path.read_text()


def test_each_document_has_an_office_that_knows_of_no_other(tmp_path: pathlib.Path) -> None:
    converter = office()

    for name in ("first", "second"):
        converted(converter, staged(tmp_path / name, ".txt", b"words"), tmp_path / name)

    profiles = [tmp_path / name / "work" / "profile" for name in ("first", "second")]
    for profile in profiles:
        settings = (profile / "user" / "registrymodifications.xcu").read_text()
        assert '"DisableMacrosExecution" oor:op="fuse"><value>true' in settings
    assert not [path for path in tmp_path.iterdir() if path.name not in ("first", "second")]


# What goes wrong.


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".docx", GARBAGE),
        (".docx", real.docx()[:9000]),
        (".doc", b"only words"),
        (".odt", b"only words"),
        (".xlsx", GARBAGE),
        (".pptx", GARBAGE),
    ],
)
def test_a_damaged_document_is_refused_and_not_taken_for_a_text(
    suffix: str, content: bytes, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConversionError, match="cannot convert report") as caught:
        converted(office(), staged(tmp_path, suffix, content), tmp_path)

    assert caught.value.failure in (Failure.REFUSED, Failure.EMPTY)


@pytest.mark.parametrize(
    ("suffix", "to"), [(".xlsx", "docx"), (".docx", "xlsx"), (".pptx", "txt"), (".bin", "pdf")]
)
def test_what_a_kind_cannot_become_is_refused_before_anything_is_started(
    suffix: str, to: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConversionError, match=f"cannot make {to} of {suffix[1:]}"):
        converted(office(to), staged(tmp_path, suffix, b"x"), tmp_path)

    assert not list((tmp_path / "work").iterdir())


def test_an_office_that_takes_too_long_is_ended(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".docx", real.docx())

    with pytest.raises(ConversionError, match=r"longer than 0\.3 s") as caught:
        converted(office(), document, tmp_path, limits=Limits(timeout_s=0.3))

    assert caught.value.failure is Failure.TIMEOUT


def test_stopping_ends_a_running_office(tmp_path: pathlib.Path) -> None:
    converter, document = office(), staged(tmp_path, ".docx", real.long_docx(40))

    with ThreadPoolExecutor() as pool:
        running = pool.submit(converted, converter, document, tmp_path)
        wait_for((tmp_path / "work" / "profile").exists)
        converter.stop()

        with pytest.raises(ConversionStoppedError):
            running.result(timeout=20)


def test_an_unknown_format_is_refused_at_the_start() -> None:
    with pytest.raises(UserError, match=f"{', '.join(FORMATS)} here, and not wav"):
        LibreOfficeConverter("libreoffice", "wav")


# Recipes and releases.


def test_the_recipe_depends_on_the_format() -> None:
    assert len({office(to).recipe() for to in FORMATS}) == len(FORMATS)
    assert office().recipe() == office().recipe()


def test_the_release_names_the_program() -> None:
    assert office().release().startswith("soffice ")
    assert office().release()[8].isdigit()


def test_samples_of_the_standard_library_become_pdf_too(tmp_path: pathlib.Path) -> None:
    result = converted(office(), staged(tmp_path, ".docx", make.docx()), tmp_path)

    assert make.SENTENCE in words_of(result.path)
