"""
DOCFERRY_… variables, laid over the file.

DOCFERRY_MIRROR__DOCS__POLL is `poll` of [mirror.docs]: the full key in capitals, "__"
for each dot, "_" for "-". A table must stand in the file, if only as its header, for
a variable to reach it: a mistyped name is then a fault and not another table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from docferry.config.faults import Fault, did_you_mean
from docferry.config.tables import Table, keys_of, secret_fault

_PREFIX = "DOCFERRY_"

# No keys: CONFIG is where the file is, the others are Kubernetes', which sets them in
# every container beside a service called docferry.
_NO_KEYS = re.compile(r"DOCFERRY_(CONFIG|SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_\w+)?)")

_SECRET = re.compile(r"DOCFERRY_STORE__(\w+)__(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)")


def override(tables: Sequence[Table], environ: Mapping[str, str], faults: list[Fault]) -> None:
    """Replace the values that a variable sets."""
    places = _places(tables)
    for variable in sorted(environ):
        name = variable.upper()
        if not name.startswith(_PREFIX) or _NO_KEYS.fullmatch(name):
            continue
        match places.get(name, []):
            case []:
                faults.append(_unknown(variable, places))
            case [(table, key)]:
                table.values[key] = environ[variable]
                table.variables[key] = variable
            case several:
                keys = " and ".join(table.key_of(key) for table, key in several)
                faults.append(Fault(variable, f"means {keys}", "names that differ in more than -"))


def _places(tables: Sequence[Table]) -> dict[str, list[tuple[Table, str]]]:
    """Give every variable that there can be, and the keys that it sets."""
    places: dict[str, list[tuple[Table, str]]] = {}
    for table in tables:
        for key in {key.name for key, _, _ in keys_of(table.options)} - {"name"}:
            variable = _PREFIX + table.key_of(key).replace(".", "__").replace("-", "_").upper()
            places.setdefault(variable, []).append((table, key))
    return places


def _unknown(variable: str, places: Mapping[str, object]) -> Fault:
    secret = _SECRET.fullmatch(variable.upper())
    if secret:
        store, key = secret[1].lower(), secret[2].lower()
        return secret_fault(variable, store=store, key=key)
    return Fault(
        variable,
        "sets no key of a table that stands in the file",
        did_you_mean(variable.upper(), places),
    )
