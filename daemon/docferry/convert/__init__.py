"""Converters: from one document to another, each in a child process with limits."""

from __future__ import annotations

from docferry.convert.base import (
    ConversionError,
    ConversionStoppedError,
    Converted,
    Converter,
    ConverterDownError,
    Document,
    Limits,
)
from docferry.convert.markdown import MarkdownConverter
from docferry.errors import UserError

__all__ = [
    "ConversionError",
    "ConversionStoppedError",
    "Converted",
    "Converter",
    "ConverterDownError",
    "Document",
    "Limits",
    "converter_named",
]


def converter_named(name: str) -> Converter:
    """
    Make the converter that a rule's `with` names.

    Raises:
        UserError: There is none, or what it needs is not installed.
    """
    if name == MarkdownConverter.name:
        return MarkdownConverter()
    raise UserError(f"there is no converter {name!r}; there is: {MarkdownConverter.name!r}")
