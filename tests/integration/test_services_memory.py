"""A large document goes through a process that stays small, there and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conversion_servers import FailingServer, Said

_MIB = 1024 * 1024
SIZE_MIB = int(os.environ.get("DOCFERRY_LARGE_MIB", "200"))

#: In a process of its own: what the server holds in memory does not count.
CONVERT = r"""
import json, pathlib, re, sys
from docferry.convert.base import Document, Limits
from docferry.convert.service import ServiceConverter

def peak_mib():  # not ru_maxrss: that begins with what the parent had
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

url, source, folder, small = sys.argv[1:5]
service = ServiceConverter("service", url, "multipart", ".bin")
limits = Limits(timeout_s=200.0, output_mib=int(sys.argv[5]))

def convert(path, to):
    path, to = pathlib.Path(path), pathlib.Path(folder, to)
    to.mkdir()
    document = Document(path, path.name, "application/octet-stream", path.stat().st_size)
    return service.convert(document, to, limits=limits).path.stat().st_size

convert(small, "small")  # what is imported and made only once
before = peak_mib()
size = convert(source, "large")
print(json.dumps({"size": size, "grown_mib": peak_mib() - before}))
"""


def test_a_large_document_leaves_the_process_small(tmp_path: Path) -> None:
    (small := tmp_path / "document.txt").write_bytes(b"small")
    with (source := tmp_path / "document.bin").open("wb") as file:
        file.truncate(SIZE_MIB * _MIB)  # a hole: it takes no place
    with FailingServer() as server:
        part = bytes(_MIB)
        server.answers(Said(body=b"small"), Said(body=part, repeats=SIZE_MIB))
        arguments = [server.url, source, tmp_path, small, SIZE_MIB]

        converted = subprocess.run(
            [sys.executable, "-W", "error", "-c", CONVERT, *map(str, arguments)],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

        sent = server.received[1].size
    told = json.loads(converted.stdout)
    assert told["size"] == SIZE_MIB * _MIB
    assert sent > SIZE_MIB * _MIB
    assert told["grown_mib"] < 20
