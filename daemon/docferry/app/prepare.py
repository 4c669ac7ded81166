"""Make a mirror ready: its folder is there, ours alone and tidy, and the store is known."""

from __future__ import annotations

from contextlib import suppress

from docferry.app.sides import KnownStore, Sides, StoreProbe
from docferry.errors import PermanentError, TemporaryError, UnreachableError, UserError
from docferry.folders import make_folder
from docferry.ledger import Ledger
from docferry.ledger.lock import MirrorLock
from docferry.logs import get_logger

log = get_logger(__name__)


class Preparation:
    """
    What a mirror needs before anything travels. Its loop asks for it until it is done.

    A folder that is away when the daemon starts must not keep the other mirrors waiting.
    Without `.docferry` a folder is away: not mounted, or another place. Then nothing is
    claimed, and nothing is made in it.

    Args:
        is_rebuilt: The store is to be left as it is: no probe.
    """

    def __init__(self, sides: Sides, ledger: Ledger, *, is_rebuilt: bool = False) -> None:
        self._sides = sides
        self._ledger = ledger
        self._lock = MirrorLock(sides.options.local)
        self._probe = KnownStore(sides, ledger) if is_rebuilt else StoreProbe(sides, ledger)
        self._has_folder = False

    def __call__(self) -> None:
        """
        Raises:
            UnreachableError, PermanentError: A side does not answer, or not to us.
        """
        try:
            self._take_folder()
        except UserError as error:
            raise PermanentError(str(error)) from error
        self._probe()

    def at_start(self) -> None:
        """
        Raises:
            UserError: Another daemon works in the folder.
        """
        with suppress(PermanentError, TemporaryError):  # the loop meets it again, and tells of it
            self._take_folder()

    def release(self) -> None:
        """Let another daemon have the folder."""
        self._lock.release()

    def _take_folder(self) -> None:
        if self._has_folder:
            return
        self._make_folder_of_new_mirror()
        if not self._lock.has_place:
            return
        self._lock.acquire()
        for path in self._sides.local.sweep_staging():
            log.warning("path.recovered", mirror=self._sides.options.name, path=path)
        self._has_folder = True

    def _make_folder_of_new_mirror(self) -> None:
        # Only ever for a mirror that never ran: a folder that has vanished is not made anew.
        options = self._sides.options
        row = self._ledger.mirrors.get(options.name)
        if row is not None and row.marker_id is not None:
            return
        try:
            make_folder(options.local)
        except OSError as error:
            raise UnreachableError(
                f"cannot make the folder {options.local}: {error.strerror}. Make it and let "
                "docferry read and write it, or correct `local`. Outside /srv/docferry the service "
                "needs what docferry check --systemd tells"
            ) from error
