"""How a service is reached: what is refused before it is tried, and what nobody gets to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from docferry.convert.service import ServiceConverter, ShapeName
from docferry.convert.service_access import Access, service_at
from docferry.errors import UserError

SECRET = "Bearer 4f7d-very-secret"


def test_a_secret_is_in_no_picture_of_its_access() -> None:
    access = Access(secret=SECRET)

    assert "very-secret" not in f"{access!r} {access} {service_at('tika', 'http://h', access)!r}"


@pytest.mark.parametrize(
    ("header", "secret", "said"),
    [
        ("Authorization", "Bearer abc", "Bearer abc"),
        ("Authorization", "abc\n", "Bearer abc"),
        ("authorization", "Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
        ("Authorization", "Basic user:pass", "Basic dXNlcjpwYXNz"),
        ("X-Api-Key", "abc", "abc"),
    ],
)
def test_a_secret_is_said_as_its_header_wants_it(header: str, secret: str, said: str) -> None:
    assert Access(header=header, secret=secret).headers() == {header: said}


def test_without_a_secret_nothing_is_said() -> None:
    assert Access().headers() == {}


@pytest.mark.parametrize("secret", ["", " \n"])
def test_an_empty_secret_is_a_mistake(secret: str) -> None:
    with pytest.raises(UserError, match="empty"):
        Access(secret=secret)


def test_a_secret_that_no_header_can_hold_is_refused_without_being_shown() -> None:
    with pytest.raises(UserError, match="no header may have") as caught:
        Access(secret="very-secret\r\nX-Evil: 1")

    assert "very-secret" not in str(caught.value)


def test_a_header_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(UserError, match="name of a header"):
        Access(header="X Api Key")


def test_a_certificate_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no certificate"):
        Access(verify=str(tmp_path / "ca.pem"))
    with pytest.raises(UserError, match="no certificate"):
        Access(client_certificate=str(tmp_path / "me.pem"))


@pytest.mark.parametrize("secret", [SECRET, "4f7d-very-secret", "Basic user:4f7d-very-secret"])
def test_a_page_that_repeats_the_secret_is_not_repeated(secret: str) -> None:
    access = Access(secret=secret)
    said = f"you sent {access.headers()['Authorization']}; {secret}"

    hidden = access.hide(said)

    assert "very-secret" not in hidden
    assert access.headers()["Authorization"].split()[1] not in hidden


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("host:3000", "begins with http"),
        ("ftp://host", "begins with http"),
        ("http://", "names a host"),
        ("http://host:port", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://me:secret@host", "secret"),
        ("http://host/a b", "characters"),
        ("http://host/#a", "characters"),
        ("http://host/?api_key=secret", "api_key"),
        ("http://host/?X-Amz-Signature=secret", "X-Amz-Signature"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(url: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        service_at("multipart", url, Access())

    assert "=secret" not in str(caught.value)
    assert ":secret@" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://host/convert?to=md", "https://host"),
        ("http://HOST:3000", "http://host:3000"),
        ("http://[::1]:3000/x", "http://[::1]:3000"),
    ],
)
def test_a_service_is_named_by_its_host(url: str, origin: str) -> None:
    assert service_at("tika", url, Access()).name == f"tika {origin}"


@pytest.mark.parametrize(
    ("shape", "produces", "options", "why"),
    [
        ("gotenberg", ".md", {}, "produces"),
        ("gotenberg", ".pdf", {"pdfa": "PDF/A-2b"}, "pdfa"),
        ("gotenberg", ".pdf", {"files": "x"}, "files"),
        ("tika", ".pdf", {}, "produces"),
        ("tika", ".txt", {"Authorization": "x"}, "X-Tika"),
        ("tika", ".txt", {"X-Tika-OCRLanguage": "a\r\nb"}, "X-Tika"),
        ("docling", ".pdf", {}, "produces"),
        ("docling", ".md", {"to_formats": "html"}, "to_formats"),
    ],
)
def test_what_a_service_does_not_take_is_refused_before_it_is_sent(
    shape: ShapeName, produces: str, options: dict[str, str], why: str
) -> None:
    with pytest.raises(UserError, match=why):
        ServiceConverter("service", "http://host", shape, produces, options=options)


def test_a_query_is_only_for_the_address_that_is_posted_to() -> None:
    ServiceConverter("service", "http://host/?to=md", "multipart", ".md")

    with pytest.raises(UserError, match=r"\?"):
        ServiceConverter("service", "http://host/?to=md", "tika", ".txt")


def recipe(url: str = "http://host", options: dict[str, str] | None = None, **more: str) -> str:
    access = Access(secret=more.pop("secret", None))
    given = {"name": "service", "shape": "multipart", "produces": ".md", **more}
    return ServiceConverter(url=url, access=access, options=options, **given).recipe()  # type: ignore[arg-type]


def test_what_decides_a_result_changes_the_recipe() -> None:
    recipes = [
        recipe(),
        recipe(url="http://other"),
        recipe(options={"lang": "deu"}),
        recipe(part="document"),
        recipe(json_field="text"),
        recipe(json_field="text", json_encoding="base64"),
        recipe(produces=".txt"),
        recipe(shape="tika"),
        recipe(revision="2"),
    ]

    assert len(set(recipes)) == len(recipes)


def test_what_decides_no_result_leaves_the_recipe_as_it_is() -> None:
    assert recipe(secret="abc") == recipe(secret="def") == recipe(name="other") == recipe()


def test_a_service_with_a_revision_may_move() -> None:
    assert recipe(url="http://a", revision="2") == recipe(url="http://b", revision="2")


def test_proxies_are_used_only_when_asked_for_and_never_for_the_machine_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    asked = Access(uses_proxies=True)

    assert service_at("tika", "http://host", Access()).proxies == {}
    assert service_at("tika", "http://host", asked).proxies["http"] == "http://proxy:3128"
    for here in ("http://127.0.0.1:9998", "http://[::1]", "http://localhost:3000"):
        assert service_at("tika", here, asked).proxies == {}
