"""The Markdown converter, with the real library in real child processes."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from converting import converted, running, staged
from docferry.convert import ConversionError, ConversionStoppedError, Document, Limits
from docferry.convert.markdown import MarkdownConverter
from docferry.errors import UserError
from docferry.job import Failure
from processes import is_gone, wait_for
from samples import hostile, make

LIMITS = Limits(timeout_s=60)


@pytest.fixture
def new() -> Iterator[Callable[..., MarkdownConverter]]:
    made: list[MarkdownConverter] = []

    def make_one(**options: object) -> MarkdownConverter:
        made.append(MarkdownConverter(**options))  # type: ignore[arg-type]
        return made[-1]

    yield make_one
    for converter in made:
        converter.stop()


@pytest.fixture(scope="module")
def converter() -> Iterator[MarkdownConverter]:
    shared = MarkdownConverter()
    yield shared
    shared.stop()


def large_sheet(folder: pathlib.Path) -> Document:
    """A sheet that takes half a second and 100 MiB to convert."""
    rows = [("row", str(number), "x") for number in range(60_000)]
    return staged(folder, "large.xlsx", make.xlsx(rows))


# Documents.


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("timetable.docx", "# Timetable"),
        ("crossings.xlsx", "| Rostock | 1204 | 7 |"),
        ("harbour.pptx", "Harbour"),
        ("notice.html", "# Notice"),
        ("ticket.pdf", "Ticket"),
        ("booking.eml", "**Subject**: Your booking"),
        ("crossings.csv", "| Rostock | 1204 | 7 |"),
        ("readme.md", "- Grüße aus Rostock"),
        ("log book.txt", "Log book"),
    ],
)
def test_each_sample_becomes_markdown(
    name: str, line: str, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    make.make_all(tmp_path / "made")
    document = staged(tmp_path, name, (tmp_path / "made" / name).read_bytes())

    result = converted(converter, document, LIMITS)

    assert make.SENTENCE in result
    assert line in result
    assert result.endswith("\n")


def test_the_samples_are_the_same_bytes_every_time(tmp_path: pathlib.Path) -> None:
    first, second = make.make_all(tmp_path / "1"), make.make_all(tmp_path / "2")

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_text_is_made_where_text_is_asked_for(
    new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    converter = new(name="plain", to="text")
    document = staged(tmp_path, "a.docx", make.docx())

    result = converted(converter, document, LIMITS)

    assert (converter.name, converter.produces) == ("plain", ".txt")
    assert result.startswith("Timetable\n")
    assert "|" not in result


@pytest.mark.parametrize("name", ["ü ñ 日本.txt", "-x.txt", "a'b\"c;$(x).txt", "line\nbreak.txt"])
def test_a_name_may_be_anything(
    name: str, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, name, b"words")

    assert converted(converter, document, LIMITS) == "words\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_is_read_in_the_encoding_it_has(
    encoding: str, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "a.txt", "Grüße aus Köln".encode(encoding))

    result = converted(converter, document, LIMITS)

    assert result.removeprefix("\ufeff") == "Grüße aus Köln\n"


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", ""), ("cp1252", ""), ("cp1252", "ISO-8859-1"), ("cp1251", "")]
)
def test_a_page_is_read_in_the_encoding_it_has_or_names(
    encoding: str, said: str, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    words = "Привет" if encoding == "cp1251" else "Grüße"
    page = f'<html><meta charset="{said or encoding}"><body><p>{words}</p></body></html>'
    document = staged(tmp_path, "a.html", page.encode(encoding))

    assert converted(converter, document, LIMITS) == f"{words}\n"


def test_what_a_page_says_of_itself_comes_before_it(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "a.html", make.html())

    result = converted(converter, document, LIMITS)

    assert result.startswith('---\ntitle: "Notice"\nlang: "en"\n---\n\n# Notice\n')


def test_slides_of_open_document_are_read(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "a.odp", hostile.odp())

    result = converted(converter, document, LIMITS)

    assert result == f"## Hafen\n\n- {make.SENTENCE}\n  - Überfahrt\n"


def test_the_first_line_of_a_page_is_no_running_header(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    at_the_top = make.pdf().replace(b"72 720 Td", b"72 822 Td")
    document = staged(tmp_path, "a.pdf", at_the_top)

    assert "Ticket" in converted(converter, document, LIMITS)


@pytest.mark.parametrize("content", [b"", b" \r\n\n"])
def test_nothing_becomes_nothing(
    content: bytes, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "a.txt", content)

    assert converted(converter, document, LIMITS) == ""


def test_a_document_without_text_is_a_failure_not_an_empty_result(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    blank = make.pdf().replace(b"(Ticket)", b"()").replace(f"({make.SENTENCE})".encode(), b"()")
    document = staged(tmp_path, "scan.pdf", blank)

    with pytest.raises(ConversionError, match=r"scan\.pdf: no text was found.*OCR") as caught:
        converted(converter, document, LIMITS)

    assert caught.value.failure is Failure.EMPTY


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.docx", make.docx()[:500], "DOCX parsing failed"),
        ("a.pdf", b"no PDF at all", "Invalid cross-reference table"),
        ("a.foo", b"\x00\x01", "Unknown extension"),
        ("noext", b"words", "Could not determine MIME type"),
        ("a.docx", hostile.encrypted_docx(), "protected by a password"),
    ],
)
def test_a_document_that_cannot_be_read_fails_with_the_librarys_reason(
    name: str, content: bytes, reason: str, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, name, content, media_type="")

    with pytest.raises(ConversionError, match=f"cannot convert {name}: .*{reason}") as caught:
        converted(converter, document, LIMITS)

    assert caught.value.failure is Failure.REFUSED


# OCR.


def scan(folder: pathlib.Path, device: str, *, name: str) -> Document:
    """A picture of a text, drawn by Ghostscript."""
    source = folder / "source.pdf"
    source.write_bytes(make.pdf())
    command = ["gs", "-q", "-dBATCH", "-dNOPAUSE", f"-sDEVICE={device}", "-r150"]
    subprocess.run([*command, f"-sOutputFile={folder / name}", str(source)], check=True)
    return staged(folder, name, (folder / name).read_bytes())


@pytest.mark.tools("gs", "tesseract")
@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("png16m", "scan.png"),
        ("jpeg", "scan.jpg"),
        ("tiff24nc", "scan.tiff"),
        ("pdfimage24", "scan.pdf"),
    ],
)
def test_a_picture_of_a_text_is_read(
    device: str, name: str, new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    document = scan(tmp_path, device, name=name)
    folder = tmp_path / "out"
    folder.mkdir()

    result = new(languages=["eng"]).convert(document, folder, limits=LIMITS)

    assert make.SENTENCE in result.path.read_text()
    assert "OCR (eng)" in result.note


@pytest.mark.tools("gs", "tesseract")
def test_without_languages_no_picture_is_read(
    new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    document = scan(tmp_path, "pdfimage24", name="scan.pdf")

    with pytest.raises(ConversionError, match="a scan needs OCR first"):
        converted(new(languages=()), document, LIMITS)


@pytest.mark.tools("tesseract")
def test_languages_belong_to_the_recipe(new: Callable[..., MarkdownConverter]) -> None:
    recipes = {new(languages=names).recipe() for names in ((), ("eng",))}

    assert len(recipes) == 2


def test_a_language_that_is_not_installed_is_named() -> None:
    with pytest.raises(UserError, match="no OCR data for tlh"):
        MarkdownConverter(languages=["tlh"])


# Limits.


def test_a_conversion_that_takes_too_long_is_ended(
    new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    before = running()

    with pytest.raises(ConversionError, match=r"longer than 0\.05 s") as caught:
        converted(new(), large_sheet(tmp_path), Limits(timeout_s=0.05))

    assert caught.value.failure is Failure.TIMEOUT
    assert running() <= before


def test_a_conversion_that_needs_too_much_memory_is_ended(
    new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    limits = Limits(timeout_s=60, memory_mib=60)

    with pytest.raises(ConversionError, match="more than 60 MiB of memory") as caught:
        converted(new(), large_sheet(tmp_path), limits)

    assert caught.value.failure is Failure.MEMORY


def test_a_result_that_is_too_large_is_refused(
    new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "a.txt", b"word " * 300_000)

    with pytest.raises(ConversionError, match="larger than 1 MiB") as caught:
        converted(new(), document, Limits(timeout_s=60, output_mib=1))

    assert caught.value.failure is Failure.TOO_LARGE


def test_stopping_ends_a_running_conversion_and_starts_no_more(
    new: Callable[..., MarkdownConverter], tmp_path: pathlib.Path
) -> None:
    before = running()
    converter, document = new(), large_sheet(tmp_path)

    with ThreadPoolExecutor() as pool:
        ending = pool.submit(converted, converter, document, LIMITS)
        wait_for(lambda: bool(running() - before))
        converter.stop()

        with pytest.raises(ConversionStoppedError):
            ending.result(timeout=20)
    with pytest.raises(ConversionStoppedError):
        converted(converter, staged(tmp_path, "a.txt", b"words"), LIMITS)
    assert running() <= before


def test_nothing_is_left_in_the_folders_but_document_and_result(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "a.docx", make.docx())

    converted(converter, document, LIMITS)

    left = sorted(path.name for path in document.path.parent.rglob("*"))
    assert left == ["document.docx", "out", "result.md"]


# Recipes and names.

RECIPE = (
    "from docferry.convert.markdown import MarkdownConverter; print(MarkdownConverter().recipe())"
)


def test_a_recipe_stays_the_same_between_processes(converter: MarkdownConverter) -> None:
    finished = subprocess.run([sys.executable, "-c", RECIPE], capture_output=True, check=True)

    assert finished.stdout.decode().strip() == converter.recipe()
    assert len(converter.recipe()) == 64


def test_the_release_is_that_of_the_library(converter: MarkdownConverter) -> None:
    assert converter.release().startswith("xberg 1.3.")


def test_without_the_library_the_remedy_is_named() -> None:
    # A Python that sees docferry but no installed package: what `pip install docferry`
    # without the extra gives.
    code = (
        "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        "from docferry.convert.markdown import MarkdownConverter\n"
        "try: MarkdownConverter()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert finished.stdout.decode().strip() == (
        "UserError the Markdown converter needs xberg; "
        "install it with: pip install 'docferry[markdown]'"
    )


def test_a_child_does_not_outlive_the_daemon(tmp_path: pathlib.Path) -> None:
    before, document = running(), staged(tmp_path, "a.txt", b"words")
    code = (
        "import pathlib, signal, sys\n"
        "from docferry.convert import Document, Limits\n"
        "from docferry.convert.markdown import MarkdownConverter\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "document = Document(path, 'a.txt', 'text/plain', 5)\n"
        "MarkdownConverter().convert(document, path.parent, limits=Limits())\n"
        "print('converted', flush=True)\n"
        "signal.pause()"
    )
    daemon = subprocess.Popen(
        [sys.executable, "-c", code, str(document.path)], stdout=subprocess.PIPE
    )
    assert daemon.stdout is not None
    daemon.stdout.readline()
    children = running() - before - {daemon.pid}

    daemon.kill()
    daemon.wait(20)
    daemon.stdout.close()

    assert children
    wait_for(lambda: all(is_gone(child) for child in children))
