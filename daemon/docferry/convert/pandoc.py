"""
Pandoc as a converter: documents that are text at heart, from one markup into another.

It comes from Debian, or with the package pypandoc-binary, whose copy is newer: 3.9 for 2.17.
`--sandbox` keeps its readers from all other files and from the network, whatever a document
refers to.
"""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
from collections.abc import Mapping, Sequence

from docferry.convert.base import Converted, Document, Limits, recipe_of
from docferry.convert.command_program import SEARCH_PATH, Program
from docferry.convert.command_result import failure_of, refused, result_at
from docferry.convert.process import Children, Finished
from docferry.errors import DocferryError, UserError
from docferry.job import Failure

#: What it is told to write for the results that end so.
FORMATS: Mapping[str, str] = {
    "md": "gfm",
    "docx": "docx",
    "html": "html",
    "odt": "odt",
    "epub": "epub",
    "txt": "plain",
}

#: What it reads. It would take all else for Markdown. Not the office's sheets: of a workbook
#: that openpyxl has written it finds nothing, of others the names of the sheets (3.9).
_READ_AS: Mapping[str, str] = {
    ".csv": "csv",
    ".docx": "docx",
    ".epub": "epub",
    ".fb2": "fb2",
    ".htm": "html",
    ".html": "html",
    ".ipynb": "ipynb",
    ".md": "gfm",
    ".odt": "odt",
    ".org": "org",
    ".pptx": "pptx",
    ".rst": "rst",
    ".rtf": "rtf",
    ".tex": "latex",
    ".tsv": "tsv",
    ".xhtml": "html",
}

REMEDY = "pip install 'docferry[pdf]', or apt-get install pandoc"

#: Pandoc's exit codes that speak of the configuration, and not of the document.
_MISCONFIGURED = (5, 6, 21, 22, 23, 24, 25, 31, 67, 83, 84, 89, 97, 98)
_HEAP_EXHAUSTED = 251  # of the runtime that Haskell's programs have
_NO_MEMORY = "malloc: failed"  # likewise, where it cannot even begin


class PandocConverter:
    """Turns Word, web pages, books and light markup into one another, without their layout."""

    def __init__(self, name: str, to: str, options: Sequence[str] = (), *, slots: int = 2) -> None:
        """
        Args:
            to: One of `FORMATS`.
            options: More arguments, such as `--toc`.

        Raises:
            UserError: There is no such format, or pandoc is not installed.
        """
        if to not in FORMATS:
            raise UserError(
                f"converter {name}: pandoc makes {', '.join(FORMATS)} here, and not {to}"
            )
        self.name = name
        self.produces = f".{to}"
        self.slots = slots
        self._options = (f"--to={FORMATS[to]}", *_options_for(to), *options)
        self._program = program()
        self._children = Children()
        self._program.path()

    def recipe(self) -> str:
        return recipe_of(
            {
                "options": self._options,
                "read": dict(_READ_AS),
                "version": self._program.version(),
            }
        )

    def release(self) -> str:
        return self._program.release()

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        path = self._program.path()
        output = folder / f"result{self.produces}"
        finished = self._children.run(
            [
                *command(path, document, limits),
                *self._options,
                f"--output={output}",
                str(document.path),
            ],
            folder=folder,
            limits=limits,
            environment={"PATH": SEARCH_PATH},
            readable=(document.path, path),
        )
        error = failure_of(finished, document, verdict)
        if error is not None:
            raise error
        return result_at(output, document, limits, output=finished.errors)

    def stop(self) -> None:
        self._children.stop()


def program(given: str | None = None) -> Program:
    """Give the pandoc at *given*; None: the package's own, otherwise the system's."""
    if given is not None:
        return Program(given, remedy=REMEDY, version_arguments=("--version",))
    package = importlib.util.find_spec("pypandoc")
    folders = [] if package is None else package.submodule_search_locations or []
    for folder in folders:
        bundled = shutil.which("pandoc", path=str(pathlib.Path(folder, "files")))
        if bundled is not None:
            return program(bundled)
    return program("pandoc")


def kind_of(document: Document) -> str:
    """Give the extension of its kind; which sort of text a text is only its name can tell."""
    suffix = document.path.suffix.lower()
    named = pathlib.PurePath(document.name).suffix.lower()
    return named if suffix in ("", ".txt") and named in _READ_AS else suffix


def command(path: pathlib.Path, document: Document, limits: Limits) -> list[str]:
    """
    Give the words by which pandoc reads *document*, and nothing else.

    Raises:
        ConversionError: It does not read such a document.
    """
    suffix = kind_of(document)
    kind = "gfm" if suffix == ".txt" else _READ_AS.get(suffix)
    if kind is None:
        what = suffix.removeprefix(".") or "documents of unknown kind"
        raise refused(document, f"pandoc does not read {what}")
    # A limit of the heap alone is one that it can speak of before the kernel ends it.
    heap = ("+RTS", f"-M{max(16, limits.memory_mib * 3 // 4)}m", "-RTS")
    return [str(path), *heap, "--sandbox", f"--from={kind}"]


def verdict(finished: Finished, document: Document) -> DocferryError | None:
    """Read pandoc's exit codes (its manual, "Exit codes")."""
    if finished.returncode in _MISCONFIGURED:
        said = " ".join(finished.errors.split())
        return UserError(f"pandoc refuses its options: {said}")
    if finished.returncode == _HEAP_EXHAUSTED or _NO_MEMORY in finished.errors:
        why = "pandoc needed more memory than it may use (memory)"
        return refused(document, why, Failure.MEMORY, output=finished.errors)
    return None


def _options_for(to: str) -> tuple[str, ...]:
    if to == "html":
        return ("--standalone", "--embed-resources")  # pictures in the page: one file
    if to in ("md", "txt"):
        return ("--wrap=none",)
    return ()
