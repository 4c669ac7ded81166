"""Converters in the configuration: which keys a kind takes and needs, and where secrets are."""

from __future__ import annotations

import pathlib

import pytest

from config_files import BASE, OTHER, RULE, Written
from docferry.app.converters import make_converter
from docferry.config import BUILT_IN, ConverterConfig, ConverterKind, SecretStr
from docferry.config.converters import FORMATS, PRODUCED, SERVICES
from docferry.convert import libreoffice, pandoc, service_docling, service_shapes

HERE = BASE + OTHER
#: What each kind needs, and no more.
LEAST = {
    ConverterKind.MARKDOWN: "",
    ConverterKind.TEXT: "",
    ConverterKind.PDF: "",
    ConverterKind.LIBREOFFICE: "format = 'docx'\n",
    ConverterKind.PANDOC: "format = 'md'\n",
    ConverterKind.OCRMYPDF: "",
    ConverterKind.COMMAND: "command = ['x', '{input}']\nproduces = 'html'\n",
    ConverterKind.MULTIPART: "url = 'http://127.0.0.1:1'\nproduces = 'md'\n",
    ConverterKind.GOTENBERG: "url = 'http://127.0.0.1:1'\n",
    ConverterKind.DOCLING: "url = 'http://127.0.0.1:1'\n",
    ConverterKind.TIKA: "url = 'http://127.0.0.1:1'\n",
}
MADE = {
    ConverterKind.MARKDOWN: ".md",
    ConverterKind.TEXT: ".txt",
    ConverterKind.PDF: ".pdf",
    ConverterKind.LIBREOFFICE: ".docx",
    ConverterKind.PANDOC: ".md",
    ConverterKind.OCRMYPDF: ".pdf",
    ConverterKind.COMMAND: ".html",
    ConverterKind.MULTIPART: ".md",
    ConverterKind.GOTENBERG: ".pdf",
    ConverterKind.DOCLING: ".md",
    ConverterKind.TIKA: ".txt",
}


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Written:
    return Written(tmp_path / "docferry.toml")


def made(kind: ConverterKind, more: str = "", *, name: str = "mine") -> str:
    return f"[converter.{name}]\nkind = '{kind}'\n{LEAST[kind]}{more}"


TIKA, COMMAND = made(ConverterKind.TIKA), made(ConverterKind.COMMAND)
MARKDOWN = made(ConverterKind.MARKDOWN)


@pytest.mark.parametrize("kind", ConverterKind)
def test_what_a_kind_needs_is_enough_and_says_what_it_makes(
    file: Written, kind: ConverterKind
) -> None:
    config = file.load(HERE + made(kind))

    assert config.converters["mine"].kind is kind
    assert config.converters["mine"].produces == MADE[kind]


@pytest.mark.parametrize(
    ("kind", "line"),
    [(kind, line) for kind, least in LEAST.items() for line in least.splitlines()],
)
def test_what_a_kind_needs_is_missed(file: Written, kind: ConverterKind, line: str) -> None:
    key = line.partition(" ")[0]

    faults = file.faults(HERE + made(kind).replace(line + "\n", ""))

    assert list(faults) == [f"converter.mine.{key}"]
    assert "is missing" in faults[f"converter.mine.{key}"].wrong


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (ConverterKind.MARKDOWN, "url = 'http://127.0.0.1:1'"),
        (ConverterKind.MARKDOWN, "produces = 'txt'"),
        (ConverterKind.PDF, "languages = ['deu']"),
        (ConverterKind.LIBREOFFICE, "command = ['x', '{input}']"),
        (ConverterKind.COMMAND, "header = 'X-Api-Key'"),
        (ConverterKind.COMMAND, "options = { a = 1 }"),
        (ConverterKind.GOTENBERG, "produces = 'pdf'"),
        (ConverterKind.GOTENBERG, "wait = 'poll'"),
        (ConverterKind.TIKA, "part = 'file'"),
        (ConverterKind.DOCLING, "json_field = 'a.b'"),
        (ConverterKind.MULTIPART, "format = 'pdf'"),
    ],
)
def test_what_means_nothing_for_a_kind_is_refused(
    file: Written, kind: ConverterKind, line: str
) -> None:
    key = f"converter.mine.{line.partition(' ')[0]}"

    faults = file.faults(HERE + made(kind, line))

    assert list(faults) == [key]
    assert f"has no meaning for a converter of kind {kind}" in faults[key].wrong
    assert "at_once" in faults[key].right


