"""Faults of the brake on mass changes: what it must hold, what it must not, what comes back."""

from __future__ import annotations

from fault import Fault

_LOOP = "integration/test_loop_changes.py"
_LEDGER = "unit/test_ledger_changes.py"
_UNDECIDED = "test_what_travelled_before_a_hold_that_ended_undecided_counts_and_is_had_back"
_OTHER_SIDE = (
    "test_what_travelled_counts_while_it_is_in_a_hold_that_the_other_side_has_brought_about"
)
_HELD = f"{_LOOP}::test_files_that_are_encrypted_are_held_beyond_the_limit_before_they_spread"
_DISCARDED = (
    f"{_LOOP}::test_a_discarded_hold_of_changes_brings_all_contents_back_those_too_that_had"
    "_travelled"
)
_RENAMED = f"{_LOOP}::test_renames_to_a_strange_ending_are_held_with_their_deletions_and_come_back"
_BRAKE = ("unit/test_brake.py",)
_ALIKE = ("unit/test_alike.py",)
_ASKED = ("unit/test_asked.py",)
_CAME_SINCE = "test_what_came_in_the_place_of_what_was_refused_stays_and_what_was_archived_is_noted"
_EDITED_SINCE = "test_what_somebody_has_edited_since_a_refusal_stays_and_all_else_comes_back"
_HISTORIES = "simulation/test_simulation.py::test_a_history_that_once_broke_a_promise_keeps_them"
_PUT_BACK = "unit/test_put_back.py"

