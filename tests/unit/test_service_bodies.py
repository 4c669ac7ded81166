"""Bodies that are read while they are sent: what a server would find in them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from werkzeug.formparser import parse_form_data

from docferry.convert.service_bodies import FileBody, FormBody
from docferry.errors import TemporaryError


def parsed(body: FormBody) -> tuple[list[tuple[str, str]], list[tuple[str, str | None, bytes]]]:
    said = b"".join(body)
    _, fields, files = parse_form_data(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": body.content_type,
            "CONTENT_LENGTH": str(len(said)),
            "wsgi.input": io.BytesIO(said),
        }
    )
    found = []
    for name, file in files.items(multi=True):
        found.append((name, file.filename, file.read()))
        file.close()
    return list(fields.items(multi=True)), found


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 1_000_000])
def test_a_body_is_as_long_as_it_says(tmp_path: Path, size: int) -> None:
    (path := tmp_path / "document.docx").write_bytes(b"x" * size)

    for body in (FileBody(path, ""), FormBody(path, "", part="file", fields=[("a", "ü")])):
        assert len(b"".join(body)) == len(body)
        assert body.is_sent


def test_a_form_holds_its_fields_and_the_document(tmp_path: Path) -> None:
    content = b"--\r\n\r\n--\xff\x00"
    (path := tmp_path / "document.docx").write_bytes(content)
    fields = [("lang", "deu"), ("lang", "eng"), ("größe", "12\r\n--x--")]

    found_fields, found_files = parsed(FormBody(path, "text/plain", part="files", fields=fields))

    assert found_fields == fields
    assert found_files == [("files", "document.docx", content)]


def test_a_name_cannot_end_its_line_or_its_quotes(tmp_path: Path) -> None:
    (path := tmp_path / 'a"; x="\r\nX-Evil: 1\udcff').write_bytes(b"content")

    fields, files = parsed(FormBody(path, "", part='p"\r\n', fields=[('f"\n', "v")]))

    assert [value for _, value in fields] == ["v"]
    assert [content for _, _, content in files] == [b"content"]


def test_a_body_knows_what_of_it_was_sent(tmp_path: Path) -> None:
    (path := tmp_path / "document").write_bytes(b"x" * 600_000)
    body = FormBody(path, "", part="file")
    parts = iter(body)

    assert body.sent == 0
    next(parts)
    assert 0 < body.sent < len(body)
    assert not body.is_sent


def test_a_document_that_shrinks_is_not_sent_as_if_it_were_whole(tmp_path: Path) -> None:
    (path := tmp_path / "document").write_bytes(b"x" * 600_000)
    body = FileBody(path, "")
    path.write_bytes(b"x" * 300_000)

    with pytest.raises(TemporaryError, match="shorter"):
        list(body)


def test_a_document_that_cannot_be_read_is_no_trouble_of_the_service(tmp_path: Path) -> None:
    (path := tmp_path / "document").write_bytes(b"x")
    body = FileBody(path, "")
    path.unlink()

    with pytest.raises(TemporaryError, match="cannot read"):
        list(body)
