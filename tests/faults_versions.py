"""Faults to be planted in what keeps versions and gives them back."""

from __future__ import annotations

from fault import Fault

ASKED = ("unit/test_asked.py",)
REQUESTS = ("integration/test_loop_requests.py",)
BRING_UP = ("unit/test_bring_up.py",)
LEDGER = ("unit/test_ledger_versions.py",)
ON_REQUEST = ("unit/test_on_request.py",)


VERSIONS = (
    Fault(
        "of a folder that never was a rewind says that it is as it was",
        "app/versions.py",
        "    if below and not ledger.versions.has_below(mirror, below):\n",
        "    if False:\n",
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "an undelete leaves out in silence what was let go",
        "app/versions.py",
        "tuple(row for row in found if row.gone_at is not None)",
        "()",
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "a rewind does not see what came by a clock that was ahead",
        "app/versions.py",
        "ledger.versions.tree_at(mirror, now, below)",
        "ledger.versions.tree_at(mirror, at, below)",
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "what both sides hold when they are joined anew is a new version",
        "engine/execute.py",
        "            version_id = self._known.current(self._mirror, path, operation.sha256)\n",
        "            version_id = None\n",
        ("integration/test_loop_holds.py",),
    ),
    Fault(
        "what comes down where both sides are joined anew is a new version",
        "engine/execute.py",
        "            if known is not None:  # as in _mark_synced\n",
        "            if False:\n",
        ("integration/test_loop_holds.py",),
    ),
    Fault(
        "what was put back before a crash passes for somebody's own",
        "engine/asked.py",
        "        self._recall()\n",
        "",
        ("unit/test_asked_for.py",),
    ),
    Fault(
        "what is asked of a path that is busy waits until somebody asks again",
        "engine/asked.py",
        "                    self._busy_until_s = now_s + BUSY_AGAIN_S\n",
        "                    pass\n",
        ("unit/test_asked_for.py",),
    ),
    Fault(
        "what is had back to where nothing travels is waited for",
        "core/asked.py",
        "    if request.barred and ",
        "    if request.barred == '?' and ",
        (*REQUESTS, *ASKED),
    ),
    Fault(
        "what was followed by another version stays current",
        "ledger/record.py",
        "    tx.execute_many(_LEAVE, _leaving(mirror, outcomes, at))\n",
        "",
        LEDGER,
    ),
    Fault(
        "a held version is let go",
        "ledger/versions.py",
        "        version.c.held.is_(false()),\n",
        "",
        LEDGER,
    ),
    Fault(
        "a restored content takes the place of an edit",
        "engine/on_request.py",
        "        return self._place_beside(operation, operation.version)\n",
        "        return _Placement(operation, base)\n",
        REQUESTS,
    ),
    Fault(
        "what was edited since is taken away",
        "core/asked.py",
        "    if not is_untouched or not _is_expected(request, base):\n",
        "    if not _is_expected(request, base):\n",
        ASKED,
    ),
    Fault(
        "a restore that waited for its hold undoes later work",
        "core/asked.py",
        "    return request.expect == (NOTHING if base is None else base.version)\n",
        "    return True\n",
        ASKED,
    ),
    Fault(
        "what somebody made of a version had back passes for the version",
        "engine/asked.py",
        "        if version.origin is Origin.RESTORE:\n",
        "        if False:\n",
        ("unit/test_asked_for.py",),
    ),
    Fault(
        "a request is over before its content is on both sides",
        "engine/on_request.py",
        "            placed=written.token,\n",
        "            placed=written.token,\n"
        "            answers=Answer(self.operation.request, RequestState.DONE),\n",
        REQUESTS,
    ),
    Fault(
        "of several versions had back one's error is taken for another's",
        "engine/on_request.py",
        "            written = iter(self._local.write_all(arrivals) if arrivals else ())\n",
        "            written = iter(self._local.write_all(arrivals)[::-1])\n",
        ON_REQUEST,
    ),
    Fault(
        "of several versions had back a damaged one is not looked for elsewhere",
        "engine/on_request.py",
        "                [found[number]] = self._write([placement], self._contents.open_sound)\n",
        "                pass\n",
        ON_REQUEST,
    ),
    Fault(
        "each of several versions waits for a store that is gone",
        "engine/on_request.py",
        "                if found and isinstance(found[-1], UnreachableError):\n",
        "                if False:\n",
        ON_REQUEST,
    ),
    Fault(
        "a large version is had back with others whose contents are in memory",
        "engine/carry.py",
        "    asked = task.operation.version.size if isinstance(task.operation, Restore) else 0\n",
        "    asked = 0\n",
        ("unit/test_carry.py",),
    ),
    Fault(
        "a content is called archived in the bucket before it is there",
        "engine/bring_up.py",
        "        if self._is_there(row) or self._refer_to_equal(row):\n            return\n",
        "        if self._is_there(row) or self._refer_to_equal(row):\n            return\n"
        "        self._versions.note_archived([row.id], Side.REMOTE)\n        return\n",
        BRING_UP,
    ),
    Fault(
        "bytes are shared before it is noted whose they are",
        "engine/bring_up.py",
        "        self._versions.note_bytes_of(row.id, twin.id)\n        try:",
        "        try:",
        BRING_UP,
    ),
    Fault(
        "damaged bytes are copied up",
        "engine/bring_up.py",
        "self._contents.open_sound(row)",
        "self._contents.open(row)",
        BRING_UP,
    ),
    Fault(
        "what others refer to becomes a reference itself",
        "engine/bring_up.py",
        "        if self._sharing.lends(row.id):\n",
        "        if False:\n",
        BRING_UP,
    ),
    Fault(
        "of equal contents each newcomer finds another home",
        "ledger/sharing.py",
        "tx.one(query.where(is_shared), VersionRow) or tx.one(query, VersionRow)",
        "tx.one(query, VersionRow)",
        BRING_UP,
    ),
    Fault(
        "an empty content is kept as a reference to another one",
        "engine/bring_up.py",
        "        if not row.size:\n",
        "        if False:\n",
        BRING_UP,
    ),
    Fault(
        "what was had back before a crash passes for a person's own",
        "engine/asked.py",
        "            had_back = replace(version, origin=Origin.RESTORE)\n",
        "            had_back = version\n",
        ("unit/test_asked_for.py",),
    ),
    # What a person is told.
    Fault(
        "a mirror that is named is not the one of the version",
        "app/versions.py",
        "    if mirror not in (None, row.mirror):\n",
        "    if mirror not in (None, row.mirror, 'other'):\n",
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "a name in a title is markup",
        "cli/output.py",
        'console.print(Text(_in_one_line(title), style="table.title"), soft_wrap=True)\n',
        "console.print(_in_one_line(title), soft_wrap=True)\n",
        ("unit/test_output.py",),
    ),
    Fault(
        "a name with a line break makes a row of its own",
        "cli/output.py",
        '    return safe(text).replace("\\n", "\\\\n")\n',
        "    return safe(text)\n",
        ("unit/test_output.py",),
    ),
    Fault(
        "an erasure without a daemon answers a program in words",
        "cli/erase.py",
        '        if is_json:\n            emit_json({"is_done": False',
        '        if not is_json:\n            emit_json({"is_done": False',
        ("integration/test_erase_command.py",),
    ),
    Fault(
        "what a rewind would do passes for held deletions",
        "app/figures.py",
        'for hold in holds if hold.kind == "deletions"),\n',
        "for hold in holds),\n",
        ("integration/test_report.py",),
    ),
    Fault(
        "status leaves out what was asked for and failed",
        "app/report.py",
        "ledger.requests.ended(name, _FAILED, lately, _MOST_PROBLEMS)",
        "ledger.requests.ended(name, _FAILED[1:], lately, _MOST_PROBLEMS)",
        ("integration/test_commands.py",),
    ),
    Fault(
        "a name that is no text goes into a statement",
        "cli/__init__.py",
        """if any("\\udc80" <= char""",
        """if any("\\udc80" > char""",
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "undelete is silent about what a hold keeps",
        "cli/versions.py",
        'ledger.holds.all(mirror, (HoldState.OPEN,), kind="deletions")',
        'ledger.holds.all(mirror, (HoldState.DONE,), kind="deletions")',
        ("integration/test_version_commands.py",),
    ),
    Fault(
        "an erased version that is to be held never was",
        "cli/versions.py",
        "ledger.versions.keep(named.id, datetime",
        "ledger.versions.keep(version.upper(), datetime",
        ("integration/test_erase_command.py",),
    ),
    Fault(
        "a rewind puts back what is there already, under another version",
        "core/rewind.py",
        "            if old.sha256 != new.sha256:\n",
        "            if old.id != new.id:\n",
        ("unit/test_rewind.py",),
    ),
    Fault(
        "versions go back when the clock does",
        "app/sides.py",
        "            is_later = now_ms > self._last >> RANDOM_BITS\n",
        "            is_later = True\n",
        ("unit/test_ulid_source.py",),
    ),
)
