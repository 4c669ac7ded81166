"""
OCRmyPDF as a converter: gives scans a layer of text, and pictures of pages a PDF.

Pages that have text keep it. Its result is a PDF like the document; a chain with a converter
that reads PDF makes Markdown of a scan.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence

from docferry.convert.base import Converted, Document, Limits, recipe_of
from docferry.convert.command_program import SEARCH_PATH, Program
from docferry.convert.command_result import failure_of, left_of, refused, result_at
from docferry.convert.process import Children, Finished
from docferry.errors import DocferryError, UserError
from docferry.job import Failure

_REMEDY = "apt-get install ocrmypdf, and tesseract-ocr-deu and the like for the languages"
_OF_OPTIONS = "correct the options of its [converter.…] table; ocrmypdf --help has them"
_DPI = 300  # of a picture that does not say it, or says what screens have
_USAGE, _ERROR = "usage: ocrmypdf", "ocrmypdf: error: "  # with the same exit code as bad input
_NO_DPI = "--image-dpi"  # which it then asks for

#: Its exit codes that are the document's fault, with what to say (its manual, "exit codes").
_BAD_INPUT = 2
_REFUSALS = {
    _BAD_INPUT: "it is no PDF or picture that can be read",
    4: "the PDF that came of it is not a sound one",
    6: "it has text already",
}
_PROTECTED = 8  # it says so twice, and how to take the password away with qpdf
_MISCONFIGURED = (1, 3, 9)  # wrong arguments, a program that is missing, wrong settings


class OcrConverter:
    """Reads the text of scans, and puts it behind the pages."""

    produces = ".pdf"

    def __init__(
        self,
        name: str = "ocrmypdf",
        languages: Sequence[str] = ("eng",),
        options: Sequence[str] = (),
        *,
        slots: int = 1,
    ) -> None:
        """
        Args:
            languages: As Tesseract calls them: "eng", "deu".
            options: More arguments, such as `--rotate-pages`.

        Raises:
            UserError: It is not installed.
        """
        self.name = name
        self.slots = slots
        self._options = (
            "--quiet",  # what is left on standard error says what went wrong
            "--skip-text",
            *("--optimize", "0"),  # 14.0.1 makes a damaged PDF of some that are sound, else
            *("--output-type", "pdf"),  # PDF/A would change more than is asked for
            *("--language", "+".join(languages)),
            *("--jobs", "1"),
            *options,
        )
        self._program = Program("ocrmypdf", remedy=_REMEDY, version_arguments=("--version",))
        self._engine = Program("tesseract", remedy=_REMEDY, version_arguments=("--version",))
        self._children = Children()
        self._program.path()

    def recipe(self) -> str:
        return recipe_of(
            {
                "dpi": _DPI,
                "engine": self._engine.version(),
                "options": self._options,
                "version": self._program.version(),
            }
        )

    def release(self) -> str:
        return f"{self._program.release()}, {self._engine.release()}"

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        output = folder / f"result{self.produces}"
        deadline = time.monotonic() + limits.timeout_s
        finished = self._run(document, folder, output, limits)
        if finished.returncode == _BAD_INPUT and _NO_DPI in finished.errors:
            # Only then: the option would also replace what a scanner says.
            finished = self._run(
                document, folder, output, left_of(limits, deadline), ("--image-dpi", str(_DPI))
            )
        error = failure_of(finished, document, _verdict)
        if error is not None:
            raise error
        return result_at(output, document, limits, output=finished.errors)

    def stop(self) -> None:
        self._children.stop()

    def _run(
        self,
        document: Document,
        folder: pathlib.Path,
        output: pathlib.Path,
        limits: Limits,
        more: Sequence[str] = (),
    ) -> Finished:
        program = self._program.path()
        return self._children.run(
            [str(program), *self._options, *more, str(document.path), str(output)],
            folder=folder,
            limits=limits,
            # One thread, as several documents are read at a time.
            environment={"PATH": SEARCH_PATH, "OMP_THREAD_LIMIT": "1"},
            readable=(document.path, program),
        )


def _verdict(finished: Finished, document: Document) -> DocferryError | None:
    said = (
        " ".join(finished.errors.replace(str(document.path), document.name).split())
        or "it said nothing"
    )
    is_misused = finished.returncode == _BAD_INPUT and _USAGE in said
    if is_misused or finished.returncode in _MISCONFIGURED:
        said = said.rpartition(_ERROR)[2]  # after the usage, which is long
        remedy = _OF_OPTIONS if is_misused else _REMEDY
        return UserError(f"ocrmypdf cannot work: {said}; {remedy}")
    if finished.returncode == _PROTECTED:
        return refused(document, "it is protected by a password", output=finished.errors)
    why = _REFUSALS.get(finished.returncode)
    if why is None:
        return None
    return refused(document, f"{why}: {said}", Failure.REFUSED, output=finished.errors)
