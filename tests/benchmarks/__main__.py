"""`make bench`: measure, and print the table. A figure over its bound fails nothing."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping

from benchmarks.api import api
from benchmarks.bed import Options, say
from benchmarks.conversions import arrivals, convert
from benchmarks.latency import latency
from benchmarks.many import many
from benchmarks.merging import merging
from benchmarks.service import scrape, start, version
from benchmarks.table import Figure, markdown, write_readme
from benchmarks.transfers import huge, large, pull, push
from benchmarks.unchanged import idle, unchanged
from benchmarks.uploading import uploading
from benchmarks.versions import rebuild, restore, verify

CASES: Mapping[str, Callable[[Options], list[Figure]]] = {
    "push": push,
    "pull": pull,
    "large": large,
    "huge": huge,
    "unchanged": unchanged,
    "many": many,
    "merge": merging,
    "latency": latency,
    "idle": idle,
    "start": start,
    "scrape": scrape,
    "version": version,
    "api": api,
    "uploading": uploading,
    "restore": restore,
    "verify": verify,
    "rebuild": rebuild,
    "convert": convert,
    "arrivals": arrivals,
}


def main() -> None:
    # As an exception, so that servers are ended and folders removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = _parser().parse_args()
    if arguments.write and (arguments.only or arguments.quick):
        sys.exit("--write takes the whole table: neither --only nor --quick")
    options = Options(runs=arguments.runs, is_quick=arguments.quick)
    figures: list[Figure] = []
    for name in arguments.only or CASES:
        say(name)
        figures += CASES[name](options)
    table = markdown(figures)
    print(table, end="")  # noqa: T201
    if arguments.write:
        write_readme(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=CASES, help="one case; repeatable")
    parser.add_argument("--runs", type=int, default=5, help="of each tool; the median counts")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: a look")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser


if __name__ == "__main__":
    main()
