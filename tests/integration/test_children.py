"""Commands in child processes: what they are given, how they end, and that nothing is left."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from converting import running
from docferry.convert import ConversionStoppedError, Limits
from docferry.convert.process import Children
from docferry.errors import TemporaryError
from docferry.model import Failure
from processes import is_gone, wait_for
from samples import hostile

LIMITS = Limits(timeout_s=30, memory_mib=512, output_mib=8, processes=16)

#: As the kernel lets it be, and as where it lets nobody have namespaces.
both_ways = pytest.mark.parametrize("namespaces", [True, False], ids=["namespaces", "none"])


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_output_and_errors_are_told_apart(tmp_path: pathlib.Path) -> None:
    finished = Children().run(
        shell("echo out; echo err >&2; exit 3"), folder=tmp_path, limits=LIMITS
    )

    assert (finished.returncode, finished.output, finished.errors) == (3, b"out\n", "err")
    assert finished.failure is None


def test_a_command_reads_what_it_is_given(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "in").open("w+b") as file:
        file.write(b"words")
        file.seek(0)

        finished = Children().run(["cat"], folder=tmp_path, limits=LIMITS, stdin=file)

    assert finished.output == b"words"


@both_ways
def test_a_crash_is_told_apart_from_an_end(namespaces: bool, tmp_path: pathlib.Path) -> None:  # noqa: FBT001
    children = Children(namespaces=namespaces)

    finished = children.run(shell("echo 1; kill -SEGV $$"), folder=tmp_path, limits=LIMITS)

    assert (finished.returncode, finished.output) == (-signal.SIGSEGV, b"1\n")
    assert finished.failure is Failure.CRASHED


@both_ways
@pytest.mark.parametrize(
    ("script", "failure"),
    [
        (hostile.SPINS, Failure.TIMEOUT),
        (hostile.SLEEPS, Failure.TIMEOUT),
        (hostile.FORKS, Failure.PROCESSES),
        (hostile.FORKS_AND_LEAVES, Failure.PROCESSES),
        (hostile.FLOODS_STANDARD_OUTPUT, Failure.TOO_LARGE),
        (hostile.FLOODS_ONE_FILE, Failure.TOO_LARGE),
        (hostile.FLOODS_MANY_FILES, Failure.TOO_LARGE),
        (hostile.FLOODS_MEMORY, Failure.MEMORY),
        (hostile.CRASHES, Failure.CRASHED),
        (hostile.STAYS_BEHIND, None),
    ],
    ids=[
        *("spins", "sleeps", "forks", "leaves", "prints"),
        *("fills", "litters", "swells", "crashes", "stays"),
    ],
)
def test_what_breaks_a_limit_is_ended_for_good(
    script: str,
    failure: Failure | None,
    namespaces: bool,  # noqa: FBT001
    tmp_path: pathlib.Path,
) -> None:
    timeout_s = 2.0 if failure is Failure.TIMEOUT else 60.0
    before, limits = running(), Limits(timeout_s, memory_mib=512, output_mib=8, processes=16)

    finished = Children(namespaces=namespaces).run(shell(script), folder=tmp_path, limits=limits)

    assert finished.failure is failure
    assert running() <= before
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written < 256 << 20  # what is written until the next look at it comes on top


def test_processor_time_is_limited_to_that_of_the_clock(tmp_path: pathlib.Path) -> None:
    code = "import resource; print(*resource.getrlimit(resource.RLIMIT_CPU))"

    finished = Children().run(python(code), folder=tmp_path, limits=Limits(7.5))

    assert finished.output == b"8 9\n"


@both_ways
def test_what_a_command_started_ends_with_it(namespaces: bool, tmp_path: pathlib.Path) -> None:  # noqa: FBT001
    children, before = Children(namespaces=namespaces), running()
    script = "sleep 1000 & setsid sleep 1000 & touch started; wait"

    with ThreadPoolExecutor() as pool:
        ending = pool.submit(children.run, shell(script), folder=tmp_path, limits=LIMITS)
        wait_for(lambda: (tmp_path / "started").exists() and bool(running() - before))
        children.stop()

        with pytest.raises(ConversionStoppedError):
            ending.result(timeout=20)
    with pytest.raises(ConversionStoppedError):
        children.run(["true"], folder=tmp_path, limits=LIMITS)
    assert running() <= before


@both_ways
def test_a_command_does_not_outlive_a_daemon_that_is_killed(
    namespaces: bool,  # noqa: FBT001
    tmp_path: pathlib.Path,
) -> None:
    before = running()
    code = (
        "import pathlib, sys\n"
        "from docferry.convert import Limits\n"
        "from docferry.convert.process import Children\n"
        "command = ['sh', '-c', 'setsid sleep 100 & touch started; sleep 100']\n"
        f"children = Children(namespaces={namespaces})\n"
        "children.run(command, folder=pathlib.Path(sys.argv[1]), limits=Limits())"
    )
    with subprocess.Popen([*python(code), str(tmp_path)]) as daemon:
        try:
            wait_for(lambda: (tmp_path / "started").exists())
            started = running() - before - {daemon.pid}
        finally:
            daemon.kill()

    assert started
    wait_for(lambda: all(is_gone(child) for child in started))


def test_a_command_inherits_no_file_no_credential_and_no_terminal(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    code = (
        "import json, os, sys; "
        "files = [fd for fd in range(3, 256) if os.path.exists(f'/proc/self/fd/{fd}')]; "
        "print(json.dumps([files, sorted(os.environ), sys.stdin.read(), "
        "os.isatty(0), os.getcwd()]))"
    )

    with (tmp_path / "open").open("w"):
        finished = Children().run(
            python(code), folder=tmp_path, limits=LIMITS, environment={"MORE": "1"}
        )

    files, names, stdin, is_terminal, folder = json.loads(finished.output)
    assert (files, stdin, is_terminal, folder) == ([], "", False, str(tmp_path))
    assert {"PATH", "HOME", "TMPDIR", "MORE"} <= set(names)
    assert not [name for name in names if name.startswith("AWS")]


def test_the_daemons_packages_are_shown_to_its_python_alone(tmp_path: pathlib.Path) -> None:
    finished = Children().run(shell("echo $PYTHONPATH"), folder=tmp_path, limits=LIMITS)

    assert finished.output == b"\n"


@pytest.mark.parametrize("name", ["/nowhere/tool", "no-such-tool"])
def test_a_command_that_is_not_there_is_no_failure_of_the_document(
    name: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(TemporaryError, match=f"cannot start {name}"):
        Children().run([name], folder=tmp_path, limits=LIMITS)


def test_a_command_that_is_no_program_is_told_so(tmp_path: pathlib.Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(b"\0\1\2")
    tool.chmod(0o755)

    with pytest.raises(TemporaryError, match=f"cannot start {tool}: Exec format error"):
        Children().run([str(tool)], folder=tmp_path, limits=LIMITS)


def test_the_folder_is_given_back(tmp_path: pathlib.Path) -> None:
    work = tmp_path / "work"
    work.mkdir(mode=0o700)

    Children().run(shell("mkdir a && echo words > a/b"), folder=work, limits=LIMITS)

    assert {path.stat().st_uid for path in (work, work / "a", work / "a/b")} == {os.geteuid()}
    assert (work / "a/b").read_text() == "words\n"
