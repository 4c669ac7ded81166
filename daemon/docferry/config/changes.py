"""What another configuration changes: what comes, what goes, what is done in another way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from docferry.config.options import Config, ConvertConfig, MirrorConfig, StoreConfig
from docferry.config.tables import keys_of
from docferry.core.traffic import UNLIMITED

T = TypeVar("T")

#: Attributes that count at once. What is not here, nor a table, counts from the next start on.
_AT_ONCE = ("log_level", "credentials_dir")
#: The same, by how their names begin: whoever serves the API is told.
_AT_ONCE_TOO = "api_"


@dataclass(frozen=True, slots=True)
class Named:
    """What becomes of the things of one kind, by their names."""

    come: tuple[str, ...] = ()
    go: tuple[str, ...] = ()
    change: tuple[str, ...] = ()

    @property
    def end(self) -> tuple[str, ...]:
        """Those that do not run on as they are."""
        return self.go + self.change

    @property
    def begin(self) -> tuple[str, ...]:
        """Those that are to run as the new configuration has them."""
        return self.come + self.change

    @property
    def facts(self) -> dict[str, tuple[str, ...]]:
        """For a log: what there is to be said."""
        found = {"came": self.come, "went": self.go, "changed": self.change}
        return {what: names for what, names in found.items() if names}


@dataclass(frozen=True, slots=True)
class Changes:
    """
    All that is different.

    keys: Stores of which the keys are, and not what their mirrors would begin anew for.
    limits: Stores of which limits are, or the budget.
    after_restart: Keys that count from the next start on.
    """

    mirrors: Named = Named()
    drops: Named = Named()
    queues: Named = Named()
    rules: Named = Named()
    webhooks: Named = Named()
    keys: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    after_restart: tuple[str, ...] = ()


def changes(old: Config, new: Config) -> Changes:
    """Compare two configurations. A drop folder goes with its mirror, a mirror with its store."""
    reached = {
        name
        for name, store in new.stores.items()
        if name in old.stores and _place_of(old.stores[name]) != _place_of(store)
    }
    renewed = {
        name
        for name, store in new.stores.items()
        if name in old.stores and name not in reached and _keys(old.stores[name]) != _keys(store)
    }
    moved = {name for name, mirror in new.mirrors.items() if mirror.store in reached}
    mirrors = _named(old.mirrors, new.mirrors, moved)
    fed = {name for name, drop in new.drops.items() if drop.into in mirrors.begin}
    return Changes(
        mirrors=mirrors,
        drops=_named(old.drops, new.drops, fed),
        queues=_named(old.queues, new.queues, _queues_of(new, reached | renewed)),
        rules=_named(_rules(old), _rules(new)),
        webhooks=_named(old.webhooks, new.webhooks),
        keys=tuple(name for name in new.stores if name in renewed),
        limits=tuple(
            name
            for name, store in new.stores.items()
            if name in old.stores and _limits(old.stores[name]) != _limits(store)
        ),
        after_restart=tuple(
            key.name
            for key, attribute, _ in keys_of(Config)
            if attribute not in _AT_ONCE
            and not attribute.startswith(_AT_ONCE_TOO)
            and getattr(old, attribute) != getattr(new, attribute)
        ),
    )


def may_meet(one: MirrorConfig, other: MirrorConfig) -> bool:
    """Say whether both could work on the same files: not at the same time, then."""
    same_bucket = (one.store, one.bucket) == (other.store, other.bucket)
    return (
        one.name == other.name
        or one.local.is_relative_to(other.local)
        or other.local.is_relative_to(one.local)
        or (same_bucket and one.prefix.startswith(other.prefix))
        or (same_bucket and other.prefix.startswith(one.prefix))
    )


def _named(old: Mapping[str, T], new: Mapping[str, T], also: Collection[str] = ()) -> Named:
    """Compare by name; those of *also* count as changed whatever they say themselves."""
    return Named(
        come=tuple(name for name in new if name not in old),
        go=tuple(name for name in old if name not in new),
        change=tuple(
            name for name in new if name in old and (old[name] != new[name] or name in also)
        ),
    )


def _place_of(store: StoreConfig) -> StoreConfig:
    """Leave out what may change while the store's mirrors go on."""
    return replace(
        store,
        access_key_id=None,
        secret_access_key=None,
        session_token=None,
        bandwidth_up=UNLIMITED,
        bandwidth_down=UNLIMITED,
        requests_per_s=None,
        budget=None,
    )


def _keys(store: StoreConfig) -> tuple[object, ...]:
    return (store.access_key_id, store.secret_access_key, store.session_token)


def _limits(store: StoreConfig) -> tuple[object, ...]:
    return (store.limits, store.budget)


def _queues_of(config: Config, stores: Collection[str]) -> set[str]:
    """Give the queues that are read with what is said of *stores*."""
    return {name for name, queue in config.queues.items() if queue.store in stores}


def _rules(config: Config) -> dict[str, tuple[object, ...]]:
    """Give all that counts for each rule: what it says, and what its converters are."""

    def of(rule: ConvertConfig) -> tuple[object, ...]:
        return (rule, *(config.converters[name] for name in rule.chain))

    return {rule.name: of(rule) for rule in config.converts}
