"""The kinds of documents that docferry knows by name: extensions, media types, words for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an extension."""

    media_type: str
    description: str  #: "a Word document (docx)"
    family: str  #: the same: their contents do not tell them apart, or need not
    sort: Literal["", "text", "declared"] = ""

    @property
    def is_text(self) -> bool:
        return self.sort == "text"

    @property
    def is_declared(self) -> bool:
        """Tell whether such a file says itself what it is, in a part named `mimetype`."""
        return self.sort == "declared"


_BINARY = {
    ".pdf": ("application/pdf", "a PDF"),
    ".png": ("image/png", "a picture (png)"),
    ".jpg": ("image/jpeg", "a picture (jpg)"),
    ".gif": ("image/gif", "a picture (gif)"),
    ".tiff": ("image/tiff", "a picture (tiff)"),
    ".webp": ("image/webp", "a picture (webp)"),
    ".heic": ("image/heic", "a picture (heic)"),
    ".docx": (_OFFICE + "wordprocessingml.document", "a Word document (docx)"),
    ".xlsx": (_OFFICE + "spreadsheetml.sheet", "an Excel workbook (xlsx)"),
    ".pptx": (_OFFICE + "presentationml.presentation", "a PowerPoint presentation (pptx)"),
    ".doc": ("application/msword", "an old Word document (doc)"),
    ".xls": ("application/vnd.ms-excel", "an old Excel workbook (xls)"),
    ".ppt": ("application/vnd.ms-powerpoint", "an old PowerPoint presentation (ppt)"),
    ".msg": ("application/vnd.ms-outlook", "an Outlook mail (msg)"),
    ".ole": ("application/x-ole-storage", "an encrypted or unknown Office file"),
    ".rtf": ("application/rtf", "a rich text (rtf)"),
    ".ps": ("application/postscript", "PostScript"),
    ".zip": ("application/zip", "a zip archive"),
    ".gz": ("application/gzip", "a gzip archive"),
    ".bz2": ("application/x-bzip2", "a bzip2 archive"),
    ".xz": ("application/x-xz", "an xz archive"),
    ".7z": ("application/x-7z-compressed", "a 7z archive"),
    ".rar": ("application/vnd.rar", "a rar archive"),
    ".tar": ("application/x-tar", "a tar archive"),
    ".mp3": ("audio/mpeg", "a sound (mp3)"),
    ".wav": ("audio/wav", "a sound (wav)"),
    ".ogg": ("audio/ogg", "a sound (ogg)"),
    ".mp4": ("video/mp4", "a film (mp4)"),
    ".avi": ("video/x-msvideo", "a film (avi)"),
    ".mkv": ("video/x-matroska", "a film (mkv)"),
    ".elf": ("application/x-executable", "a program"),
    ".exe": ("application/vnd.microsoft.portable-executable", "a program for Windows"),
    ".sqlite": ("application/vnd.sqlite3", "a database (SQLite)"),
}
_DECLARED = {
    ".odt": (_OPEN + "text", "an OpenDocument text (odt)"),
    ".ods": (_OPEN + "spreadsheet", "an OpenDocument spreadsheet (ods)"),
    ".odp": (_OPEN + "presentation", "an OpenDocument presentation (odp)"),
    ".odg": (_OPEN + "graphics", "an OpenDocument drawing (odg)"),
    ".epub": ("application/epub+zip", "a book (epub)"),
}
_TEXTS = {
    ".txt": ("text/plain", "plain text"),
    ".log": ("text/plain", "plain text"),
    ".md": ("text/markdown", "Markdown"),
    ".markdown": ("text/markdown", "Markdown"),
    ".csv": ("text/csv", "a table (csv)"),
    ".tsv": ("text/tab-separated-values", "a table (tsv)"),
    ".html": ("text/html", "HTML"),
    ".htm": ("text/html", "HTML"),
    ".xhtml": ("application/xhtml+xml", "HTML"),
    ".eml": ("message/rfc822", "a mail (eml)"),
    ".json": ("application/json", "JSON"),
    ".yaml": ("application/yaml", "YAML"),
    ".yml": ("application/yaml", "YAML"),
    ".toml": ("application/toml", "TOML"),
    ".xml": ("application/xml", "XML"),
    ".svg": ("image/svg+xml", "a drawing (svg)"),
    ".fodt": (_OPEN + "text-flat-xml", "an OpenDocument text (fodt)"),
    ".fods": (_OPEN + "spreadsheet-flat-xml", "an OpenDocument spreadsheet (fods)"),
    ".tex": ("application/x-latex", "TeX"),
    ".rst": ("text/x-rst", "reStructuredText"),
    ".org": ("text/x-org", "an Org file"),
}
# Extension and media type, and the extension of whose kind it is.
_ALIASES = {
    ".jpeg": ("image/jpeg", ".jpg"),
    ".tif": ("image/tiff", ".tiff"),
    ".docm": ("application/vnd.ms-word.document.macroEnabled.12", ".docx"),
    ".dotx": (_OFFICE + "wordprocessingml.template", ".docx"),
    ".xlsm": ("application/vnd.ms-excel.sheet.macroEnabled.12", ".xlsx"),
    ".xltx": (_OFFICE + "spreadsheetml.template", ".xlsx"),
    ".xlsb": ("application/vnd.ms-excel.sheet.binary.macroEnabled.12", ".xlsx"),
    ".pptm": ("application/vnd.ms-powerpoint.presentation.macroEnabled.12", ".pptx"),
    ".ppsx": (_OFFICE + "presentationml.slideshow", ".pptx"),
    ".potx": (_OFFICE + "presentationml.template", ".pptx"),
    ".dot": ("application/msword", ".doc"),
    ".xlt": ("application/vnd.ms-excel", ".xls"),
    ".pps": ("application/vnd.ms-powerpoint", ".ppt"),
    ".ott": (_OPEN + "text-template", ".odt"),
    ".ots": (_OPEN + "spreadsheet-template", ".ods"),
    ".otp": (_OPEN + "presentation-template", ".odp"),
}


def _known() -> dict[str, Known]:
    found = {name: Known(*facts, name) for name, facts in _BINARY.items()}
    found |= {name: Known(*facts, name, "declared") for name, facts in _DECLARED.items()}
    found |= {name: Known(*facts, name, "text") for name, facts in _TEXTS.items()}
    for name, (media_type, like) in _ALIASES.items():
        found[name] = Known(media_type, found[like].description, like)
    return found


BY_EXTENSION = _known()
