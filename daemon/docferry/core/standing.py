"""What can be said of a file, as far as the ledger knows."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias, get_args


class Standing(StrEnum):
    """
    How a file stands. Several may be true at once, in this order of weight.

    Each is a row that the ledger has. None says that nobody has changed the file since
    docferry last looked: that is found out by looking.
    """

    HELD = "held"  # a deletion or a change of one side: whether it travels, a person decides
    FAILING = "failing"  # the last try to carry or read it failed
    IN_CONFLICT = "in-conflict"  # both sides had changed it, and nobody has settled that yet
    ASKED = "asked"  # a request for its path is open
    AGREED = "agreed"  # both sides agreed on its content
    UNAGREED = "unagreed"  # its path holds it, and the sides have yet to agree on that
    DELETED = "deleted"  # its path holds nothing; this is what it held last
    DISPLACED = "displaced"  # of a version: another content came to its path after it


#: By which files are listed. What is unagreed is soon agreed on, or gone.
Listed: TypeAlias = Literal[
    Standing.AGREED,
    Standing.HELD,
    Standing.FAILING,
    Standing.IN_CONFLICT,
    Standing.ASKED,
    Standing.DELETED,
]
LISTED: tuple[Standing, ...] = get_args(Listed)
#: Of which a mirror mostly has few or none.
UNUSUAL = (Standing.HELD, Standing.FAILING, Standing.IN_CONFLICT, Standing.ASKED)


class Order(StrEnum):
    """In which order files are listed."""

    PATH = "path"  # by mirror, then path
    NEWEST = "newest"  # by version; what was deleted by when that was
    OLDEST = "oldest"
