"""
Mirrors under one daemon, each with a store's fault of its own, and people at work on both sides.

What the people write is known, path by path: so nothing that was never written may be seen under a
name, on either side, at any time; and nothing that nobody deleted may be gone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeAlias

import proxy
import servers
from docferry.storage.base import PART_BYTES
from processes import wait_for
from store_faults import Does, Trouble, mood_of
from system.daemon import Daemon, Hold, Mirror, Site

#: Never changed by anybody, changed or deleted here, changed or deleted there.
PATHS = (
    "kept.txt",
    "folder/edited here.txt",
    "edited there.txt",
    "gone here.txt",
    "gone there.txt",
)
HERE, THERE = "folder/edited here.txt", "edited there.txt"
NEW_HERE, NEW_THERE = "new here.txt", "folder/new there.txt"
#: A look at all mirrors costs as much as the daemon's work.
LOOK_EVERY_S = 0.4
LARGE_BYTES = PART_BYTES + 100_000


Change: TypeAlias = Callable[[proxy.Proxy], None]


def leave(_: proxy.Proxy) -> None:
    """Do nothing to it."""


class Stage(Enum):
    """How far a fault has come."""

    BEGUN = auto()
    TOLD = auto()  #: and the people work on
    OVER = auto()


@dataclass(frozen=True, slots=True)
class StoreFault:
    """
    A fault of the store, or of the way to it.

    Args:
        does: What becomes of a request that it strikes; None: it strikes by other ways.
        kinds: Of requests that it strikes (`store_faults.kind`); empty: all.
        all_keys: It strikes what is docferry's own, too.
        begin, end: What is done to the proxy besides.
        over_tls: The mirror speaks TLS.
    """

    does: Does | None
    kinds: frozenset[str] = frozenset()
    all_keys: bool = True
    is_before_the_body: bool = False
    with_large: bool = False
    begin: Change = leave
    end: Change = leave
    over_tls: bool = False


@dataclass
class Scene:
    """
    One mirror, its fault, and what people wrote.

    Args:
        sees: Words that `status` says of it meanwhile; "": it goes unnoticed.
    """

    name: str
    fault: StoreFault
    sees: str
    mirror: Mirror
    between: proxy.Proxy
    trouble: Trouble = field(default_factory=Trouble)
    legit: dict[str, set[str]] = field(default_factory=dict)  #: SHA-256 of each content, by path
    expected: dict[str, bytes] = field(default_factory=dict)
    said: str = ""  #: all that `status` said while the fault was on
    wrong: set[str] = field(default_factory=set)  #: what was seen and never written, or gone
    stage: Stage = Stage.BEGUN
    healed_in_s: float | None = None
    holds: list[Hold] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    _over_s: float = 0.0

    # The people.

    def before(self) -> None:
        for path in PATHS:
            self.write(path, f"{path} of {self.name}, before".encode() * 50)

    def write(self, path: str, content: bytes) -> None:
        self._note(path, content)
        beside = self.mirror.folder / f".{path.rpartition('/')[2]}.tmp"
        (self.mirror.folder / path).parent.mkdir(exist_ok=True)
        beside.write_bytes(content)
        beside.rename(self.mirror.folder / path)  # half a file is nobody's wish

    def put(self, path: str, content: bytes) -> None:
        self._note(path, content)
        self.mirror.put(path, content)

    def work(self, wave: int) -> None:
        """Change both sides. Each wave changes again what the one before has changed."""
        for path in (HERE, NEW_HERE):
            self.write(path, f"{path} of {self.name}, {wave}".encode() * (50 + wave))
        for path in (THERE, NEW_THERE):
            self.put(path, f"{path} of {self.name}, {wave}".encode() * (50 + wave))
        if wave == 1:
            (self.mirror.folder / "gone here.txt").unlink()
            self.mirror.remove("gone there.txt")
            del self.expected["gone here.txt"], self.expected["gone there.txt"]
            if self.fault.with_large:
                self.write("large here.bin", _large(1))
                self.put("large there.bin", _large(2))

    def _note(self, path: str, content: bytes) -> None:
        self.legit.setdefault(path, set()).add(sha256(content))
        self.expected[path] = content

    # The fault.

    def begin(self) -> None:
        fault = self.fault
        fault.begin(self.between)
        if fault.does is not None:
            mood = mood_of(fault.does, self.trouble, fault.kinds, all_keys=fault.all_keys)
            if fault.is_before_the_body:
                self.between.first = mood
            else:
                self.between.mood = mood
        self.work(1)

    def go_on(self) -> None:
        """Once it is told, work on; once that was struck as well, let the fault end."""
        has_struck = self.trouble.struck > 0 or self.fault.does is None
        if self.stage is Stage.BEGUN and has_struck and self.sees in self.said:
            self.look()
            self.work(2)
            self.stage = Stage.TOLD
        elif self.stage is Stage.TOLD:
            self.look()
            self.end()

    def end(self) -> None:
        self.between.first = self.between.mood = None
        self.trouble.over.set()
        self.fault.end(self.between)
        self.stage = Stage.OVER
        self._over_s = time.monotonic()

    def is_healed(self, health: str) -> bool:
        if self.healed_in_s is None and health == "in-step" and not self.differing():
            self.healed_in_s = time.monotonic() - self._over_s
        return self.healed_in_s is not None

    def finish(self, site: Site) -> None:
        """Take down what waits for a person, and what of the trouble is still told."""
        self.look()
        status = site.status()[self.mirror.name]
        self.holds, self.conflicts, self.problems = status.holds, status.conflicts, status.problems

    # What is looked at.

    def look(self) -> None:
        """Note what stands under a name and was never written, and what is gone."""
        sides = {"folder": self.mirror.files(), "bucket": self.mirror.objects()}
        for side, found in sides.items():
            self.wrong |= {
                f"{side}: {path}: {content[:60]!r}"
                for path, content in found.items()
                if sha256(content) not in self.legit.get(path, set())
            }
            missing = {"kept.txt", HERE, THERE} - found.keys()
            self.wrong |= {f"{side}: {path} is gone" for path in missing}

    def listen(self, status: Mapping[str, Any]) -> None:
        """Take down why the mirror is as it is, and what is wrong with single paths."""
        why = [(status["row"] or {}).get("reason") or ""]
        why += [f"{problem['path']}: {problem['message']}" for problem in status["problems"]]
        self.said += "\n".join(why) + "\n"

    def archived(self) -> list[str]:
        """Name what was ever displaced and never written by anybody."""
        kept = [*self.mirror.archived_files(), *self.mirror.archived_objects()]
        written = set().union(*self.legit.values()) | {sha256(b"")}  # references are empty
        return [repr(content[:60]) for content in kept if sha256(content) not in written]

    def differing(self) -> list[str]:
        """Name the paths where a side does not hold what people wrote last, or holds it still."""
        files, objects = self.mirror.files(), self.mirror.objects()
        return [
            path
            for path in self.expected.keys() | files.keys() | objects.keys()
            if not files.get(path) == self.expected.get(path) == objects.get(path)
        ]


@contextmanager
def scenes(
    faults: Mapping[str, tuple[StoreFault, str]], server: servers.S3Server, folder: Path
) -> Iterator[tuple[Site, list[Scene]]]:
    """
    Give a site with a mirror, a store and a proxy for each fault.

    Args:
        faults: By name, each with the words that `status` says of it.
    """
    with ExitStack() as stack:
        site = Site(folder, server, names=[f"m{number}" for number in range(len(faults))])
        stack.callback(site.close)
        found: list[Scene] = []
        more = ""
        for name, mirror in zip(faults, site.mirrors.values(), strict=True):
            fault, sees = faults[name]
            own = made_in(folder, mirror.name) if fault.over_tls else None
            between = stack.enter_context(proxy.in_front_of(server, own))
            mirror.options = f'store = "{mirror.name}"\npoll = "500ms"'
            more += f'[store.{mirror.name}]\nendpoint_url = "{between.url}"\n'
            more += f'verify_tls = "{own.ca}"\n' if own else ""
            found.append(Scene(name, fault, sees, mirror, between))
            stack.callback(found[-1].trouble.over.set)
        site.configure(more=more)
        yield site, found


def made_in(folder: Path, name: str) -> servers.Certificate:
    own = folder / f"{name}-tls"
    own.mkdir()
    return servers.make_certificate(own)


def play(site: Site, found: list[Scene], timeout_s: float) -> None:
    """Begin all faults at once; end each when it was told, and work went on under it."""
    for scene in found:
        scene.begin()

    def are_all_over() -> bool:
        told = {mirror["name"]: mirror for mirror in site.json("status")["mirrors"]}
        for scene in found:
            if scene.stage is not Stage.OVER:
                scene.listen(told[scene.mirror.name])
                scene.go_on()
        return all(scene.stage is Stage.OVER for scene in found)

    try:
        wait_for(are_all_over, timeout_s, every_s=LOOK_EVERY_S)
    except AssertionError as error:
        left = [scene for scene in found if scene.stage is not Stage.OVER]
        told = "\n".join(f"{each.name}: {each.trouble.struck}\n{each.said[-800:]}" for each in left)
        raise AssertionError(f"{error}\n{told}") from None


def heal(found: list[Scene], daemon: Daemon, timeout_s: float) -> None:
    """Wait until each mirror is in step, with all that was written, or for so long."""

    def are_all_healed() -> bool:
        health = daemon.health()
        healed = [scene.is_healed(health.get(scene.mirror.name, "")) for scene in found]
        return all(healed)

    with suppress(AssertionError):  # each says it of itself
        wait_for(are_all_healed, timeout_s, every_s=LOOK_EVERY_S)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _large(number: int) -> bytes:
    piece = hashlib.sha256(bytes([number])).digest() * 32
    return (piece * (LARGE_BYTES // len(piece) + 1))[:LARGE_BYTES]
