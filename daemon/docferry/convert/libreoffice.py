"""
LibreOffice as a converter: one `soffice` for each document, each with a profile of its own.

A running office for many documents would be faster by about a second (0.5 s for 1.3 s), but
dies on some (7.4.7 does on a small xlsx), and one document's office would be the next one's.
A new profile costs nothing if it holds the two files below: 1.25 s, and 1.3 s with a used one.
"""

from __future__ import annotations

import codecs
import pathlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from docferry.convert.base import Converted, Document, Limits, recipe_of
from docferry.convert.command_program import SEARCH_PATH, Program
from docferry.convert.command_result import failure_of, last_line, left_of, refused, result_at
from docferry.convert.process import Children, Finished
from docferry.errors import DocferryError, TemporaryError, UserError

#: Raise it whenever the same document would become something else.
_REVISION = 1

_REMEDY = "apt-get install --no-install-recommends libreoffice-{writer,calc,impress}-nogui"
#: Where Debian keeps parts of the office that are links in its own folder.
_ELSEWHERE = ("/etc/libreoffice", "/var/lib/libreoffice", "/var/spool/libreoffice")
_RESTART = 81  # it has completed a profile that it did not know, and wants to be started again
_BUILD = re.compile(r"\S+\(Build:[^)]*\)")
_REFUSAL = "source file could not be loaded"
_BLOCK_BYTES = 1024 * 1024

#: How each kind of document is read, by its extension. Told which, the office does not take
#: what is damaged for a text: it makes pages of garbage out of random bytes otherwise.
_TEXTS: Mapping[str, str] = {
    ".docx": "MS Word 2007 XML",
    ".docm": "MS Word 2007 XML",
    ".doc": "MS Word 97",
    ".odt": "writer8",
    ".rtf": "Rich Text Format",
    ".txt": "Text (encoded):{text},LF,,,",
    ".html": "HTML (StarWriter)",
    ".htm": "HTML (StarWriter)",
}
_SHEETS: Mapping[str, str] = {
    ".xlsx": "Calc MS Excel 2007 XML",
    ".xlsm": "Calc MS Excel 2007 XML",
    ".xls": "MS Excel 97",
    ".ods": "calc8",
    ".csv": "Text - txt - csv (StarCalc):44/59,34,{sheet},1",
    ".tsv": "Text - txt - csv (StarCalc):9,34,{sheet},1",
}
_SLIDES: Mapping[str, str] = {
    ".pptx": "Impress MS PowerPoint 2007 XML",
    ".pptm": "Impress MS PowerPoint 2007 XML",
    ".ppt": "MS PowerPoint 97",
    ".odp": "impress8",
}

#: What each kind can become, and by which filter. Others crash the office, or leave nothing.
_FILTERS: tuple[tuple[Mapping[str, str], Mapping[str, str]], ...] = (
    (
        _TEXTS,
        {
            "pdf": "writer_pdf_Export",
            "docx": "MS Word 2007 XML",
            "odt": "writer8",
            "txt": "Text (encoded):UTF8",
            "html": "HTML (StarWriter):EmbedImages",
        },
    ),
    (
        _SHEETS,
        {
            "pdf": "calc_pdf_Export",
            "xlsx": "Calc MS Excel 2007 XML",
            "html": "HTML (StarCalc)",
        },
    ),
    (_SLIDES, {"pdf": "impress_pdf_Export"}),
)
FORMATS = ("pdf", "docx", "odt", "xlsx", "txt", "html")

