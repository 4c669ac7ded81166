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

__all__ = [
    "ConversionError",
    "ConversionStoppedError",
    "Converted",
    "Converter",
    "ConverterDownError",
    "Document",
    "Limits",
]
