"""
Live through many histories, or through one again.

    PYTHONPATH=daemon:tests python -m simulation --histories 100000
    PYTHONPATH=daemon:tests python -m simulation --seed 17 --trace
    PYTHONPATH=daemon:tests python -m simulation --histories 3000 --bursts

Exit code 1: some promise was broken; its seed is told, and the shortest script that does it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from simulation.acts import Script, script_of
from simulation.history import Lived, Room, room
from simulation.shrink import shortest, told

_AT_ONCE = 200


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="tell what happened, step by step")
    parser.add_argument("--digest", action="store_true", help="hash all that happened in them")
    parser.add_argument("--bursts", action="store_true", help="with programs that encrypt")
    options = parser.parse_args(arguments)
    draw = partial(script_of, has_bursts=options.bursts)
    if options.seed is not None:
        return _one(draw(options.seed), is_traced=options.trace)
    seeds = range(options.first, options.first + options.histories)
    if options.digest:
        sys.stdout.write(f"{digest_of(seeds, draw)}\n")
        return 0
    return _many(seeds, draw)


def digest_of(seeds: Sequence[int], draw: Callable[[int], Script] = script_of) -> str:
    """Hash all that happens in the histories of *seeds*."""
    with room() as where:
        digests = [where.live(draw(seed)).digest for seed in seeds]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def failures(draw: Callable[[int], Script], seeds: Sequence[int]) -> list[str]:
    """Live through the histories of *seeds*; tell of each that breaks a promise."""
    with room() as where:
        lived = (where.live(draw(seed)) for seed in seeds)
        return [told(shortest(where, one)) for one in lived if one.broken]


def _one(script: Script, *, is_traced: bool) -> int:
    with room() as where:
        lived = where.live(script)
        if is_traced:
            sys.stdout.write("\n".join([*lived.trace, ""]))
        sys.stdout.write(f"{_summary(where, lived)}\n")
    return 0 if lived.broken is None else 1


def _summary(where: Room, lived: Lived) -> str:
    if lived.broken is None:
        return f"seed {lived.script.seed}: every promise is kept; trace {lived.digest}"
    return told(shortest(where, lived))


def _many(seeds: range, draw: Callable[[int], Script]) -> int:
    began_s, count, broken = time.monotonic(), 0, 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found_in = pool.map(partial(failures, draw), _parts(seeds))
        for some, found in zip(_parts(seeds), found_in, strict=True):
            count, broken = count + len(some), broken + len(found)
            for text in found:
                sys.stdout.write(f"{text}\n")
            rate = count / (time.monotonic() - began_s)
            sys.stdout.write(f"{count} histories, {broken} broke a promise, {rate:.1f}/s\n")
            sys.stdout.flush()
    return 1 if broken else 0


def _parts(seeds: range) -> Iterator[range]:
    for start in range(0, len(seeds), _AT_ONCE):
        yield seeds[start : start + _AT_ONCE]


if __name__ == "__main__":
    sys.exit(main())
