"""Check the converters that rules name: installed, reachable, confined."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from docferry.app.converters import make_converter
from docferry.app.findings import Finding
from docferry.app.onlooker import Onlooker
from docferry.config import Config, ConverterConfig, ConverterKind
from docferry.config.converters import SERVICES
from docferry.convert.base import Converter
from docferry.convert.confinement import Confinement, what_holds
from docferry.errors import DocferryError

_PATIENCE_S = 10.0
_WITH_OCR = (ConverterKind.MARKDOWN, ConverterKind.TEXT, ConverterKind.OCRMYPDF)


@runtime_checkable
class _HasHealth(Protocol):
    """A converter that can be asked how it is: a service."""

    def health(self, timeout_s: float) -> None: ...


def check_converters(config: Config, onlooker: Onlooker) -> Iterator[Finding]:
    """Look at each converter that a rule names; never raises for what it finds."""
    names = dict.fromkeys(name for rule in config.converts for name in rule.chain)
    named = [config.converters[name] for name in names]
    for one in named:
        yield _check(config, one, onlooker)
    if any(one.kind not in SERVICES for one in named):
        yield from _check_confinement()
    if any(one.kind in _WITH_OCR for one in named):
        yield _check_languages(named)


def _check(config: Config, one: ConverterConfig, onlooker: Onlooker) -> Finding:
    subject = f"converter {one.name}"
    rules = ", ".join(rule.name for rule in config.converts if one.name in rule.chain)
    waits = f"until then nothing is converted by: {rules}"
    try:
        converter = make_converter(config, one.name)
        try:
            with onlooker.waiting(f"the converter {one.name}"):
                what = _asked(converter, one)
        finally:
            converter.stop()
    except DocferryError as error:
        return Finding("converter", subject, "error", str(error), waits)
    return Finding("converter", subject, "ok", what)


def _asked(converter: Converter, options: ConverterConfig) -> str:
    if isinstance(converter, _HasHealth):
        converter.health(_PATIENCE_S)
        # Most services answer this to anybody: that they do says nothing about the secret.
        file = f"{options.name}.secret"
        secret = (
            f"no secret is sent: there is no file {file} in $CREDENTIALS_DIRECTORY"
            if options.secret is None
            else f"whether it takes the secret in {file} only a document will tell"
        )
        return f"{converter.release()} answers; {secret}"
    return f"{converter.release()} is there"


def told_of(confinement: Confinement) -> list[Finding]:
    """Say what keeps a hostile document from doing harm, and what does not."""
    return [
        Finding("converter", "confinement", "ok" if line.startswith("holds") else "warning", line)
        for line in confinement.lines()
    ]


def _check_confinement() -> list[Finding]:
    try:
        return told_of(what_holds())
    except DocferryError as error:
        return [Finding("converter", "confinement", "error", str(error))]


def _check_languages(named: list[ConverterConfig]) -> Finding:
    """Say which languages Tesseract has, and whether one is missed."""
    wanted = {language for one in named for language in one.languages}
    there = _languages()
    missing = sorted(wanted - there)
    packages = " ".join(f"tesseract-ocr-{language}" for language in missing or ["eng"])
    remedy = f"on Debian: apt install {packages}"
    if missing:
        what = f"Tesseract has no {', '.join(missing)}"
        return Finding("converter", "languages", "error", what, remedy)
    if not there:
        what = "Tesseract has no language: text in pictures and scans stays unread"
        return Finding("converter", "languages", "warning", what, remedy)
    return Finding("converter", "languages", "ok", f"Tesseract has {', '.join(sorted(there))}")


def _languages() -> set[str]:
    try:
        listed = subprocess.run(
            ["tesseract", "--list-langs"],
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    lines = (listed.stdout or listed.stderr).splitlines()[1:]  # the first says where
    return {line.strip() for line in lines if line.strip()} - {"osd"}
