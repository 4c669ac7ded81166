"""The tables of the file, each checked by itself: its keys, and what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, TypeVar, get_args, get_origin, get_type_hints

from docferry.config.faults import Fault, did_you_mean, shown
from docferry.config.options import (
    Config,
    ConvertConfig,
    ConverterConfig,
    DropConfig,
    Key,
    MirrorConfig,
    SqsConfig,
    StoreConfig,
    WebhookConfig,
)
from docferry.config.values import NAME, Wrong

T = TypeVar("T")
Options = (
    Config
    | StoreConfig
    | MirrorConfig
    | DropConfig
    | SqsConfig
    | ConverterConfig
    | ConvertConfig
    | WebhookConfig
)

_NAMED: Mapping[str, type[Options]] = {
    "store": StoreConfig,
    "mirror": MirrorConfig,
    "drop": DropConfig,
    "sqs": SqsConfig,
    "converter": ConverterConfig,
    "webhook": WebhookConfig,
}
_GROUPS = ("metrics", "api", "log", "audit")  # tables that only group keys of the whole
_SECTIONS = (*_NAMED, "convert", *_GROUPS)

_SECRET_ENDS = ("access_key_id", "access_key", "secret_key", "session_token", "password", "secret")
_SECRET_FILES = {"converter": "secret", "webhook": "webhook"}
_SERVICE_SECRETS = ("secret", "password", "token", "api_key", "authorization", "bearer")


@dataclasses.dataclass(slots=True)
class Table:
    """
    One table: what is written in it, and what of that is sound.

    A faulty value is left out of `sound`; a key that is not written has its default
    there. So whoever looks across tables never stumbles over a fault already told.
    """

    section: str  #: "mirror"; "" for the top of the file
    name: str  #: "docs"; a rule without one has its number
    options: type[Options]
    values: dict[str, object]  #: key -> as written
    variables: dict[str, str] = dataclasses.field(default_factory=dict)  #: key -> what set it
    sound: dict[str, object] = dataclasses.field(default_factory=dict)  #: attribute -> as read

    def key_of(self, key: str) -> str:
        """Give the key's full name: "mirror.docs.prefix"."""
        return f"{self.section}.{self.name}.{key}" if self.section else key

    def get(self, attribute: str, kind: type[T]) -> T | None:
        """Give what was read for *attribute*; None: it is faulty, or None itself."""
        value = self.sound.get(attribute)
        return value if isinstance(value, kind) else None

    def read(self, faults: list[Fault]) -> None:
        """Check every key; what is sound goes into `sound`."""
        if self.section in _NAMED:
            self.sound["name"] = self.name
        keys = keys_of(self.options)
        names = {known.name for known, _, _ in keys}
        faults += [self._unknown(key, names) for key in self.values if key not in names]
        for known, attribute, default in keys:
            if known.name in self.values:
                self._read_value(known, attribute, faults)
            elif default is dataclasses.MISSING:
                _note(faults, Fault(self.key_of(known.name), "is missing", known.check.right))
            else:
                self.sound[attribute] = default

    def _read_value(self, known: Key, attribute: str, faults: list[Fault]) -> None:
        try:
            self.sound[attribute] = known.check.read(self.values[known.name])
        except Wrong as wrong:
            variable = self.variables.get(known.name)
            origin = f" (set by {variable})" if variable else ""
            key = self.key_of(known.name)
            _note(faults, Fault(key, f"{wrong}{origin}", known.check.right))

    def _unknown(self, key: str, known: set[str]) -> Fault:
        file = _SECRET_FILES.get(self.section)
        if file is not None and key.casefold().endswith(_SERVICE_SECRETS):
            return Fault(
                self.key_of(key),
                "secrets are not written here",
                f"a file {self.name}.{file} in $CREDENTIALS_DIRECTORY (LoadCredential= of systemd)",
            )
        if key.casefold().endswith(_SECRET_ENDS):
            is_of_store = self.section not in ("", "sqs")  # a queue is read with its store's keys
            store = self.name if is_of_store else str(self.values.get("store", "STORE"))
            return secret_fault(self.key_of(key), store=store, key=key)
        right = self._elsewhere(key)
        if right is None or _is_named(self.values[key]):
            right = did_you_mean(key, known if self.section else known.union(_SECTIONS))
        return Fault(self.key_of(key), "there is no such key", right)

    def _elsewhere(self, key: str) -> str | None:
        """Say where *key* belongs: whoever takes the # from a key alone leaves its header one."""
        tops = _names_in(Config)
        if not self.section:
            headers = [f"[{each}.NAME]" for each, kind in _NAMED.items() if key in _names_in(kind)]
        else:
            if key in tops:
                return f"move {key} to the top of the file, above the first [table]"
            headers = [f"[{group}]" for group in _GROUPS if f"{group}.{key}" in tops]
        return f"put {key} below its header, {' or '.join(headers)}" if headers else None


