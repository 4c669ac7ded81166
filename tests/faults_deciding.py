"""Faults of decisions: who changed what, what is believed, what may be deleted."""

from __future__ import annotations

from fault import Fault

PLAN = ("unit/test_plan.py",)
MERGE = ("unit/test_merge.py",)
GUARDS = ("unit/test_guards.py",)
CONSIDER = ("unit/test_consider.py", "unit/test_deletions.py")
DECIDED = ("unit/test_decided_holds.py",)
LOOP = "integration/test_loop_holds.py"
LISTING = ("unit/test_listing.py",)
LOCAL = ("unit/test_local_storage.py",)
AT_REST = ("unit/test_local_at_rest.py",)
RETENTION = ("unit/test_retention.py",)


DECIDING = (
    Fault(
        "the log names a document that is to be erased",
        "engine/asked.py",
        "        if row.kind is not RequestKind.ERASE:\n",
        "        if True:\n",
        ("unit/test_asked_for.py",),
    ),
    Fault(
        "a ledger that cannot be written is told of each time",
        "engine/health.py",
        "            if not self._is_ledger_failing:\n",
        "            if True:\n",
        ("unit/test_health.py",),
    ),
    # The decision.
    Fault(
        "what appeared while docferry was down is deleted",
        "core/plan.py",
        "    if synced is None or _is_edited(remote, synced.remote_token, synced):\n",
        "    if synced is not None and _is_edited(remote, synced.remote_token, synced):\n",
        PLAN,
    ),
    Fault(
        "what a rebuilt ledger never saw here is deleted in the bucket",
        "core/plan.py",
        "    if synced.local_token == NEVER_SEEN:\n"
        "        return Download(path, remote, expect_local=None)\n",
        "",
        PLAN,
    ),
    Fault(
        "what a rebuilt ledger finds here goes over what is in the bucket",
        "core/plan.py",
        "    if local_edited and synced is not None and synced.local_token == NEVER_SEEN:\n",
        "    if local_edited and synced is not None and remote_edited:\n",
        PLAN,
    ),
    Fault(
        "a deletion beats an edit",
        "core/plan.py",
        "    if synced is None or _is_edited(local, synced.local_token, synced):\n"
        "        return Upload(path, local, expect_remote=None)\n",
        "    if synced is None:\n        return Upload(path, local, expect_remote=None)\n",
        PLAN,
    ),
    Fault(
        "in a conflict the last one to look wins",
        "core/plan.py",
        "    return KeepBoth(path, conflict_copy_path(path, local.sha256), local, remote)\n",
        "    return Upload(path, local, expect_remote=remote.token)\n",
        PLAN,
    ),
    Fault(
        "contents of the same size are the same",
        "core/plan.py",
        "    if local.sha256 == remote.sha256:\n",
        "    if local.size == remote.size or local.sha256 == remote.sha256:\n",
        PLAN,
    ),
    Fault(
        "a mode that only pushes deletes here",
        "core/plan.py",
        "isinstance(operation, Download | DeleteLocal | KeepBoth)",
        "isinstance(operation, Download | KeepBoth)",
        PLAN,
    ),
    # The three trees.
    Fault(
        "a folder that could not be read is an empty one (full run)",
        "core/merge.py",
        "(with_agreed or not _as_agreed(here, there, base)) and not path.startswith(unseen):\n",
        "(with_agreed or not _as_agreed(here, there, base)):\n",
        MERGE,
    ),
    Fault(
        "a folder that could not be read is an empty one (one side)",
        "core/merge.py",
        "            if not agreed_path.startswith(unseen):\n                yield agreed_path\n",
        "            yield agreed_path\n",
        MERGE,
    ),
    Fault(
        "a file that could not be looked at is absent",
        "core/merge.py",
        "        if isinstance(here, Unknown) or isinstance(there, Unknown):\n",
        "        here = None if isinstance(here, Unknown) and not here.below else here\n"
        "        if isinstance(here, Unknown) or isinstance(there, Unknown):\n",
        MERGE,
    ),
    Fault(
        "a listing out of order is believed",
        "core/merge.py",
        "        if path <= last:\n",
        "        if False:\n",
        MERGE,
    ),
    # Listing and walking.
    Fault(
        "a listing that breaks off is complete",
        "storage/listing.py",
        "    if not after:\n"
        '        raise TemporaryError("the listing breaks off: it says that there is more, but not'
        ' where")\n',
        "    if not after:\n        return None\n",
        LISTING,
    ),
    Fault(
        "a log-in page is an empty bucket",
        "storage/listing.py",
        '    if not page.get("Name") or not isinstance(page.get("IsTruncated"), bool):\n',
        "    if False:\n",
        LISTING,
    ),
    Fault(
        "a folder that cannot be entered is skipped",
        "storage/local_walk.py",
        "            except FileNotFoundError:\n                continue\n"
        "            except OSError as error:\n",
        "            except OSError as error:\n                continue\n",
        LOCAL,
    ),
    Fault(
        "a folder swapped during the walk is believed",
        "storage/local.py",
        "        if not os.path.samestat(at_start, now):\n",
        "        if False:\n",
        LOCAL,
    ),
    Fault(
        "settling ignores ctime",
        "storage/local_walk.py",
        "mtime if mtime > ctime else ctime",
        "mtime",
        AT_REST,
    ),
    # Guards.
    Fault(
        "a marker that is gone is not missed",
        "core/guards.py",
        "        if found != known:\n",
        "        if found not in (known, None):\n",
        GUARDS,
    ),
    Fault(
        "another mirror's marker is as good",
        "core/guards.py",
        "        if found != known:\n",
        "        if found is None:\n",
        GUARDS,
    ),
    Fault(
        "the sides are not asked who they are",
        "engine/loop.py",
        "        if not self._prove():\n            return\n        if self._outage",
        "        if self._outage",
        ("integration/test_loop_holds.py::test_a_folder_that_lost_its_marker_stops_everything",),
    ),
    Fault(
        "delete_limit is ignored",
        "engine/deletions.py",
        "            limit=self._limit,\n",
        "            limit=10**9,\n",
        CONSIDER,
    ),
    Fault(
        "deletions slip through the limit one by one",
        "core/guards.py",
        "    if lost + recent > limit:\n",
        "    if lost > limit:\n",
        (*GUARDS, *CONSIDER),
    ),
    Fault(
        "an emptied side empties the other",
        "core/guards.py",
        "    if emptied is not None:\n",
        "    if False:\n",
        (*GUARDS, *CONSIDER),
    ),
    Fault(
        "deletions do not wait for the guard",
        "engine/consider.py",
        "            self._deletions.park(operation, seen.synced.sha256)\n",
        "            self.carrier.add(self._task(seen, operation, since_s))\n",
        CONSIDER,
    ),
    Fault(
        "deletions planned before a crash travel after it",
        "engine/deletions.py",
        "        ledger.holds.drop_parked(mirror)  # a plan that was cut off by the last stop\n",
        "",
        CONSIDER,
    ),
    Fault(
        "a rename counts as a loss",
        "ledger/holds.py",
        ".where(~stays.exists())",
        "",
        CONSIDER,
    ),
    Fault(
        "an approved hold is carried out without looking again",
        "engine/consider.py",
        "            if operation is not None and operation == wanted.get(seen.path):\n",
        "            operation = wanted.get(seen.path)\n            if operation is not None:\n",
        CONSIDER,
    ),
    Fault(
        "an approved hold is carried out on a side that is not itself",
        "engine/loop.py",
        "        if is_time and self._prove():",
        "        if is_time:",
        ("integration/test_loop_holds.py",),
    ),
    Fault(
        "a held deletion is carried out though the mode leaves it alone by now",
        "engine/consider.py",
        "        return operation if is_allowed else None\n",
        "        return operation\n",
        CONSIDER,
    ),
    Fault(
        "what a person has just decided about is held a second time",
        "ledger/holds.py",
        "            was_dropped = _drop_decided(tx, mirror)\n",
        "            was_dropped = 0\n",
        ("unit/test_ledger_holds.py",),
    ),
    Fault(
        "a decision that is not carried out yet is called in step",
        "engine/judged.py",
        "    is_to_do = bool(decisions.waiting_among(decided)) or any(",
        "    decided = []\n    is_to_do = any(",
        (f"{LOOP}::test_what_is_decided_is_not_held_again_nor_called_in_step_before_it_is_done",),
    ),
    Fault(
        "an approved deletion leaves its hold before it is done",
        "engine/holds.py",
        "            carry(group)\n",
        "            paths = [each.path for each in group]\n"
        "            self._ledger.holds.leave_decided(self._mirror, paths, self._now())\n"
        "            carry(group)\n",
        DECIDED,
    ),
    Fault(
        "a refused deletion leaves its hold before its agreement is forgotten",
        "engine/holds.py",
        "        self._ledger.record(self._mirror, forgotten, at=self._now())\n",
        "        self._ledger.holds.leave_decided(self._mirror, paths, self._now())\n"
        "        self._ledger.record(self._mirror, forgotten, at=self._now())\n",
        DECIDED,
    ),
    Fault(
        "a deletion that was done stays in its hold",
        "ledger/record.py",
        "        leave_decided(tx, mirror, [outcome.operation.path for outcome in outcomes], at)\n",
        "",
        DECIDED,
    ),
    Fault(
        "an approved deletion that failed is asked about again",
        "engine/loop.py",
        "        if self._deletions.parked and (again := ",
        "        if False and (again := ",
        (
            f"{LOOP}::test_what_was_approved_and_could_not_be_done_is_done_later_without_asking_again",
        ),
    ),
    Fault(
        "other deletions wait for an approved one that fails",
        "engine/loop.py",
        "        if self._decided.waiting():\n            self.request(Run.HOLDS)  # they go first",
        "        if self._decided.begin_anew() or self._decided.waiting():\n"
        "            self.request(Run.HOLDS)  # they go first",
        (f"{LOOP}::test_other_deletions_do_not_wait_for_an_approved_one_that_fails",),
    ),
    Fault(
        "a file that came back stays in its hold",
        "engine/consider.py",
        "            self._deletions.spare(path)\n",
        "            pass\n",
        CONSIDER,
    ),
    Fault(
        "a file that was touched leaves its hold unread",
        "engine/consider.py",
        "(operation, DeleteLocal | DeleteRemote | ReadLocal | ReadRemote)",
        "(operation, DeleteLocal | DeleteRemote)",
        CONSIDER,
    ),
    Fault(
        "a poll is content with what a run found to differ",
        "engine/loop.py",
        "                differs = True\n",
        "",
        ("integration/test_loop.py",),
    ),
    Fault(
        "a hold is not looked at again",
        "engine/one_side.py",
        "        for path in held:  # it may be there, and as agreed\n"
        "            self._dirty.mark(path)\n",
        "",
        (f"{LOOP}::test_a_hold_ends_when_the_files_are_back",),
    ),
    Fault(
        "a hold keeps a reason that is not so any more",
        "engine/deletions.py",
        "        hold = self._ledger.holds.hold(self._mirror, reason, now",
        "        reason = held.reason if held else reason\n"
        "        hold = self._ledger.holds.hold(self._mirror, reason, now",
        CONSIDER,
    ),
    Fault(
        "half a plan ends a hold",
        "engine/loop.py",
        "            self._forget_plan()\n            return\n        if self._decided",
        "            self._deletions.forget()\n            self._deletions.saw_all()\n"
        "        if self._decided",
        (f"{LOOP}::test_a_hold_outlives_a_plan_that_broke_off",),
    ),
    Fault(
        "a full run believes a path that moved while it read",
        "engine/consider.py",
        "        self._dirty.mark(seen.path)\n        return True\n",
        "        return False\n",
        CONSIDER,
    ),
    Fault(
        "a mount point without its file system is claimed",
        "ledger/lock.py",
        "    def _make_folder(self) -> None:\n        pass\n",
        "",
        ("unit/test_ledger_lock.py",),
    ),
    # What is taken.
    Fault(
        "what a filter leaves out counts as deleted",
        "engine/consider.py",
        "        if not self.takes(path):\n            return\n        if not is_snapshot and",
        "        if not self.takes(path):\n"
        "            seen = Difference(path, None, seen.remote, seen.synced)\n"
        "        if not is_snapshot and",
        CONSIDER,
    ),
    Fault(
        "what was seen of a file is forgotten once it is read",
        "engine/settling.py",
        "        return None  # whether somebody has",
        "        self._sightings.pop(path, None)\n        return None  # whether somebody has",
        ("unit/test_settling.py",),
    ),
    Fault(
        "what comes back before it is judged stays parked",
        "engine/deletions.py",
        "            self._ledger.holds.release(self._mirror, spared)\n",
        "            pass\n",
        ("unit/test_deletions.py",),
    ),
    Fault(
        "a file is taken while it still moves",
        "engine/settling.py",
        "        if not isinstance(found, Taken):\n",
        "        if False:\n",
        CONSIDER,
    ),
    Fault(
        "a file is read while somebody writes it",
        "storage/local.py",
        "        if content.is_being_written():\n",
        "        if False:\n",
        AT_REST,
    ),
    Fault(
        "an early hint loses the next try",
        "engine/consider.py",
        "            self._dirty.put_off(path, after_s=wait_s, since_s=since_s)\n"
        "        elif self._is_ripe",
        "            pass\n        elif self._is_ripe",
        CONSIDER,
    ),
    Fault(
        "what was noticed while its path was busy is forgotten",
        "engine/consider.py",
        "                self._look_when_done(path)\n            elif",
        "                pass\n            elif",
        CONSIDER,
    ),
    Fault(
        "what waits for the rest of a rewind is forgotten",
        "engine/consider.py",
        "                self._dirty.put_off(path, after_s=RESTORING_AGAIN_S,"
        " since_s=since.get(path))\n",
        "                pass\n",
        CONSIDER,
    ),
    # Retention.
    Fault(
        "retention takes held versions",
        "core/retention.py",
        "        if row.held:\n            return Why.HELD\n",
        "",
        RETENTION,
    ),
    Fault(
        "retention takes what somebody asked for",
        "core/retention.py",
        "        if row.id in asked:\n            return Why.ASKED\n",
        "",
        RETENTION,
    ),
    Fault(
        "retention takes the second copy of what a file holds",
        "core/retention.py",
        "        if row.sha256 in current:\n            return Why.NEEDED\n",
        "",
        RETENTION,
    ),
    Fault(
        "retention without a rule keeps nothing",
        "core/retention.py",
        "if policy.lets_go else Why.NO_RULE",
        "",
        RETENTION,
    ),
    Fault(
        "a version's age counts from when it came",
        "core/retention.py",
        "if now - _left_at(row) < policy.at_least",
        "if now - row.created_at < policy.at_least",
        RETENTION,
    ),
    Fault(
        "rotten bytes take the place of a document among the last",
        "core/retention.py",
        "if (row.origin is Origin.EVIDENCE) is is_evidence",
        "if not is_evidence",
        RETENTION,
    ),
    Fault(
        "the bytes of a shared content go with the first row",
        "core/retention.py",
        "all(row.gone_at is not None for row in on_its_bytes)",
        "True",
        ("unit/test_retention_round.py",),
    ),
    Fault(
        "what the bucket keeps goes though a version still has its content",
        "core/retention.py",
        "is_it and not is_needed",
        "is_it",
        RETENTION,
    ),
    Fault(
        "a name of hyphens stops the daemon",
        "core/filters.py",
        "re.compile(_quick(pattern.regex.pattern))",
        "re.compile(pattern.regex.pattern)",
        ("unit/test_filters.py",),
    ),
    Fault(
        "what follows a star is looked for across what comes first",
        "core/filters.py",
        "        elif not _ONE.fullmatch(part):\n            since = None\n",
        "",
        ("unit/test_filters.py",),
    ),
)
