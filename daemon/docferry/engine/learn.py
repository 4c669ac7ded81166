"""Read a content to learn its SHA-256: the next plan decides with it."""

from __future__ import annotations

from dataclasses import replace

from docferry.core.results import claim_of
from docferry.engine.task import Learned, Task
from docferry.storage.base import Content


def learn_local(task: Task, content: Content) -> Learned:
    """
    Raises:
        StaleError: It changed while it was read.
    """
    local = task.seen.local
    assert local is not None
    sha256 = content.sha256()
    content.confirm()
    return Learned(replace(task.seen, local=replace(local, sha256=sha256)))


def learn_remote(task: Task, content: Content) -> Learned:
    """Also learn what the object claims to be made of; as `learn_local` else."""
    remote = task.seen.remote
    assert remote is not None
    sha256 = content.sha256()
    content.confirm()
    claimed = claim_of(content.attributes, sha256)
    remote = replace(remote, sha256=sha256)
    return Learned(replace(task.seen, remote=remote, claimed=claimed))