BRAKE = (
    Fault(
        "brake: what goes up is not looked at",
        "engine/execute.py",
        "            self.brake.upload(task, content)\n",
        "",
        (f"{_HELD}[local]",),
    ),
    Fault(
        "brake: what comes down is not looked at",
        "engine/execute.py",
        "            self.brake.download(task, content)\n            attributes",
        "            attributes",
        (f"{_HELD}[remote]",),
    ),
    Fault(
        "brake: what has travelled is not counted",
        "engine/brake.py",
        "        if was_held or is_counted(change, self._limits):\n",
        "        if was_held:\n",
        (f"{_HELD}[local]",),
    ),
    Fault(
        "brake: the limit is the one beyond",
        "core/brake.py",
        "    return lately.suspicious >= limits.suspicious\n",
        "    return lately.suspicious > limits.suspicious\n",
        (*_BRAKE, f"{_HELD}[local]"),
    ),
    Fault(
        "brake: while a hold is open what is suspicious travels again",
        "core/brake.py",
        "(lately.held_at is not None or _is_full(lately, limits))",
        "_is_full(lately, limits)",
        _BRAKE,
    ),
    Fault(
        "brake: what is not recognised travels while a burst goes on",
        "core/brake.py",
        '    return "" if is_burst else None\n',
        "    return None\n",
        _BRAKE,
    ),
    Fault(
        "brake: a photo that is saved again looks encrypted",
        "core/alike.py",
        "    return does_fit is False or (may_be_noise and is_noise(new))\n",
        "    return does_fit is False or is_noise(new)\n",
        _ALIKE,
    ),
    Fault(
        "brake: what was noise before looks encrypted",
        "core/alike.py",
        "any(_is_noisy(now) and not _is_noisy(before) for now, before in pairs)",
        "any(_is_noisy(now) for now, _ in pairs)",
        _ALIKE,
    ),
    Fault(
        "brake: a program that encrypts 4 KiB is not seen",
        "core/alike.py",
        "_PIECE_BYTES = 4096\n",
        "_PIECE_BYTES = BLOCK_BYTES\n",
        _ALIKE,
    ),
    Fault(
        "brake: a character that a sample cuts makes a text none",
        "core/alike.py",
        "        _Utf8().decode(block[begins:])",
        "        block.decode()",
        _ALIKE,
    ),
    Fault(
        "brake: what had travelled before the hold does not come back",
        "ledger/held_changes.py",
        "    yield NewRequest(mirror, row.path, kind, version, row.token, row.displaces, agreed)\n",
        "    if not row.travelled:\n"
        "        yield NewRequest(\n"
        "            mirror, row.path, kind, version, row.token, row.displaces, agreed\n"
        "        )\n",
        (f"{_DISCARDED}[local]",),
    ),
    Fault(
        "brake: the first of a burst are not in its hold",
        "ledger/changes.py",
        "            if is_first:\n                _forget_old(tx, mirror, counts_from(at))\n"
        "                _take_in(tx, mirror, hold_id)\n",
        "",
        (f"{_DISCARDED}[local]",),
    ),
    Fault(
        "brake: a hold of the other side's changes begins the count anew",
        "ledger/changes.py",
        "change.c.hold.is_(null()) | came, *is_recent",
        "change.c.hold.is_(null()), *is_recent",
        (f"{_LEDGER}::{_OTHER_SIDE}",),
    ),
    Fault(
        "brake: a hold that ends by itself forgets what had travelled",
        "ledger/changes.py",
        '            tx.update(change, {"hold": None}, change.c.hold == one)',
        "            tx.delete(change, change.c.hold == one)",
        (f"{_LEDGER}::{_UNDECIDED}",),
    ),
    Fault(
        "brake: nobody knows what was displaced before a crash",
        "engine/put_back.py",
        "                return replace(outcome, displaced=row, archived=(row.id, side))\n",
        "                return outcome\n",
        (f"{_LOOP}::test_what_was_archived_before_a_crash_is_told_of_by_a_version",),
    ),
    Fault(
        "brake: what was refused does not go as long as its file here was touched",
        "engine/put_back.py",
        "        return _with_token(base, Side.LOCAL, state.token)\n",
        "        return base\n",
        (
            f"{_PUT_BACK}::test_what_was_refused_gives_way_to_what_was_agreed_on_touched_or_not",
            f"{_LOOP}::test_what_is_refused_in_the_bucket_goes_though_its_files_here_were_touched",
        ),
    ),
    Fault(
        "brake: what was refused is put back over by what somebody has edited meanwhile",
        "engine/put_back.py",
        "            if content.sha256() != base.sha256:\n                return None\n",
        "",
        (f"{_PUT_BACK}::test_an_edit_made_here_meanwhile_displaces_what_was_refused",),
    ),
    Fault(
        "brake: what is held leaves its hold when the other side is touched",
        "engine/brake.py",
        "other.token == agreed or other.sha256 == seen.synced.sha256",
        "other.token == agreed",
        ("unit/test_brake_keeps.py",),
    ),
    Fault(
        "brake: what is held travels once the other side has deleted it",
        "engine/brake.py",
        "    return other is None or ",
        "    if other is None:\n        return False\n    return ",
        ("unit/test_brake_keeps.py",),
    ),
    Fault(
        "brake: what is encrypted where the other side has deleted it does not count",
        "engine/brake.py",
        "        if expect is None and why is None:\n",
        "        if expect is None:\n",
        (
            f"{_LOOP}::test_what_is_encrypted_where_the_other_side_has_deleted_it_counts_and"
            "_is_held[local]",
        ),
    ),
    Fault(
        "brake: a conflict with what was encrypted does not count",
        "engine/execute.py",
        "            self.brake.conflict(task, content, displaced.id, copy_path)\n",
        "",
        (f"{_LOOP}::test_conflicts_with_what_was_encrypted_count_and_are_had_back[local]",),
    ),
    Fault(
        "brake: of a conflict with what was encrypted what was older is had back",
        "engine/brake.py",
        "Side.REMOTE, operation.remote.token, path, displaced, why)",
        "Side.REMOTE, operation.remote.token, path, base.version, why)",
        (f"{_LOOP}::test_conflicts_with_what_was_encrypted_count_and_are_had_back[remote]",),
    ),
    Fault(
        "brake: a list of files tells nothing of a held change",
        "ledger/files.py",
        "                found[mirror, path] = (number, None)\n",
        "                pass\n",
        ("unit/test_ledger_files.py",),
    ),
    Fault(
        "brake: what is held is not found by that",
        "ledger/file_queries.py",
        "for query in (_held(one, is_part=is_part), _held_changes(one, is_part=is_part))",
        "for query in (_held(one, is_part=is_part),)",
        ("unit/test_ledger_files.py",),
    ),
    Fault(
        "brake: a refusal waits for whoever tells of requests",
        "engine/loop.py",
        "        self.request(Run.ASKED)  # a refusal asks for what it takes\n",
        "",
        (f"{_LOOP}::test_a_refusal_is_carried_out_by_whoever_looks_at_what_was_decided",),
    ),
    Fault(
        "brake: a refused newcomer stays",
        "core/asked.py",
        "    if request.kind is not RequestKind.REMOVE:\n        return None\n",
        "    if request.kind is RequestKind.REMOVE:\n        return None\n",
        (_RENAMED,),
    ),
    Fault(
        "brake: a refused newcomer stays as it was before it was spoilt again",
        "core/asked.py",
        "    return local if is_refused else None\n",
        "    return None\n",
        (
            *_ASKED,
            f"{_LOOP}::test_a_newcomer_goes_though_it_was_spoilt_again_after_it_had_travelled",
        ),
    ),
    Fault(
        "brake: what both sides agreed on since a refusal is undone by it",
        "core/asked.py",
        "    if request.displaces is not None:\n        return (\n",
        "    if request.displaces is not None:\n        return True or (\n",
        (
            *_ASKED,
            f"{_LOOP}::{_EDITED_SINCE}[local]",
            f"{_LOOP}::{_EDITED_SINCE}[remote]",
            _HISTORIES,
        ),
    ),
    Fault(
        "brake: what was on its way as it was refused stays",
        "core/asked.py",
        "            or request.expect in (base.local_token, base.remote_token)\n",
        "",
        _ASKED,
    ),
    Fault(
        "brake: of what was on its way as it was refused nothing is asked",
        "ledger/held_changes.py",
        "    yield NewRequest(mirror, row.path, kind, version, row.token, row.displaces, agreed)\n",
        "    if not row.travelled or agreed not in (NOTHING, version):\n"
        "        yield NewRequest(\n"
        "            mirror, row.path, kind, version, row.token, row.displaces, agreed\n"
        "        )\n",
        (f"{_LEDGER}::test_a_refusal_asks_for_what_was_there_before_the_burst_in_one_act",),
    ),
    Fault(
        "brake: what was there before comes beside what somebody has edited since a refusal",
        "engine/on_request.py",
        "        if operation.displaces is not None:\n            return self._considered_refused(",
        "        if expect == operation.refused and operation.displaces is not None:\n"
        "            return self._considered_refused(",
        (f"{_PUT_BACK}::{_CAME_SINCE}[local]",),
    ),
    Fault(
        "brake: what was refused here is kept beside what the other side was edited to",
        "engine/put_back.py",
        "        is_here = operation.side is Side.REMOTE and state is not None\n",
        "        is_here = False\n",
        (f"{_PUT_BACK}::test_what_was_refused_here_gives_way_to_an_edit_of_the_other_side",),
    ),
    Fault(
        "brake: what had come as it was refused passes for somebody's edit",
        "engine/put_back.py",
        "        if found == sha256:\n",
        "        if False:\n",
        (f"{_PUT_BACK}::test_what_was_on_its_way_as_it_was_refused_goes_on_both_sides",),
    ),
    Fault(
        "brake: what was refused comes with a conflict before it is put back",
        "engine/brake.py",
        "    if standing.state is HoldState.DISCARDED:\n",
        "    if False:\n",
        ("unit/test_brake_keeps.py",),
    ),
    Fault(
        "brake: what a person has put back stays held",
        "engine/brake.py",
        "        if not isinstance(operation, Upload | Download | Read):\n",
        "        if isinstance(operation, Upload):\n",
        (f"{_LOOP}::test_a_hold_of_changes_ends_by_itself_when_the_files_are_as_they_were",),
    ),
    Fault(
        "brake: what has waited for a refusal is not looked at when that is over",
        "engine/asked.py",
        "            self.freed(row.path)\n",
        "            pass\n",
        (
            "unit/test_asked_for.py",
            "integration/test_loop_requests.py::test_what_comes_to_the_place_of_a_refused"
            "_newcomer_is_carried_when_that_is_over",
        ),
    ),
    Fault(
        "brake: what was refused and is agreed on is said to have left its path",
        "ledger/record.py",
        "left_at=None if _is_held_still(outcome) else outcome",
        "left_at=outcome",
        (_PUT_BACK,),
    ),
    Fault(
        "brake: what is spoilt again where a newcomer is held travels",
        "engine/brake.py",
        "not (is_beside_new and self._open_at(path) is None)",
        "not is_beside_new",
        ("unit/test_brake_keeps.py",),
    ),
    Fault(
        "brake: what travels from where a newcomer was held is told of as held",
        "engine/brake.py",
        "                self._leave([path])\n\n    def _admit(",
        "                pass\n\n    def _admit(",
        ("unit/test_brake_keeps.py",),
    ),
    Fault(
        "brake: a conflict is had back by the version of its first try",
        "ledger/changes.py",
        "        change.c.version.is_(null()) | is_one.exists(),\n",
        "",
        (_LEDGER,),
    ),
    Fault(
        "brake: a second refusal has back what the first has refused",
        "ledger/changes.py",
        "    return what.version if found is None else str(found)\n",
        "    return what.version\n",
        (_LEDGER,),
    ),
    Fault(
        "a refusal of changes leaves what was deleted beside them to be deleted",
        "engine/holds.py",
        "        for side in self._ledger.changes.sides(hold.id):\n",
        "        for side in list[Side]():\n",
        ("integration/test_loop_refused.py",),
    ),
    Fault(
        "what a folder holds that cannot be read passes for deleted beside refused changes",
        "core/merge.py",
        "        if path != agreed_path and not agreed_path.startswith(unseen):\n",
        "        if path != agreed_path:\n",
        ("unit/test_merge.py",),
    ),
)
