"""Gotenberg, docling-serve and Tika are asked in their own words, and understood."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conversion_desk import Desk
from conversion_servers import CUT, HANGS, FailingServer, Said
from conversion_stand_ins import DoclingStandIn, GotenbergStandIn, TikaStandIn
from docferry.convert.base import ConversionStoppedError, ConverterDownError, Limits
from docferry.convert.service import Access, ServiceConverter, Waits
from docferry.core.ulids import time_of
from docferry.errors import UserError
from docferry.model import Failure

office = pytest.mark.tools("soffice")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, Limits(timeout_s=100.0))


@pytest.fixture
def docling() -> Iterator[DoclingStandIn]:
    with DoclingStandIn() as server:
        yield server


@pytest.fixture
def tika() -> Iterator[TikaStandIn]:
    with TikaStandIn() as server:
        yield server


# Gotenberg.


def gotenberg_at(url: str, **options: str) -> ServiceConverter:
    return ServiceConverter("office", f"{url}/", "gotenberg", ".pdf", options=options)


@office
@pytest.mark.parametrize("major", [8, 9])
def test_both_gotenbergs_make_a_pdf_and_are_told_of_a_trace(
    desk: Desk, tmp_path: Path, major: int
) -> None:
    with GotenbergStandIn(tmp_path, major=major) as server:
        result = desk.result_of(gotenberg_at(server.url, landscape="true"))

        (asked,) = server.received
    assert result.startswith(b"%PDF-")
    assert asked.fields == {"landscape": "true"}
    assert asked.files["files"][0] == "document.txt"
    assert time_of(asked.headers["gotenberg-trace"]) is not None


@office
def test_a_document_that_gotenberg_cannot_load_is_refused(desk: Desk, tmp_path: Path) -> None:
    broken = desk.document(b"PK\x03\x04" + bytes(500), "document.docx")
    with GotenbergStandIn(tmp_path) as server:
        refused = desk.refused_by(gotenberg_at(server.url), broken)

    assert refused.failure is Failure.REFUSED
    assert "could not be loaded" in refused.output


@office
def test_a_gotenberg_whose_queue_is_full_says_so(desk: Desk, tmp_path: Path) -> None:
    documents = [desk.document(b"hello") for _ in range(3)]
    folders = [tmp_path / f"result-{number}" for number in range(3)]
    with GotenbergStandIn(tmp_path, queue=0) as server, ThreadPoolExecutor() as pool:
        service = gotenberg_at(server.url)
        conversions = []
        for document, folder in zip(documents, folders, strict=True):
            folder.mkdir()
            conversions.append(pool.submit(service.convert, document, folder, limits=desk.limits))
        errors = [conversion.exception() for conversion in conversions]

    busy = [error for error in errors if error is not None]
    assert len(busy) < 3
    for error in busy:
        assert isinstance(error, ConverterDownError)
        assert (error.retry_after_s, error.is_in_doubt) == (2.0, False)
    assert busy


def test_gotenberg_is_asked_for_its_health_and_its_version(tmp_path: Path) -> None:
    with GotenbergStandIn(tmp_path, major=9) as server:
        service = gotenberg_at(server.url)

        service.health(5.0)
        assert service.version(5.0) == "9.0.0"

        server.is_healthy = False
        with pytest.raises(ConverterDownError, match="503"):
            service.health(5.0)


def test_a_gotenberg_that_does_not_know_us_is_a_matter_of_configuration(
    desk: Desk, tmp_path: Path
) -> None:
    with GotenbergStandIn(tmp_path) as server:
        server.demands = {"authorization": "Basic Zm9vOmJhcg=="}

        with pytest.raises(UserError):
            gotenberg_at(server.url).health(5.0)
        desk.turned_away_by(gotenberg_at(server.url))
        known = Access(secret="Basic foo:bar")
        ServiceConverter("office", server.url, "gotenberg", ".pdf", access=known).health(5.0)


def test_a_gotenberg_over_its_own_time_is_in_doubt(desk: Desk, tmp_path: Path) -> None:
    with GotenbergStandIn(tmp_path) as server:
        server.answers(Said(status=503, body=b"Service Unavailable"), Said(status=500))

        assert desk.let_down_by(gotenberg_at(server.url)).is_in_doubt
        assert desk.let_down_by(gotenberg_at(server.url)).is_in_doubt


def test_several_files_in_a_zip_are_no_pdf(desk: Desk, tmp_path: Path) -> None:
    with GotenbergStandIn(tmp_path) as server:
        server.answers(Said(headers={"Content-Type": "application/zip"}, body=b"PK\x03\x04"))

        assert desk.refused_by(gotenberg_at(server.url)).failure is Failure.WRONG_TYPE


# docling-serve.


def docling_at(
    url: str, produces: str = ".md", waits: Waits = "poll", **options: str
) -> ServiceConverter:
    access = Access(header="X-Api-Key", secret="very-secret")
    return ServiceConverter(
        "docling", url, "docling", produces, waits=waits, access=access, options=options
    )


@pytest.mark.parametrize("waits", ["poll", "answer"])
@pytest.mark.parametrize(
    ("produces", "word", "result"),
    [
        (".md", "md", b"HELLO"),
        (".txt", "text", b"HELLO"),
        (".html", "html", b"HELLO"),
        (".json", "json", b'{\n "texts": [\n  "HELLO"\n ]\n}\n'),
    ],
)
def test_docling_makes_what_is_asked_for(
    desk: Desk, docling: DoclingStandIn, waits: Waits, produces: str, word: str, result: bytes
) -> None:
    docling.demands = {"x-api-key": "very-secret"}
    service = docling_at(docling.url, produces, waits, ocr_lang="de, en")

    assert desk.result_of(service) == result
    assert docling.received[0].fields == {
        "to_formats": word,
        "target_type": "inbody",
        "image_export_mode": "placeholder",
        "ocr_lang": "de,en",
    }


def test_a_task_is_waited_for(desk: Desk, docling: DoclingStandIn) -> None:
    docling.takes_s = 0.3

    assert desk.result_of(docling_at(docling.url)) == b"HELLO"
    paths = [asked.path for asked in docling.received]
    assert paths == [
        "/v1/convert/file/async",
        "/v1/status/poll/task-1?wait=20",
        "/v1/result/task-1",
    ]


@pytest.mark.parametrize("waits", ["poll", "answer"])
def test_a_task_that_failed_is_the_documents_failure(
    desk: Desk, docling: DoclingStandIn, waits: Waits
) -> None:
    refused = desk.refused_by(docling_at(docling.url, waits=waits), desk.document(b"BROKEN"))

    assert refused.failure is Failure.REFUSED
    assert refused.output == "it is BROKEN"


def test_a_result_in_part_comes_with_a_note(desk: Desk, docling: DoclingStandIn) -> None:
    docling.has_partial_results = True

    assert desk.convert(docling_at(docling.url)).note == "only in part: page 3 was left out"


def test_a_task_that_is_lost_is_tried_again(desk: Desk, docling: DoclingStandIn) -> None:
    docling.takes_s = 100
    with ThreadPoolExecutor() as pool:
        conversion = pool.submit(desk.convert, docling_at(docling.url))
        docling.wait_for_calls(2)
        docling.forget_tasks()
        docling.go_down()
        docling.come_back()
        error = conversion.exception(30)

    assert isinstance(error, ConverterDownError)
    assert error.is_in_doubt


def test_a_task_outlives_an_answer_that_broke(desk: Desk, docling: DoclingStandIn) -> None:
    started = Said(body=b'{"task_id": "task-1", "task_status": "pending"}')
    gone = Said(status=503, headers={"Retry-After": "0"})
    docling.takes_s = 0.0
    desk.convert(docling_at(docling.url))  # task-1 is there now
    docling.answers(started, gone, CUT)

    assert desk.result_of(docling_at(docling.url)) == b"HELLO"


def test_a_task_that_takes_too_long_is_the_documents_failure(
    desk: Desk, docling: DoclingStandIn
) -> None:
    desk.limits = Limits(timeout_s=0.5)
    docling.takes_s = 100

    assert desk.refused_by(docling_at(docling.url)).failure is Failure.TIMEOUT


def test_waiting_for_a_task_ends_at_once_when_the_daemon_stops(
    desk: Desk, docling: DoclingStandIn
) -> None:
    docling.takes_s = 100
    service = docling_at(docling.url)
    with ThreadPoolExecutor() as pool:
        conversion = pool.submit(desk.convert, service)
        docling.wait_for_calls(2)
        service.stop()

        assert isinstance(conversion.exception(5.0), ConversionStoppedError)


def test_a_docling_that_takes_no_document_is_in_doubt(desk: Desk, docling: DoclingStandIn) -> None:
    desk.limits = Limits(timeout_s=0.5)
    docling.answers(HANGS)

    assert desk.let_down_by(docling_at(docling.url)).is_in_doubt


@pytest.mark.parametrize(
    "said", [b"{}", b'{"task_id": 7}', b'{"status": "success", "document": {"md_content": 1}}']
)
def test_an_answer_that_docling_never_gives_is_of_the_wrong_type(
    desk: Desk, docling: DoclingStandIn, said: bytes
) -> None:
    docling.answers(Said(body=said))

    waits: Waits = "answer" if b"status" in said else "poll"
    wrong = desk.refused_by(docling_at(docling.url, waits=waits))

    assert wrong.failure is Failure.WRONG_TYPE


def test_docling_is_asked_for_its_health(docling: DoclingStandIn) -> None:
    docling_at(docling.url).health(5.0)
    docling.go_down()

    with pytest.raises(ConverterDownError):
        docling_at(docling.url).health(5.0)


# Tika.


def tika_at(url: str, produces: str = ".txt", **options: str) -> ServiceConverter:
    return ServiceConverter("tika", url, "tika", produces, options=options)


@pytest.mark.parametrize("produces", [".txt", ".md", ".html", ".xml"])
def test_tika_is_given_the_document_as_it_is(desk: Desk, tika: TikaStandIn, produces: str) -> None:
    service = tika_at(tika.url, produces, **{"X-Tika-OCRLanguage": "deu"})

    assert desk.result_of(service, b"hello") == b"HELLO"
    (asked,) = tika.received
    assert (asked.method, asked.body) == ("PUT", b"hello")
    assert asked.headers["content-type"] == "text/plain"
    assert asked.headers["x-tika-ocrlanguage"] == "deu"


def test_a_document_that_tika_cannot_read_is_refused(desk: Desk, tika: TikaStandIn) -> None:
    broken = desk.refused_by(tika_at(tika.url), desk.document(b"BROKEN"))

    assert broken.failure is Failure.REFUSED
    assert broken.output == "what could be read of it"


def test_an_exception_inside_of_a_good_answer_is_a_refusal(desk: Desk, tika: TikaStandIn) -> None:
    service = tika_at(tika.url, ".json")

    broken = desk.refused_by(service, desk.document(b"BROKEN"))

    assert broken.failure is Failure.REFUSED
    assert "TikaException" in broken.output
    assert b"HELLO" in desk.result_of(service)


@pytest.mark.parametrize(("status", "is_in_doubt"), [(429, False), (500, True), (503, True)])
def test_a_tika_in_trouble_is_down(
    desk: Desk, tika: TikaStandIn, status: int, *, is_in_doubt: bool
) -> None:
    tika.answers(Said(status=status, body=b'{"status": "OOM"}'))

    assert desk.let_down_by(tika_at(tika.url)).is_in_doubt is is_in_doubt


def test_a_document_in_which_tika_finds_nothing_is_empty(desk: Desk, tika: TikaStandIn) -> None:
    tika.answers(Said(status=204))

    assert desk.refused_by(tika_at(tika.url)).failure is Failure.EMPTY


def test_an_older_tika_knows_no_markdown(desk: Desk, tika: TikaStandIn) -> None:
    tika.answers(Said(status=404))

    desk.turned_away_by(tika_at(tika.url, ".md"))


def test_tika_is_asked_for_its_version(tika: TikaStandIn) -> None:
    tika_at(tika.url).health(5.0)

    assert tika_at(tika.url).version(5.0) == "Apache Tika 4.0.0"


def test_a_proxy_that_hides_the_health_of_a_service_is_no_illness() -> None:
    with FailingServer() as server:
        server.answers(Said(status=404))

        tika_at(server.url).health(5.0)