# No macros, no links to elsewhere, no Java, nothing that asks or reports: a stranger's document.
_SETTINGS = (
    ("org.openoffice.Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
    ("org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "3"),
    ("org.openoffice.Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
    ("org.openoffice.Office.Common/Misc", "FirstRun", "false"),
    ("org.openoffice.Office.Common/Misc", "CrashReport", "false"),
    ("org.openoffice.Office.Common/Misc", "UseOpenCL", "false"),
    ("org.openoffice.Office.Java/VirtualMachine", "Enable", "false"),
    ("org.openoffice.Office.Calc/Content/Update", "Link", "2"),  # never
    ("org.openoffice.Office.Writer/Content/Update", "Link", "2"),
    ("org.openoffice.Setup/Office", "ooSetupInstCompleted", "true"),
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Which filters a document goes through."""

    read_by: str
    written_by: str


class LibreOfficeConverter:
    """Turns office documents into PDF, with the layout they have, or into one another."""

    def __init__(self, name: str, to: str = "pdf", *, slots: int = 1) -> None:
        """
        Args:
            to: One of `FORMATS`.

        Raises:
            UserError: There is no such format, or LibreOffice is not installed.
        """
        if to not in FORMATS:
            raise UserError(
                f"converter {name}: LibreOffice makes {', '.join(FORMATS)} here, and not {to}"
            )
        self.name = name
        self.produces = f".{to}"
        self.slots = slots
        self._format = to
        self._program = Program("soffice", remedy=_REMEDY, version_arguments=("--version",))
        self._children = Children()
        self._program.path()

    def recipe(self) -> str:
        return recipe_of(
            {
                "filters": [[dict(kinds), dict(filters)] for kinds, filters in _FILTERS],
                "format": self._format,
                "revision": _REVISION,
                "settings": _SETTINGS,
                "version": self._program.version(),
            }
        )

    def release(self) -> str:
        return self._program.release()

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        reading = self._reading_of(document)
        profile = folder / "profile"
        _make_profile(profile, self._program.version())
        deadline = time.monotonic() + limits.timeout_s
        finished = self._run(document, folder, profile, reading, limits)
        if finished.returncode == _RESTART and finished.failure is None:
            # Another build than it said: it has made its profile by now.
            left = left_of(limits, deadline)
            finished = self._run(document, folder, profile, reading, left)
        error = failure_of(finished, document, _verdict)
        if error is not None:
            raise error
        result = folder / f"{document.path.stem}{self.produces}"
        # An exit code of 0 says nothing: a missing or damaged document has the same.
        return result_at(
            result, document, limits, output=finished.errors, note=_note(folder, result, profile)
        )

    def stop(self) -> None:
        self._children.stop()

    def _reading_of(self, document: Document) -> _Reading:
        suffix = document.path.suffix.lower()
        for kinds, filters in _FILTERS:
            if suffix in kinds and self._format in filters:
                text, sheet = _encoding_of(document.path) if "{" in kinds[suffix] else ("", "")
                return _Reading(kinds[suffix].format(text=text, sheet=sheet), filters[self._format])
        kind = suffix.removeprefix(".") or "a document of unknown kind"
        raise refused(document, f"{self.name} cannot make {self._format} of {kind}")

    def _run(
        self,
        document: Document,
        folder: pathlib.Path,
        profile: pathlib.Path,
        reading: _Reading,
        limits: Limits,
    ) -> Finished:
        program = self._binary()
        return self._children.run(
            [
                str(program),
                *("--headless", "--norestore", "--nodefault", "--nologo", "--nolockcheck"),
                f"-env:UserInstallation={profile.absolute().as_uri()}",
                f"--infilter={reading.read_by}",
                *("--convert-to", f"{self._format}:{reading.written_by}"),
                *("--outdir", str(folder)),
                str(document.path),
            ],
            folder=folder,
            limits=limits,
            environment={"PATH": SEARCH_PATH, "SAL_USE_VCLPLUGIN": "svp"},
            readable=(document.path, program.parent.parent, *_parts_elsewhere()),
        )

    def _binary(self) -> pathlib.Path:
        """Find what `soffice` starts in the end: the shell script on the way costs 0.1 s."""
        starter = self._program.path().resolve()
        binary = starter.with_name("soffice.bin")
        return binary if binary.is_file() else starter


def _parts_elsewhere() -> list[pathlib.Path]:
    return [path for path in map(pathlib.Path, _ELSEWHERE) if path.exists()]


def _make_profile(profile: pathlib.Path, version: str) -> None:
    """
    Make a profile that the office takes for a complete one.

    Without the first file it would complete it and end with 81; the other is what it is told.
    """
    build = _BUILD.search(version)
    items = "".join(
        f'<item oor:path="/{path}"><prop oor:name="{name}" oor:op="fuse">'
        f"<value>{value}</value></prop></item>"
        for path, name, value in _SETTINGS
    )
    try:
        (profile / "user" / "extensions").mkdir(parents=True)
        for folder in (profile, profile / "user", profile / "user" / "extensions"):
            folder.chmod(0o777)  # the office may run as another user; the folder around is closed
        (profile / "user/extensions/buildid").write_text(build.group() if build else "")
        settings = profile / "user/registrymodifications.xcu"
        settings.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<oor:items xmlns:oor="http://openoffice.org/2001/registry"'
            ' xmlns:xs="http://www.w3.org/2001/XMLSchema">'
            f"{items}</oor:items>"
        )
        settings.chmod(0o666)
    except OSError as error:
        raise TemporaryError(f"cannot make a profile for LibreOffice: {error}") from error


def _encoding_of(path: pathlib.Path) -> tuple[str, str]:
    """Say how a text is encoded, in the words of its two filters."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            start = file.read(2)
            file.seek(0)
            if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "UNICODE", "65535"
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "MS_1252", "1"  # most likely what Windows writes
    except OSError as error:
        raise TemporaryError(f"cannot read {path}: {error}") from error
    return "UTF8", "76"


def _verdict(finished: Finished, document: Document) -> DocferryError | None:
    if _REFUSAL in finished.errors:
        why = "LibreOffice cannot read it: it is damaged, protected or of another kind"
        return refused(document, why, output=finished.errors)
    if finished.returncode == _RESTART:
        return UserError(f"LibreOffice does not start: {last_line(finished.errors)}")
    return None


def _note(folder: pathlib.Path, result: pathlib.Path, profile: pathlib.Path) -> str:
    """Say what the office has put beside the result, such as the pictures of a web page."""
    beside = [
        path
        for path in folder.iterdir()
        if path not in (result, profile) and path.name.startswith(f"{result.stem}_")
    ]
    return f"{len(beside)} pictures are not part of it" if beside else ""
