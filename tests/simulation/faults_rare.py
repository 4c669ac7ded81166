"""
Faults that hide behind another guard, or of which the race is seldom met: not in the table.

`make power ARGS="some word of its name"` says how it stands with one of them.
"""

from __future__ import annotations

from fault import Fault
from simulation.faults_sync import HISTORIES

RARE = (
    Fault(
        "a path with an operation under way is decided about again",
        "engine/consider.py",
        "        self.problems.considered(path)\n        if self.carrier.is_busy(path):\n",
        "        self.problems.considered(path)\n        if False:\n",
        HISTORIES,
    ),
    Fault(
        "a local alias is forgotten at the end",
        "engine/aliased.py",
        "        self._ledger.aliases.add(self._mirror, key, alias)\n",
        "",
        HISTORIES,
    ),
    Fault(
        "what was seen of a file is forgotten once it is read",
        "engine/settling.py",
        "        return None  # whether somebody has",
        "        self._sightings.pop(path, None)\n        return None  # whether somebody has",
        HISTORIES,
    ),
    Fault(
        "skip the HEAD before a delete",
        "engine/execute.py",
        "        require_absent(path, other)\n",
        "",
        HISTORIES,
    ),
    Fault(
        "delete whatever is there by now",
        "engine/execute.py",
        "        storage.delete(path, expect=token, archive=archive)\n",
        "        now = storage.stat(path)\n"
        "        storage.delete(path, expect=now.token if now else token, archive=archive)\n",
        HISTORIES,
    ),
    Fault(
        "download over whatever is there by now",
        "engine/execute.py",
        "                Attributes(mtime_ns=attributes.mtime_ns),\n"
        "                expect=operation.expect_local,\n",
        "                Attributes(mtime_ns=attributes.mtime_ns),\n"
        "                expect=now.token if (now := self._local.stat(path)) else None,\n",
        HISTORIES,
    ),
    Fault(
        "what a conflict displaced is not told of before",
        "engine/execute.py",
        "        self._known.begin_conflict(displaced, copy_path)\n",
        "",
        HISTORIES,
    ),
    Fault(
        "forget intents",
        "engine/consider.py",
        "        self._tools.ledger.intents.add(self._mirror, uploads)\n",
        "        return\n",
        HISTORIES,
    ),
    Fault(
        "an upload is ours whoever has written it",
        "engine/execute.py",
        "        if content.sha256() != found.sha256:\n            return None  # somebody",
        "        if False:\n            return None  # somebody",
        HISTORIES,
    ),
    Fault(
        "an emptied side deletes everything on the other",
        "core/guards.py",
        "    if emptied is not None:\n",
        "    if False:\n",
        HISTORIES,
    ),
    Fault(
        "what a hold decided about is judged by the trees of before",
        "engine/consider.py",
        "            if operation is not None and operation == wanted.get(seen.path):\n",
        "            operation = wanted.get(seen.path)\n            if operation is not None:\n",
        HISTORIES,
    ),
    Fault(
        "a pause is ignored",
        "engine/loop.py",
        "        if self._rests():\n            return\n",
        "",
        HISTORIES,
    ),
    Fault(
        "a removal takes away what has changed since",
        "core/asked.py",
        "    if not is_untouched or not _is_expected(request, base):\n",
        "    if False:\n",
        HISTORIES,
    ),
    Fault(
        "a crashed worker's job stays its own for ever",
        "ledger/jobs.py",
        "            tx.update(job, _lost(at, ENDED), running)\n            return rows\n",
        '            tx.update(job, {"lease_until": at.replace(year=9999)}, running)\n'
        "            return rows\n",
        HISTORIES,
    ),
)
