"""How long whoever is connected may take, and how many may be: for what comes and what goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """
    Times in seconds.

    headers_s: From the connection, or the first byte of a request, to the end of its headers.
    idle_s: From an answer to the next request.
    body_s: For a body that is no document, all of it.
    document_s: In this time at least *document_bytes* of a document come, or its end.
    taken_s: In this time something of an answer is taken, where any of it waits.
    """

    headers_s: float = 10.0
    idle_s: int = 30
    body_s: float = 20.0
    document_s: float = 30.0
    document_bytes: int = 16 * 1024
    taken_s: float = 45.0
