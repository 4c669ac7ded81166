"""Faults of what is to be gone: too much let go by retention, or too little erased."""

from __future__ import annotations

from fault import Fault

CLOCK = ("integration/test_clock_ahead.py",)
ERASE = ("unit/test_erase.py",)
RETENTION = ("unit/test_retention_round.py", "unit/test_ledger_versions.py")

LEAVING = (
    Fault(
        "of each empty version it is asked whether it has its own",
        "engine/archived.py",
        "sharing.unshared if version.size else sharing.not_brought_up",
        "sharing.unshared",
        RETENTION,
    ),
    Fault(
        "what is known to be shared is asked about in each round",
        "engine/archived.py",
        "chain(noted, _on_bytes_unnoted(version, places, ledger))",
        "chain(_on_bytes_unnoted(version, places, ledger), noted)",
        RETENTION,
    ),
    # Retention.
    Fault(
        "retention believes a time that was once written down ahead of the clock",
        "app/keepers.py",
        "                now=_by_the_clock,\n",
        "                now=self._now,\n",
        CLOCK,
    ),
    Fault(
        "the time of history stands still until the clock has caught up",
        "app/sides.py",
        "timedelta(seconds=now_s - self._from_s) / 2",
        "timedelta(0)",
        CLOCK,
    ),
    Fault(
        "retention takes what came to be asked for since it was judged",
        "ledger/versions.py",
        "        ~asked.exists(),\n",
        "",
        RETENTION,
    ),
    Fault(
        "retention takes what a file came to hold since it was judged",
        "ledger/versions.py",
        "        ~in_use.exists(),\n",
        "",
        RETENTION,
    ),
    Fault(
        "bytes that no note tells of are left behind",
        "ledger/versions.py",
        '{"gone_at": at, **_SOMEWHERE}',
        '{"gone_at": at}',
        RETENTION,
    ),
    Fault(
        "retention works in front of another bucket",
        "engine/retention.py",
        "        require_proven(self._mirror, self._places, self._ledger)\n",
        "",
        RETENTION,
    ),
    Fault(
        "retention believes the note about shared bytes alone",
        "engine/archived.py",
        "        if row.id not in has_bytes and not _are_bytes_at(places, row.id):\n",
        "        if False:\n",
        RETENTION,
    ),
    Fault(
        "versions that cannot be removed keep all others for ever",
        "engine/retention.py",
        "            self._removed_until = removal.after\n",
        "            pass\n",
        RETENTION,
    ),
    Fault(
        "removal never comes back to what it began after",
        "engine/retention.py",
        '            yield from self._between("", began_after)\n',
        "            yield []\n",
        RETENTION,
    ),
    Fault(
        "retention removes what is latest in the bucket",
        "engine/retention.py",
        "if not kept.is_latest and is_copy_of(",
        "if is_copy_of(",
        RETENTION,
    ),
    Fault(
        "the bytes of a version are left in the bucket",
        "engine/retention.py",
        "        for side in Side:\n            self._places.side(side).archive.remove(row.id)\n",
        "        self._places.local.archive.remove(row.id)\n",
        RETENTION,
    ),
    # Erasing.
    Fault(
        "erase leaves what the bucket keeps of its own",
        "engine/erase.py",
        "        self._remove_kept_by_bucket(path, goes)\n",
        "",
        ERASE,
    ),
    Fault(
        "erase leaves delete markers",
        "engine/erase.py",
        "            is_there = kept.is_latest and not kept.is_delete_marker\n",
        "            is_there = kept.is_latest or kept.is_delete_marker\n",
        ERASE,
    ),
    Fault(
        "erase takes what came to the path since it was asked for",
        "engine/erase.py",
        " for row in rows if row.created_at <= request.created_at}",
        " for row in rows}",
        ERASE,
    ),
    Fault(
        "erase takes the bytes that others share",
        "engine/erase.py",
        "self._tell_of_lost(self._rehoming.run(row, others))\n",
        "pass\n",
        ERASE,
    ),
    Fault(
        "erase puts rotten bytes in the place of a reference, for ever",
        "engine/rehome.py",
        "        brought = [side for side in Side if is_sound(seen[side], version.sha256)]\n",
        "        brought = [side for side in Side if isinstance(seen[side], Held)]\n",
        ERASE,
    ),
    Fault(
        "erase removes shared bytes that nobody could read",
        "engine/rehome.py",
        "        if unreadable and not brought:\n",
        "        if False:\n",
        ERASE,
    ),
    Fault(
        "erase leaves references to rotten bytes that it removes",
        "engine/rehome.py",
        "        if Side.REMOTE not in brought and self._bring_from_elsewhere(first):\n",
        "        if False:\n",
        ERASE,
    ),
    Fault(
        "erase takes the last bytes of others without a word",
        "engine/erase.py",
        "                self._tell_of_lost(self._rehoming.run(row, others))\n",
        "                self._rehoming.run(row, others)\n",
        ERASE,
    ),
    Fault(
        "erase takes what somebody has just changed",
        "engine/erase.py",
        "        if any(there not in (None, token) for _, there, token in found):\n",
        "        if False:\n",
        ERASE,
    ),
    Fault(
        "erase takes whatever a job calls its result",
        "engine/erase.py",
        "    return newest is not None and newest.origin is Origin.CONVERSION\n",
        "    return True\n",
        ERASE,
    ),
    Fault(
        "erase takes the snapshots of a history that the ledger lacks",
        "engine/erase.py",
        "        if self._is_history_missed():\n",
        "        if False:\n",
        ERASE,
    ),
    Fault(
        "erase takes held versions",
        "engine/erase.py",
        "        if held:\n",
        "        if False:\n",
        ERASE,
    ),
    Fault(
        "erase forgets the rows before the bytes are gone",
        "engine/erase.py",
        "        self._remove_archived(goes)\n",
        "        self._ledger.erasures.forget(\n"
        "            self._mirror, path, goes, self._now(), request_id=request.id, is_all=True\n"
        "        )\n"
        "        self._remove_archived(goes)\n",
        ERASE,
    ),
    Fault(
        "erase does not look whether anything is left",
        "engine/erase.py",
        "        left = self._search(request, goes, is_all=not newer)\n",
        "        left: list[str] = []\n",
        ERASE,
    ),
    Fault(
        "erase works in front of another bucket",
        "engine/erase.py",
        "            require_proven(self._mirror, self._places, self._ledger)\n",
        "",
        ERASE,
    ),
    Fault(
        "an erased path stays in the files of the ledger",
        "engine/erase.py",
        "        self._ledger.erasures.wipe()\n",
        "",
        ERASE,
    ),
    Fault(
        "erased rows stay in the WAL",
        "ledger/database.py",
        '                [(is_busy, _, _)] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")'
        ".fetchall()\n",
        "                is_busy = 0\n",
        ERASE,
    ),
    Fault(
        "snapshots that tell of an erased document stay",
        "engine/erase.py",
        "        self._renew_snapshots()\n",
        "",
        ERASE,
    ),
    Fault(
        "erase leaves what is on its way to the archive",
        "engine/erase.py",
        "        self._local.drop_staged([*goes])\n",
        "",
        ("integration/test_versions_gone.py",),
    ),
    Fault(
        "a WAL that could not be emptied passes for empty",
        "ledger/database.py",
        "        if is_busy:\n",
        "        if False:\n",
        ("unit/test_ledger_database.py",),
    ),
    Fault(
        "the ledger is not written anew, and what was deleted stays in its free pages",
        "ledger/database.py",
        '                cursor.execute("VACUUM")\n',
        "",
        ("unit/test_ledger_database.py",),
    ),
    Fault(
        "an erased path comes back with the note about it",
        "ledger/record.py",
        "    outcomes = [one for one in outcomes if not isinstance(one.operation, Erase)]\n",
        "",
        ("unit/test_ledger_record.py",),
    ),
)
