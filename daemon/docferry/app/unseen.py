"""What is left of a job for who may see its document, and not where its result goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from docferry.job import JobRow


def veiled(job: JobRow, sees: Callable[[str], bool]) -> JobRow:
    """
    Leave out the result of *job*, unless its mirror may be seen.

    The name of that mirror stays in the row: who shows it has to ask as well.
    """
    if sees(job.target_mirror):
        return job
    return replace(job, result_path=None, result_sha256=None, shared_with=None)
