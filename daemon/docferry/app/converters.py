"""Converters, made as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from docferry.config import Config
from docferry.config.options import BUILT_IN, ConverterConfig, ConverterKind
from docferry.convert.base import Converter
from docferry.convert.command import CommandConverter
from docferry.convert.libreoffice import LibreOfficeConverter
from docferry.convert.markdown import MarkdownConverter
from docferry.convert.ocr import OcrConverter
from docferry.convert.pandoc import PandocConverter
from docferry.convert.pdf import PdfConverter
from docferry.errors import UserError

if TYPE_CHECKING:
    from docferry.convert.service import ServiceConverter, ShapeName

_SHAPES: Mapping[ConverterKind, ShapeName] = {
    ConverterKind.MULTIPART: "multipart",
    ConverterKind.GOTENBERG: "gotenberg",
    ConverterKind.DOCLING: "docling",
    ConverterKind.TIKA: "tika",
}


def make_converter(config: Config, name: str) -> Converter:
    """
    Make the converter that a rule's `with` names.

    Raises:
        UserError: What it needs is not installed.
    """
    options = config.converters.get(name) or BUILT_IN[name]
    match options.kind:
        case ConverterKind.MARKDOWN | ConverterKind.TEXT as kind:
            return MarkdownConverter(
                name=name,
                to="text" if kind is ConverterKind.TEXT else "markdown",
                slots=options.at_once,
                languages=options.languages or None,
            )
        case ConverterKind.COMMAND:
            return CommandConverter(
                name,
                options.command,
                options.produces,
                slots=_slots(options),
                environment=options.environment,
                readable=options.readable,
                revision=options.revision,
            )
        case ConverterKind.LIBREOFFICE:
            return LibreOfficeConverter(name, options.format, slots=options.at_once or 1)
        case ConverterKind.PANDOC:
            return PandocConverter(name, options.format, options.arguments, slots=_slots(options))
        case ConverterKind.PDF:
            return PdfConverter(name, slots=_slots(options))
        case ConverterKind.OCRMYPDF:
            languages = options.languages or ("eng",)
            return OcrConverter(name, languages, options.arguments, slots=options.at_once or 1)
        case kind if kind in _SHAPES:
            return _service(options, _SHAPES[kind])
        case kind:
            raise UserError(f"converter {name}: there is no kind {kind}")


def _service(options: ConverterConfig, shape: ShapeName) -> ServiceConverter:
    # Here: without a service nobody needs an HTTP client, and its 5 MiB.
    from docferry.convert.service import Access, ServiceConverter

    secret = None if options.secret is None else options.secret.get_secret_value()
    file = options.client_certificate
    certificate = None if file is None else str(file)
    return ServiceConverter(
        options.name,
        options.url or "",
        shape,
        options.produces,
        slots=options.at_once or 4,
        access=Access(options.header, secret, options.verify_tls, certificate),
        options=options.fields,
        part=options.part,
        json_field=options.json_field,
        json_encoding=options.json_encoding,
        waits=options.wait,
        revision=options.revision,
    )


def _slots(options: ConverterConfig) -> int:
    return options.at_once or 2
