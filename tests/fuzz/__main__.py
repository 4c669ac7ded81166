"""
Fuzz, guided by what of docferry is reached: `make fuzz`.

    python -m fuzz                     every target, one after the other, five minutes each
    python -m fuzz listing forms       these
    python -m fuzz --seconds 20        each for so long
    python -m fuzz --together          all in one process, for so long in all: quick to begin

What breaks a promise is written to fuzz-*, and is to become a seed (tests/fuzz/corpus/TARGET/)
and a test of its own. Exit code 1: something did.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

#: What the targets are about; all of docferry would take a quarter of a minute to begin.
_GUIDES = [
    *("docferry.core", "docferry.config", "docferry.deliver", "docferry.ledger.snapshots"),
    *("docferry.storage.listing", "docferry.storage.version_listing"),
    *("docferry.storage.s3_metadata", "docferry.web.headers", "docferry.web.multipart"),
    "docferry.convert.service_answers",
]

with atheris.instrument_imports(include=_GUIDES, enable_loader_override=False):
    from fuzz.targets import TARGETS, Target, seeds

_LONGEST_BYTES = 4096
_MOST_MEMORY_MIB = 2048
_SLOWEST_S = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = list(given.targets or TARGETS)
    if given.here or given.together:
        _fuzz(names, given.seconds)
    ended = [
        subprocess.run(
            [sys.executable, "-m", "fuzz", name, "--here", "--seconds", str(given.seconds)],
            check=False,
        ).returncode
        for name in names
    ]
    return 1 if any(ended) else 0


def _fuzz(names: list[str], seconds: int) -> None:
    """Fuzz in this process, which ends with it."""
    with tempfile.TemporaryDirectory(prefix="docferry-fuzz-") as folder:
        for number, name in enumerate(names):
            for at, seed in enumerate(seeds(name)):
                Path(folder, f"{name}-{at}").write_bytes(bytes([number]) + seed)
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={_LONGEST_BYTES}",
            f"-rss_limit_mb={_MOST_MEMORY_MIB}",
            f"-timeout={_SLOWEST_S}",
            "-artifact_prefix=fuzz-",
            "-print_final_stats=1",
            folder,
        ]
        atheris.Setup([sys.argv[0], *options], _one_of([TARGETS[name] for name in names]))
        atheris.Fuzz()


def _one_of(targets: list[Target]) -> Target:
    """Let the first byte say which one gets the others."""

    def ask(data: bytes) -> None:
        if data:
            targets[data[0] % len(targets)](data[1:])

    return ask


if __name__ == "__main__":
    sys.exit(main())
