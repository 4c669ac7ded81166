"""Faults in what is carried out, kept, held and written down."""

from __future__ import annotations

from fault import Fault
from simulation.faults_sync import HISTORIES

OF_KEEPING = (
    # Carrying out.
    Fault(
        "no archive before an overwrite in the bucket",
        "engine/execute.py",
        "        archive = self._archive_of(path, base) if operation.expect_remote is not None "
        "else None\n",
        "        archive = None\n",
        HISTORIES,
    ),
    Fault(
        "no archive before an overwrite in the folder",
        "engine/execute.py",
        "            archive = self._archive_of(path, base) if operation.expect_local is not None "
        "else None\n",
        "            archive = None\n",
        HISTORIES,
    ),
    Fault(
        "archive under a wrong version",
        "engine/execute.py",
        "        return Attributes(version=base.version, sha256=base.sha256, path=path, "
        "parent=parent)\n",
        "        return Attributes(\n"
        "            version=self._new_ulid(), sha256=base.sha256, path=path, parent=parent\n"
        "        )\n",
        HISTORIES,
    ),
    Fault(
        "a conflict without a copy of the local content",
        "engine/execute.py",
        "        copy_path, mtime_ns = self._copy_aside(operation, local.sha256)\n",
        "        copy_path, mtime_ns = operation.copy_path, None\n",
        HISTORIES,
    ),
    Fault(
        "a conflict copy named after another content",
        "engine/beside.py",
        "conflict_copy_path(path, attributes.sha256[start:])",
        "conflict_copy_path(path, attributes.sha256[start + 8 :])",
        HISTORIES,
    ),
    # What people are asked, and ask.
    Fault(
        "a hold is ignored",
        "core/guards.py",
        "    if lost + recent > limit:\n",
        "    if False:\n",
        HISTORIES,
    ),
    Fault(
        "a folder that is not mounted proves itself",
        "core/guards.py",
        "        if found != known:\n",
        "        if found != known and side is Side.REMOTE:\n",
        HISTORIES,
    ),
    Fault(
        "what a person refused is carried out",
        "engine/holds.py",
        "            if hold.state is HoldState.APPROVED:\n",
        "            if True:\n",
        HISTORIES,
    ),
    Fault(
        "what came back stays parked, and is held",
        "engine/deletions.py",
        "            self._ledger.holds.release(self._mirror, spared)\n",
        "            pass\n",
        HISTORIES,
    ),
    Fault(
        "a restore takes the place of an edit that nobody has seen",
        "engine/on_request.py",
        "        if expect is None or (base is not None and base.local_token == expect):\n",
        "        if True:\n",
        HISTORIES,
    ),
    # What is written down.
    Fault(
        "an outcome is recorded twice",
        "engine/carry.py",
        "            self._record_busy(outcomes)\n",
        "            self._record_busy([*outcomes, *outcomes])\n",
        HISTORIES,
    ),
    Fault(
        "an outcome is written down though nothing came of it",
        "engine/carry.py",
        "            case StaleError():\n                self._result.on_stale(task, result)\n",
        "            case StaleError():\n"
        "                self._record([(task, Outcome(task.operation, task.seen.synced))])\n"
        "                self._result.on_stale(task, result)\n",
        HISTORIES,
    ),
    Fault(
        "a job is queued outside the transaction of its version",
        "engine/consider.py",
        "        self._tools.ledger.record(self._mirror, outcomes, jobs, at=self._tools.now())\n",
        "        self._tools.ledger.record(self._mirror, outcomes, at=self._tools.now())\n"
        "        self._tools.ledger.record(self._mirror, [], jobs, at=self._tools.now())\n",
        HISTORIES,
    ),
    Fault(
        "a version that was replaced still counts as what its path holds",
        "ledger/record.py",
        "    _leave_others(tx, mirror, _followed(outcomes, at))\n",
        "",
        HISTORIES,
    ),
    Fault(
        "a new content is written down without its version",
        "ledger/record.py",
        "values_of(row) for row in (*displaced, *new)]",
        "values_of(row) for row in displaced]",
        HISTORIES,
    ),
    Fault(
        "a job is done before its result is at its place",
        "engine/worker_attempt.py",
        "            ends = self._stored(made)\n            self._done(",
        "            releases = [self._hands.conversions[one.job.rule].release for one in made]\n"
        "            pairs = zip(made, releases, strict=True)\n"
        "            self._done([_Done(one, 'nowhere.md', release) for one, release in pairs])\n"
        "            ends = self._stored(made)\n            self._done(",
        HISTORIES,
    ),
)
