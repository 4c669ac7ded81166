"""Programs that encrypt, and what a person's word about a hold of changes is to come to."""

from __future__ import annotations

import random
from collections.abc import Iterator

from docferry.core.paths import key_of, path_of
from docferry.ledger.held_changes import HeldChange
from docferry.model import HoldState, Path, Side, Ulid
from docferry.storage.memory import Held
from simulation.acts import Act
from simulation.daemon import MIRROR
from simulation.truth import OTHER
from simulation.world import World

#: Long enough to be told from words.
_NOISE_BYTES = 100


def spoil(world: World, act: Act) -> None:
    """Write noise over some files, one after the other."""
    paths = _some(world, act)
    for path in paths:
        world.write(act.side, path, _noise(world))
    world.hint(act, *paths)


def lock(world: World, act: Act) -> None:
    """Write noise beside some files, under new endings, and delete them."""
    paths = _some(world, act)
    for path in paths:
        world.write(act.side, f"{path}.locked", _noise(world))
        world.delete(act.side, path)
    world.hint(act, *paths, *[f"{path}.locked" for path in paths])


def tell_decided(world: World, hold: int, state: HoldState) -> None:
    """Note what people want now of the changes that are held. Not decided yet, as the ledger is."""
    world.truth.bursts.spread.clear()
    for change in world.people.changes.items(hold):
        held = world.side(change.side).files.get(_at(change.side, change.path))
        if change.travelled and state is HoldState.DISCARDED:
            _refuse_travelled(world, change)
        if held is None or (not change.travelled and held.token != change.token):
            continue  # it was changed again: that is not what is decided about
        if state is HoldState.APPROVED or (change.travelled and held.token == change.token):
            world.truth.bursts.let_go.add(held.content)
        if state is HoldState.DISCARDED:
            _refuse(world, change, held)


def waiting(world: World) -> Iterator[bytes]:
    """Give the contents that wait in holds, each at the one place that has it."""
    for hold in world.people.holds.all(MIRROR):
        for change in world.people.changes.items(hold.id):
            held = world.side(change.side).files.get(_at(change.side, change.path))
            if held is not None and held.token == change.token and not change.travelled:
                yield held.content


def _refuse_travelled(world: World, change: HeldChange) -> None:
    """What came to the other side goes from both, even if it has to come back for it first."""
    there = world.side(OTHER[change.side]).files.get(_at(OTHER[change.side], change.path))
    if there is not None and change.is_newcomer:
        path = path_of(key_of(change.path))
        world.truth.asked_away.setdefault(path, set()).add(there.content)


def _refuse(world: World, change: HeldChange, held: Held) -> None:
    """What is held there may go from now on; what was there comes back, if all is as it was."""
    path = path_of(key_of(change.path))
    world.truth.asked_away.setdefault(path, set()).add(held.content)
    there = world.side(OTHER[change.side]).files.get(_at(OTHER[change.side], change.path))
    if there is not None and change.is_newcomer:  # what it had become had travelled
        world.truth.asked_away[path].add(there.content)
    agreed = world.people.synced.get(MIRROR, [change.path]).get(change.path)
    if agreed is None:
        is_as_held = there is None and held.token == change.token
    else:
        tokens = agreed.local_token, agreed.remote_token
        mine, other = tokens if change.side is Side.LOCAL else tokens[::-1]
        is_as_held = there is not None and there.token == other
        is_as_held = is_as_held and (not change.travelled or held.token == mine)
    if is_as_held:
        _expect(world, path, None if change.is_newcomer else change.version)


def _expect(world: World, path: Path, version: Ulid | None) -> None:
    row = None if version is None else world.people.versions.get(version)
    world.truth.bursts.come_back[path] = None if row is None else row.sha256


def _at(side: Side, path: Path) -> Path:
    """Give the path there of what the ledger calls *path*."""
    return path if side is Side.LOCAL else path_of(key_of(path))


def _some(world: World, act: Act) -> list[Path]:
    paths = sorted(world.side(act.side).files)
    return [path for path in paths if path == path_of(key_of(path))][: 1 + act.number % 5]


def _noise(world: World) -> bytes:
    noise = random.Random(world.new_content()).randbytes(_NOISE_BYTES)
    world.truth.bursts.noise.add(noise)
    return noise
