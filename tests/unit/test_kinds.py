"""What a document is, told by its content."""

from __future__ import annotations

import pathlib
import time

import pytest

from docferry.convert.kinds import Kind, tell_kind
from samples import hostile, make, message

_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = _OFFICE + "wordprocessingml.document"
XLSX = _OFFICE + "spreadsheetml.sheet"
PPTX = _OFFICE + "presentationml.presentation"
OPEN = "application/vnd.oasis.opendocument."


#: As they are told apart: by the streams at their top.
OLD_WORD = message.compound_file({"WordDocument": b"words", "ObjectPool": {"_1": {}}})
MAIL = message.msg(subject="Hello", sender=("Ada", "ada@example.org"), body="Dear Bob")


def told(folder: pathlib.Path, name: str, content: bytes) -> Kind:
    path = folder / "document"
    path.write_bytes(content)
    return tell_kind(path, name)


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.docx", make.docx(), DOCX),
        ("a.DOCX", make.docx(), DOCX),
        ("a.xlsx", make.xlsx(), XLSX),
        ("a.pptx", make.pptx(), PPTX),
        ("a.docm", make.docx(), "application/vnd.ms-word.document.macroEnabled.12"),
        ("a.odt", hostile.odt(), OPEN + "text"),
        ("a.odp", hostile.odp(), OPEN + "presentation"),
        ("a.pdf", make.pdf(), "application/pdf"),
        ("a.pdf", b"\n\n" + make.pdf(), "application/pdf"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(20), "image/png"),
        ("a.jpeg", b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        ("a.tif", b"II*\0" + bytes(20), "image/tiff"),
        ("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a.rtf", b"{\\rtf1 words}", "application/rtf"),
        ("a.docx", hostile.encrypted_docx(), DOCX),
        ("a.zip", hostile.nested_zips(2), "application/zip"),
        ("a.html", make.html(), "text/html"),
        ("a.htm", make.html(), "text/html"),
        ("a.eml", make.eml(), "message/rfc822"),
        ("a.msg", MAIL, "application/vnd.ms-outlook"),
        ("a.csv", make.csv(), "text/csv"),
        ("a.md", make.markdown(), "text/markdown"),
        ("a.json", b"{}", "application/json"),
        ("a.txt", "Grüße".encode("cp1252"), "text/plain"),
        ("a.txt", "Grüße".encode("utf-16"), "text/plain"),
        ("a.txt", make.html(), "text/plain"),
        ("a.svg", hostile.laughs_svg(), "image/svg+xml"),
    ],
)
def test_content_and_name_agree(
    name: str, content: bytes, media_type: str, tmp_path: pathlib.Path
) -> None:
    extension = pathlib.PurePosixPath(name).suffix.lower()

    assert told(tmp_path, name, content) == Kind(media_type, extension)


@pytest.mark.parametrize(
    ("name", "content", "extension", "mismatch"),
    [
        ("a.pdf", make.docx(), ".docx", "named .pdf, but it is a Word document (docx)"),
        ("a.docx", make.pdf(), ".pdf", "named .docx, but it is a PDF"),
        ("a.docx", make.xlsx(), ".xlsx", "named .docx, but it is an Excel workbook (xlsx)"),
        ("a.docx", hostile.nested_zips(1), ".zip", "named .docx, but it is a zip archive"),
        ("a.xls", make.html(), ".html", "named .xls, but it is HTML"),
        ("a.pdf", b"no PDF at all", ".txt", "named .pdf, but it is plain text"),
        ("a.jpg", b"\x89PNG\r\n\x1a\n", ".png", "named .jpg, but it is a picture (png)"),
        ("a.txt", make.pdf(), ".pdf", "named .txt, but it is a PDF"),
        ("a.odt", make.docx(), ".docx", "named .odt, but it is a Word document (docx)"),
        ("a.pdf", b"\x7fELF" + bytes(60), ".elf", "named .pdf, but it is a program"),
    ],
)
def test_a_name_that_lies_is_told(
    name: str, content: bytes, extension: str, mismatch: str, tmp_path: pathlib.Path
) -> None:
    kind = told(tmp_path, name, content)

    assert (kind.extension, kind.mismatch) == (extension, mismatch)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("noext", make.pdf(), Kind("application/pdf", ".pdf")),
        ("noext", b"words", Kind("text/plain", ".txt")),
        ("page", make.html(), Kind("text/html", ".html")),
        ("a.foo", b"words", Kind("text/plain", ".txt")),
        ("a.foo", b"\x00\x01", Kind("", ".foo")),
        ("a.pdf", hostile.noise(), Kind("", ".pdf")),
        ("a.pdf", b"", Kind("", ".pdf")),
        ("noext", b"", Kind("", "")),
    ],
)
def test_where_the_name_says_nothing_the_content_does(
    name: str, content: bytes, expected: Kind, tmp_path: pathlib.Path
) -> None:
    assert told(tmp_path, name, content) == expected


