"""Faults in how files are kept the same: among them those by which known tools lost data."""

from __future__ import annotations

from fault import Fault

HISTORIES = ("simulation/test_simulation.py",)

OF_SYNC = (
    # What known tools did.
    Fault(
        "delete what appeared while docferry was down",
        "core/plan.py",
        "        return Upload(path, local, expect_remote=None)\n    if local.sha256 is None and",
        "        return DeleteLocal(path, local.token)\n    if local.sha256 is None and",
        HISTORIES,
    ),
    Fault(
        "a cursor on LastModified",
        "engine/look.py",
        "    yield from changed(side, _told(storage.scan(), on_wait), synced.scan(mirror))\n",
        "    entries = list(_told(storage.scan(), on_wait))\n"
        "    at = {e[0]: e[1].changed_ns for e in entries if not isinstance(e, Unknown)}\n"
        "    last = getattr(storage, 'cursor', 0)\n"
        "    setattr(storage, 'cursor', max([last, *at.values()]))\n"
        "    for found in changed(side, entries, synced.scan(mirror)):\n"
        "        if side is Side.LOCAL or isinstance(found, Unknown) or at.get(found, 0) > last:\n"
        "            yield found\n",
        HISTORIES,
    ),
    Fault(
        "act on close events only",
        "engine/one_side.py",
        "        for path in self._changed_on(side):\n",
        "        for path in self._changed_on(side) if side is Side.REMOTE else ():\n",
        HISTORIES,
    ),
    Fault(
        "trust a truncated listing",
        "engine/look.py",
        "    local, remote, synced = places.local, places.remote, ledger.synced\n"
        "    yield from merge(_told(local.scan(), on_wait), remote.scan(), synced.scan(mirror))\n",
        "    local, remote, synced = places.local, places.remote, ledger.synced\n\n"
        "    def trusted() -> Iterator[Entry]:\n"
        "        try:\n"
        "            yield from remote.scan()\n"
        "        except Exception:\n"
        "            return\n\n"
        "    yield from merge(_told(local.scan(), on_wait), trusted(), synced.scan(mirror))\n",
        HISTORIES,
    ),
    Fault(
        "read the remote token again after the transfer",
        "engine/execute.py",
        "        outcome = self._agreed(task, written, source.token, written.token, attributes, "
        "task.origin)\n",
        "        now = self._remote.stat(path) or written\n"
        "        outcome = self._agreed(task, written, source.token, now.token, attributes, "
        "task.origin)\n",
        HISTORIES,
    ),
    Fault(
        "read the local token again after the transfer",
        "engine/execute.py",
        "        outcome = self._agreed(task, written, source.token, written.token, attributes, "
        "task.origin)\n",
        "        now = self._local.stat(path) or source\n"
        "        outcome = self._agreed(task, written, now.token, written.token, attributes, "
        "task.origin)\n",
        HISTORIES,
    ),
    Fault(
        "retry a stale operation as it is",
        "engine/execute.py",
        "        written = self._remote.write(\n"
        "            path, content, attributes, expect=operation.expect_remote, archive=archive\n"
        "        )\n",
        "        token, send = operation.expect_remote, self._remote.write\n"
        "        try:\n"
        "            written = send(path, content, attributes, expect=token, archive=archive)\n"
        "        except StaleError:\n"
        "            token = there.token if (there := self._remote.stat(path)) else None\n"
        "            written = send(path, content, attributes, expect=token, archive=archive)\n",
        HISTORIES,
    ),
    Fault(
        "case twins overwrite each other",
        "core/paths.py",
        "    if not is_odd(path):\n        return path\n    name = _ANY_DETOUR",
        "    if not is_odd(path):\n        return path.lower()\n    name = _ANY_DETOUR",
        HISTORIES,
    ),
    Fault(
        "note a deletion before it is done",
        "engine/carry.py",
        "        tasks, self._waiting = self._waiting, []\n",
        "        tasks, self._waiting = self._waiting, []\n"
        "        for task in tasks:\n"
        "            if type(task.operation).__name__.startswith('Delete'):\n"
        "                self._record([(task, Outcome(task.operation, synced=None))])\n",
        HISTORIES,
    ),
    Fault(
        "note a download before it is done",
        "engine/carry.py",
        "        tasks, self._waiting = self._waiting, []\n",
        "        from docferry.model import SyncedState\n\n"
        "        tasks, self._waiting = self._waiting, []\n"
        "        for one in tasks:\n"
        "            if isinstance(one.operation, Download):\n"
        "                token = one.operation.source.token\n"
        "                state = SyncedState('0' * 64, 'coming', token, one.version, 0)\n"
        "                self._record([(one, Outcome(one.operation, state))])\n",
        HISTORIES,
    ),
    # Deciding.
    Fault(
        "a deletion beats an edit in the folder",
        "core/plan.py",
        "    if synced is None or _is_edited(local, synced.local_token, synced):\n"
        "        return Upload(path, local, expect_remote=None)\n",
        "    if synced is None:\n        return Upload(path, local, expect_remote=None)\n",
        HISTORIES,
    ),
    Fault(
        "a deletion beats an edit in the bucket",
        "core/plan.py",
        "    if synced is None or _is_edited(remote, synced.remote_token, synced):\n"
        "        return Download(path, remote, expect_local=None)\n",
        "    if synced is None:\n        return Download(path, remote, expect_local=None)\n",
        HISTORIES,
    ),
    Fault(
        "of two edits the bucket's takes the place of the other",
        "core/plan.py",
        "    return KeepBoth(path, conflict_copy_path(path, local.sha256), local, remote)\n",
        "    return Download(path, remote, expect_local=local.token)\n",
        HISTORIES,
    ),
    Fault(
        "two files of one size are called equal without reading them",
        "core/plan.py",
        "    if remote.sha256 is None:\n        # Even",
        "    if local.size == remote.size:\n"
        "        return _mark(path, local.sha256, local, remote, is_new_content=True)\n"
        "    if remote.sha256 is None:\n        # Even",
        HISTORIES,
    ),
    Fault(
        "a poll does not see what is gone",
        "core/merge.py",
        "            if not agreed_path.startswith(unseen):\n                yield agreed_path\n",
        "",
        HISTORIES,
    ),
    Fault(
        "settle skipped",
        "engine/settling.py",
        "        if not isinstance(found, Taken):\n",
        "        if False:\n",
        HISTORIES,
    ),
)
