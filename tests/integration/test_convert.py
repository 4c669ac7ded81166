"""The Markdown converter, with the real library in real child processes."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from docferry.convert import (
    ConversionError,
    ConversionStoppedError,
    Limits,
    converter_named,
)
from docferry.convert.markdown import MarkdownConverter
from docferry.convert.process import Children
from docferry.errors import TemporaryError, UserError
from processes import children_of, converting, is_gone, wait_for
from samples import make

LIMITS = Limits(timeout_s=60)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def staged(folder: pathlib.Path, name: str, content: bytes) -> pathlib.Path:
    path = folder / name
    path.write_bytes(content)
    return path


def large_sheet(folder: pathlib.Path) -> pathlib.Path:
    """A sheet that takes half a second and 100 MiB to convert."""
    rows = [("row", str(number), "x") for number in range(60_000)]
    return staged(folder, "large.xlsx", make.xlsx(rows))


# Documents.


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("timetable.docx", "## Timetable"),
        ("crossings.xlsx", "| Rostock | 1204 | 7 |"),
        ("harbour.pptx", "Harbour"),
        ("notice.html", "# Notice"),
        ("ticket.pdf", "# Ticket"),
        ("booking.eml", "**Subject**: Your booking"),
        ("crossings.csv", "| Rostock | 1204 | 7 |"),
        ("readme.md", "- Grüße aus Rostock"),
        ("log book.txt", "Log book"),
    ],
)
def test_each_sample_becomes_markdown(name: str, line: str, tmp_path: pathlib.Path) -> None:
    make.make_all(tmp_path)

    result = MarkdownConverter().convert(tmp_path / name, limits=LIMITS).decode()

    assert make.SENTENCE in result
    assert line in result
    assert result.endswith("\n")


def test_the_samples_are_the_same_bytes_every_time(tmp_path: pathlib.Path) -> None:
    first, second = make.make_all(tmp_path / "1"), make.make_all(tmp_path / "2")

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("name", ["ü ñ 日本.txt", "-x.txt", "a'b\"c;$(x).txt", "line\nbreak.txt"])
def test_a_name_may_be_anything(name: str, tmp_path: pathlib.Path) -> None:
    source = staged(tmp_path, name, b"words")

    assert MarkdownConverter().convert(source, limits=LIMITS) == b"words\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_is_read_in_the_encoding_it_has(encoding: str, tmp_path: pathlib.Path) -> None:
    source = staged(tmp_path, "a.txt", "Grüße aus Köln".encode(encoding))

    result = MarkdownConverter().convert(source, limits=LIMITS).decode("utf-8-sig")

    assert result == "Grüße aus Köln\n"


@pytest.mark.parametrize("content", [b"", b" \r\n\n"])
def test_nothing_becomes_nothing(content: bytes, tmp_path: pathlib.Path) -> None:
    source = staged(tmp_path, "a.txt", content)

    assert MarkdownConverter().convert(source, limits=LIMITS) == b""


def test_a_document_without_text_is_a_failure_not_an_empty_result(tmp_path: pathlib.Path) -> None:
    scan = make.pdf().replace(b"(Ticket)", b"()").replace(f"({make.SENTENCE})".encode(), b"()")
    source = staged(tmp_path, "scan.pdf", scan)

    with pytest.raises(ConversionError, match=r"scan\.pdf: no text was found.*OCR"):
        MarkdownConverter().convert(source, limits=LIMITS)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.docx", make.docx()[:500], "DOCX parsing failed"),
        ("a.pdf", b"no PDF at all", "Invalid PDF"),
        ("a.foo", b"\x00\x01", "Unknown extension"),
        ("noext", b"words", "Could not determine MIME type"),
    ],
)
def test_a_document_that_cannot_be_read_fails_with_the_librarys_reason(
    name: str, content: bytes, reason: str, tmp_path: pathlib.Path
) -> None:
    source = staged(tmp_path, name, content)

    with pytest.raises(ConversionError, match=f"cannot convert {name}: .*{reason}"):
        MarkdownConverter().convert(source, limits=LIMITS)


# Limits.


def test_a_conversion_that_takes_too_long_is_ended(tmp_path: pathlib.Path) -> None:
    source = large_sheet(tmp_path)

    with pytest.raises(ConversionError, match=r"longer than 0\.05 s"):
        MarkdownConverter().convert(source, limits=Limits(timeout_s=0.05))

    assert converting() == []


def test_a_conversion_that_needs_too_much_memory_is_ended(tmp_path: pathlib.Path) -> None:
    source = large_sheet(tmp_path)

    with pytest.raises(ConversionError, match="more than 40 MiB of memory"):
        MarkdownConverter().convert(source, limits=Limits(timeout_s=60, memory_mib=40))


def test_a_result_that_is_too_large_is_refused(tmp_path: pathlib.Path) -> None:
    source = staged(tmp_path, "a.txt", b"word " * 300_000)

    with pytest.raises(ConversionError, match="larger than 1 MiB"):
        MarkdownConverter().convert(source, limits=Limits(timeout_s=60, output_mib=1))


def test_stopping_ends_a_running_conversion_and_starts_no_more(tmp_path: pathlib.Path) -> None:
    converter, source = MarkdownConverter(), large_sheet(tmp_path)

    with ThreadPoolExecutor() as pool:
        running = pool.submit(converter.convert, source, limits=LIMITS)
        wait_for(lambda: bool(converting()))
        converter.stop()

        with pytest.raises(ConversionStoppedError):
            running.result(timeout=20)
    with pytest.raises(ConversionStoppedError):
        converter.convert(source, limits=LIMITS)
    assert converting() == []


def test_nothing_is_left_in_the_folder_but_the_document(tmp_path: pathlib.Path) -> None:
    source = staged(tmp_path, "a.docx", make.docx())

    MarkdownConverter().convert(source, limits=LIMITS)

    assert list(tmp_path.iterdir()) == [source]


# The child.


def test_a_crash_is_told_apart_from_an_end(tmp_path: pathlib.Path) -> None:
    code = "import os, signal; print(1, flush=True); os.kill(os.getpid(), signal.SIGSEGV)"

    finished = Children().run(python(code), folder=tmp_path, timeout_s=60)

    assert (finished.returncode, finished.output) == (-signal.SIGSEGV, b"1\n")
    assert not finished.was_overdue


def test_what_a_child_leaves_running_ends_with_it(tmp_path: pathlib.Path) -> None:
    code = (
        "import subprocess, sys; "
        "print(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE).pid)"
    )

    finished = Children().run(python(code), folder=tmp_path, timeout_s=60)

    grandchild = int(finished.output)
    wait_for(lambda: is_gone(grandchild))


def test_a_child_that_started_others_is_ended_with_them(tmp_path: pathlib.Path) -> None:
    code = (
        "import subprocess, sys; "
        "subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"
    )
    children = Children()

    with ThreadPoolExecutor() as pool:
        running = pool.submit(children.run, python(code), folder=tmp_path, timeout_s=60)
        wait_for(lambda: any(children_of(child) for child in converting()))
        (grandchild,) = [pid for child in converting() for pid in children_of(child)]
        children.stop()

        with pytest.raises(ConversionStoppedError):
            running.result(timeout=20)
    wait_for(lambda: is_gone(grandchild))


def test_a_child_inherits_no_file_no_credential_and_no_terminal(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    code = (
        "import json, os, sys; "
        "files = [fd for fd in range(3, 256) if os.path.exists(f'/proc/self/fd/{fd}')]; "
        "print(json.dumps([files, sorted(os.environ), sys.stdin.read(), "
        "os.getpgid(0) == os.getpid(), os.getcwd()]))"
    )

    with (tmp_path / "open").open("w"):
        finished = Children().run(python(code), folder=tmp_path, timeout_s=60)

    files, names, stdin, leads, folder = json.loads(finished.output)
    assert (files, stdin, leads, folder) == ([], "", True, str(tmp_path))
    assert "PATH" in names
    assert not [name for name in names if name.startswith("AWS")]


def test_a_child_does_not_outlive_the_daemon(tmp_path: pathlib.Path) -> None:
    source = large_sheet(tmp_path)
    code = (
        "import pathlib, sys; from docferry.convert import Limits, converter_named; "
        "converter_named('markdown').convert(pathlib.Path(sys.argv[1]), limits=Limits())"
    )
    daemon = subprocess.Popen([*python(code), str(source)])
    wait_for(lambda: bool(children_of(daemon.pid)))
    (child,) = children_of(daemon.pid)

    daemon.kill()
    daemon.wait(20)

    wait_for(lambda: is_gone(child))


def test_a_command_that_is_not_there_is_no_failure_of_the_document(tmp_path: pathlib.Path) -> None:
    with pytest.raises(TemporaryError, match="cannot start /nowhere/tool"):
        Children().run(["/nowhere/tool"], folder=tmp_path, timeout_s=60)


# Recipes and names.


def test_a_recipe_stays_the_same_between_processes(tmp_path: pathlib.Path) -> None:
    code = (
        "from docferry.convert import converter_named; print(converter_named('markdown').recipe())"
    )

    finished = Children().run(python(code), folder=tmp_path, timeout_s=60)

    assert finished.output.decode().strip() == MarkdownConverter().recipe()
    assert len(MarkdownConverter().recipe()) == 64


def test_a_converter_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no converter 'magic'"):
        converter_named("magic")


def test_without_the_library_the_remedy_is_named(tmp_path: pathlib.Path) -> None:
    # A Python that sees docferry but no installed package: what `pip install docferry`
    # without the extra gives.
    code = (
        "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]\n"
        "from docferry.convert import converter_named\n"
        "try: converter_named('markdown')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    finished = Children().run(python(code), folder=tmp_path, timeout_s=60)

    assert finished.output.decode().strip() == (
        "UserError the Markdown converter needs kreuzberg; "
        "install it with: pip install 'docferry[markdown]'"
    )
