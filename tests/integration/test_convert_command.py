"""Any local program as a converter: real ones of the system, and what they may do wrong."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from by_programs import converted, staged
from docferry.convert.base import ConversionError, ConversionStoppedError, Document, Limits
from docferry.convert.command import CommandConverter
from docferry.errors import UserError
from docferry.model import Failure
from processes import wait_for

SHORT = Limits(timeout_s=20)


def shell(script: str, *words: str) -> list[str]:
    """Give a command that runs *script*: $1 is the document, $2 its folder, then *words*."""
    return ["sh", "-c", script, "sh", "{input}", "{folder}", *words]


def failure_of(
    command: Sequence[str], document: Document, folder: pathlib.Path, limits: Limits = SHORT
) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        converted(CommandConverter("own", command, ".txt"), document, folder, limits=limits)
    return caught.value


def program(folder: pathlib.Path, script: str, name: str = "tool") -> pathlib.Path:
    path = folder / name
    path.write_text(script)
    path.chmod(0o755)
    return path


# Where the result is.


@pytest.mark.parametrize(
    "command",
    [
        ["cp", "{input}", "{output}"],
        ["cat", "{input}"],
        ["sh", "-c", 'cat "$1" > "$2"', "sh", "{input}", "{output}"],
        shell('cp "$1" "$2/any name.txt"'),
        ["dd", "if={input}", "of={output}", "status=none"],
    ],
    ids=["output", "standard output", "shell", "folder", "part of a word"],
)
def test_the_result_is_what_the_program_left(command: list[str], tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", "Grüße".encode())

    result = converted(CommandConverter("own", command, ".txt"), document, tmp_path, limits=SHORT)

    assert result.path.read_text() == "Grüße"


def test_standard_output_is_no_result_where_a_file_is_asked_for(tmp_path: pathlib.Path) -> None:
    command = ["sh", "-c", "echo progress", "sh", "{input}", "{output}"]

    failed = failure_of(command, staged(tmp_path, ".txt", b"x"), tmp_path)

    assert failed.failure is Failure.EMPTY


@pytest.mark.parametrize("name", ["$(id).txt", "a;touch b.txt", "a'b\"c.txt", "a\nb.txt", "{output}"])
def test_a_name_is_one_word_whatever_is_in_it(name: str, tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"x", name=name)
    command = ["sh", "-c", 'printf %s "$2"', "sh", "{input}", "{name}"]

    result = converted(CommandConverter("own", command, ".txt"), document, tmp_path, limits=SHORT)

    assert result.path.read_text() == name


def test_a_name_is_never_an_option(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"x", name="--help")
    command = ["sh", "-c", 'printf %s "$2"', "sh", "{input}", "{name}"]

    result = converted(CommandConverter("own", command, ".txt"), document, tmp_path, limits=SHORT)

    assert result.path.read_text() == "./--help"


def test_other_braces_stay_as_they_are(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"one two\n")
    converter = CommandConverter("own", ["awk", "{print $2}", "{input}"], ".txt")

    assert converted(converter, document, tmp_path, limits=SHORT).path.read_text() == "two\n"


def test_an_empty_document_may_have_an_empty_result(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"")
    converter = CommandConverter("own", ["cat", "{input}"], ".txt")

    assert converted(converter, document, tmp_path, limits=SHORT).path.read_bytes() == b""


# What goes wrong.


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("echo out; echo no such page >&2; exit 3", Failure.REFUSED),
        ("kill -SEGV $$", Failure.CRASHED),
        ("true", Failure.EMPTY),
        (': > "$2/a.txt"', Failure.EMPTY),
        ('echo x > "$2/a.txt"; echo x > "$2/b.txt"', Failure.WRONG_TYPE),
        ('mkdir "$2/a.txt"', Failure.WRONG_TYPE),
        ('ln -s "$1" "$2/a.txt"', Failure.WRONG_TYPE),
        ('mkfifo "$2/a.txt"', Failure.WRONG_TYPE),
        ('echo x > "$2/b"; ln "$2/b" "$2/a.txt"', Failure.WRONG_TYPE),
        ('head -c 1100000 /dev/zero > "$2/a.txt"', Failure.TOO_LARGE),
        ("while :; do :; done", Failure.TIMEOUT),
    ],
)
def test_each_way_to_fail_has_its_name(
    script: str, failure: Failure, tmp_path: pathlib.Path
) -> None:
    limits = Limits(timeout_s=2, output_mib=1)

    failed = failure_of(shell(script), staged(tmp_path, ".txt", b"x"), tmp_path, limits)

    assert failed.failure is failure
    assert "report.txt" in str(failed)


def test_what_the_program_said_last_is_kept(tmp_path: pathlib.Path) -> None:
    failed = failure_of(
        shell("echo first >&2; echo no such page >&2; exit 3"),
        staged(tmp_path, ".txt", b"x"),
        tmp_path,
    )

    assert str(failed).endswith("ended with 3: no such page")
    assert failed.output == "first\nno such page"


def test_a_link_in_the_place_of_the_result_is_not_written_through(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    script = 'ln -s "$2" "$(pwd)/result.txt"; echo poison'

    failed = failure_of(
        ["sh", "-c", script, "sh", "{input}", str(victim)],
        staged(tmp_path, ".txt", b"x"),
        tmp_path,
    )

    assert failed.failure is Failure.WRONG_TYPE
    assert victim.read_text() == "precious"


def test_stopping_ends_what_runs_and_starts_no_more(tmp_path: pathlib.Path) -> None:
    document = staged(tmp_path, ".txt", b"x")
    converter = CommandConverter("own", shell('echo x > "$2/begun"; sleep 60'), ".txt")

    with ThreadPoolExecutor() as pool:
        running = pool.submit(converted, converter, document, tmp_path, limits=SHORT)
        wait_for((tmp_path / "work" / "begun").exists)
        converter.stop()

        with pytest.raises(ConversionStoppedError):
            running.result(timeout=20)
    with pytest.raises(ConversionStoppedError):
        converted(converter, document, tmp_path / "again", limits=SHORT)


# The program itself.


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-tool", "{input}"], "no-such-tool is not installed; install it"),
        (["cat"], r"own: its command has no \{input\}"),
        (["{input}"], r"own: its command has no \{input\}"),
        ([], r"own: its command has no \{input\}"),
    ],
)
def test_a_command_that_cannot_work_is_refused_at_the_start(
    command: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        CommandConverter("own", command, ".txt")


def test_a_program_that_is_not_executable_is_refused_with_the_remedy(
    tmp_path: pathlib.Path,
) -> None:
    tool = program(tmp_path, "#!/bin/sh\n")
    tool.chmod(0o644)

    with pytest.raises(UserError, match=r"tool is not executable: chmod a\+rx"):
        CommandConverter("own", [str(tool), "{input}"], ".txt")


def test_a_program_that_vanishes_is_no_failure_of_the_document(tmp_path: pathlib.Path) -> None:
    tool = program(tmp_path, "#!/bin/sh\ncat $1\n")
    converter = CommandConverter("own", [str(tool), "{input}"], ".txt")
    tool.unlink()

    with pytest.raises(UserError, match="is not installed"):
        converted(converter, staged(tmp_path, ".txt", b"x"), tmp_path, limits=SHORT)


def test_a_program_that_lacks_another_is_no_failure_of_the_document(
    tmp_path: pathlib.Path,
) -> None:
    converter = CommandConverter("own", shell("no-such-tool"), ".txt")

    with pytest.raises(UserError, match="no-such-tool.*not found"):
        converted(converter, staged(tmp_path, ".txt", b"x"), tmp_path, limits=SHORT)


def test_the_release_is_what_the_program_says(tmp_path: pathlib.Path) -> None:
    tool = program(tmp_path, "#!/bin/sh\necho 'The Tool 1.2.3-rc1 (build 7)'\n")

    converter = CommandConverter(
        "own", [str(tool), "{input}"], ".txt", version_arguments=["--version"]
    )

    assert converter.release() == "tool 1.2.3-rc1"


def test_a_script_is_not_run_to_tell_its_version(tmp_path: pathlib.Path) -> None:
    trace = tmp_path / "trace"
    tool = program(tmp_path, f"#!/bin/sh\ntouch {trace}; date +%N\n")

    converter = CommandConverter("own", [str(tool), "{input}"], ".txt")

    assert converter.release().startswith("tool sha256:")
    assert converter.recipe() == CommandConverter("own", [str(tool), "{input}"], ".txt").recipe()
    assert not trace.exists()


def test_what_decides_a_result_is_in_its_recipe(tmp_path: pathlib.Path) -> None:
    script = program(tmp_path, "#!/bin/sh\ncat $1\n")

    def recipe(*command: str, produces: str = ".txt", **environment: str) -> str:
        return CommandConverter("own", command, produces, environment=environment).recipe()

    first = recipe("sh", str(script), "{input}")
    others = {
        recipe("sh", str(script), "{input}", "-x"),
        recipe("sh", str(script), "{input}", produces=".md"),
        recipe("sh", str(script), "{input}", LANG="de"),
        recipe("cat", str(script), "{input}"),
    }
    script.write_text("#!/bin/sh\ncat $1 $1\n")
    others.add(recipe("sh", str(script), "{input}"))

    assert len(others) == 5
    assert first not in others


def test_a_new_release_of_the_program_is_noticed(tmp_path: pathlib.Path) -> None:
    tool = program(tmp_path, "#!/bin/sh\ncat $1\n")
    converter = CommandConverter("own", [str(tool), "{input}"], ".txt")
    before = converter.recipe()

    os.replace(program(tmp_path, "#!/bin/sh\ncat  $1\n", "newer"), tool)

    assert converter.recipe() != before


def test_several_documents_at_a_time_do_not_meet(tmp_path: pathlib.Path) -> None:
    converter = CommandConverter("own", shell('cp "$1" "$2/a.txt"'), ".txt", slots=4)

    def convert(number: int) -> str:
        folder = tmp_path / str(number)
        document = staged(folder, ".txt", str(number).encode())
        return converted(converter, document, folder, limits=SHORT).path.read_text()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(convert, range(8)))

    assert results == [str(number) for number in range(8)]
