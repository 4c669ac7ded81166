"""A desk on which a document is converted by a service: its folder, its limits, its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from docferry.convert.base import (
    ConversionError,
    Converted,
    ConverterDownError,
    Document,
    Limits,
)
from docferry.convert.service import ServiceConverter
from docferry.errors import UserError


@dataclass
class Desk:
    """Each conversion has an empty folder of its own."""

    folder: Path
    limits: Limits = field(default_factory=lambda: Limits(timeout_s=20.0))
    conversions: int = 0

    def document(self, content: bytes, name: str = "document.txt", kind: str = "") -> Document:
        self.conversions += 1
        at = self.folder / f"{self.conversions}-in"
        at.mkdir()
        path = at / name
        path.write_bytes(content)
        return Document(path, f"offer{path.suffix}", kind or "text/plain", len(content))

    def convert(self, converter: ServiceConverter, document: Document | None = None) -> Converted:
        document = document or self.document(b"hello")
        result = self.folder / f"{self.conversions}-out"
        result.mkdir()
        return converter.convert(document, result, limits=self.limits)

    def result_of(self, converter: ServiceConverter, content: bytes = b"hello") -> bytes:
        return self.convert(converter, self.document(content)).path.read_bytes()

    def refused_by(
        self, converter: ServiceConverter, document: Document | None = None
    ) -> ConversionError:
        with pytest.raises(ConversionError) as caught:
            self.convert(converter, document)
        return caught.value

    def let_down_by(self, converter: ServiceConverter) -> ConverterDownError:
        with pytest.raises(ConverterDownError) as caught:
            self.convert(converter)
        return caught.value

    def turned_away_by(self, converter: ServiceConverter) -> UserError:
        with pytest.raises(UserError) as caught:
            self.convert(converter)
        return caught.value


def markdown_service(url: str) -> ServiceConverter:
    return ServiceConverter("service", f"{url}/convert", "multipart", ".md")
