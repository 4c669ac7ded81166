"""
The child process of the Markdown converter: confined already, converts what it is handed.

    python -P -m docferry.convert.child SOCKET WANTED

Each request is one message with two open files, the document and the result; so it sees no
other. It imports xberg once and serves until the socket ends. Only what the daemon sent
last is answered: its nonce goes with the answer.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import resource
import socket
import sys
import time

from docferry.convert.extract import Extracted, Wanted, extract

NOT_INSTALLED = 69  # EX_UNAVAILABLE: xberg cannot be imported

MESSAGE_BYTES = 16_384
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)


def main(arguments: list[str]) -> int:
    daemon = socket.socket(fileno=int(arguments[0]))
    wanted = json.loads(arguments[1])
    try:
        import xberg  # noqa: F401
    except ImportError as error:
        daemon.send(json.dumps({"not_installed": str(error)}).encode())
        return NOT_INSTALLED
    daemon.send(b'{"ready": true}')
    # xberg answers to coroutines alone; one loop does for all documents.
    with asyncio.Runner() as runner:
        while True:
            message, files, _, _ = socket.recv_fds(daemon, MESSAGE_BYTES, 2)
            if not message:
                # Not by returning: the library's threads may abort an interpreter that ends.
                os._exit(0)
            request = json.loads(message)
            answer = _answer(request, files, Wanted(wanted[0], tuple(wanted[1])), runner)
            daemon.send(json.dumps(answer).encode())


def _answer(
    request: dict[str, str | int],
    files: list[int],
    wanted: Wanted,
    runner: asyncio.Runner,
) -> dict[str, str | float]:
    _allow_cpu(int(request["cpu_s"]))
    document, result = files
    with os.fdopen(document, "rb") as source, os.fdopen(result, "wb", 0) as target:
        code, message, note = "ok", "", ""
        try:
            kind, name = str(request["media_type"]), str(request["name"])
            found = runner.run(extract(source.read(), kind, name, wanted))
            note = found.note
            _write(target.fileno(), found)
        except MemoryError:
            code = "memory"
        except (OSError, ValueError) as error:
            is_full = isinstance(error, OSError) and error.errno == errno.EFBIG
            code = "too-large" if is_full else "refused"
            message = str(error).strip() or type(error).__name__
    return {
        "nonce": request["nonce"],
        "code": code,
        "message": message[:2000],
        "note": note[:2000],
        "memory_mib": _memory_mib(),
    }


def _write(result: int, found: Extracted) -> None:
    text = found.text.rstrip()
    rest = memoryview((text and text + "\n").encode(errors="replace"))
    while rest:
        rest = rest[os.write(result, rest) :]


def _allow_cpu(more_s: int) -> None:
    """SIGXCPU ends it when this document has used as much."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + more_s, hard))


def _memory_mib() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[5]) * _PAGE_MIB


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
