"""The packages as `make packages` makes them, for whoever installs them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BUILT_WITHIN_S = 240.0


@dataclass(frozen=True, slots=True)
class Packages:
    """What one build gave."""

    folder: Path

    @property
    def deb(self) -> Path:
        return self._only("*.deb")

    @property
    def rpm(self) -> Path:
        return self._only("*.rpm")

    @property
    def wheel(self) -> Path:
        return self._only("*.whl")

    @property
    def sdist(self) -> Path:
        return self._only("*.tar.gz")

    def _only(self, pattern: str) -> Path:
        [package] = self.folder.glob(pattern)
        return package


def build(folder: Path, release: int = 1) -> Packages:
    """Make all packages in *folder*: seconds, once a build has made what the lock calls for."""
    tools = Path(sys.executable).parent
    ended = subprocess.run(
        [ROOT / "packaging" / "build-packages", tools, folder, str(release)],
        capture_output=True,
        text=True,
        timeout=_BUILT_WITHIN_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return Packages(folder)


def listed(deb: Path) -> dict[str, tuple[str, str]]:
    """Give what a .deb puts where: its mode as `ls` writes it, and its owner and group."""
    listing = subprocess.run(
        ["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True
    ).stdout
    lines = re.findall(r"^(\S{10}) (\S+) .*? \.(/\S*)", listing, re.MULTILINE)
    return {path: (mode, owner) for mode, owner, path in lines}