def test_a_mail_with_an_old_document_is_a_mail_and_the_other_way_round(
    tmp_path: pathlib.Path,
) -> None:
    mail = message.msg(
        subject="Report", sender=("Ada", "ada@example.org"), body="", attachment=("a.doc", OLD_WORD)
    )
    mail_inside = {"_1": {"__properties_version1.0": bytes(32)}}
    report = message.compound_file({"WordDocument": b"words", "ObjectPool": mail_inside})

    found = [told(tmp_path, name, one) for name, one in (("a.msg", mail), ("a.doc", report))]

    assert [kind.extension for kind in found] == [".msg", ".doc"]
    assert [kind.mismatch for kind in found] == [None, None]


@pytest.mark.parametrize("size", [100, 511, 513, 600, 1100])
def test_a_compound_file_that_is_cut_or_points_at_itself_is_no_crash(
    size: int, tmp_path: pathlib.Path
) -> None:
    looped = bytearray(OLD_WORD)
    begin = (int.from_bytes(looped[48:52], "little") + 1) * 512
    looped[begin + 76 : begin + 80] = looped[begin + 196 : begin + 200] = bytes(4)

    assert told(tmp_path, "a.doc", OLD_WORD[:size]).extension
    assert told(tmp_path, "a.doc", bytes(looped)).extension == ".doc"


@pytest.mark.parametrize("content", [make.docx(), make.xlsx(), make.pptx(), hostile.odt()])
@pytest.mark.parametrize("size", [0, 4, 29, 31, 60, 200, 400])
def test_a_document_that_is_cut_anywhere_is_no_crash(
    content: bytes, size: int, tmp_path: pathlib.Path
) -> None:
    kind = told(tmp_path, "a.docx", content[:size])

    assert kind.extension


@pytest.mark.parametrize("begin", [0xFFFFFFFF, 0x7FFFFFFF, 5])
def test_a_zip_whose_listing_lies_is_no_crash(begin: int, tmp_path: pathlib.Path) -> None:
    content = bytearray(make.docx())
    end = content.rfind(b"PK\x05\x06")
    content[end + 16 : end + 20] = begin.to_bytes(4, "little")
    content[end + 12 : end + 16] = b"\xff" * 4

    assert told(tmp_path, "a.docx", bytes(content)).extension in (".docx", ".zip")


@pytest.mark.parametrize("piece", [b"<!-- -->", b"<!>", b"<?x?>", b"<!doctype x [ ]"])
def test_what_might_be_a_page_keeps_nobody_waiting(piece: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(piece * 23 + b"x")
    begun_s = time.process_time()

    kind = tell_kind(path, "a")

    assert kind.extension == ".txt"
    assert time.process_time() - begun_s < 0.2  # it was 4 s, and twice as much with each more


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (b"<?xml version='1.0'?>\n<!-- a --> <!-- <html> -->\n<!DOCTYPE html><p>", ".html"),
        (b"<!-- a -->\n<!DOCTYPE svg [<!ENTITY a ']'> ]>\n<!-- b --><svg>", ".svg"),
        (b"<?xml version='1.0'?><!-- <html> --><a>", ".xml"),
        (b"<!-- never closed <html>", ".txt"),
    ],
)
def test_comments_are_passed_over(content: bytes, extension: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(content)

    assert tell_kind(path, "a").extension == extension


@pytest.mark.parametrize("name", ["a." + "y" * 250, "a.b\nc", "a.$(id)", "a.{output}", "a.-rf"])
def test_an_extension_that_is_no_word_is_none(name: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(b"\1\2nothing tells")

    assert tell_kind(path, name) == Kind("", "")
