"""Converters: which keys each kind takes and needs, and which need no table at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from docferry.config.faults import Fault, shown
from docferry.config.options import BUILT_IN, ConverterConfig, ConverterKind
from docferry.config.tables import Table, keys_of

FORMATS: Mapping[ConverterKind, tuple[str, ...]] = {
    ConverterKind.LIBREOFFICE: ("pdf", "docx", "odt", "xlsx", "html", "txt"),
    ConverterKind.PANDOC: ("md", "docx", "odt", "html", "txt", "epub"),
}
#: What services make of their own; the first where nothing is said.
PRODUCED: Mapping[ConverterKind, tuple[str, ...]] = {
    ConverterKind.DOCLING: (".md", ".txt", ".html", ".json", ".doctags"),
    ConverterKind.TIKA: (".txt", ".md", ".html", ".xml", ".json"),
}
#: What the others make, whatever they are told.
_ENDS: Mapping[ConverterKind, str] = {
    ConverterKind.MARKDOWN: ".md",
    ConverterKind.TEXT: ".txt",
    ConverterKind.PDF: ".pdf",
    ConverterKind.OCRMYPDF: ".pdf",
    ConverterKind.GOTENBERG: ".pdf",
}
_SERVICE = frozenset(
    {"url", "options", "verify_tls", "client_certificate", "header", "revision", "at_once"}
)
_TAKES: Mapping[ConverterKind, frozenset[str]] = {
    ConverterKind.MARKDOWN: frozenset({"languages", "at_once"}),
    ConverterKind.TEXT: frozenset({"languages", "at_once"}),
    ConverterKind.PDF: frozenset({"at_once"}),
    ConverterKind.LIBREOFFICE: frozenset({"format", "at_once"}),
    ConverterKind.PANDOC: frozenset({"format", "options", "at_once"}),
    ConverterKind.OCRMYPDF: frozenset({"languages", "options", "at_once"}),
    ConverterKind.COMMAND: frozenset(
        {"command", "produces", "readable", "environment", "revision", "at_once"}
    ),
    ConverterKind.MULTIPART: _SERVICE | {"produces", "part", "json_field", "json_encoding"},
    ConverterKind.GOTENBERG: _SERVICE,
    ConverterKind.DOCLING: _SERVICE | {"produces", "wait"},
    ConverterKind.TIKA: _SERVICE | {"produces"},
}
_NEEDS: Mapping[ConverterKind, tuple[str, ...]] = {
    ConverterKind.LIBREOFFICE: ("format",),
    ConverterKind.PANDOC: ("format",),
    ConverterKind.COMMAND: ("command", "produces"),
    ConverterKind.MULTIPART: ("url", "produces"),
    ConverterKind.GOTENBERG: ("url",),
    ConverterKind.DOCLING: ("url",),
    ConverterKind.TIKA: ("url",),
}
SERVICES = frozenset(kind for kind, takes in _TAKES.items() if "url" in takes)


def needs_of(kind: ConverterKind) -> tuple[str, ...]:
    """Name the keys without which there is no converter of *kind*."""
    return _NEEDS.get(kind, ())


def complete(tables: Sequence[Table]) -> None:
    """Add to the tables of converters that need none what goes without saying there."""
    for table in tables:
        known = BUILT_IN.get(table.name)
        if table.section == "converter" and known is not None:
            table.values.setdefault("kind", known.kind.value)
            if known.format:
                table.values.setdefault("format", known.format)


def check_converters(tables: Sequence[Table], faults: list[Fault]) -> None:
    """Refuse what is missing for a converter's kind or has no meaning; note what it makes."""
    told = {fault.key for fault in faults}
    for table in tables:
        kind = table.get("kind", ConverterKind)
        if table.section != "converter" or kind is None:
            continue
        faults += [
            fault
            for fault in (*_of_its_name(table, kind), *_of_its_kind(table, kind))
            if fault.key not in told
        ]


def _of_its_name(table: Table, kind: ConverterKind) -> Iterator[Fault]:
    known = BUILT_IN.get(table.name)
    if known is not None and kind is not known.kind:
        wrong = f"is {shown(kind)}, and {table.name} is docferry's own, of kind {known.kind}"
        yield Fault(table.key_of("kind"), wrong, f'"{known.kind}", or another name for this table')


def _of_its_kind(table: Table, kind: ConverterKind) -> Iterator[Fault]:
    takes = _TAKES[kind]
    for key in table.values:
        if key in _ALL_KEYS and key not in takes and key != "kind":
            right = f"leave it out; {kind} takes: {', '.join(sorted(takes))}"
            yield Fault(table.key_of(key), f"has no meaning for a converter of kind {kind}", right)
    checks = {key.name: key.check for key, _, _ in keys_of(ConverterConfig)}
    for key in _NEEDS.get(kind, ()):
        if key not in table.values:
            right = _one_of(FORMATS[kind]) if key == "format" else checks[key].right
            yield Fault(table.key_of(key), f"is missing for a converter of kind {kind}", right)
    yield from _what_it_makes(table, kind)


def _what_it_makes(table: Table, kind: ConverterKind) -> Iterator[Fault]:
    """Note what its results end with."""
    made, format_ = table.get("produces", str), table.get("format", str)
    if kind in FORMATS and format_:
        if format_ not in FORMATS[kind]:
            right = _one_of(FORMATS[kind])
            yield Fault(table.key_of("format"), f"is {shown(format_)}, for {kind}", right)
        made = f".{format_}"
    elif kind in PRODUCED:
        made = made or PRODUCED[kind][0]
        if made not in PRODUCED[kind]:
            right = _one_of([each.removeprefix(".") for each in PRODUCED[kind]])
            yield Fault(table.key_of("produces"), f"is {shown(made[1:])}, for {kind}", right)
    elif kind in _ENDS:
        made = _ENDS[kind]
    if made:
        table.sound["produces"] = made


def _one_of(words: Sequence[str]) -> str:
    return f"one of: {', '.join(words)}"


_ALL_KEYS = frozenset(key.name for key, _, _ in keys_of(ConverterConfig))
