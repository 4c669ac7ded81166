"""What people do, and what befalls them: each kind of act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from docferry.convert.base import ConversionError, ConverterDownError
from docferry.core.paths import key_of, path_of
from docferry.engine.runs import Run
from docferry.ledger.requests import NewRequest
from docferry.model import HoldState, Path, RequestKind, Side
from docferry.storage.memory import sha256_of
from simulation.acts import Act, Kind
from simulation.bursts import lock, spoil, tell_decided
from simulation.daemon import MIRROR, SETTLE_S
from simulation.sides import Trouble
from simulation.world import World

#: The two halves of a slow save are so far apart: never as long as a file has to rest.
SLOW_S = SETTLE_S * 0.6
HELD_OPEN_S = 5.0
_DOWN = (
    ConverterDownError("it does not answer"),
    ConversionError("it cannot read this"),
    ConverterDownError("it broke down", is_in_doubt=True),
)


def perform(world: World, act: Act) -> None:
    """Let *act* happen, if it can."""
    world.trace(f"{act}")
    if act.kind is Kind.RESTART:  # what ends is docferry: that is nobody's doing
        world.restart()
        return
    with world.by_a_person():
        _PERFORM[act.kind](world, act)


def _write(world: World, act: Act) -> None:
    held = world.bucket.files.get(act.path)
    world.write(act.side, act.path, world.new_content())
    if act.side is Side.REMOTE and held is not None and act.number % 4 == 0:
        now = world.bucket.files[act.path]  # by a tool that keeps what the object says of itself
        world.bucket.files[act.path] = replace(now, attributes=held.attributes)
    world.hint(act, act.path)


def _write_slowly(world: World, act: Act) -> None:
    whole = world.new_content()
    half = b"half of " + whole
    if world.folder.blocker(act.path) or not world.folder.is_mounted:
        return
    world.truth.halves.add(half)
    world.write(Side.LOCAL, act.path, half, stands=False)
    world.hint(act, act.path)

    def finish() -> None:
        held = world.folder.files.get(act.path)
        if held is not None and held.content == half and world.folder.is_mounted:
            world.write(Side.LOCAL, act.path, whole)
            world.hint(act, act.path)
        else:  # renamed, deleted, or out of reach: its half is all there is
            world.truth.halves.discard(half)
            world.truth.made.add(half)

    world.later(SLOW_S, finish)


def _touch(world: World, act: Act) -> None:
    side = world.side(act.side)
    held = side.files.get(act.path)
    if held is not None and held.content not in world.truth.halves:
        side.user_write(act.path, held.content, held.attributes)
        world.hint(act, act.path)


def _delete(world: World, act: Act) -> None:
    world.delete(act.side, act.path)
    world.hint(act, act.path)


def _delete_many(world: World, act: Act) -> None:
    paths = sorted(world.side(act.side).files)[: 2 + act.number % 5]
    for path in paths:
        world.delete(act.side, path)
    world.hint(act, *paths)


def _rename(world: World, act: Act) -> None:
    side = world.side(act.side)
    held = side.files.get(act.path)
    if held is None or act.path == act.other:
        return
    if act.side is Side.LOCAL:
        is_blocked = world.folder.blocker(act.other) not in (None, act.path)
        if is_blocked or not world.folder.is_mounted or f"{act.path}/" in act.other:
            return
    if (there := side.files.get(act.other)) is not None:
        world.truth.stands_no_more([there.content])
    agreed = world.people.synced.get(MIRROR, [act.other]).get(act.other)
    if agreed is None:
        if held.content not in world.truth.halves:
            world.truth.stands(held.content)
    else:  # it may be back as it was: no edit, and may give way
        world.truth.stands_no_more([held.content])
    if act.side is Side.LOCAL:
        world.folder.rename(act.path, act.other)
    else:
        side.user_delete(act.path)
        side.user_write(act.other, held.content, held.attributes)
    world.hint(act, act.path, act.other)


def _copy(world: World, act: Act) -> None:
    held = world.side(act.side).files.get(act.path)
    if held is None or held.content in world.truth.halves:
        return
    is_across = act.number % 2
    to = Side.REMOTE if (act.side is Side.LOCAL) == bool(is_across) else Side.LOCAL
    path = act.path if is_across else act.other
    world.write(to, path, held.content, stands=False)
    # A copy may be as agreed where it comes to, and so may give way.
    world.truth.stands_no_more([held.content])
    world.hint(act, path)


def _save_anew(world: World, act: Act) -> None:
    if act.path not in world.folder.files or not world.folder.is_mounted:
        return
    world.delete(Side.LOCAL, act.path)
    world.hint(act, act.path)
    content = world.new_content()

    def finish() -> None:
        world.write(Side.LOCAL, act.path, content)
        world.hint(act, act.path)

    world.later(0.3, finish)


def _both(world: World, act: Act) -> None:
    contents = world.new_content(), world.new_content()
    if act.number % 4 == 0:
        contents = contents[0], contents[0]
    for side, content in zip(Side, contents, strict=True):
        world.write(side, act.path, content)
    if contents[0] == contents[1] and world.folder.files.get(act.path) is None:
        world.truth.stands(contents[0])
    world.hint(act, act.path)


def _hold_open(world: World, act: Act) -> None:
    path = act.path
    if path not in world.folder.files:
        return
    world.folder.open_for_writing.add(path)
    content = world.new_content()

    def close() -> None:
        world.folder.open_for_writing.discard(path)
        held = world.folder.files.get(path)
        if held is not None and act.number % 2 and held.content not in world.truth.halves:
            world.write(Side.LOCAL, path, content)
        world.hint(act, path)

    world.later(HELD_OPEN_S, close)


def _unreadable(world: World, act: Act) -> None:
    path = act.path
    world.folder.unreadable.add(path)

    def mend() -> None:
        world.folder.unreadable.discard(path)
        world.hint(act, path)

    world.later(HELD_OPEN_S, mend)


def _down(world: World, act: Act) -> None:
    world.crash()


def _crash(world: World, act: Act) -> None:
    if world.daemon is not None:
        world.crash()
        world.begin()


def _up(world: World, act: Act) -> None:
    world.begin()


def _listing(world: World, act: Act) -> None:
    bucket = world.bucket
    trouble = Trouble()
    if act.kind is Kind.BREAK_LISTING:
        trouble.breaks_after = 1 + act.number % 3
    elif act.kind is Kind.SHORT_LISTING:
        paths = sorted(bucket.files)
        trouble.lacks = set(paths[act.number % 3 : act.number % 3 + 2])
    else:
        trouble.stale = dict(bucket.files)
    bucket.trouble = trouble

    def mend() -> None:
        if bucket.trouble is trouble:
            bucket.trouble = Trouble()

    world.later(1.0 + act.number % 30, mend)
    if world.daemon is not None:
        world.daemon.loop.request(Run.POLL)


def _clock(world: World, act: Act) -> None:
    world.truth.bursts.spread.clear()  # it may be another time by now
    ahead_s = (act.number % 5 - 2) * 1800.0
    world.crew.ahead_s += ahead_s
    if ahead_s > 0:  # by its time stamp what was just written seems to have rested
        world.truth.made |= world.truth.halves
        world.truth.halves.clear()


def _decide(world: World, act: Act) -> None:
    state = HoldState.APPROVED if act.number % 3 else HoldState.DISCARDED
    for hold in world.people.holds.all(MIRROR, (HoldState.OPEN,)):
        if hold.kind == "changes":
            state = HoldState.APPROVED if act.number % 2 else HoldState.DISCARDED
            tell_decided(world, hold.id, state)
        if hold.kind in ("deletions", "changes") and state is HoldState.APPROVED:
            world.truth.approved |= {_plain(one.path) for one in world.people.holds.items(hold.id)}
        else:  # what a person refuses, or joins anew, comes back
            world.truth.refused |= {_plain(one.path) for one in world.people.holds.items(hold.id)}
            world.truth.gone.clear()
        world.people.holds.decide(hold.id, state, world.timing.now())
        world.trace(f"{hold.kind} {hold.count} {state.value}")
    if world.daemon is not None and act.hint:
        world.daemon.loop.request(Run.HOLDS)


def _pause(world: World, act: Act) -> None:
    world.people.orders.pause(MIRROR, None, world.timing.now())
    world.truth.paused_s = world.truth.paused_s or world.crew.now_s


def _resume(world: World, act: Act) -> None:
    world.people.orders.resume(MIRROR, world.timing.now())
    world.truth.paused_s = None
    if world.daemon is not None:
        world.daemon.loop.heed()


def _restore(world: World, act: Act) -> None:
    rows = sorted(world.people.versions.of(MIRROR, act.path), key=lambda row: row.id)
    if not rows:
        return
    row = rows[act.number % len(rows)]
    world.truth.asked_back.add(_plain(row.path))
    world.truth.bursts.come_back.pop(row.path, None)
    world.truth.gone.discard(_plain(row.path))
    _ask(world, act, NewRequest(MIRROR, row.path, RequestKind.RESTORE, row.id))


def _remove(world: World, act: Act) -> None:
    agreed = world.people.synced.get(MIRROR, [act.path]).get(act.path)
    held = world.folder.files.get(act.path) or world.bucket.files.get(act.path)
    if agreed is None or held is None or sha256_of(held.content) != agreed.sha256:
        return
    world.truth.asked_away.setdefault(act.path, set()).add(held.content)
    world.truth.bursts.come_back.pop(act.path, None)
    request = NewRequest(MIRROR, act.path, RequestKind.REMOVE, expect=agreed.version)
    _ask(world, act, request)


def _ask(world: World, act: Act, request: NewRequest) -> None:
    world.people.requests.add_once([request], world.timing.now())
    if world.daemon is not None and act.hint:
        world.daemon.loop.request(Run.ASKED)


def _converter(world: World, act: Act) -> None:
    if world.converter is not None:
        world.converter.fails += [_DOWN[act.number % len(_DOWN)]] * (1 + act.number % 2)


def _hint(world: World, act: Act) -> None:
    world.hint(replace(act, hint=max(1, act.hint)), act.path)


def _poll(world: World, act: Act) -> None:
    if world.daemon is not None:
        world.daemon.loop.request((Run.POLL, Run.RESCAN, Run.FULL, Run.TIDY)[act.number % 4])


def _invent(world: World, act: Act) -> None:
    world.folder.user_write(act.path, b"nobody made this")


def _mount(world: World, act: Act) -> None:
    world.folder.is_mounted = True


def _unmount(world: World, act: Act) -> None:
    world.folder.is_mounted = False


_PERFORM: dict[Kind, Callable[[World, Act], None]] = {
    Kind.WRITE: _write,
    Kind.WRITE_SLOWLY: _write_slowly,
    Kind.TOUCH: _touch,
    Kind.DELETE: _delete,
    Kind.DELETE_MANY: _delete_many,
    Kind.RENAME: _rename,
    Kind.COPY: _copy,
    Kind.SAVE_ANEW: _save_anew,
    Kind.BOTH: _both,
    Kind.HOLD_OPEN: _hold_open,
    Kind.UNREADABLE: _unreadable,
    Kind.CRASH: _crash,
    Kind.DOWN: _down,
    Kind.UP: _up,
    Kind.REFUSE: lambda world, act: world.weather.refuse(act.number),
    Kind.LOSE_ANSWERS: lambda world, act: world.weather.lose_answers(act.number),
    Kind.BREAK_LISTING: _listing,
    Kind.SHORT_LISTING: _listing,
    Kind.STALE_LISTING: _listing,
    Kind.REFUSE_NOTES: lambda world, act: world.weather.refuse_notes(act.number),
    Kind.UNMOUNT: _unmount,
    Kind.MOUNT: _mount,
    Kind.CLOCK: _clock,
    Kind.DECIDE: _decide,
    Kind.SPOIL: spoil,
    Kind.LOCK: lock,
    Kind.PAUSE: _pause,
    Kind.RESUME: _resume,
    Kind.RESTORE: _restore,
    Kind.REMOVE: _remove,
    Kind.CONVERTER: _converter,
    Kind.HINT: _hint,
    Kind.POLL: _poll,
    Kind.INVENT: _invent,
}


def _plain(path: Path) -> Path:
    return path_of(key_of(path))
