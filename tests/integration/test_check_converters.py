"""`docferry check`, of converters: installed, answering, confined, with their languages."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from config_files import BASE, NOTHING, OTHER, Written
from conversion_servers import FailingServer
from docferry.app.check import exit_code
from docferry.app.check_converters import check_converters, told_of
from docferry.app.findings import Finding
from docferry.app.onlooker import Onlooker
from docferry.config import Config
from docferry.convert.confinement import Confinement, what_holds

RULE = (
    '[[convert]]\nname = "{name}"\nfrom = "docs"\npatterns = ["*.{name}"]\nto = "other"\n'
    'with = "{converter}"\n'
)
TOOL = '[converter.tool]\nkind = "command"\ncommand = ["{program}", "{{input}}"]\nproduces = "md"\n'
SERVICE = '[converter.service]\nkind = "multipart"\nurl = "{url}"\nproduces = "md"\n'


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def configured(
    file: Written,
    tables: str,
    converter: str,
    *more: str,
    variables: Mapping[str, str] = NOTHING,
) -> Config:
    rules = [RULE.format(name=f"r{at}", converter=one) for at, one in enumerate((converter, *more))]
    return file.load(BASE + OTHER + tables + "".join(rules), variables)


def of(subject: str, findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.subject == subject]


def test_a_program_that_is_installed_is_named_with_its_version(file: Written) -> None:
    config = configured(file, TOOL.format(program="/bin/cat"), "tool")

    [found] = of("converter tool", [*check_converters(config, Onlooker())])

    assert (found.kind, found.level) == ("converter", "ok")
    assert found.what.startswith("cat")
    assert found.what.endswith("is there")


def test_a_program_that_is_missing_is_an_error_that_names_the_rules(file: Written) -> None:
    config = configured(file, TOOL.format(program="/nowhere/tool"), "tool", "tool")

    findings = [*check_converters(config, Onlooker())]
    [found] = of("converter tool", findings)

    assert found.level == "error"
    assert "/nowhere/tool" in found.what
    assert found.remedy == "until then nothing is converted by: r0, r1"
    assert exit_code(findings) == 7


def test_a_service_is_asked_whether_it_answers_and_its_secret_is_told_of(
    file: Written, tmp_path: pathlib.Path
) -> None:
    with FailingServer() as server:
        content = SERVICE.format(url=server.url)
        config = configured(file, content, "service")
        (tmp_path / "service.secret").write_text("abc")
        known = configured(
            file, content, "service", variables={"CREDENTIALS_DIRECTORY": str(tmp_path)}
        )
        [with_secret] = of("converter service", [*check_converters(known, Onlooker())])
        [up] = of("converter service", [*check_converters(config, Onlooker())])
        server.go_down()
        [down] = of("converter service", [*check_converters(config, Onlooker())])

    assert (up.level, down.level) == ("ok", "error")
    assert up.what == (
        f"multipart {server.url} answers; no secret is sent: there is no file service.secret in "
        "$CREDENTIALS_DIRECTORY"
    )
    assert with_secret.what == (
        f"multipart {server.url} answers; whether it takes the secret in service.secret only a "
        "document will tell"
    )
    assert "does not answer" in down.what


def test_what_confines_a_converter_is_told_line_by_line(file: Written) -> None:
    config = configured(file, TOOL.format(program="/bin/cat"), "tool")

    found = of("confinement", [*check_converters(config, Onlooker())])

    assert [each.what for each in found] == what_holds().lines()


def test_what_does_not_confine_a_converter_is_a_warning() -> None:
    nothing = Confinement(
        network="",
        calls=False,
        files="",
        mounts=False,
        user=False,
        processes=False,
        namespace=False,
    )

    assert {each.level for each in told_of(nothing)} == {"warning"}
    assert {each.level for each in told_of(replace(nothing, user=True))} == {"ok", "warning"}


def test_a_service_needs_no_confinement_and_no_languages(file: Written) -> None:
    config = configured(file, SERVICE.format(url="http://127.0.0.1:1"), "service")

    found = [*check_converters(config, Onlooker())]

    assert [each.subject for each in found] == ["converter service"]


@pytest.mark.tools("tesseract")
def test_a_language_that_tesseract_lacks_is_an_error_with_its_package(file: Written) -> None:
    table = '[converter.ocrmypdf]\nlanguages = ["eng", "tlh"]\n'
    config = configured(file, table, "ocrmypdf")

    [found] = of("languages", [*check_converters(config, Onlooker())])

    assert (found.level, found.what) == ("error", "Tesseract has no tlh")
    assert found.remedy == "on Debian: apt install tesseract-ocr-tlh"


@pytest.mark.tools("tesseract")
def test_the_languages_that_are_there_are_named(file: Written) -> None:
    config = configured(file, "", "markdown")

    [found] = of("languages", [*check_converters(config, Onlooker())])

    assert found.level == "ok"
    assert "eng" in found.what
    assert "osd" not in found.what


def test_without_tesseract_scans_stay_unread_and_check_says_so(
    file: Written, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(file, "", "markdown")
    monkeypatch.setenv("PATH", str(tmp_path))

    [found] = of("languages", [*check_converters(config, Onlooker())])

    assert found.level == "warning"
    assert "stays unread" in found.what


def test_a_converter_that_no_rule_names_is_not_looked_at(file: Written) -> None:
    config = configured(file, TOOL.format(program="/nowhere/tool"), "markdown")

    subjects = {each.subject for each in check_converters(config, Onlooker())}

    assert "converter tool" not in subjects
