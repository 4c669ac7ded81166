"""A mirror whose loop runs, and the API beside it: what is handed over goes the whole way."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from docferry.config import Config, MirrorConfig, StoreConfig
from docferry.config.options import SecretStr
from docferry.model import Mode, Path, Ulid
from docferry.web.patience import Patience
from looped_mirror import Mirror
from serving import Served, served


@dataclass(frozen=True, slots=True)
class Faced:
    """The API of a mirror named docs, a person's hands in its folder, and its loop."""

    api: Served
    mirror: Mirror

    def save(self, path: Path, content: bytes) -> Ulid:
        """Save a file as a person would, and give the version that it becomes."""
        file = self.mirror.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.mirror.root.parent / "aside"
        aside.write_bytes(content)
        aside.replace(file)
        return self.settled(path)

    def remove(self, path: Path) -> None:
        (self.mirror.root / path).unlink()
        self.mirror.run()

    def settled(self, path: Path) -> Ulid:
        self.mirror.run()
        return self.mirror.ledger.synced.get("docs", [path])[path].version

    @property
    def staged(self) -> list[str]:
        folder = self.mirror.root / ".docferry" / "staging"
        return [one.name for one in folder.iterdir()] if folder.exists() else []


def config_of(folder: pathlib.Path, root: pathlib.Path, **options: object) -> Config:
    """Give a configuration with the mirror docs, and another that nothing runs."""
    mirrors = {
        "docs": MirrorConfig("docs", "s", "b", root),
        "other": MirrorConfig("other", "s", "b", folder / "other", prefix="other/"),
        "pulled": MirrorConfig("pulled", "s", "c", folder / "pulled", mode=Mode.PULL),
    }
    store = StoreConfig(
        "s",
        endpoint_url="http://127.0.0.1:1",
        access_key_id="nobody",
        secret_access_key=SecretStr("nothing"),
    )
    given: dict[str, object] = {"disk_reserve": 0, "api_rate": 10**6} | options
    return Config(state_dir=folder, mirrors=mirrors, stores={"s": store}, **given)  # type: ignore[arg-type]


@contextmanager
def faced(
    folder: pathlib.Path,
    *,
    patience: Patience = Patience(),  # noqa: B008 - it is frozen
    **options: object,
) -> Iterator[Faced]:
    mirror = Mirror(folder, delete_limit=100, mode=Mode.TWO_WAY)
    try:
        mirror.start()
        config = config_of(folder, mirror.root, **options)
        with served(config, mirror.ledger, patience=patience) as api:
            yield Faced(api, mirror)
    finally:
        mirror.close()