@pytest.mark.parametrize(
    ("content", "key", "wrong", "right"),
    [
        ("[converter.mine]\n", "kind", "is missing", '"tika"'),
        ("[converter.mine]\nkind = 'magic'", "kind", "magic", '"tika"'),
        ("[converter.mine]\nkind = 'pandoc'\nformat = 'pdf'", "format", '"pdf"', "epub"),
        ("[converter.mine]\nkind = 'libreoffice'\nformat = 'md'", "format", '"md"', "docx"),
        (TIKA + "produces = 'pdf'", "produces", '"pdf"', "txt, md"),
        (COMMAND.replace("{input}", "in"), "command", "{input}", "no shell"),
        (COMMAND.replace("'x'", "1"), "command", "[1,", "a list"),
        (COMMAND.replace("html", "a/b"), "produces", "a/b", '"md"'),
        (COMMAND + "readable = ['x']", "readable", '"x"', "/opt/models"),
        (COMMAND + "environment = { A = 1 }", "environment", "no text", "LANG"),
        (COMMAND + "environment = { 'A=B' = 'c' }", "environment", "A=B", "LANG"),
        (TIKA.replace("http", "ftp"), "url", "ftp", "address"),
        (TIKA.replace("//", "//me:sesame@"), "url", "a password", "http"),
        (TIKA + "options = { a = [1] }", "options", "a list for a", "table"),
        (TIKA + "header = 'a b'", "header", "a b", "X-Api-Key"),
        (TIKA + "client_certificate = '/x.pem'", "client_certificate", "no such file", "path"),
        (TIKA + "at_once = 0", "at_once", "is 0", "from 1"),
        (TIKA + "api_key = 'sesame'", "api_key", "not written", "mine.secret"),
        (made(ConverterKind.DOCLING, "wait = 'long'"), "wait", "long", '"answer" or "poll"'),
        (MARKDOWN + "languages = ['eng', 'eng']", "languages", "twice", "deu"),
        (MARKDOWN + "languages = ['../x']", "languages", "../x", "deu"),
    ],
)
def test_a_fault_names_its_key_and_its_remedy(
    file: Written, content: str, key: str, wrong: str, right: str
) -> None:
    faults = file.faults(HERE + content)

    fault = faults[f"converter.mine.{key}"]
    assert wrong in fault.wrong
    assert right in fault.right
    assert "sesame" not in str(faults)


def test_every_key_reaches_its_attribute(file: Written, tmp_path: pathlib.Path) -> None:
    certificate, authority = tmp_path / "client.pem", tmp_path / "ca.pem"
    certificate.touch()
    authority.touch()

    config = file.load(
        HERE
        + f"""
        [converter.office]
        kind = "multipart"
        url = "https://office.example.org/convert/"
        produces = "HTML"
        options = {{ quality = "high", pages = 3 }}
        at_once = 8
        verify_tls = "{authority}"
        client_certificate = "{certificate}"
        header = "X-Api-Key"
        part = "document"
        json_field = "result.html"
        json_encoding = "base64"
        revision = "2"
        [converter.layout]
        kind = "docling"
        url = "http://127.0.0.1:5001"
        wait = "answer"
        [converter.tool]
        kind = "command"
        command = ["tool", "{{input}}", "{{output}}"]
        produces = ".md"
        readable = ["/opt/models"]
        environment = {{ LANG = "C.UTF-8" }}
        revision = "3"
        [converter.scans]
        kind = "ocrmypdf"
        languages = ["eng", "deu", "chi_sim", "script/Latin"]
        """
    )

    assert config.converters["office"] == ConverterConfig(
        "office",
        ConverterKind.MULTIPART,
        produces=".html",
        url="https://office.example.org/convert",
        options={"quality": "high", "pages": 3},
        at_once=8,
        verify_tls=str(authority),
        client_certificate=certificate,
        header="X-Api-Key",
        part="document",
        json_field="result.html",
        json_encoding="base64",
        revision="2",
    )
    assert config.converters["layout"].wait == "answer"
    assert config.converters["tool"] == ConverterConfig(
        "tool",
        ConverterKind.COMMAND,
        command=("tool", "{input}", "{output}"),
        produces=".md",
        readable=(pathlib.Path("/opt/models"),),
        environment={"LANG": "C.UTF-8"},
        revision="3",
    )
    assert config.converters["scans"].languages == ("eng", "deu", "chi_sim", "script/Latin")


@pytest.mark.parametrize("kind", sorted({*SERVICES, ConverterKind.COMMAND}))
def test_another_revision_is_another_recipe(file: Written, kind: ConverterKind) -> None:
    table = made(kind).replace("'x', ", "'cat', ")

    recipes = [
        make_converter(file.load(HERE + table + revision), "mine").recipe()
        for revision in ("", "revision = '1'\n", "revision = '2'\n")
    ]

    assert len({*recipes}) == 3


# Those that need no table.


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_converter_needs_no_table(file: Written, name: str) -> None:
    config = file.load(HERE + RULE.replace("markdown", name))

    assert config.converts[0].chain == (name,)
    assert config.converters[name] == BUILT_IN[name]


