"""Children that convert one document after another: how long they are kept."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from converting import running
from docferry.convert import ConversionStoppedError, Limits, confine_tree
from docferry.convert.pool import ChildFailedError, Pool, Request
from docferry.errors import TemporaryError
from docferry.job import Failure
from processes import is_gone, wait_for

LIMITS = Limits(timeout_s=30, memory_mib=512)


@pytest.fixture
def new() -> Iterator[Callable[..., Pool]]:
    made: list[Pool] = []

    def make_one(**options: object) -> Pool:
        given = {"slots": 2, "environment": {}, **options}
        made.append(Pool(("markdown", ()), **given))  # type: ignore[arg-type]
        return made[-1]

    yield make_one
    for pool in made:
        pool.stop()


def convert(pool: Pool, folder: pathlib.Path, limits: Limits = LIMITS) -> bytes:
    source, result = folder / "source", folder / "result"
    source.write_bytes(b"words")
    with source.open("rb") as reading, result.open("wb") as writing:
        pool.convert(Request("a.txt", "text/plain", reading.fileno(), writing.fileno()), limits)
    return result.read_bytes()


def servants() -> set[int]:
    """Give those that convert: each is below two that hold it."""
    found = confine_tree.below(os.getpid())
    return {each.pid for each in found if b"convert.child" in _last_words(each.pid)}


def _last_words(pid: int) -> bytes:
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b" ".join(words) if b"-I" not in words else b""


def answering(answer: str) -> list[str]:
    """A child that gives *answer*, as JSON or in bytes, whatever it is asked."""
    code = (
        "import json, socket, sys\n"
        "daemon = socket.socket(fileno=int(sys.argv[1]))\n"
        "daemon.send(b'{\"ready\": true}')\n"
        "request = json.loads(socket.recv_fds(daemon, 65536, 2)[0])\n"
        f"answer = {answer}\n"
        "is_raw = isinstance(answer, bytes)\n"
        "daemon.send(answer if is_raw else json.dumps(answer).encode())\n"
        "daemon.recv(1)"
    )
    return [sys.executable, "-c", code]


def test_one_child_converts_one_document_after_another(
    new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    pool, before = new(), servants()
    convert(pool, tmp_path)
    first = servants() - before

    results = {convert(pool, tmp_path) for _ in range(20)}

    assert results == {b"words\n"}
    assert servants() - before == first
    assert len(first) == 1


def test_a_child_is_replaced_before_it_is_old(
    new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    pool, before = new(), servants()
    convert(pool, tmp_path)
    first = servants() - before

    for _ in range(201):
        convert(pool, tmp_path)

    assert not servants() & first


def test_other_limits_are_for_another_child(
    new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    pool, before = new(), servants()
    convert(pool, tmp_path)
    first = servants() - before

    convert(pool, tmp_path, Limits(memory_mib=600))

    assert not servants() & first


@pytest.mark.parametrize(("memory_mib", "is_kept"), [(255, True), (257, False)])
def test_a_child_that_grew_is_not_kept(
    memory_mib: int,
    is_kept: bool,  # noqa: FBT001
    new: Callable[..., Pool],
    tmp_path: pathlib.Path,
) -> None:
    answer = (
        '{"nonce": request["nonce"], "code": "ok", "note": "", "message": "", '
        f'"memory_mib": {memory_mib}}}'
    )
    pool, before = new(program=answering(answer)), running()

    convert(pool, tmp_path)

    assert bool(running() - before) is is_kept


def test_an_idle_child_is_ended(new: Callable[..., Pool], tmp_path: pathlib.Path) -> None:
    pool, before = new(idle_s=0.05), running()

    convert(pool, tmp_path)

    wait_for(lambda: running() <= before)


def test_a_child_that_died_idle_is_replaced(
    new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    pool, before = new(), servants()
    convert(pool, tmp_path)
    (child,) = servants() - before

    os.kill(child, signal.SIGKILL)
    wait_for(lambda: is_gone(child))

    assert convert(pool, tmp_path) == b"words\n"


@pytest.mark.parametrize(
    "answer",
    [
        '{"nonce": "0" * 32, "code": "ok", "note": "", "message": "", "memory_mib": 1}',
        '{"code": "ok"}',
        '"nonsense"',
        '{**request, "code": "ok"}',
        'b"[" * 16_000',
        '{**request, "code": "ok", "note": "", "message": "", "memory_mib": 10**4000}',
    ],
)
def test_an_answer_that_is_none_costs_the_document_not_the_next(
    answer: str, new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    pool, before = new(program=answering(answer)), running()

    with pytest.raises(ChildFailedError) as caught:
        convert(pool, tmp_path)

    assert caught.value.failure is Failure.CRASHED
    assert running() <= before


def test_a_child_that_does_not_start_is_no_failure_of_the_document(
    new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    pool = new(program=[sys.executable, "-c", "raise SystemExit('no luck')"])

    with pytest.raises(TemporaryError, match="does not start: no luck"):
        convert(pool, tmp_path)


def test_nothing_is_started_after_the_end(new: Callable[..., Pool], tmp_path: pathlib.Path) -> None:
    pool, before = new(), running()
    convert(pool, tmp_path)

    pool.stop()

    assert running() <= before
    with pytest.raises(ConversionStoppedError):
        convert(pool, tmp_path)


def test_memory_that_is_counted_for_nobody_is_seen(
    new: Callable[..., Pool], tmp_path: pathlib.Path
) -> None:
    code = (
        "import os, socket, sys\n"
        "daemon = socket.socket(fileno=int(sys.argv[1]))\n"
        "daemon.send(b'{\"ready\": true}')\n"
        "socket.recv_fds(daemon, 65536, 2)\n"
        "files = [os.memfd_create('x') for _ in range(40)]\n"
        "for file in files:\n"
        "    os.write(file, bytes(32 << 20))\n"
        "daemon.recv(1)"
    )
    pool = new(program=[sys.executable, "-c", code])

    with pytest.raises(ChildFailedError) as caught:
        convert(pool, tmp_path)

    assert caught.value.failure is Failure.MEMORY