def tables_in(document: Mapping[str, object], faults: list[Fault]) -> list[Table]:
    """Give the tables of the file; the first is its top."""
    top = Table("", "", Config, {})
    tables = [top]
    for section, content in document.items():
        if section in _NAMED:
            tables += _named(section, content, faults)
        elif section == "convert":
            tables += _converts(content, faults)
        elif section not in _GROUPS:
            top.values[section] = content
        elif isinstance(content, dict):
            top.values |= {f"{section}.{key}": value for key, value in content.items()}
        else:
            faults.append(Fault(section, f"is {shown(content)}", f"a table: [{section}]"))
    if not document.get("mirror"):
        right = "at least one [mirror.NAME]; in the example each such header is a comment, too"
        faults.append(Fault("mirror", "there is none", right))
    return tables


def _is_named(content: object) -> bool:
    """Say whether what is written are tables with names: no key has such."""
    return isinstance(content, dict) and all(isinstance(one, dict) for one in content.values())


def _names_in(options: type[Options]) -> set[str]:
    return {known.name for known, _, _ in keys_of(options)}


def keys_of(options: type[Options]) -> list[tuple[Key, str, object]]:
    """Give each key of a table with its attribute and default (MISSING: it must be written)."""
    hints = get_type_hints(options, include_extras=True)
    return [
        (key, field.name, _default_of(field))
        for field in dataclasses.fields(options)
        if get_origin(hints[field.name]) is Annotated
        for key in get_args(hints[field.name])
        if isinstance(key, Key)
    ]


def _default_of(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def secret_fault(where: str, *, store: str, key: str) -> Fault:
    """Refuse a secret without showing it, and say where it belongs."""
    name = key.casefold().removeprefix("aws_")
    if name not in ("access_key_id", "session_token"):
        name = "secret_access_key"
    return Fault(
        where,
        "secrets are not written here",
        f"a file {store}.{name} in $CREDENTIALS_DIRECTORY (LoadCredential= of systemd), "
        f"the variable AWS_{name.upper()}, or any other place where boto3 looks",
    )


def _named(section: str, content: object, faults: list[Fault]) -> list[Table]:
    example = f"a table with a name: [{section}.NAME]"
    if not isinstance(content, dict):
        faults.append(Fault(section, f"is {shown(content)}", example))
        return []
    tables = []
    for name, values in content.items():
        key = f"{section}.{name}"
        if not isinstance(values, dict):
            faults.append(Fault(key, f"is {shown(values)}, and [{section}] has no name", example))
            continue
        _check_name(key, name, faults)
        tables.append(Table(section, name, _NAMED[section], values))
    return tables


def _converts(content: object, faults: list[Fault]) -> list[Table]:
    if not isinstance(content, list) or not all(isinstance(rule, dict) for rule in content):
        faults.append(
            Fault("convert", f"is {shown(content)}", "one [[convert]], in double brackets, a rule")
        )
        return []
    tables: list[Table] = []
    for number, values in enumerate(content, start=1):
        table = Table("convert", str(values.get("name", number)), ConvertConfig, values)
        if table.name in {other.name for other in tables}:
            key = table.key_of("name")
            faults.append(Fault(key, "is the name of another rule too", "a name for each rule"))
        tables.append(table)
    return tables


def _check_name(key: str, name: str, faults: list[Fault]) -> None:
    try:
        NAME.read(name)
    except Wrong:
        faults.append(Fault(key, f"{shown(name)} is no name", NAME.right))


def _note(faults: list[Fault], fault: Fault) -> None:
    """Add a fault, but only one for a key that two attributes are read from."""
    if fault.key not in {known.key for known in faults}:
        faults.append(fault)
