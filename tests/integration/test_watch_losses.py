"""Whatever a watch could lose ends in a rescan and a visible state."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from watching import Watched, watching


@pytest.fixture(params=["inotify", "polling"])
def either(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Watched]:
    with watching(tmp_path, request.param) as watched:
        yield watched


@pytest.fixture
def watched(tmp_path: pathlib.Path) -> Iterator[Watched]:
    with watching(tmp_path, "inotify") as watched:
        yield watched


def test_an_overflowed_queue_asks_for_a_rescan(watched: Watched) -> None:
    watched.held.clear()  # the reader stands still in its first hint
    (watched.root / "first").touch()
    watched.wait_for("first")
    capacity = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for n in range(capacity // 2 + 100):  # two events each: created, closed
        (watched.root / f"{n:06}").touch()
    (watched.root / "unseen").mkdir()
    watched.held.set()

    reason = watched.wait_for_loss()

    assert "overflow" in reason
    (watched.root / "unseen/file").write_text("x")
    watched.wait_for("unseen/file")


def test_a_watch_limit_falls_back_to_polling_with_its_remedy(tmp_path: pathlib.Path) -> None:
    run_in_user_namespace(_SCRIPT_LIMIT_AT_START, tmp_path)


_SCRIPT_LIMIT_AT_START = """
for n in range(100):
    (root / f"{n:03}").mkdir()
limit.write_text("50")
watch.start()
state = watch.state
assert state.kind == "polling", state
assert "sysctl fs.inotify.max_user_watches" in state.problem, state
for n in range(100):
    (root / f"{n:03}/file").write_text("x")
wait_for(*(f"{n:03}/file" for n in range(100)))

watch.check()
assert lost == [], lost
limit.write_text("500")
watch.check()
assert watch.state.kind == "inotify", watch.state
assert watch.state.problem is None
assert len(lost) == 1, lost
"""


def test_a_watch_limit_reached_later_falls_back_to_polling(tmp_path: pathlib.Path) -> None:
    run_in_user_namespace(_SCRIPT_LIMIT_LATER, tmp_path)


_SCRIPT_LIMIT_LATER = """
limit.write_text("50")
watch.start()
assert watch.state.kind == "inotify", watch.state
for n in range(100):
    (root / f"{n:03}").mkdir()
wait_for("099/")
watch.check()
assert watch.state.kind == "polling", watch.state
assert len(lost) == 1, lost
(root / "099/file").write_text("x")
wait_for("099/file")
"""


def test_no_inotify_instance_left_falls_back_to_polling(tmp_path: pathlib.Path) -> None:
    run_in_user_namespace(_SCRIPT_NO_INSTANCE, tmp_path)


_SCRIPT_NO_INSTANCE = """
instances = pathlib.Path("/proc/sys/user/max_inotify_instances")
instances.write_text("0")
watch.start()
assert watch.state.kind == "polling", watch.state
assert "max_user_instances" in watch.state.problem
instances.write_text("100")
watch.check()
assert watch.state.kind == "inotify", watch.state
"""


def test_a_folder_deleted_and_made_again_is_watched_again(either: Watched) -> None:
    subprocess.run(["rm", "-r", either.root], check=True)
    assert "gone" in either.wait_for_loss()
    assert "Bring the folder back" in str(either.watch.state.problem)

    (either.root / "again").mkdir(parents=True)
    either.wait_for_loss()

    assert either.watch.state.problem is None
    (either.root / "again/file").write_text("x")
    either.wait_for("again/file")


def test_a_folder_swapped_for_another_is_watched_anew(
    either: Watched, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "other/deep").mkdir(parents=True)
    either.root.rename(tmp_path / "away")
    (tmp_path / "other").rename(either.root)

    assert "replaced" in either.wait_for_loss()

    (either.root / "deep/file").write_text("x")
    either.wait_for("deep/file")


def test_a_missing_folder_is_a_problem_until_it_appears(tmp_path: pathlib.Path) -> None:
    watched = Watched(tmp_path / "late")
    assert "Bring the folder back" in str(watched.watch.state.problem)
    watched.watch.check()
    assert watched.losses == []

    (tmp_path / "late").mkdir()
    watched.wait_for_loss()

    assert watched.watch.state.problem is None
    watched.watch.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_reader_is_replaced(watched: Watched) -> None:
    watched.poison = "poison"
    (watched.root / "poison").touch()

    assert "died" in watched.wait_for_loss()

    (watched.root / "file").touch()
    watched.wait_for("file")


def test_all_is_well_is_said_by_silence(either: Watched) -> None:
    for _ in range(3):
        either.watch.check()

    assert either.losses == []


def test_a_directory_that_becomes_readable_is_covered(tmp_path: pathlib.Path) -> None:
    run_in_user_namespace(_SCRIPT_UNREADABLE, tmp_path, may_all=False)


_SCRIPT_UNREADABLE = """
shut = root / "shut"
shut.mkdir(0o000)
watch.start()
assert watch.state.directories == 1, watch.state
shut.chmod(0o700)
wait_for("shut/")
(shut / "deep").mkdir()
wait_for("shut/deep/")
(shut / "deep/file").write_text("x")
wait_for("shut/deep/file")
assert watch.state.directories == 3, watch.state
"""


# Limits of the kernel are set for one process only, in a user namespace of its own.

_PREAMBLE = """
import pathlib, queue, sys
from docferry.engine.watch import Watch

root = pathlib.Path(sys.argv[1])
limit = pathlib.Path("/proc/sys/user/max_inotify_watches")
hints, lost = queue.SimpleQueue(), []
watch = Watch(root, hints.put, lost.append, poll_s=0.05)

def wait_for(*wanted):
    missing = set(wanted)
    while missing:
        missing.discard(hints.get(timeout=20))
"""


def run_in_user_namespace(script: str, tmp_path: pathlib.Path, *, may_all: bool = True) -> None:
    """Run *script* after the preamble above. Without *may_all*, permissions bind even root."""
    root = tmp_path / "root"
    root.mkdir()
    unshare = ["unshare", "--user", *(["--map-root-user"] if may_all else [])]
    done = subprocess.run(
        [*unshare, sys.executable, "-c", _PREAMBLE + script + "\nwatch.stop()\n", str(root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.root
@pytest.mark.tools("mount", "umount")
def test_a_folder_that_is_mounted_read_write_again_asks_for_a_rescan(
    tmp_path: pathlib.Path,
) -> None:
    """What could not be written can be now, and no event tells."""
    (tmp_path / "root").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "root"], check=True)
    try:
        with watching(tmp_path, "inotify") as watched:
            for options in ("remount,ro", "remount,rw"):
                subprocess.run(["mount", "-o", options, watched.root], check=True)
                assert "mounted with other options" in watched.wait_for_loss()
    finally:
        subprocess.run(["umount", tmp_path / "root"], check=True)
