"""
Write debian/copyright of a folder of Python packages: whose they are, and under which licence.

    python packaging/licences.py site-packages

https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, PackagePath, distributions
from pathlib import Path

FOLDER = "usr/lib/docferry/lib/python3*/site-packages"
HEAD = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: docferry
Comment: What docferry needs is in the package. The licences of its parts are as
 their authors name them; the texts lie beside them, in *.dist-info.

Files: *
Copyright: The docferry authors
License: Apache-2.0
"""
#: Libraries that the wheel of xberg has inside, unchanged, without a word on their licences.
BUNDLED = f"""
Files: {FOLDER}/xberg/libheif-*
Copyright: Dirk Farin
License: LGPL-3.0-or-later

Files: {FOLDER}/xberg/libaom-*
Copyright: Alliance for Open Media
License: BSD-2-Clause

Files: {FOLDER}/xberg/libonnxruntime-*
Copyright: Microsoft Corporation
License: MIT
"""
#: Debian has these texts in /usr/share/common-licenses.
COMMON = {"Apache-2.0": "Apache-2.0", "LGPL-3.0-or-later": "LGPL-3", "MPL-2.0": "MPL-2.0"}
#: What authors write for a licence, and its name as Debian and SPDX have it.
NAMES = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def main(site: Path) -> None:
    found = sorted(distributions(path=[str(site)]), key=lambda each: each.name.lower())
    others = [each for each in found if each.name != "docferry"]
    sys.stdout.write(HEAD)
    for each in others:
        sys.stdout.write(f"\n{_files(each)}")
    sys.stdout.write(BUNDLED)  # of several paragraphs that name a file the last one counts
    names = {_licence(each.metadata) for each in found} | {"BSD-2-Clause", "LGPL-3.0-or-later"}
    for name in sorted(names):
        place = f"/usr/share/common-licenses/{COMMON[name]}" if name in COMMON else "*.dist-info"
        sys.stdout.write(f"\nLicense: {name}\n The text is in {place}.\n")


def _files(package: Distribution) -> str:
    tops = sorted({file.parts[0] for file in _files_of(package)})
    places = "".join(f"\n {FOLDER}/{top}{'' if top.endswith('.py') else '/*'}" for top in tops)
    holders = "".join(f"\n {holder}" for holder in _holders(package))
    return f"Files:{places}\nCopyright:{holders}\nLicense: {_licence(package.metadata)}\n"


def _holders(package: Distribution) -> list[str]:
    """Give who holds the copyright: as the licences say, else the authors."""
    lines = {line.strip() for text in _texts(package) for line in text.splitlines()}
    said = sorted(
        line for line in lines if re.match(r"(?:\(c\) )?Copyright (?:\(c\)|©|\d)", line, re.I)
    )
    authors = _field(package.metadata, "Author") or _field(package.metadata, "Author-email")
    return said or [" ".join((authors or f"The {package.name} authors").split())]


def _texts(package: Distribution) -> Iterator[str]:
    for file in _files_of(package):
        if ".dist-info" in file.parts[0] and re.match("LICEN[CS]E|COPYING|NOTICE", file.name):
            yield file.read_text()


def _files_of(package: Distribution) -> Iterator[PackagePath]:
    """Give what is there of *package*, besides its scripts: build-packages leaves some out."""
    for file in package.files or ():
        if file.parts[0] != ".." and Path(str(file.locate())).is_file():
            yield file


def _licence(metadata: PackageMetadata) -> str:
    expression = _field(metadata, "License-Expression")
    if not expression:
        classifiers = metadata.get_all("Classifier") or []
        named = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License")]
        short = _field(metadata, "License")
        expression = " AND ".join(NAMES.get(each, each) for each in named or [short])
    # The format says and, or; in small letters.
    return re.sub(r" (AND|OR) ", lambda word: word[0].lower(), expression)


def _field(metadata: PackageMetadata, name: str) -> str:
    return next(iter(metadata.get_all(name) or ()), "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
