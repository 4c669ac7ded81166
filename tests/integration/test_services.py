"""A document goes to a service over HTTP: what comes back, and whose failure it is."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversion_desk import Desk, markdown_service
from conversion_servers import CUT, HANGS, PAGE, FailingServer, Said
from docferry.convert.base import ConverterDownError, Limits
from docferry.convert.service import Access, ServiceConverter
from docferry.errors import TemporaryError, UserError
from docferry.job import Failure

SHORT = Limits(timeout_s=1.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def server() -> Iterator[FailingServer]:
    with FailingServer() as server:
        yield server


def json_service(url: str, **more: str) -> ServiceConverter:
    return ServiceConverter("service", url, "multipart", ".md", **more)  # type: ignore[arg-type]


def test_a_document_is_posted_in_a_form_and_its_result_is_the_answer(
    desk: Desk, server: FailingServer
) -> None:
    url, options = f"{server.url}/convert?to=md", {"lang": "deu", "ocr": "true"}
    service = ServiceConverter("service", url, "multipart", ".md", options=options, part="document")

    result = desk.result_of(service, b"hello")

    assert result == b"# Converted\n\nHELLO"
    (asked,) = server.received
    assert (asked.method, asked.path) == ("POST", "/convert?to=md")
    assert asked.fields == options
    assert asked.files == {"document": ("document.txt", b"hello")}


def test_a_result_is_taken_out_of_json(desk: Desk, server: FailingServer) -> None:
    said = {"pages": [{"markdown_content": "# Prüfung \ud800"}]}
    server.answers(Said(body=json.dumps(said).encode()))

    result = desk.result_of(json_service(server.url, json_field="pages.0.markdown_content"))

    assert result == "# Prüfung ?".encode()


def test_a_result_is_taken_out_of_base64_in_json(desk: Desk, server: FailingServer) -> None:
    said = {"file": base64.encodebytes(b"\x00\xff" * 100).decode()}
    server.answers(Said(body=json.dumps(said).encode()))

    service = json_service(server.url, json_field="file", json_encoding="base64")

    assert desk.result_of(service) == b"\x00\xff" * 100


@pytest.mark.parametrize(
    "said",
    [
        b"{}",
        b'{"file": 1}',
        b'{"file": null}',
        b'{"file": "not Base64!"}',
        b"[]",
        b"no JSON",
        b"",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_json_without_the_result_is_of_the_wrong_type(
    desk: Desk, server: FailingServer, said: bytes
) -> None:
    server.answers(Said(body=said))

    service = json_service(server.url, json_field="file", json_encoding="base64")

    assert desk.refused_by(service).failure is Failure.WRONG_TYPE


def test_a_page_with_status_200_is_of_the_wrong_type(desk: Desk, server: FailingServer) -> None:
    server.answers(PAGE, PAGE)

    wrong = desk.refused_by(markdown_service(server.url))
    wrong_json = desk.refused_by(json_service(server.url, json_field="a"))

    assert wrong.failure is Failure.WRONG_TYPE
    assert "Log in" in wrong.output
    assert wrong_json.failure is Failure.WRONG_TYPE


def test_a_refused_document_comes_with_the_words_of_the_service(
    desk: Desk, server: FailingServer
) -> None:
    server.answers(Said(status=422, body=b"\x1b[31mpassword protected\n" + b"x" * 100_000))

    refused = desk.refused_by(markdown_service(server.url))

    assert refused.failure is Failure.REFUSED
    assert "password protected" in str(refused)
    assert "\x1b" not in refused.output
    assert len(refused.output) < 5000


def test_a_large_document_is_refused_before_it_is_all_there(
    desk: Desk, server: FailingServer
) -> None:
    server.answers(Said(status=413, body=b"too large", is_deaf=True))

    refused = desk.refused_by(markdown_service(server.url))

    assert refused.failure is Failure.REFUSED


def test_a_result_may_not_be_larger_than_its_limit(desk: Desk, server: FailingServer) -> None:
    desk.limits = Limits(timeout_s=20, output_mib=1)
    part = b"x" * 100_000
    server.answers(
        Said(body=part, repeats=11),
        Said(body=part, is_endless=True),
        Said(body=b'{"a": "' + part, is_endless=True),
        Said(body=json.dumps({"a": "x" * (1024 * 1024 + 1)}).encode()),
    )

    for service in (
        *(markdown_service(server.url), markdown_service(server.url)),
        *(json_service(server.url, json_field="a"), json_service(server.url, json_field="a")),
    ):
        assert desk.refused_by(service).failure is Failure.TOO_LARGE
    written = [file.stat().st_size for file in desk.folder.rglob("result*")]
    assert all(size <= 1024 * 1024 for size in written)


def test_a_service_that_is_not_there_is_down_without_doubt(
    desk: Desk, server: FailingServer
) -> None:
    server.go_down()

    down = desk.let_down_by(markdown_service(server.url))

    assert not down.is_in_doubt
    assert "Connection refused" in str(down)


def test_a_service_whose_name_is_unknown_is_down_without_doubt(desk: Desk) -> None:
    down = desk.let_down_by(markdown_service("http://converter.invalid:3000"))

    assert not down.is_in_doubt


def test_a_service_comes_back_at_the_same_place(desk: Desk, server: FailingServer) -> None:
    service = markdown_service(server.url)
    server.go_down()
    desk.let_down_by(service)

    server.come_back()

    assert desk.result_of(service) == b"# Converted\n\nHELLO"


@pytest.mark.parametrize(
    "said",
    [
        CUT,
        Said(body=b"x" * 1000, cut_after=100),
        Said(body=b"x" * 1000, says_length=2000),
        Said(status=500),
        Said(status=502),
        Said(status=503),
        Said(status=504),
    ],
    ids=["nothing", "cut", "short", "500", "502", "503", "504"],
)
def test_what_breaks_with_the_document_in_hand_is_in_doubt(
    desk: Desk, server: FailingServer, said: Said
) -> None:
    server.answers(said)

    assert desk.let_down_by(markdown_service(server.url)).is_in_doubt


def test_a_silent_service_is_in_doubt_when_the_time_is_up(
    desk: Desk, server: FailingServer
) -> None:
    desk.limits = SHORT
    server.answers(HANGS)

    down = desk.let_down_by(markdown_service(server.url))

    assert down.is_in_doubt
    assert "1 s" in str(down)


def test_a_service_that_trickles_is_ended_when_the_time_is_up(
    desk: Desk, server: FailingServer
) -> None:
    desk.limits = SHORT
    server.answers(Said(body=b"x" * 1000, trickle_s=0.02))

    late = desk.refused_by(markdown_service(server.url))

    assert late.failure is Failure.TIMEOUT


def test_an_answer_whose_end_cannot_be_told_is_not_believed(
    desk: Desk, server: FailingServer
) -> None:
    server.answers(Said(body=b"# Half of", hides_length=True))

    turned_away = desk.turned_away_by(markdown_service(server.url))

    assert "Content-Length" in str(turned_away)


@pytest.mark.parametrize("length", ["-5", "\u00b2", ""])
def test_a_length_that_is_none_is_not_believed(
    length: str, desk: Desk, server: FailingServer
) -> None:
    server.answers(Said(body=b"# Half of", hides_length=True, headers={"Content-Length": length}))

    turned_away = desk.turned_away_by(markdown_service(server.url))

    assert "Content-Length" in str(turned_away)


def test_what_only_looks_like_chunks_is_not_believed(desk: Desk, server: FailingServer) -> None:
    said = {"Transfer-Encoding": "x-chunked"}
    server.answers(Said(body=b"# Half of", hides_length=True, headers=said))

    turned_away = desk.turned_away_by(markdown_service(server.url))

    assert "Content-Length" in str(turned_away)


@pytest.mark.parametrize("part", [b"[],", b"{},", b'"ab",', b"1.5,"])
def test_json_that_would_fill_the_memory_is_not_read(
    part: bytes, desk: Desk, server: FailingServer
) -> None:
    body = b"[" + part * ((60 << 20) // len(part)) + b"1]"
    server.answers(Said(body=body))

    refused = desk.refused_by(json_service(server.url, json_field="file"))

    assert refused.failure is Failure.WRONG_TYPE
    assert "too many parts" in str(refused)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_service_that_refuses_us_costs_no_document_anything(
    desk: Desk, server: FailingServer, status: int
) -> None:
    server.answers(Said(status=status))

    desk.turned_away_by(markdown_service(server.url))


def test_a_busy_service_says_when_to_come_back(desk: Desk, server: FailingServer) -> None:
    server.answers(Said(status=429, headers={"Retry-After": "7"}))

    down = desk.let_down_by(markdown_service(server.url))

    assert (down.retry_after_s, down.is_in_doubt) == (7, False)


def test_nobody_is_given_the_document_or_the_secret_who_was_not_named(
    desk: Desk, server: FailingServer
) -> None:
    service = ServiceConverter(
        "service", server.url, "multipart", ".md", access=Access(secret="very-secret")
    )
    with FailingServer() as other:
        for status in (301, 302, 303, 307, 308):
            server.answers(Said(status=status, headers={"Location": other.url}))
            desk.turned_away_by(service)

        assert other.calls == 0
    assert server.received[0].headers["authorization"] == "Bearer very-secret"


def test_a_secret_is_in_no_error_and_in_no_log(
    desk: Desk, server: FailingServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.demands = {"x-api-key": "another"}
    access = Access(header="X-Api-Key", secret="very-secret")
    service = ServiceConverter("service", server.url, "multipart", ".md", access=access)
    errors: list[Exception] = [desk.turned_away_by(service)]
    server.answers(Said(status=400, body=b"you said very-secret"), CUT)
    errors += [desk.refused_by(service), desk.let_down_by(service)]
    server.go_down()
    errors.append(desk.let_down_by(service))

    shown = [f"{error!r} {error} {getattr(error, 'output', '')}" for error in errors]
    causes = [repr(error.__cause__) for error in errors]

    assert "very-secret" not in " ".join([*shown, *causes, caplog.text, repr(service)])
    assert [asked.headers["x-api-key"] for asked in server.received] == ["very-secret"] * 3


def test_a_netrc_and_proxies_of_the_environment_are_not_used(
    desk: Desk, server: FailingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    desk.convert(markdown_service(server.url))

    assert "authorization" not in server.received[0].headers


def test_a_proxy_of_the_environment_is_used_where_that_is_wished(
    desk: Desk, server: FailingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    url, access = "http://converter.invalid/convert", Access(uses_proxies=True)

    result = desk.result_of(ServiceConverter("service", url, "multipart", ".md", access=access))

    assert result == b"# Converted\n\nHELLO"
    assert server.received[0].path == url


def test_a_result_that_cannot_be_written_is_no_trouble_of_the_service(
    desk: Desk, server: FailingServer
) -> None:
    document = desk.document(b"hello")
    nowhere = desk.folder / "gone"

    with pytest.raises(TemporaryError, match="cannot write") as caught:
        markdown_service(server.url).convert(document, nowhere, limits=desk.limits)

    assert not isinstance(caught.value, ConverterDownError)


def test_a_service_is_asked_for_its_health_by_connecting(server: FailingServer) -> None:
    service = markdown_service(server.url)

    service.health(5.0)
    server.go_down()

    with pytest.raises(ConverterDownError):
        service.health(5.0)
    assert server.calls == 0


def test_a_service_that_is_down_keeps_nobody_from_starting() -> None:
    service = markdown_service("http://127.0.0.1:1")

    assert service.recipe()
    assert service.release() == "multipart http://127.0.0.1:1"


def test_half_of_the_answers_failing_is_half_of_the_answers_failing(
    desk: Desk, server: FailingServer
) -> None:
    server.fail_rate = 0.5
    service = markdown_service(server.url)
    outcomes = set()

    for _ in range(20):
        try:
            outcomes.add(desk.result_of(service))
        except ConverterDownError:
            outcomes.add(b"down")

    assert outcomes == {b"down", b"# Converted\n\nHELLO"}
    assert server.calls == 20


def test_a_user_error_names_what_to_correct(desk: Desk, server: FailingServer) -> None:
    server.demands = {"authorization": "Bearer right"}

    with pytest.raises(UserError, match="check its url and its credentials"):
        desk.convert(markdown_service(server.url))
