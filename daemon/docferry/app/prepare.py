"""Make a mirror ready: its folder is there, ours alone and tidy, and the store is known."""

from __future__ import annotations

from docferry.app.sides import Sides, StoreProbe
from docferry.errors import UnreachableError
from docferry.ledger import Ledger
from docferry.ledger.lock import MirrorLock


class Preparation:
    """
    What a mirror needs before anything travels. Its loop asks for it until it is done.

    A folder that is away when the daemon starts must not keep the other mirrors waiting.
    """

    def __init__(self, sides: Sides, ledger: Ledger) -> None:
        self._sides = sides
        self._ledger = ledger
        self._lock = MirrorLock(sides.options.local)
        self._probe = StoreProbe(sides, ledger)
        self._has_folder = False

    def __call__(self) -> None:
        """
        Raises:
            UnreachableError, PermanentError: A side does not answer, or not to us.
            UserError: Another daemon has taken the folder meanwhile.
        """
        self.take_folder()
        self._probe()

    def take_folder(self) -> None:
        """
        Raises:
            UserError: Another daemon mirrors the folder.
            UnreachableError, PermanentError: It is not there, or not for us.
        """
        if self._has_folder:
            return
        self._make_folder_of_new_mirror()
        self._lock.acquire()
        self._sides.local.sweep_staging()
        self._has_folder = True

    def release(self) -> None:
        """Let another daemon have the folder."""
        self._lock.release()

    def _make_folder_of_new_mirror(self) -> None:
        # Only ever for a mirror that never ran: a folder that has vanished is not made anew.
        options = self._sides.options
        row = self._ledger.mirrors.get(options.name)
        if row is not None and row.marker_id is not None:
            return
        try:
            options.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnreachableError(
                f"cannot make the folder {options.local}: {error.strerror}. Make it, and let "
                "docferry read and write it"
            ) from error
