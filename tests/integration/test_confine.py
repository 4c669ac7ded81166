"""What a confined command cannot do: reach the network, other people's files, other processes."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from docferry.convert import Limits
from docferry.convert.confinement import Confinement, what_holds
from docferry.convert.process import Children, Finished

LIMITS = Limits(timeout_s=30, memory_mib=512, output_mib=8, processes=16)
NOBODY = 65_534

#: Each of them alone must do where the other is missing.
any_way = pytest.mark.parametrize(
    "given", [{}, {"namespaces": False}, {"landlock": False}], ids=["all", "landlock", "namespaces"]
)


def run(script: str, folder: pathlib.Path, given: dict[str, bool], **more: object) -> Finished:
    children = Children(**given)
    return children.run(["sh", "-c", script], folder=folder, limits=LIMITS, **more)  # type: ignore[arg-type]


@pytest.fixture
def work(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that only the daemon's user may pass, as the state directory is."""
    tmp_path.chmod(0o700)
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003
        yield server


# Files.


@any_way
def test_documents_of_others_cannot_be_read(
    given: dict[str, bool], work: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "secret").write_text("hush")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "document").write_text("hush")

    finished = run("cat ../secret ../other/document", work, given)

    assert b"hush" not in finished.output
    assert finished.returncode != 0


@any_way
def test_nothing_can_be_written_outside(
    given: dict[str, bool], work: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "open to all"
    other.mkdir()
    other.chmod(0o777)
    name = f"docferry-{os.getpid()}"

    run(f"touch ../x '{other}/x' /tmp/{name} /var/tmp/{name} /dev/shm/{name}", work, given)

    places = [tmp_path / "x", other / "x"]
    places += [pathlib.Path(place) / name for place in ("/tmp", "/var/tmp", "/dev/shm")]
    assert [path for path in places if path.exists()] == []


@pytest.mark.parametrize("path", ["/etc/hostname", "/proc/1/environ", "/root", "/home", "/var/log"])
def test_of_the_system_programs_are_seen_and_little_else(path: str, work: pathlib.Path) -> None:
    finished = run(f"ls {path}/ || cat {path}", work, {})

    assert (finished.output, finished.returncode) == (b"", 1)


@any_way
def test_a_document_elsewhere_can_be_read_and_not_written(
    given: dict[str, bool], work: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    place = tmp_path / "staged"
    place.mkdir(mode=0o700)
    document = place / "document.txt"
    document.write_text("words")
    document.chmod(0o600)

    script = f"cat {document} && echo more > {document}; echo more > {place}/x"
    run(script, work, given, readable=[place])
    finished = run(script, work, given, readable=[place])

    assert finished.output == b"words"
    assert document.read_text() == "words"
    assert list(place.iterdir()) == [document]


def test_another_folder_can_be_lent_for_writing(work: pathlib.Path, tmp_path: pathlib.Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir(mode=0o700)

    run(f"echo kept > {profile}/x", work, {}, writable=[profile])

    assert (profile / "x").read_text() == "kept\n"
    assert (profile / "x").stat().st_uid == os.geteuid()


# The network, and other processes.


@any_way
def test_nobody_can_be_called(
    given: dict[str, bool], work: pathlib.Path, listener: socket.socket
) -> None:
    address = listener.getsockname()
    code = f"import socket; socket.create_connection({address!r}, timeout=5)"

    finished = run(f"exec python3 -c '{code}'".replace("'127.0.0.1'", '"127.0.0.1"'), work, given)

    assert finished.returncode == 1
    assert "Error" in finished.errors
    with pytest.raises(BlockingIOError):
        listener.accept()
    with socket.create_connection(address, timeout=5):
        listener.setblocking(True)  # noqa: FBT003
        listener.accept()[0].close()  # it would have been heard


@any_way
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"])
def test_no_socket_of_the_network_can_be_made(
    family: str, given: dict[str, bool], work: pathlib.Path
) -> None:
    code = f"import socket; socket.socketpair(); socket.socket(socket.{family}, socket.SOCK_RAW)"

    finished = run(f"exec python3 -c '{code}'", work, given)

    assert "Operation not permitted" in finished.errors


@any_way
def test_other_processes_cannot_be_ended(given: dict[str, bool], work: pathlib.Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:
        run(f"kill -9 {other.pid} {os.getpid()}; kill -9 -1", work, given)

        assert other.poll() is None
        other.kill()


# What holds.


def test_all_of_it_holds_where_the_kernel_has_it() -> None:
    held = what_holds()

    assert held == Confinement(
        network="namespace",
        calls=True,
        files="landlock",
        mounts=True,
        user=os.geteuid() == 0,
        processes=True,
        namespace=True,
    )


def test_what_holds_and_what_does_not_is_said_in_a_line_each() -> None:
    nothing = Confinement(
        network="",
        calls=False,
        files="",
        mounts=False,
        user=False,
        processes=False,
        namespace=False,
    )

    lines = nothing.lines()

    assert len(lines) == 5
    assert all(line.startswith("does not hold: ") for line in lines)
    assert [line for line in what_holds().lines() if line.startswith("holds: ")]


@pytest.mark.root
def test_each_running_command_has_a_user_of_its_own(work: pathlib.Path) -> None:
    finished = run("id -u; id -g; id -G; stat -c %u .", work, {})

    uid = finished.output.split()[0]
    assert finished.output.split() == [uid] * 4
    assert 60_706 <= int(uid) < 61_184


@pytest.mark.root
def test_all_of_it_works_for_a_daemon_that_is_not_root() -> None:
    files = ("test_children.py", "test_confine.py", "test_convert.py", "test_hostile_commands.py")
    tests = [str(pathlib.Path(__file__).parent / name) for name in files]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        options = (
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            f"--basetemp={folder}/tests",
        )

        finished = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            env={**environment, "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert finished.returncode == 0, finished.stdout[-4000:]
