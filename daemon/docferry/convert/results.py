"""Whether what a converter made is what it promised: nothing else is put into a mirror."""

from __future__ import annotations

import codecs
import pathlib
import stat

from docferry.convert.base import ConversionError
from docferry.convert.kind_names import BY_EXTENSION
from docferry.convert.kinds import tell_kind
from docferry.job import Failure

_PIECE_BYTES = 1 << 20


def check_result(path: pathlib.Path, produces: str, *, is_blank_source: bool) -> None:
    """
    Refuse a result with nothing in it, or of another type than *produces* says.

    Args:
        is_blank_source: There is nothing in the document; nothing may come of it.

    Raises:
        ConversionError: EMPTY or WRONG_TYPE.
    """
    try:
        found = path.lstat()
    except FileNotFoundError as error:
        raise _empty("it made no result") from error
    if not stat.S_ISREG(found.st_mode):
        raise _wrong("its result is not a file")
    known = BY_EXTENSION.get(produces)
    if known is not None and known.is_text:
        has_something = _check_text(path, produces)
    else:
        has_something = found.st_size > 0
        if has_something and known is not None:
            _check_kind(path, produces)
    if not has_something and not is_blank_source:
        raise _empty("its result is empty, or blank")


def _check_text(path: pathlib.Path, produces: str) -> bool:
    """Refuse what is not UTF-8; tell whether there is more than blanks."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    has_something = has_tag = False
    with path.open("rb") as file:
        piece = b"-"
        while piece:
            piece = file.read(_PIECE_BYTES)
            has_something = has_something or bool(piece.strip())
            has_tag = has_tag or b"<" in piece
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise _wrong(f"its result is not the {produces} it should be: no UTF-8") from error
            if b"\0" in piece:
                raise _wrong(f"its result is not the {produces} it should be: no text")
    if has_something and not has_tag and BY_EXTENSION[produces].media_type == "text/html":
        raise _wrong(f"its result is not the {produces} it should be: no HTML")
    return has_something


def _check_kind(path: pathlib.Path, produces: str) -> None:
    kind = tell_kind(path, f"result{produces}")
    if kind.media_type and kind.extension == produces:
        return
    what = kind.mismatch or f"named {produces}, but nobody can tell what it is"
    raise _wrong(f"its result is {what}")


def _empty(message: str) -> ConversionError:
    return ConversionError(message, failure=Failure.EMPTY)


def _wrong(message: str) -> ConversionError:
    return ConversionError(message, failure=Failure.WRONG_TYPE)
