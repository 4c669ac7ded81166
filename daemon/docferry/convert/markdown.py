"""From documents to Markdown or text, with xberg, in confined children (pool.py)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from docferry.convert.base import (
    ConversionError,
    Converted,
    Document,
    Limits,
    recipe_of,
)
from docferry.convert.extract import REVISION
from docferry.convert.pool import ChildFailedError, Pool, Request
from docferry.convert.results import check_result
from docferry.errors import TemporaryError, UserError
from docferry.job import Failure

_LIBRARY = "xberg"
_REMEDY = "install it with: pip install 'docferry[markdown]'"
_BLANK_BYTES = 4096  # a larger file is not read to see whether it is blank

_TESSDATA = ("/usr/share/tesseract-ocr/*/tessdata", "/usr/share/tessdata")
_MAY_BE_SCANS = ("application/pdf", "image/")
#: Of each of the libraries in it: several documents are converted at a time.
_ONE_THREAD = dict.fromkeys(
    ("TOKIO_WORKER_THREADS", "RAYON_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_NUM_THREADS"), "1"
)
_NOT_LANGUAGES = ("osd", "equ")  # they tell directions and formulas


class MarkdownConverter:
    """
    Turns documents (Office, PDF, HTML, mail, text, pictures of text) into text, UTF-8.

    Pictures and scans are read by OCR in the languages whose data is installed.
    """

    def __init__(
        self,
        *,
        name: str = "markdown",
        to: Literal["markdown", "text"] = "markdown",
        slots: int | None = None,
        languages: Sequence[str] | None = None,
    ) -> None:
        """
        Args:
            slots: None: as many as there are processors.
            languages: Of OCR, as tesseract names them. None: English and all that is
                installed; (): no OCR.

        Raises:
            UserError: xberg is not installed, or the data of a language is not.
        """
        self.name = name
        self.produces = ".md" if to == "markdown" else ".txt"
        self.slots = slots or len(os.sched_getaffinity(0))
        self._to = to
        self._library = _version_of(_LIBRARY)
        folder = _tessdata()
        self._languages = _languages_in(folder, languages)
        self._pool = Pool(
            (to, self._languages),
            slots=self.slots,
            environment=_ONE_THREAD | ({"TESSDATA_PREFIX": str(folder)} if folder else {}),
            readable=(str(folder),) if folder else (),
        )

    def recipe(self) -> str:
        return recipe_of(
            {
                "converter": "markdown",
                "to": self._to,
                "xberg": self._library,
                "revision": REVISION,
                "languages": self._languages,
            }
        )

    def release(self) -> str:
        return f"{_LIBRARY} {self._library}"

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        result = folder / f"result{self.produces}"
        is_blank = _is_blank(document)
        try:
            with document.path.open("rb") as source, result.open("xb") as target:
                request = Request(
                    name=f"document{document.path.suffix}",
                    media_type=document.media_type,
                    document=source.fileno(),
                    result=target.fileno(),
                )
                note = "" if is_blank else self._pool.convert(request, limits)
        except ChildFailedError as error:
            raise ConversionError(
                f"cannot convert {document.name}: {error}",
                failure=error.failure,
                output=error.output,
            ) from error
        except OSError as error:
            raise TemporaryError(f"cannot convert {document.name}: {error}") from error
        if not is_blank and result.stat().st_size == 0:
            raise ConversionError(
                f"cannot convert {document.name}: {self._why_empty(document)}",
                failure=Failure.EMPTY,
            )
        check_result(result, self.produces, is_blank_source=is_blank)
        return Converted(result, note)

    def stop(self) -> None:
        self._pool.stop()

    def _why_empty(self, document: Document) -> str:
        if not document.media_type.startswith(_MAY_BE_SCANS):
            return "no text was found in it"
        if self._languages:
            return f"no text was found in it, by OCR ({'+'.join(self._languages)}) neither"
        return "no text was found in it; a scan needs OCR first"


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as error:
        raise UserError(f"the Markdown converter needs {library}; {_REMEDY}") from error


def _tessdata() -> pathlib.Path | None:
    """Find the folder of tesseract's language data."""
    found = [path for pattern in _TESSDATA for path in pathlib.Path("/").glob(pattern[1:])]
    return max(found, default=None)


def _languages_in(folder: pathlib.Path | None, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """English first: the first language decides where it is in doubt."""
    there = {path.stem for path in folder.glob("*.traineddata")} if folder else set()
    if wanted is None:
        found = there.difference(_NOT_LANGUAGES)
        return tuple(sorted(found, key=lambda language: (language != "eng", language)))
    missing = [language for language in wanted if language not in there]
    if missing:
        raise UserError(
            f"there is no OCR data for {', '.join(missing)}; "
            f"install it, such as with: apt install tesseract-ocr-{missing[0]}"
        )
    return tuple(wanted)


def _is_blank(document: Document) -> bool:
    """Tell whether there is nothing in it to convert: then an empty result is a true one."""
    if document.size > _BLANK_BYTES:
        return False
    return not document.path.read_bytes().strip()
