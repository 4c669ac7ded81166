"""Faults of converters by programs: exit codes believed, links followed, documents obeyed."""

from __future__ import annotations

from fault import Fault

COMMAND = ("integration/test_convert_command.py",)
OFFICE = ("integration/test_convert_libreoffice.py",)
PANDOC = ("integration/test_convert_pandoc.py",)
PDF = ("integration/test_convert_pdf.py",)
OCR = ("integration/test_convert_ocr.py",)


CONVERTERS = (
    Fault(
        "a revision of a command changes nothing",
        "app/converters.py",
        """                readable=options.readable,
                revision=options.revision,
""",
        "                readable=options.readable,\n",
        ("unit/test_config_converters.py",),
    ),
    # What a command leaves.
    Fault(
        "a result that is a link is followed",
        "convert/command_result.py",
        "        status = path.lstat()\n",
        "        status = path.stat()\n",
        COMMAND,
    ),
    Fault(
        "a result that is another name of some file is taken",
        "convert/command_result.py",
        "not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:",
        "not stat.S_ISREG(status.st_mode):",
        COMMAND,
    ),
    Fault(
        "an empty result is one",
        "convert/command_result.py",
        "    if status.st_size == 0 and document.size > 0:\n",
        "    if status.st_size < 0:\n",
        COMMAND,
    ),
    Fault(
        "nothing may come of nothing",
        "convert/command_result.py",
        "    if status.st_size == 0 and document.size > 0:\n",
        "    if status.st_size == 0:\n",
        COMMAND,
    ),
    Fault(
        "of several results the first is taken",
        "convert/command_result.py",
        "    if len(found) > 1:\n",
        "    if len(found) > 99:\n",
        COMMAND,
    ),
    Fault(
        "an exit code is overlooked where there is output",
        "convert/command_result.py",
        "    if judged is not None or finished.returncode == 0:\n",
        "    if judged is not None or finished.returncode == 0 or finished.output:\n",
        COMMAND,
    ),
    Fault(
        "a program that is missing costs the document its attempts",
        "convert/command_result.py",
        "_NOT_STARTED = (126, 127)",
        "_NOT_STARTED = (126,)",
        COMMAND,
    ),
    Fault(
        "a full disk costs the document its attempts",
        "convert/command_result.py",
        "    if finished.returncode != 0 and _DISK_FULL in finished.errors:\n",
        "    if finished.returncode == 0 and _DISK_FULL in finished.errors:\n",
        COMMAND,
    ),
    Fault(
        "what a command prints is written through a link of its own",
        "convert/command.py",
        'path.open("xb")',
        'path.open("wb")',
        COMMAND,
    ),
    Fault(
        "a document's name can be an option",
        "convert/command.py",
        ' if word.startswith("{name}") and filled.startswith("-") else filled\n',
        ' if word.startswith("{name}") and filled.startswith("--x") else filled\n',
        COMMAND,
    ),
    Fault(
        "a script that changes leaves the recipe as it was",
        "convert/command.py",
        '            "files": {word: file_hash(path) for word, path in self._files()},\n',
        "",
        COMMAND,
    ),
    Fault(
        "a script is run to tell its version",
        "convert/command_program.py",
        'arguments = () if _is_script(path) else ("--version",)',
        'arguments = ("--version",)',
        COMMAND,
    ),
    Fault(
        "another release of a program goes unnoticed",
        "convert/command_program.py",
        "            if seen != self._seen:\n",
        "            if not self._seen:\n",
        COMMAND,
    ),
    # LibreOffice.
    Fault(
        "the office may guess what a damaged document is",
        "convert/libreoffice.py",
        '                f"--infilter={reading.read_by}",\n',
        "",
        OFFICE,
    ),
    Fault(
        "the office brings along what a document points at",
        "convert/libreoffice.py",
        '"BlockUntrustedRefererLinks", "true"',
        '"BlockUntrustedRefererLinks", "false"',
        OFFICE,
    ),
    Fault(
        "the office is free to run macros",
        "convert/libreoffice.py",
        '"DisableMacrosExecution", "true"',
        '"DisableMacrosExecution", "false"',
        OFFICE,
    ),
    Fault(
        "every text is taken for UTF-8",
        "convert/libreoffice.py",
        '        return "MS_1252", "1"',
        '        return "UTF8", "76"',
        OFFICE,
    ),
    # Pandoc, and typst.
    Fault(
        "pandoc reads what a document points at",
        "convert/pandoc.py",
        '*heap, "--sandbox", ',
        "*heap, ",
        PANDOC,
    ),
    Fault(
        "what pandoc does not know is Markdown",
        "convert/pandoc.py",
        '    kind = "gfm" if suffix == ".txt" else _READ_AS.get(suffix)\n',
        '    kind = _READ_AS.get(suffix, "gfm")\n',
        PANDOC,
    ),
    Fault(
        "a wrong option of pandoc's costs documents their attempts",
        "convert/pandoc.py",
        "_MISCONFIGURED = (5, 6,",
        "_MISCONFIGURED = (5,",
        PANDOC,
    ),
    Fault(
        "a page is set with files of the machine",
        "convert/pdf_filter.lua",
        '  if not content and source:sub(1, 5) == "data:" then\n',
        "  if not content then\n",
        PDF,
    ),
    Fault(
        "a document's own typst is carried out",
        "convert/pdf_filter.lua",
        "  return {} -- typst's own too: it would be carried out\n",
        "  return nil\n",
        PDF,
    ),
    Fault(
        "a link to nowhere costs all links and pictures",
        "convert/pdf_filter.lua",
        "    if not name then return link.content end\n",
        "    if not name then return pandoc.Link(link.content, target) end\n",
        PDF,
    ),
    Fault(
        "a full stop after a link is a field of it",
        "convert/pdf_filter.lua",
        '      apart:insert(pandoc.RawInline("typst", "/**/"))\n',
        "",
        PDF,
    ),
    Fault(
        "a damaged picture costs the others",
        "convert/pdf_child.py",
        "        if not damaged:\n",
        "        if damaged:\n",
        PDF,
    ),
    Fault(
        "a formula that cannot be set costs the document",
        "convert/pdf.py",
        "                if not attempt.why_not:\n",
        "                if attempt.why_not:\n",
        PDF,
    ),
    Fault(
        "a long word goes on beyond the page",
        "convert/pdf_filter.lua",
        "  if #text <= LONGEST_WORD then return text end\n",
        "  if #text > 0 then return text end\n",
        PDF,
    ),
    Fault(
        "a long word of a text goes on beyond the page",
        "convert/pdf_child.py",
        're.compile(r"\\S{33,}")',
        're.compile(r"\\S{3300,}")',
        PDF,
    ),
    Fault(
        "a blank page is a result",
        "convert/pdf.py",
        "        if read.output.strip() == _NOTHING:\n",
        "        if read.output == _NOTHING:\n",
        PDF,
    ),
    # OCR.
    Fault(
        "a wrong option of ocrmypdf's is the document's fault",
        "convert/ocr.py",
        "    if is_misused or finished.returncode in _MISCONFIGURED:\n",
        "    if finished.returncode in _MISCONFIGURED:\n",
        OCR,
    ),
    Fault(
        "a scan that says its size gets another",
        "convert/ocr.py",
        "        finished = self._run(document, folder, output, limits)\n",
        '        finished = self._run(document, folder, output, limits, ("--image-dpi", "300"))\n',
        OCR,
    ),
    Fault(
        "a scan that is protected is refused in many words",
        "convert/ocr.py",
        "    if finished.returncode == _PROTECTED:\n",
        "    if False:\n",
        OCR,
    ),
)
