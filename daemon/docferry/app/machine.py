"""
What Prometheus is told of the machine and the stores.

A folder on a dead NFS server, or a server that takes a connection and says nothing, may let
whoever asks it wait for ever. So they are asked beside the scrapes, each in a thread of its
own, and an answer that is too old is not told: no figure is better than an old one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from docferry.app.sides import Sides
from docferry.config import Config, MirrorConfig
from docferry.core.figures import MachineFigures
from docferry.engine.filesystems import watch_limit
from docferry.engine.watch import watched
from docferry.errors import DocferryError
from docferry.storage.certificate import certificate_end
from docferry.storage.s3 import S3Storage

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

#: How often `Machine.look` is to be called.
LOOK_EVERY_S = 15.0
_CERTIFICATES_EVERY_S = 3600.0
_AGAIN_AFTER_S = 60.0  # where there was no answer


class Machine:
    """
    Looks after what is told of the machine.

    Args:
        config: The one that is in force.
        sides: By mirror's name; they may come and go.
        ledger: Its file.
        poll_s: How far apart a mirror's polls are now.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        sides: Mapping[str, Sides],
        ledger: Path,
        poll_s: Callable[[MirrorConfig], float] = lambda mirror: mirror.poll_s,
    ) -> None:
        self._config = config
        self._poll_s = poll_s
        self._sides = sides
        self._ledger = ledger
        self._rooms: Beside[tuple[str, str], tuple[int, int]] = Beside(LOOK_EVERY_S)
        self._certificates: Beside[tuple[str, str], datetime] = Beside(_CERTIFICATES_EVERY_S)
        self._credentials: Beside[str, datetime] = Beside(LOOK_EVERY_S)

    def look(self) -> None:
        """Ask anew for what is due. Does not wait for any answer."""
        config = self._config()
        self._rooms.ask({key: partial(_room, at) for key, at in _folders(config).items()})
        stores = {sides.options.store: sides.remote for sides in list(self._sides.values())}
        self._certificates.ask(
            {("store", name): partial(_certificate_of, remote) for name, remote in stores.items()}
            | {
                ("converter", one.name): partial(certificate_end, one.url)
                for one in config.converters.values()
                if one.url is not None
            }
        )
        self._credentials.ask({name: remote.credentials_end_at for name, remote in stores.items()})

    def figures(self) -> MachineFigures:
        """Give what is known now."""
        config, seen = self._config(), watched()
        return MachineFigures(
            rooms=self._rooms.answers(),
            ledger_bytes=sum(_size(f"{self._ledger}{end}") for end in ("", "-wal")),
            inotify_watches=seen.directories,
            inotify_watch_limit=watch_limit(),
            degraded_watches=seen.degraded,
            poll_s={name: self._poll_s(mirror) for name, mirror in config.mirrors.items()},
            patrol_s={name: mirror.patrol_s for name, mirror in config.mirrors.items()},
            skews_s=self._skews_s(),
            certificates=self._certificates.answers(),
            credentials=self._credentials.answers(),
        )

    def _skews_s(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for sides in list(self._sides.values()):
            store, skew_s = sides.options.store, sides.remote.skew_s
            if skew_s is not None:
                found[store] = max(skew_s, found.get(store, 0.0), key=abs)
        return found


class Beside(Generic[K, T]):
    """
    Questions that are asked every so often, in threads of their own.

    One that still waits for its answer is not asked again, and its last answer is soon too old.
    """

    def __init__(self, every_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._now_s = now_s
        self._under_way: set[K] = set()
        self._due_s: dict[K, float] = {}
        self._answers: dict[K, tuple[float, T]] = {}

    def ask(self, questions: Mapping[K, Callable[[], T | None]]) -> None:
        """Ask those of *questions* that are due. What is not among them is told no more."""
        for key in self._answers.keys() - questions.keys():
            del self._answers[key]
        for key, question in questions.items():
            if key not in self._under_way and self._now_s() >= self._due_s.get(key, 0.0):
                self._under_way.add(key)
                threading.Thread(
                    target=self._put, args=(key, question), name=f"look-{key}", daemon=True
                ).start()

    @property
    def is_asking(self) -> bool:
        """Whether some question waits for its answer."""
        return bool(self._under_way)

    def answers(self) -> dict[K, T]:
        """Give the answers that are not too old."""
        oldest_s = self._now_s() - 4 * self._every_s
        known = dict(self._answers)
        return {key: answer for key, (at_s, answer) in known.items() if at_s >= oldest_s}

    def _put(self, key: K, question: Callable[[], T | None]) -> None:
        # What cannot be had is told by its absence; those who need it find out why.
        answer = None
        with suppress(OSError, ValueError, DocferryError):
            answer = question()
        now_s = self._now_s()
        if answer is not None:
            self._answers[key] = now_s, answer
        self._due_s[key] = now_s + (_AGAIN_AFTER_S if answer is None else self._every_s)
        self._under_way.discard(key)


def _folders(config: Config) -> dict[tuple[str, str], Path]:
    return (
        {("state", ""): config.state_dir}
        | {("mirror", name): mirror.local for name, mirror in config.mirrors.items()}
        | {("drop", name): drop.folder for name, drop in config.drops.items()}
    )


def _room(folder: Path) -> tuple[int, int]:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _certificate_of(store: S3Storage) -> datetime | None:
    return certificate_end(store.endpoint_url)


def _size(file: str) -> int:
    with suppress(FileNotFoundError):
        return Path(file).stat().st_size
    return 0