def test_a_table_of_that_name_sets_options_and_need_not_repeat_what_it_is(file: Written) -> None:
    tables = "[converter.libreoffice]\nat_once = 3\n[converter.markdown]\nlanguages = ['deu']\n"

    config = file.load(HERE + tables)

    office = ConverterConfig("libreoffice", ConverterKind.LIBREOFFICE, "pdf", produces=".pdf")
    assert config.converters["libreoffice"].at_once == 3
    assert config.converters["libreoffice"].format == office.format
    assert config.converters["markdown"].languages == ("deu",)
    assert config.converters["text"] == BUILT_IN["text"]


def test_a_table_of_that_name_is_nothing_else(file: Written) -> None:
    faults = file.faults(HERE + made(ConverterKind.GOTENBERG, name="pdf"))

    assert "docferry's own, of kind pdf" in faults["converter.pdf.kind"].wrong


def test_a_rule_names_converters_that_are_there(file: Written) -> None:
    chain = RULE.replace('"markdown"', '["mine", "markdwon"]')

    faults = file.faults(HERE + made(ConverterKind.TIKA) + chain)

    assert faults["convert.text.with"].right == "did you mean markdown?"


def test_a_kind_that_needs_a_table_is_no_converter_by_itself(file: Written) -> None:
    faults = file.faults(BASE + OTHER + RULE.replace('"markdown"', '"pandoc"'))

    assert faults["convert.text.with"].right == (
        'that is a kind: a table [converter.pandoc] with kind = "pandoc", and its format'
    )


def test_options_are_given_as_a_service_and_as_a_program_take_them(file: Written) -> None:
    options = "options = { toc = true, toc-depth = 2, lang = 'de', quiet = false }"

    one = file.load(HERE + made(ConverterKind.PANDOC, options)).converters["mine"]

    assert one.arguments == ("--toc", "--toc-depth=2", "--lang=de")
    assert one.fields == {"toc": "true", "toc-depth": "2", "lang": "de", "quiet": "false"}


# Secrets, and what a variable sets.


@pytest.mark.parametrize("kind", sorted(SERVICES))
def test_a_service_has_its_secret_from_a_file_of_its_name(
    file: Written, tmp_path: pathlib.Path, kind: ConverterKind
) -> None:
    (tmp_path / "mine.secret").write_text("Bearer-sesame\n")

    config = file.load(HERE + made(kind), {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert config.converters["mine"].secret == SecretStr("Bearer-sesame")
    assert "sesame" not in repr(config)


def test_a_secret_that_belongs_to_no_service_is_told_of(
    file: Written, tmp_path: pathlib.Path
) -> None:
    for name in ("mien", "markdown"):
        (tmp_path / f"{name}.secret").write_text("sesame")
    tables = made(ConverterKind.TIKA) + made(ConverterKind.MARKDOWN, name="markdown")

    faults = file.faults(HERE + tables, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert faults["$CREDENTIALS_DIRECTORY/mien.secret"].right == "did you mean mine?"
    assert "is no service" in faults["$CREDENTIALS_DIRECTORY/markdown.secret"].wrong


def test_a_secret_on_an_open_way_is_warned_of(file: Written, tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine.secret").write_text("sesame")
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    far = made(ConverterKind.TIKA).replace("127.0.0.1", "tika.example.org")

    warned = file.load(HERE + far, credentials).warnings
    near = file.load(HERE + made(ConverterKind.TIKA), credentials).warnings

    assert "use https" in warned[0]
    assert near == ()


def test_a_service_whose_certificate_is_not_checked_is_warned_of(file: Written) -> None:
    config = file.load(HERE + made(ConverterKind.TIKA, "verify_tls = false"))

    assert "converter.mine.verify_tls is false" in config.warnings[0]


def test_variables_set_lists_and_tables_too(file: Written) -> None:
    config = file.load(
        HERE + made(ConverterKind.GOTENBERG) + made(ConverterKind.COMMAND, name="tool") + RULE,
        {
            "DOCFERRY_CONVERTER__MINE__OPTIONS": '{ pages = "1-2", landscape = true }',
            "DOCFERRY_CONVERTER__TOOL__COMMAND": '["tool", "{input}"]',
            "DOCFERRY_CONVERT__TEXT__WITH": '["tool", "markdown"]',
        },
    )

    assert config.converters["mine"].options == {"pages": "1-2", "landscape": True}
    assert config.converters["tool"].command == ("tool", "{input}")
    assert config.converts[0].chain == ("tool", "markdown")
    assert config.converts[0].converter == "tool+markdown"


# What config knows of the converters.


def test_config_takes_what_the_converters_make() -> None:
    assert set(FORMATS[ConverterKind.LIBREOFFICE]) == set(libreoffice.FORMATS)
    assert set(FORMATS[ConverterKind.PANDOC]) == set(pandoc.FORMATS)
    assert set(PRODUCED[ConverterKind.DOCLING]) == set(service_docling.FORMATS)
    assert set(PRODUCED[ConverterKind.TIKA]) == set(service_shapes.TIKA_ROUTES)
