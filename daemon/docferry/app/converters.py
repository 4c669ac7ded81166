"""Converters, made as the configuration says."""

from __future__ import annotations

from docferry.config import Config
from docferry.convert.base import Converter
from docferry.convert.markdown import MarkdownConverter
from docferry.errors import UserError


def make_converter(config: Config, name: str) -> Converter:
    """
    Make the converter that a rule's `with` names.

    Raises:
        UserError: There is none, or what it needs is not installed.
    """
    if name == MarkdownConverter.name:
        return MarkdownConverter()
    raise UserError(f"there is no converter {name!r}")
