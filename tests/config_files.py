"""Configuration files for tests: pieces to put together, and a file to load them from."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import pytest

from docferry.config import Config, ConfigError, Fault, load

NOTHING: Mapping[str, str] = {}

STORE = "[store.main]\n"
DOCS = '[mirror.docs]\nstore = "main"\nbucket = "documents"\nprefix = "docs"\nlocal = "/srv/docs"\n'
OTHER = '[mirror.other]\nstore = "main"\nbucket = "elsewhere"\nlocal = "/srv/other"\n'
DROP = '[drop.scans]\nfolder = "/srv/scans"\ninto = "docs/inbox"\n'
RULE = (
    '[[convert]]\nname = "text"\nfrom = "docs"\npatterns = ["*.pdf"]\n'
    'to = "other"\nwith = "markdown"\n'
)
BASE = STORE + DOCS


class Written:
    """A configuration file in a folder of its own."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def load(self, content: str, environ: Mapping[str, str] = NOTHING) -> Config:
        self.path.write_text(content, encoding="utf-8")
        return load(self.path, environ)

    def faults(self, content: str, environ: Mapping[str, str] = NOTHING) -> dict[str, Fault]:
        with pytest.raises(ConfigError) as caught:
            self.load(content, environ)
        return {fault.key: fault for fault in caught.value.faults}
