"""Any local program as a converter: a command with a place for the document."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence

from docferry.convert.base import Converted, Document, Limits, recipe_of
from docferry.convert.command_program import SEARCH_PATH, Program, file_hash
from docferry.convert.command_result import failure_of, refused, result_at, result_in
from docferry.convert.process import Children, Finished
from docferry.errors import TemporaryError, UserError
from docferry.job import Failure

#: What a command may name, in any of its words, with what it stands for.
PLACES: Mapping[str, str] = {
    "input": "the path of the document: a copy, whose extension its content calls for",
    "output": "the path of the file to be written",
    "folder": "the folder to write into: the one file in it that ends as it should is the result",
    "name": "the document's name, for headings and the like; it is not where the document is",
    "memory_mib": "how much memory it may use",
}

_PLACE = re.compile(r"\{(" + "|".join(PLACES) + r")\}")
_SCRIPT_BYTES = 16 * 1024 * 1024  # a larger file among a command's words is not part of the recipe


class CommandConverter:
    """
    Runs a program on each document, without a shell.

    Its result is the file at {output}; without one in the command the file that it leaves in
    {folder}; without that what it writes to standard output.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        produces: str,
        *,
        slots: int = 2,
        environment: Mapping[str, str] = {},
        version_arguments: Sequence[str] | None = None,
        readable: Sequence[pathlib.Path] = (),
        revision: str = "",
    ) -> None:
        """
        Args:
            command: The program and its arguments; see `PLACES`.
            produces: With the dot: ".pdf".
            environment: Added to the little that a child process is given.
            version_arguments: Make the program say its version; see `Program`.
            readable: What it must read besides the system's programs and libraries.
            revision: Any text, part of the recipe: what is no argument and no program (a model
                that it reads) changes without a word else.

        Raises:
            UserError: The command has no {input}, or its program is not there.
        """
        if not command or not any("{input}" in word for word in command[1:]):
            raise UserError(
                f"converter {name}: its command has no {{input}}, where the document's path goes"
            )
        self.name = name
        self.produces = produces
        self.slots = slots
        self._arguments = tuple(command[1:])
        self._environment = {"PATH": SEARCH_PATH, **environment}
        self._program = Program(command[0], version_arguments=version_arguments)
        self._readable = tuple(readable)
        self._revision = revision
        self._children = Children()
        self._program.path()

    def recipe(self) -> str:
        given: dict[str, object] = {
            "command": [self._program.name, *self._arguments],
            "environment": self._environment,
            "files": {word: file_hash(path) for word, path in self._files()},
            "produces": self.produces,
            "version": self._program.version(),
        }
        return recipe_of(given | ({"revision": self._revision} if self._revision else {}))

    def release(self) -> str:
        return self._program.release()

    def convert(self, document: Document, folder: pathlib.Path, *, limits: Limits) -> Converted:
        output = folder / f"result{self.produces}"
        finished = self._run(document, folder, output, limits)
        error = failure_of(finished, document)
        if error is not None:
            raise error
        if not self._names("{output}"):
            if self._names("{folder}"):
                return result_in(folder, self.produces, document, limits, output=finished.errors)
            _write(output, finished.output, document)
        return result_at(output, document, limits, output=finished.errors)

    def stop(self) -> None:
        self._children.stop()

    def _run(
        self, document: Document, folder: pathlib.Path, output: pathlib.Path, limits: Limits
    ) -> Finished:
        program = self._program.path()
        values = {
            "input": str(document.path),
            "output": str(output),
            "folder": str(folder),
            "name": document.name,
            "memory_mib": str(limits.memory_mib),
        }
        return self._children.run(
            [str(program), *(_filled(word, values) for word in self._arguments)],
            folder=folder,
            limits=limits,
            environment=self._environment,
            readable=(
                document.path,
                program,
                *(path for _, path in self._files()),
                *self._readable,
            ),
        )

    def _names(self, place: str) -> bool:
        return any(place in word for word in self._arguments)

    def _files(self) -> list[tuple[str, pathlib.Path]]:
        """Give the files that the command names: a script for its program, a configuration."""
        paths = [(word, pathlib.Path(word)) for word in self._arguments if word.startswith("/")]
        return [
            (word, path)
            for word, path in paths
            if path.is_file() and path.stat().st_size <= _SCRIPT_BYTES
        ]


def _filled(word: str, values: Mapping[str, str]) -> str:
    filled = _PLACE.sub(lambda found: values[found.group(1)], word)
    # Whoever names a document "-rf" must not give the program an option.
    return f"./{filled}" if word.startswith("{name}") and filled.startswith("-") else filled


def _write(path: pathlib.Path, content: bytes, document: Document) -> None:
    try:
        with path.open("xb") as file:  # never through a link that the command has put there
            file.write(content)
    except FileExistsError as error:
        why = f"the command made {path.name}, which it was not asked for"
        raise refused(document, why, Failure.WRONG_TYPE) from error
    except OSError as error:
        raise TemporaryError(f"cannot write {path}: {error}") from error
