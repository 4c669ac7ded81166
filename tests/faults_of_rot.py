"""Faults by which rot is overlooked, spread, or healed at the cost of a document."""

from __future__ import annotations

from fault import Fault

VERIFIER = ("unit/test_verifier.py",)
VERIFY = ("unit/test_verify.py",)
PATROL = ("unit/test_patrol.py",)
HEAL = ("unit/test_heal.py",)
ARCHIVES = ("unit/test_archive_care.py",)

OF_ROT = (
    # Verifying.
    Fault(
        "rot in the folder is overlooked because its token is as agreed",
        "engine/verify.py",
        "        is_read = side is Side.LOCAL or self._reads_all\n",
        "        is_read = self._reads_all\n",
        VERIFIER,
    ),
    Fault(
        "what moves while it is verified is called damage",
        "engine/verify.py",
        "return self._again(path) if verify.of_path(path, local, remote, synced) else []",
        "return verify.of_path(path, local, remote, synced)",
        VERIFIER,
    ),
    Fault(
        "verifying one side says something about the other",
        "core/verify.py",
        "            return None\n        case Absent():\n            never_had",
        "            sight = ABSENT\n            never_had",
        VERIFY,
    ),
    Fault(
        "a version that one archive has lost is called well",
        "core/verify.py",
        "            is_lost = Kind.ARCHIVE_MISSING if is_claimed else None\n",
        "            is_lost = None\n",
        VERIFY,
    ),
    # Finding.
    Fault(
        "one answer that the line spoilt is rot",
        "engine/sight.py",
        "        seen = _read(lambda: storage.read(path, token), token, take)\n    is_sound",
        "        pass\n    is_sound",
        PATROL,
    ),
    Fault(
        "in front of another bucket everything rots",
        "engine/patrol.py",
        "        return all(self._is_itself(side) for side in Side)\n",
        "        return True\n",
        PATROL,
    ),
    Fault(
        "a store in trouble has rotten objects",
        "engine/patrol.py",
        "            self._prove(side)\n",
        "",
        PATROL,
    ),
    Fault(
        "rot is asked to be healed again and again",
        "engine/patrol.py",
        "            elif not self._ledger.requests.is_asked(self._mirror, path, _HEAL[side]):\n",
        "            else:\n",
        PATROL,
    ),
    Fault(
        "what a stopping patrol was at counts as checked",
        "engine/patrol.py",
        "        if self._pace.is_stopping():\n",
        "        if False:\n",
        PATROL,
    ),
    Fault(
        "rot is healed on a side that the mode leaves alone",
        "engine/patrol.py",
        "            if not may_mend(self._mode, side):\n",
        "            if False:\n",
        PATROL,
    ),
    Fault(
        "a pause lets a patrol catch up all at once",
        "engine/pace.py",
        "max(self._free_s, self._clock())",
        "(self._free_s or self._clock())",
        ("unit/test_pace.py",),
    ),
    Fault(
        "a full run takes the problem about rot away",
        "engine/problems.py",
        'OTHERS_KINDS = ("drop", "watch", "rot", "history", "canary", "disk")',
        'OTHERS_KINDS = ("drop", "watch", "history", "canary", "disk")',
        ("unit/test_problems.py",),
    ),
    # Healing.
    Fault(
        "what has come to itself is healed all the same",
        "engine/heal.py",
        "        if isinstance(seen, Held) and seen.sha256 == synced.sha256:\n",
        "        if False:\n",
        HEAL,
    ),
    Fault(
        "what was healed before a crash has changed since",
        "core/asked.py",
        "    if state.token != agreed and is_edited:\n",
        "    if state.token != agreed:\n",
        HEAL,
    ),
    Fault(
        "an edit that nobody has read yet is healed away",
        "engine/heal.py",
        "        if token != agreed:\n",
        "        if False:\n",
        HEAL,
    ),
    Fault(
        "rot is healed by rot",
        "engine/sound.py",
        "            if content.read_into(self.take) == sha256:\n",
        "            if True:\n",
        HEAL,
    ),
    Fault(
        "rotten bytes that could be kept are overwritten",
        "engine/heal.py",
        "            if operation.side is Side.LOCAL or not isinstance(seen, Unreadable):\n",
        "            if operation.side is Side.LOCAL:\n",
        HEAL,
    ),
    Fault(
        "healed bytes are a new version",
        "engine/heal.py",
        "            version=synced.version,\n            sha256=synced.sha256,\n",
        "            version=content.attributes.parent,\n            sha256=synced.sha256,\n",
        HEAL,
    ),
    Fault(
        "rotten archived bytes are thrown away",
        "engine/archive_care.py",
        "        evidence = self._keep_evidence(side, row, owner, sight)\n",
        "        evidence = None\n",
        ARCHIVES,
    ),
    Fault(
        "a reference that leads nowhere is left as it is",
        "engine/archive_care.py",
        "        if there is not None and there.bytes_of in (None, owner.id):\n",
        "        if there is not None:\n",
        ARCHIVES,
    ),
    Fault(
        "a reference counts as the bytes that others share",
        "engine/archive_care.py",
        "        is_there = found is not None and found.bytes_of is None\n",
        "        is_there = found is not None\n",
        ARCHIVES,
    ),
    Fault(
        "a reference that leads nowhere counts as brought up",
        "engine/bring_up.py",
        "            if not self._has_bytes_of(row, found.bytes_of):\n",
        "            if False:\n",
        ("unit/test_bring_up.py",),
    ),
    Fault(
        "what an archive has lost is no longer expected there",
        "engine/archive_care.py",
        "or (claims[side] and sights[side] == ABSENT)",
        "",
        ARCHIVES,
    ),
)
