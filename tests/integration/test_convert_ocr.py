"""OCRmyPDF as a converter: scans that a program has drawn, read by the real Tesseract."""

from __future__ import annotations

import importlib
import io
import pathlib
import re
import zlib

import pytest

from by_programs import converted, staged, words_of
from docferry.convert.base import ConversionError, ConversionStoppedError, Limits
from docferry.convert.ocr import OcrConverter
from docferry.errors import UserError
from docferry.job import Failure
from samples import hostile, make, real

pytestmark = pytest.mark.tools("ocrmypdf", "tesseract")


def reader(*options: str) -> OcrConverter:
    return OcrConverter("ocrmypdf", ("eng", "deu"), options)


def width_of(pdf: bytes) -> float:
    """Give the width of its page in points."""
    packed = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    objects = [zlib.decompressobj().decompress(part) for part in packed if part[:1] == b"\x78"]
    box = re.search(rb"/MediaBox ?\[ ?[\d.]+ [\d.]+ ([\d.]+)", b"".join([pdf, *objects]))
    assert box is not None
    return float(box.group(1))


def test_a_scan_is_read_and_looks_as_before(tmp_path: pathlib.Path) -> None:
    result = converted(reader(), staged(tmp_path, ".pdf", real.scan()), tmp_path)

    assert words_of(tmp_path / "document" / "document.pdf") == ""
    assert real.SENTENCE in words_of(result.path)
    assert real.UMLAUTS in words_of(result.path)
    assert width_of(result.path.read_bytes()) == pytest.approx(width_of(real.scan()), abs=1)


def test_a_picture_that_does_not_say_its_size_is_read(tmp_path: pathlib.Path) -> None:
    result = converted(reader(), staged(tmp_path, ".png", real.scanned_picture()), tmp_path)

    assert real.SENTENCE in words_of(result.path)


def test_a_picture_that_says_its_size_has_it_afterwards(tmp_path: pathlib.Path) -> None:
    picture = importlib.import_module("PIL.Image").open(io.BytesIO(real.scanned_picture()))
    file = io.BytesIO()
    picture.save(file, "PNG", dpi=(150, 150))

    result = converted(reader(), staged(tmp_path, ".png", file.getvalue()), tmp_path)

    assert width_of(result.path.read_bytes()) == pytest.approx(595, abs=2)  # A4


def test_a_document_with_text_keeps_it(tmp_path: pathlib.Path) -> None:
    result = converted(reader(), staged(tmp_path, ".pdf", make.pdf()), tmp_path)

    assert words_of(result.path).count(make.SENTENCE) == 1


@pytest.mark.parametrize(
    ("suffix", "content"),
    [(".pdf", b"no PDF at all"), (".pdf", b""), (".png", real.scanned_picture()[:2000])],
)
def test_what_cannot_be_read_is_refused(
    suffix: str, content: bytes, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConversionError, match="cannot convert report") as caught:
        converted(reader(), staged(tmp_path, suffix, content), tmp_path)

    assert caught.value.failure is Failure.REFUSED
    assert str(tmp_path) not in str(caught.value)


def test_a_protected_pdf_is_refused_with_that_reason_said_once(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConversionError) as caught:
        converted(reader(), staged(tmp_path, ".pdf", hostile.encrypted_pdf()), tmp_path)

    assert str(caught.value) == "cannot convert report.pdf: it is protected by a password"
    assert "encrypted" in caught.value.output


def test_a_language_that_is_not_installed_is_no_failure_of_the_document(
    tmp_path: pathlib.Path,
) -> None:
    converter = OcrConverter("ocrmypdf", ("xyz",))

    with pytest.raises(UserError, match=r"language data.*xyz.*apt-get install"):
        converted(converter, staged(tmp_path, ".pdf", real.scan()), tmp_path)


def test_a_wrong_option_is_no_failure_of_the_document(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="no-such-option"):
        converted(reader("--no-such-option"), staged(tmp_path, ".pdf", real.scan()), tmp_path)


def test_a_scan_that_takes_too_long_is_given_up(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".pdf", real.scan())

    with pytest.raises(ConversionError, match=r"longer than 0\.2 s") as caught:
        converted(reader(), document, tmp_path, limits=Limits(timeout_s=0.2))

    assert caught.value.failure is Failure.TIMEOUT


def test_stopping_starts_no_more(tmp_path: pathlib.Path) -> None:
    converter = reader()
    converter.stop()

    with pytest.raises(ConversionStoppedError):
        converted(converter, staged(tmp_path, ".pdf", real.scan()), tmp_path)


def test_the_recipe_depends_on_languages_and_options() -> None:
    assert len({reader().recipe(), OcrConverter().recipe(), reader("--rotate-pages").recipe()}) == 3


def test_the_release_names_both_programs() -> None:
    assert re.fullmatch(r"ocrmypdf \d\S+, tesseract \d\S+", reader().release())
