"""
The documents of the demo: what an office drops, each made by a program people use for it.

One text, with headings, a nested list, a table and umlauts, in every format; so what was made of
each can be held beside the others. Only what `make test` installs is used.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pypandoc  # type: ignore[import-untyped]
import typst

from samples import message, real

HANDBOOK = """\
# Harbour handbook

{sentence} {umlauts}, and a *word* in **bold**.

## What to take

- Tickets
    - for the crew
    - for guests
- Lifeboats
- Tea

## Crossings

| port       | crossings |
|------------|-----------|
| Rostock    | 1204      |
| Trelleborg | 1198      |
"""

_PAGE = """\
= Harbour handbook
{sentence} {umlauts}, and a _word_ in *bold*.
== What to take
- Tickets
  - for the crew
  - for guests
- Lifeboats
- Tea
== Crossings
#table(columns: 2, [port], [crossings], [Rostock], [1204], [Trelleborg], [1198])
"""


def make_all() -> dict[str, bytes]:
    """Give the documents by name."""
    text = _filled(HANDBOOK)
    return {
        "handbook.docx": _by_pandoc(text, "docx"),
        "handbook.odt": _by_pandoc(text, "odt"),
        "handbook.epub": _by_pandoc(text, "epub"),
        "handbook.html": _by_pandoc(text, "html"),
        "handbook.rtf": _by_pandoc(text, "rtf"),
        "handbook.pdf": bytes(typst.compile(_filled(_PAGE).encode())),
        "crossings.xlsx": real.xlsx(),
        "harbour.pptx": real.pptx(),
        "report.eml": real.eml(),
        "crossings.csv": "\r\n".join(",".join(row) for row in real.ROWS).encode(),
    }


def outlook_mail() -> bytes:
    """Give the mail of `report.eml` as Outlook would save it. No program at hand writes that."""
    return message.msg(
        subject=f"Report: {real.UMLAUTS}",
        sender=("Harbour office", "office@harbour.example"),
        to=("Ada", "ada@crossing.example"),
        body=f"Dear Ada,\r\n\r\n{real.SENTENCE} {real.UMLAUTS}.\r\n",
        attachment=("report.docx", real.docx()),
    )


def words_of(name: str) -> tuple[str, ...]:
    """Give what the Markdown of the document called *name* must have in it."""
    if name.startswith("handbook"):
        return (real.SENTENCE, real.UMLAUTS, "What to take", "for guests", "Trelleborg", "1198")
    return (real.SENTENCE,) if name == "report.eml" else ("Rostock",)


def _filled(text: str) -> str:
    return text.format(sentence=real.SENTENCE, umlauts=real.UMLAUTS)


def _by_pandoc(text: str, to: str) -> bytes:
    arguments = ["--standalone", "--metadata", "title=Harbour handbook"]
    with TemporaryDirectory() as folder:
        made = Path(folder, f"handbook.{to}")
        pypandoc.convert_text(text, to, format="gfm", outputfile=str(made), extra_args=arguments)
        return made.read_bytes()
