"""Documents that mean harm: each ends as it should, within its limits, and leaves nothing."""

from __future__ import annotations

import pathlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from converting import converted, running, staged
from docferry.convert import ConversionError, Limits
from docferry.convert.kinds import tell_kind
from docferry.convert.markdown import MarkdownConverter
from docferry.job import Failure
from samples import hostile, make

# Enough for the library and a good document; little for those that want more.
LIMITS = Limits(timeout_s=60, memory_mib=384, output_mib=8)
SHORT = Limits(timeout_s=4, memory_mib=384, output_mib=8)

_SECRET = "root:x:0:0"  # how /etc/passwd begins, which may be read: what it says need not come out

#: Either is right where the library's own end comes first on one machine, ours on another.
_ENDED = {Failure.CRASHED, Failure.MEMORY, Failure.TIMEOUT}
_HARMLESS: set[Failure] = set()

SAMPLES: dict[str, tuple[Callable[[], bytes], set[Failure]]] = {
    "zip-bomb.docx": (hostile.zip_bomb_docx, {Failure.REFUSED}),
    "zip-bomb.xlsx": (hostile.zip_bomb_xlsx, {Failure.REFUSED}),
    "nested.zip": (hostile.nested_zips, _HARMLESS),
    "many-parts.docx": (hostile.docx_of_many_parts, {Failure.REFUSED}),
    "climbs.docx": (hostile.zip_that_climbs, _HARMLESS),
    "laughs.docx": (hostile.laughs_docx, {Failure.EMPTY, Failure.REFUSED}),
    "laughs.odt": (hostile.laughs_odt, {Failure.REFUSED}),
    "laughs.odp": (hostile.laughs_odp, {Failure.REFUSED}),
    "laughs.svg": (hostile.laughs_svg, _HARMLESS),
    "laughs.html": (hostile.laughs_html, _HARMLESS),
    "reads.docx": (lambda: hostile.docx_that_reads("/etc/passwd"), _HARMLESS),
    "reads.odt": (lambda: hostile.odt_that_reads("/etc/passwd"), {Failure.REFUSED}),
    "loops.pdf": (hostile.pdf_of_loops, _ENDED),
    "bomb.pdf": (hostile.pdf_bomb, {Failure.EMPTY, Failure.REFUSED}),
    "deep.html": (hostile.deep_html, _ENDED),
    "deep.json": (lambda: hostile.deep_json(4_000), _HARMLESS),
    "encrypted.pdf": (hostile.encrypted_pdf, {Failure.REFUSED}),
    "encrypted.docx": (hostile.encrypted_docx, {Failure.REFUSED}),
    "noise.pdf": (hostile.noise, {Failure.REFUSED}),
    "noise.docx": (hostile.noise, {Failure.REFUSED}),
    "noise.png": (hostile.noise, {Failure.REFUSED, Failure.EMPTY}),
    "is-a.docx.pdf": (make.docx, _HARMLESS),
    "is-a.pdf.docx": (make.pdf, _HARMLESS),
    "zero.docx": (lambda: b"", _HARMLESS),
    "cut.docx": (lambda: hostile.cut_short(make.docx()), {Failure.REFUSED}),
    "cut.xlsx": (lambda: hostile.cut_short(make.xlsx()), {Failure.REFUSED}),
    "cut.pptx": (lambda: hostile.cut_short(make.pptx()), {Failure.REFUSED}),
    "cut.odt": (lambda: hostile.cut_short(hostile.odt()), {Failure.REFUSED}),
    "cut.odp": (lambda: hostile.cut_short(hostile.odp()), {Failure.REFUSED}),
    "cut.html": (lambda: hostile.cut_short(make.html()), _HARMLESS),
    "cut.eml": (lambda: hostile.cut_short(make.eml()), _HARMLESS),
    "cut.csv": (lambda: hostile.cut_short(make.csv()), _HARMLESS),
}


@pytest.fixture(scope="module")
def converter() -> Iterator[MarkdownConverter]:
    shared = MarkdownConverter(slots=2, languages=())
    yield shared
    shared.stop()


def outcome(converter: MarkdownConverter, folder: pathlib.Path, name: str) -> Failure | str:
    make_it, expected = SAMPLES[name]
    limits = SHORT if Failure.TIMEOUT in expected else LIMITS
    try:
        return converted(converter, staged(folder, name, make_it()), limits)
    except ConversionError as error:
        return error.failure


@pytest.mark.parametrize("name", SAMPLES)
def test_each_ends_as_it_should(
    name: str, converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    _, expected = SAMPLES[name]

    found = outcome(converter, tmp_path, name)

    if isinstance(found, Failure):
        assert found in expected
    else:
        assert not expected
        assert _SECRET not in found
        assert len(found) < 10_000


def test_a_pdf_that_is_cut_short_is_refused_or_read(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    document = staged(tmp_path, "cut.pdf", hostile.cut_short(make.pdf()))

    with pytest.raises(ConversionError) as caught:
        converted(converter, document, LIMITS)

    assert caught.value.failure in (Failure.REFUSED, Failure.EMPTY)


def test_good_documents_beside_them_are_converted_and_nothing_is_left(
    tmp_path: pathlib.Path,
) -> None:
    before, converter = running(), MarkdownConverter(slots=2, languages=())
    process = psutil.Process()
    outside = sorted(tmp_path.parent.iterdir())
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    good = [staged(tmp_path / "good", f"{number}.docx", make.docx()) for number in range(100)]
    converted(converter, staged(tmp_path / "good", "first.pdf", make.pdf()), LIMITS)
    memory = process.memory_info().rss

    with ThreadPoolExecutor(1) as bad_ones, ThreadPoolExecutor(1) as good_ones:
        bad = bad_ones.submit(lambda: [outcome(converter, tmp_path / "bad", n) for n in SAMPLES])
        results = list(good_ones.map(lambda each: converted(converter, each, LIMITS), good))
        bad.result()
    grown = process.memory_info().rss - memory
    converter.stop()

    assert all(make.SENTENCE in result for result in results)
    assert grown < 64 << 20
    assert running() <= before
    assert sorted(tmp_path.parent.iterdir()) == outside
    assert not pathlib.Path("/tmp/climbed").exists()
    assert not list(tmp_path.rglob("climbed"))


def test_no_page_makes_anybody_call(converter: MarkdownConverter, tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # noqa: FBT003
        host, port = listener.getsockname()
        page = hostile.html_that_calls(f"http://{host}:{port}")

        result = converted(converter, staged(tmp_path, "calls.html", page), LIMITS)

        assert make.SENTENCE in result
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("name", SAMPLES)
def test_telling_what_it_is_takes_little(name: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(SAMPLES[name][0]())
    process = psutil.Process()
    before = process.memory_info().rss

    tell_kind(path, name)

    assert process.memory_info().rss - before < 16 << 20


def test_a_child_that_was_ended_is_replaced(
    converter: MarkdownConverter, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "bad").mkdir()
    outcome(converter, tmp_path / "bad", "loops.pdf")

    result = converted(converter, staged(tmp_path, "a.docx", make.docx()), LIMITS)

    assert make.SENTENCE in result
