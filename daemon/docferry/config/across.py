"""What no table shows alone: names that are not there, folders and prefixes that overlap."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from itertools import combinations
from urllib.parse import urlsplit

from docferry.config.faults import Fault, did_you_mean, shown
from docferry.config.tables import Table
from docferry.core.canary import CANARY_PATH
from docferry.core.filters import Filter
from docferry.model import Mode


def check_across(tables: Sequence[Table], faults: list[Fault]) -> None:
    """Check what holds between the tables. Values that are faulty already are passed over."""
    faults += _dangling(tables, "mirror", "store", "store", refers_to="store")
    faults += _dangling(tables, "drop", "into", "into", refers_to="mirror")
    faults += _dangling(tables, "sqs", "store", "store", refers_to="store")
    faults += _dangling(tables, "convert", "from", "from_mirror", refers_to="mirror")
    faults += _dangling(tables, "convert", "to", "to_mirror", refers_to="mirror")
    faults += _told_of_nothing(tables)
    faults += _stuck(tables, "drop", "into", "into")
    faults += _stuck(tables, "convert", "to", "to_mirror")
    faults += _canaries_that_cannot_fly(tables)
    faults += _overlapping_folders(tables)
    faults += _overlapping_prefixes(tables)
    faults += _half_a_certificate(tables[0])


def _half_a_certificate(top: Table) -> Iterator[Fault]:
    cert, key = (top.get(name, pathlib.Path) for name in ("api_tls_cert", "api_tls_key"))
    if (cert is None) != (key is None):
        missing = "api.tls_cert" if cert is None else "api.tls_key"
        yield Fault(missing, "is missing", "both tls_cert and tls_key, or none of them")


def _dangling(
    tables: Sequence[Table], section: str, key: str, attribute: str, *, refers_to: str
) -> Iterator[Fault]:
    names = {table.name for table in tables if table.section == refers_to}
    for table in _of(tables, section):
        name = table.get(attribute, str)
        if name is not None and name not in names:
            wrong = f"is {shown(name)}, and there is no [{refers_to}.{name}]"
            yield Fault(table.key_of(key), wrong, did_you_mean(name, names))


def _told_of_nothing(tables: Sequence[Table]) -> Iterator[Fault]:
    names = {table.name for table in tables if table.section == "mirror"}
    for table in _of(tables, "webhook"):
        for name in table.get("mirrors", tuple) or ():
            if name not in names:
                wrong = f"has {shown(name)} in it, and there is no [mirror.{name}]"
                yield Fault(table.key_of("mirrors"), wrong, did_you_mean(name, names))


def _stuck(tables: Sequence[Table], section: str, key: str, attribute: str) -> Iterator[Fault]:
    """Find files put into a mirror that carries nothing up."""
    pulling = {table.name for table in _of(tables, "mirror") if table.get("mode", str) == Mode.PULL}
    for table in _of(tables, section):
        name = table.get(attribute, str)
        if name in pulling:
            yield Fault(
                table.key_of(key),
                f"is {shown(name)}, whose mode is pull: what is put there never reaches the store",
                "a mirror whose mode is two-way or push",
            )


def _canaries_that_cannot_fly(tables: Sequence[Table]) -> Iterator[Fault]:
    for table in _of(tables, "mirror"):
        every_s = table.get("canary_s", float)
        poll_s, settle_s = table.get("poll_s", float), table.get("settle_s", float)
        if not every_s or poll_s is None or settle_s is None:
            continue
        if every_s < 2 * (poll_s + settle_s):
            yield Fault(
                table.key_of("canary"),
                f"is {every_s:g} s, and `poll` and `settle` alone take {poll_s + settle_s:g} s",
                "at least twice as long as `poll` and `settle`, or 0 for none",
            )
        if not _takes_canaries(table):
            yield Fault(
                table.key_of("canary"),
                f"has its file {CANARY_PATH}, which the mirror leaves out",
                f'"/{CANARY_PATH}" in `include`, and not in `exclude`',
            )


def _takes_canaries(mirror: Table) -> bool:
    include, exclude = mirror.get("include", tuple), mirror.get("exclude", tuple)
    if include is None or exclude is None:
        return True  # a fault is in the way
    return Filter(include, exclude).takes(CANARY_PATH)


def _overlapping_folders(tables: Sequence[Table]) -> Iterator[Fault]:
    """
    Find folders that are, or lie in, one another.

    A file in two mirrors would be two truths; the ledger in a mirror would be mirrored;
    documents below state_dir would go when a person removes the state to start afresh.
    """
    for (mine, folder), (other, other_folder) in combinations(_folders(tables), 2):
        real, other_real = os.path.realpath(folder), os.path.realpath(other_folder)
        if real == other_real:
            how = "is the same as"
        elif _is_below(real, other_real):
            how = "lies in"
        elif _is_below(other_real, real):
            how = "contains"
        else:
            continue
        link = "" if real == str(folder) else f", which is {shown(real)}"
        yield Fault(
            mine,
            f"is {shown(str(folder))}{link}: it {how} {other} ({shown(str(other_folder))})",
            "a folder of its own, beside the other and not in it",
        )


def _folders(tables: Sequence[Table]) -> list[tuple[str, pathlib.Path]]:
    """Give the keys and the folders, the later ones first: a fault is told of the later."""
    keys = (("drop", "folder"), ("mirror", "local"), ("", "state_dir"))
    return [
        (table.key_of(key), folder)
        for section, key in keys
        for table in reversed(_of(tables, section))
        if (folder := table.get(key, pathlib.Path)) is not None
    ]


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _overlapping_prefixes(tables: Sequence[Table]) -> Iterator[Fault]:
    """Find mirrors that would hold the same objects."""
    stores = {table.name: table for table in _of(tables, "store")}
    for other, mine in combinations(_of(tables, "mirror"), 2):
        prefix, other_prefix = mine.get("prefix", str), other.get("prefix", str)
        bucket, other_bucket = _bucket(mine, stores), _bucket(other, stores)
        if prefix is None or other_prefix is None or bucket is None or bucket != other_bucket:
            continue
        if prefix.startswith(other_prefix) or other_prefix.startswith(prefix):
            yield Fault(
                mine.key_of("prefix"),
                f"is {shown(prefix)}, and {other.key_of('prefix')} is {shown(other_prefix)} "
                f"of the same bucket {shown(mine.get('bucket', str))}",
                'a prefix that is not below the other, nor above it ("" is above all)',
            )


def _bucket(mirror: Table, stores: dict[str, Table]) -> tuple[str, str] | None:
    """Give what tells a bucket from all others; None: a fault is in the way."""
    store, bucket = stores.get(mirror.get("store", str) or ""), mirror.get("bucket", str)
    if store is None or bucket is None or "endpoint_url" not in store.sound:
        return None
    return _server(store.get("endpoint_url", str)), bucket


def _server(endpoint: str | None) -> str:
    """Tell servers apart. Buckets of AWS have one space of names, whatever the region."""
    url = urlsplit(endpoint or "https://amazonaws.com")
    host = url.hostname or ""
    if host == "amazonaws.com" or host.endswith(".amazonaws.com"):
        return "amazonaws.com"
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}{url.path}"


def _of(tables: Sequence[Table], section: str) -> list[Table]:
    return [table for table in tables if table.section == section]
