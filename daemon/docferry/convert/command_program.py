"""A local program: where it is, and which version of it is installed."""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from tempfile import TemporaryDirectory

from docferry.errors import UserError

#: Where programs are looked for, and where they find others: the daemon's own PATH may be less.
SEARCH_PATH = os.pathsep.join(("/usr/local/bin", "/usr/bin", "/bin"))

_ASKED_AT_MOST_S = 10.0
_LINE_CHARACTERS = 200  # more than that is a help text, and not a version
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+~-]*")


class Program:
    """A program that is installed here. Thread-safe."""

    def __init__(
        self, name: str, *, remedy: str = "", version_arguments: Sequence[str] | None = None
    ) -> None:
        """
        Args:
            name: Of a program on the PATH, or its path.
            remedy: What to do where it is not there: "apt-get install pandoc".
            version_arguments: Make it say its version; None: `--version`, but a script is told
                by its content, as nobody knows what it does with an argument it does not expect.
        """
        self.name = pathlib.PurePath(name).name
        self._given = name
        self._remedy = remedy or "install it, or name its path"
        self._version_arguments = version_arguments
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()  # what the file was like when its version was read
        self._version = ""

    def path(self) -> pathlib.Path:
        """
        Say where it is: what a name on the PATH stands for, links not followed.

        Raises:
            UserError: It is not there, or not executable.
        """
        found = shutil.which(self._given) or shutil.which(self._given, path=SEARCH_PATH)
        if found is not None:
            return pathlib.Path(found).absolute()
        if pathlib.Path(self._given).is_file():
            raise UserError(f"{self._given} is not executable: chmod a+rx {self._given}")
        raise UserError(f"{self._given} is not installed; {self._remedy}")

    def version(self) -> str:
        """
        Give the line by which it says its version, or its content's hash.

        It is asked only once, and again when another file has taken its place.

        Raises:
            UserError: It is not there.
        """
        path = self.path()
        status = path.stat()
        seen = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            if seen != self._seen:
                self._version = self._asked(path) or f"sha256:{file_hash(path)}"
                self._seen = seen
            return self._version

    def release(self) -> str:
        """Give its name and version, for people: "soffice 7.4.7.2"."""
        version = self.version()
        if version.startswith("sha256:"):
            return f"{self.name} {version[:19]}"
        number = _VERSION.search(version)
        return f"{self.name} {number.group() if number else version}"

    def _asked(self, path: pathlib.Path) -> str:
        arguments = self._version_arguments
        if arguments is None:
            arguments = () if _is_script(path) else ("--version",)
        return _first_line([str(path), *arguments]) if arguments else ""


def file_hash(path: pathlib.Path) -> str:
    """
    Give the SHA-256 of the content of *path*.

    Raises:
        UserError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _is_script(path: pathlib.Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False  # executable, but not to be read


def _first_line(command: Sequence[str]) -> str:
    """Run *command* and give the first line it says; "" where it fails or takes too long."""
    with TemporaryDirectory(prefix="docferry-version-") as folder:
        environment = {"PATH": SEARCH_PATH, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"}
        try:
            finished = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_ASKED_AT_MOST_S,
                cwd=folder,
                env=environment,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
    # OCRmyPDF 17.8 to 17.12.0 says its version on standard error.
    said = (finished.stdout.strip() or finished.stderr.strip()).decode(errors="replace")
    line = said.partition("\n")[0].strip()
    return line if finished.returncode == 0 and len(line) <= _LINE_CHARACTERS else ""
