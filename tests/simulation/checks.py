"""What must be so once everybody rests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from docferry.core.guards import DELETION_WINDOW
from docferry.core.paths import conflict_copy_path, key_of, path_of
from docferry.errors import DocferryError
from docferry.job import JobState
from docferry.model import Path, Sha256, Side, VersionRow
from docferry.storage.memory import sha256_of
from simulation.bursts import waiting
from simulation.daemon import MIRROR
from simulation.truth import BrokenPromiseError
from simulation.world import World

_COPY = re.compile(r"\.conflict-[0-9a-f]{8}")


def check_all(world: World) -> None:
    """
    Raises:
        BrokenPromiseError: Something is not as docferry promises.
    """
    for problem in _problems(world):
        raise BrokenPromiseError(problem)
    world.truth.check_limit(world.options.delete_limit, DELETION_WINDOW.total_seconds())


def check_quiet(world: World) -> None:
    """As `check_all`, while people have still to decide about something."""
    for problem in (*_said_of_holds(world), *_said_of_versions(world)):
        raise BrokenPromiseError(problem)


def _problems(world: World) -> Iterator[str]:
    yield from _said_of_sides(world)
    yield from _said_of_the_ledger(world)
    yield from _said_of_versions(world)
    yield from _said_of_work(world)
    yield from _said_of_jobs(world)
    yield from _left_behind(world)


def _said_of_sides(world: World) -> Iterator[str]:
    local = {path_of(key_of(path)): held.content for path, held in world.folder.files.items()}
    remote = {path: held.content for path, held in world.bucket.files.items()}
    for path in sorted(local.keys() | remote.keys()):
        if local.get(path) != remote.get(path):
            yield f"{path} is {local.get(path)!r} in the folder, {remote.get(path)!r} in the bucket"
    for path in sorted(world.truth.gone & (local.keys() | remote.keys())):
        yield f"somebody deleted {path}, and it is there again"
    for content in sorted(world.truth.standing - set(local.values())):
        yield f"somebody left {content!r} standing, and it does not stand any more"
    lost = {sha256_of(content) for content in world.truth.given_up}
    for path, sha256 in world.truth.bursts.come_back.items():
        found = None if path not in local else sha256_of(local[path])
        if found != sha256 and sha256 not in lost:
            yield f"{path} is {local.get(path)!r}: what was refused has not made room"
    for path, content in local.items():
        if content not in world.truth.made:
            yield f"nobody made {content!r}, which is at {path}"
        if _is_misnamed(path, sha256_of(content), world.truth.named):
            yield f"{path} is named after another content than {content!r}"


def _is_misnamed(path: Path, sha256: Sha256, taken: Set[Path]) -> bool:
    """
    Say whether *path* is a conflict's copy with a name that its content does not have.

    taken: By people. The next eight digits are in the name if it has to be another one.
    """
    copies = [*_COPY.finditer(path)]
    if not copies or path in taken:
        return False
    # Of a copy of a copy that has no ending the last part is no digits of its own.
    wholes = [path[: copy.start()] + path[copy.end() :] for copy in copies]
    return not any(_is_named_so(path, whole, sha256, taken) for whole in wholes)


def _is_named_so(path: Path, whole: Path, sha256: Sha256, taken: Set[Path]) -> bool:
    """Say whether *path* is the name of a copy of *whole* with that content."""
    names = [conflict_copy_path(whole, sha256[start:]) for start in range(0, 64, 8)]
    return path in names and taken >= {*names[: names.index(path)]}


def _said_of_the_ledger(world: World) -> Iterator[str]:
    synced = dict(world.people.synced.scan(MIRROR)) | dict(world.people.synced.scan_odd(MIRROR))
    for path in sorted(synced.keys() | world.folder.files.keys()):
        held, state = world.folder.files.get(path), synced.get(path)
        there = world.bucket.files.get(path_of(key_of(path)))
        if held is None or state is None or there is None:
            yield f"{path} is {held} and {there}, and the ledger says {state}"
        elif (state.local_token, state.remote_token) != (held.token, there.token):
            yield f"{path}: the ledger has other tokens: {state}, not {held.token}, {there.token}"
        elif state.sha256 != sha256_of(held.content):
            yield f"{path}: the ledger has another content than {held.content!r}"
        elif not (row := world.people.versions.get(state.version)):
            yield f"{path}: its version {state.version} is not in the ledger"
        elif row.sha256 != state.sha256 or not row.is_current or row.path != path:
            yield f"{path}: its version is said to be {row}"
    current = {state.version for state in synced.values()}
    for row in world.all_versions():
        if row.is_current and row.id not in current:
            yield f"version {row.id} is said to be what {row.path} holds, and it is not"


def _said_of_holds(world: World) -> Iterator[str]:
    """What is held must be gone on one side: a person is asked about nothing else."""
    for hold in world.people.holds.all(MIRROR, kind="deletions"):
        for item in world.people.holds.items(hold.id):
            here = item.path in world.folder.files
            if here and path_of(key_of(item.path)) in world.bucket.files:
                yield f"{item.path} is held as deleted, and both sides have it"


def _said_of_versions(world: World) -> Iterator[str]:
    assert world.daemon is not None
    rows = [row for row in world.all_versions() if row.gone_at is None]
    told = {row.sha256 for row in rows}
    # Where somebody has renamed what is held now, docferry has still to learn that it is there.
    lost = {sha256_of(content) for content in (*world.truth.given_up, *waiting(world))}
    for row in rows:
        if row.sha256 in lost:
            continue
        try:
            with world.by_a_person(), world.daemon.contents.open_sound(row):
                pass
        except DocferryError as error:
            yield f"version {row.id} of {row.path} is not to be had: {error}"
    for side in (world.folder, world.bucket):
        for version, held in side.archive.items():
            found = held.attributes.sha256 or sha256_of(held.content)
            said = world.people.versions.get(version)
            if said is not None and said.sha256 != found:
                yield f"version {version} is archived ({side.side}) with another content"
            if held.attributes.bytes_of is None and sha256_of(held.content) not in told:
                yield f"{held.content!r} is archived as {version}, and no version tells of it"
    for content in sorted(world.truth.at_rest - world.truth.given_up):
        if sha256_of(content) not in told:
            yield f"{content!r} was at rest on both sides, and no version tells of it"


def _said_of_work(world: World) -> Iterator[str]:
    """No outcome is written down more often than something was done."""
    kinds = world.count_history()
    done = world.truth.done
    limits = {
        "upload": done.written[Side.REMOTE],
        "download": done.written[Side.LOCAL],
        "delete_remote": done.deleted[Side.REMOTE],
        "delete_local": done.deleted[Side.LOCAL],
    }
    for kind, most in limits.items():
        if kinds.get(kind, 0) > most:
            yield f"{kinds[kind]} times {kind} is written down, and it was done {most} times"


def _said_of_jobs(world: World) -> Iterator[str]:
    jobs = world.all_jobs()
    documents = [row for row in world.all_versions() if row.path.endswith(".doc")]
    # What was refused is kept, and is nothing to make results of, unless both sides agreed on it.
    rows = [row for row in documents if row.agreed or not _was_refused(world, row)]
    calls = {(row.sha256, row.id) for row in rows} if world.converts else set()
    told = {job.sha256 for job in jobs}
    for sha256, version in sorted(calls):
        if sha256 not in told:
            yield f"version {version} calls for a conversion, and there is no job"
    for job in jobs:
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            yield f"job {job.id} of {job.path} has no outcome: {job.state}"
        if job.state is JobState.DONE:
            held = world.truth.held_ever.get((Side.LOCAL, job.result_path or ""), ())
            if job.result_sha256 not in {sha256_of(content) for content in held}:
                yield f"job {job.id} is said to be done, and {job.result_path} never held that"


def _was_refused(world: World, row: VersionRow) -> bool:
    contents = world.truth.asked_away.get(path_of(key_of(row.path)), ())
    return row.sha256 in {sha256_of(content) for content in contents}


def _left_behind(world: World) -> Iterator[str]:
    for path in sorted(world.work.iterdir()) if world.work.exists() else ():
        yield f"{path.name} is left in the worker's folder"
