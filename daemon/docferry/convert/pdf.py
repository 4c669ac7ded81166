"""
PDF without an office: pandoc reads the document, typst sets it anew on A4.

What is said is kept, and its order: headings, lists, tables, pictures, footnotes. The layout
is not: for that there is LibreOffice. Faster by far: 0.1 to 0.4 s for its 1.3 s.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from docferry.convert import pandoc, pdf_child
from docferry.convert.base import Converted, Document, Limits, recipe_of
from docferry.convert.command_program import SEARCH_PATH, Program
from docferry.convert.command_result import failure_of, last_line, left_of, refused, result_at
from docferry.convert.process import Children
from docferry.errors import TemporaryError, UserError
from docferry.job import Failure

#: Raise it whenever pdf_child.py would turn the same document into something else.
_REVISION = 1

_HERE = pathlib.Path(__file__).parent
_FILTER = _HERE / "pdf_filter.lua"
_TEMPLATE = _HERE / "pdf_template.typst"

#: These are set as they are; by the name of a step in the child.
_SET_AS_THEY_ARE: Mapping[str, str] = {
    ".txt": "TEXT",
    ".csv": "TABLE",
    ".tsv": "TABLE",
}
#: What is tried in turn where a document cannot be set as it is; with what the result lacks.
_WITHOUT: Mapping[str, str] = {
    "formulas": "its formulas are shown by their source",
    "all": "set without its pictures, links and formulas",
}
_NOTHING = b"NOTHING"  # says the filter
_WORDS_BYTES = 4096  # of what is said about a failure, the end
_MOST_DIGITS = 9
_OLDEST_PANDOC = (3, 1, 2)  # the first whose tables typst takes
_REMEDY = "pip install 'docferry[pdf]'"


class PdfConverter:
    """Turns Word, OpenDocument, web pages, books, slides, Markdown, text and tables into PDF."""

    produces = ".pdf"

    def __init__(
        self, name: str = "pdf", *, slots: int = 2, pandoc_program: Program | None = None
    ) -> None:
        """
        Args:
            pandoc_program: None: the one that is installed.

        Raises:
            UserError: typst or pandoc is not installed, or too old.
        """
        self.name = name
        self.slots = slots
        self._typst = _version_of("typst")
        self._pandoc = pandoc_program or pandoc.program()
        self._children = Children()
        _check_age(self._pandoc.version())

    def recipe(self) -> str:
        return recipe_of(
            {
                "filter": _hash_of(_FILTER),
                "pandoc": self._pandoc.version(),
                "revision": _REVISION,
                "template": _hash_of(_TEMPLATE),
                "typst": self._typst,
            }
        )

    def release(self) -> str:
        return f"{self._pandoc.release()}, typst {self._typst}"

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        deadline = time.monotonic() + limits.timeout_s
        how = _SET_AS_THEY_ARE.get(pandoc.kind_of(document))
        if how is not None:
            attempt = self._set(how, document.path, document, _made(folder / "text"), limits)
        else:
            attempt = self._read_and_set(document, _made(folder / "set"), limits, deadline)
            # A formula or a link that typst does not take must not cost the whole text.
            for without in _WITHOUT:
                if not attempt.why_not:
                    break
                attempt = self._read_and_set(
                    document,
                    _made(folder / f"set-{without}"),
                    limits,
                    deadline,
                    without=without,
                    why=attempt.why_not,
                )
        if attempt.why_not:
            why = f"it cannot be set: {attempt.why_not}"
            raise refused(document, why, output=attempt.why_not)
        return result_at(attempt.result, document, limits, note=attempt.note)

    def stop(self) -> None:
        self._children.stop()

    def _read_and_set(
        self,
        document: Document,
        folder: pathlib.Path,
        limits: Limits,
        deadline: float,
        *,
        without: str = "",
        why: str = "",
    ) -> _Attempt:
        """
        Have *document* read, and set.

        Args:
            without: What the filter is to leave out this time; see `_WITHOUT`.
            why: Why it could not be set with it.
        """
        path = self._pandoc.path()
        markup = folder / "document.typ"
        read = self._children.run(
            [
                *pandoc.command(path, document, limits),
                *("--to=typst", "--standalone", "--wrap=none"),
                f"--template={_TEMPLATE}",
                f"--lua-filter={_FILTER}",
                f"--output={markup}",
                str(document.path),
            ],
            folder=folder,
            limits=left_of(limits, deadline),
            environment={"PATH": SEARCH_PATH, "DOCFERRY_WITHOUT": without},
            readable=(document.path, path, _HERE),
        )
        error = failure_of(read, document, pandoc.verdict)
        if error is not None:
            raise error
        if read.output.strip() == _NOTHING:
            raise refused(document, "neither words nor pictures are in it", Failure.EMPTY)
        # It goes to another process, under the same limits: a link would be followed there.
        result_at(markup, document, limits, output=read.errors)
        attempt = self._set("SET", markup, document, folder, left_of(limits, deadline))
        omitted = attempt.omitted + _number(read.output)
        return replace(
            attempt, omitted=omitted, without=f"{_WITHOUT[without]}: {why}" if why else ""
        )

    def _set(
        self,
        how: str,
        source: pathlib.Path,
        document: Document,
        folder: pathlib.Path,
        limits: Limits,
    ) -> _Attempt:
        result = folder / "result.pdf"
        finished = self._children.run(
            [
                sys.executable,
                # -P: the folder, where a stranger's pictures lie, is not searched for modules.
                *("-P", "-m", "docferry.convert.pdf_child"),
                *(how, str(source), str(result)),
            ],
            folder=folder,
            limits=limits,
            readable=(source,),
        )
        said = finished.output[-_WORDS_BYTES:].decode(errors="replace").strip()
        if finished.failure is None and finished.returncode == pdf_child.NOT_INSTALLED:
            raise UserError(f"typst cannot be loaded: {said}; {pandoc.REMEDY}")
        if finished.failure is None and finished.returncode == pdf_child.REFUSED:
            return _Attempt(result, why_not=last_line(said))
        error = failure_of(finished, document)
        if error is not None:
            raise error
        return _Attempt(result, omitted=_number(finished.output))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What came of setting a document once."""

    result: pathlib.Path
    why_not: str = ""  #: what typst did not take; "": it is set
    omitted: int = 0  #: pictures that are not shown
    without: str = ""  #: what was left out so that it could be set, and why

    @property
    def note(self) -> str:
        if self.without:
            return self.without
        many = "pictures are" if self.omitted > 1 else "picture is"
        return f"{self.omitted} {many} not shown" if self.omitted else ""


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as error:
        raise UserError(f"the PDF converter needs {library}; {_REMEDY}") from error


def _check_age(said: str) -> None:
    numbers = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if numbers and tuple(int(part or 0) for part in numbers.groups()) >= _OLDEST_PANDOC:
        return
    oldest = ".".join(map(str, _OLDEST_PANDOC))
    raise UserError(f"the PDF converter needs pandoc {oldest} or newer, not {said}; {_REMEDY}")


def _hash_of(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _made(folder: pathlib.Path) -> pathlib.Path:
    try:
        folder.mkdir()
    except OSError as error:
        raise TemporaryError(f"cannot make {folder}: {error}") from error
    return folder


def _number(said: bytes) -> int:
    digits = said.strip()
    return int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else 0
