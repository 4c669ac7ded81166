"""A drop folder, wired to the mirror it feeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from docferry.app.sides import Sides
from docferry.config import DropConfig
from docferry.core.filters import Filter
from docferry.core.orders import why_paused
from docferry.core.paths import is_reserved
from docferry.engine.drop import Destination, DropFolder
from docferry.engine.loop import MirrorLoop
from docferry.errors import DocferryError, StaleError
from docferry.folders import make_folder
from docferry.ledger import Ledger
from docferry.model import Attributes, Origin, Path, Token, Ulid
from docferry.storage.base import Content


class Drop:
    """A drop folder that is emptied into the mirror that it feeds."""

    def __init__(self, drop: DropConfig, sides: Sides, loop: MirrorLoop, ledger: Ledger) -> None:
        self.options = drop
        self.is_leaving = False  #: nobody follows once it is stopped
        self._feed = _Feed(drop, sides, loop, ledger)
        self._folder = DropFolder(drop, self._feed.destination())

    def start(self) -> None:
        """Begin. A folder that is missing is made."""
        with suppress(OSError):  # it says itself, and again, that it cannot be opened
            make_folder(self.options.folder)
        self._feed.forget_old_problems()
        self._folder.start()

    def stop(self, time_left_s: Callable[[], float]) -> bool:
        """End after the file under way. False: that takes longer."""
        is_over = self._folder.stop(time_left_s())
        if is_over and self.is_leaving:
            with suppress(DocferryError):  # the next start forgets them
                self._feed.forget_old_problems()
        return is_over


class _Feed:
    """One drop folder's way into its mirror."""

    def __init__(self, drop: DropConfig, sides: Sides, loop: MirrorLoop, ledger: Ledger) -> None:
        self._drop = drop
        self._mirror = drop.into
        self._local = sides.local
        self._filter = Filter(sides.options.include, sides.options.exclude)
        self._loop = loop
        self._ledger = ledger

    def destination(self) -> Destination:
        return Destination(
            storage=self._local,
            takes=lambda path: not is_reserved(path) and self._filter.takes(path),
            is_safe=self._is_safe,
            replace=self._replace,
            on_placed=self._on_placed,
            on_problem=self._on_problem,
            trouble=self._trouble,
        )

    def forget_old_problems(self) -> None:
        """What an earlier daemon could not take, this one looks at anew."""
        rows = self._ledger.problems.all(self._mirror)
        folder = str(self._drop.folder)
        old = [row.path for row in rows if row.kind == "drop" and row.path.startswith(folder)]
        self._ledger.problems.clear(self._mirror, old)

    def _trouble(self) -> str | None:
        pause = self._loop.ordered.pause
        return None if pause is None else f"mirror {self._mirror} is {why_paused(pause)}"

    def _is_safe(self, path: Path, token: Token) -> bool:
        synced = self._ledger.synced.get(self._mirror, [path]).get(path)
        return synced is not None and synced.local_token == token

    def _replace(
        self, path: Path, content: Content, attributes: Attributes, token: Token
    ) -> object:
        synced = self._ledger.synced.get(self._mirror, [path]).get(path)
        if synced is None or synced.local_token != token:
            raise StaleError(f"{path} has changed since it was synced")
        archive = Attributes(version=synced.version, sha256=synced.sha256, path=path)
        return self._local.write(path, content, attributes, expect=token, archive=archive)

    def _on_placed(self, path: Path) -> Ulid | None:
        return self._loop.hint(path, Origin.DROP)

    def _on_problem(self, path: Path, reason: str | None) -> None:
        """Show what has to wait in a drop folder among its mirror's problems, by its full name."""
        name = str(self._drop.folder / path)
        if reason is None:
            self._ledger.problems.clear(self._mirror, [name])
            return
        self._ledger.problems.put(
            self._mirror,
            name,
            kind="drop",
            message=reason,
            at=datetime.now(UTC),
            retry_at=None,
        )
