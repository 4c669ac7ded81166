"""What is fuzzed, by name: a function that takes any bytes and raises where a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from fuzz import of_names, of_people, of_programs, of_stores

Target = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.__name__.replace("_", "-"): target
        for target in (
            of_stores.listing,
            of_stores.versions,
            of_stores.metadata,
            of_stores.markers,
            of_stores.ulids,
            of_stores.snapshots,
            of_names.keys,
            of_names.two_keys,
            of_names.local_names,
            of_names.aliases,
            of_names.headers,
            of_names.cursors,
            of_people.configuration,
            of_people.ranges,
            of_people.conditions,
            of_people.forms,
            of_people.content_types,
            of_people.bodies,
            of_people.times,
            of_people.patterns,
            of_programs.notifications,
            of_programs.datagrams,
            of_programs.service_answers,
            of_programs.retries,
        )
    }
)


def seeds(name: str) -> list[bytes]:
    """Give what is known to be telling for a target."""
    folder = CORPUS / name
    return [file.read_bytes() for file in sorted(folder.iterdir())] if folder.is_dir() else []
