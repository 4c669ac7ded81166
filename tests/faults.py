"""
The faults by which tools lose documents, each as a change of docferry's code.

`planted_faults.py` plants them. When a change of the code makes a fault's old text vanish,
look where the same mistake could be made now.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake, and the tests of which at least one must note it."""

    name: str
    module: str  #: below daemon/docferry
    old: str  #: stands there exactly once
    new: str
    tests: tuple[str, ...]  #: below tests


PLAN = ("unit/test_plan.py",)
MERGE = ("unit/test_merge.py",)
GUARDS = ("unit/test_guards.py",)
EXECUTE = ("unit/test_execute.py",)
CONTENTS = ("unit/test_execute_contents.py",)
CARRY = ("unit/test_carry.py",)
CONSIDER = ("unit/test_consider.py",)
LISTING = ("unit/test_listing.py",)
LOCAL = ("unit/test_local_storage.py",)
AT_REST = ("unit/test_local_at_rest.py",)
LOCAL_CHANGES = ("unit/test_local_changes.py",)
PLANNED = ("property/test_plan_and_run.py",)

FAULTS = (
    # The decision.
    Fault(
        "what appeared while docferry was down is deleted",
        "core/plan.py",
        "    if synced is None or _is_edited(remote, synced.remote_token, synced):\n",
        "    if synced is not None and _is_edited(remote, synced.remote_token, synced):\n",
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
        "        elif not _as_agreed(here, there, base) and not path.startswith(unseen):\n",
        "        elif not _as_agreed(here, there, base):\n",
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
        "        if found is None:\n            return Refused(\n",
        "        if found is None:\n            continue\n            return Refused(\n",
        GUARDS,
    ),
    Fault(
        "another mirror's marker is as good",
        "core/guards.py",
        "        if found != known:\n",
        "        if False:\n",
        GUARDS,
    ),
    Fault(
        "the sides are not asked who they are",
        "engine/loop.py",
        "        if not self._prove():\n            return\n        if self._outage",
        "        if self._outage",
        ("integration/test_loop.py::test_a_folder_that_lost_its_marker_stops_everything",),
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
        "        if self._prove():  # else as soon",
        "        if True:  # else as soon",
        ("integration/test_loop.py",),
    ),
    Fault(
        "a held deletion is carried out though the mode leaves it alone by now",
        "engine/consider.py",
        "        return operation if is_allowed else None\n",
        "        return operation\n",
        CONSIDER,
    ),
    # What is taken.
    Fault(
        "what a filter leaves out counts as deleted",
        "engine/consider.py",
        "        if not self.takes(path):\n            return\n        self.problems.considered",
        "        if not self.takes(path):\n"
        "            seen = Difference(path, None, seen.remote, seen.synced)\n"
        "        self.problems.considered",
        CONSIDER,
    ),
    Fault(
        "a file is taken while it still moves",
        "engine/consider.py",
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
    # Operations.
    Fault(
        "an upload goes over whatever is there by now",
        "engine/execute.py",
        "        written = self._remote.write(\n",
        "        there = self._remote.stat(path)\n"
        "        operation = replace(operation, expect_remote=there.token if there else None)\n"
        "        archive = archive or (Attributes(version=self._new_ulid()) if there else None)\n"
        "        written = self._remote.write(\n",
        EXECUTE,
    ),
    Fault(
        "a conflict overwrites first and copies afterwards",
        "engine/execute.py",
        "        copy_path, mtime_ns = self._copy_aside(operation, local.sha256)\n",
        "        from docferry.storage.memory import BytesContent\n"
        "        with self._local.read(path, local.token) as kept:\n"
        "            mine = b''.join(kept.parts())\n"
        "        copy_path, mtime_ns = operation.copy_path, None\n"
        "        version = Attributes(version=self._new_ulid())\n"
        "        with self._remote.read(path, operation.remote.token) as content:\n"
        "            gone = dict(expect=local.token, archive=version)\n"
        "            self._local.write(path, content, version, **gone)\n"
        "        self._local.write(copy_path, BytesContent(mine), Attributes(), expect=None)\n"
        "        local = replace(local, token=self._local.stat(path).token)\n",
        ("unit/test_execute_contents.py::test_the_copy_is_there_before_the_path_changes",),
    ),
    Fault(
        "a conflict keeps no copy",
        "engine/execute.py",
        "        copy_path, mtime_ns = self._copy_aside(operation, local.sha256)\n",
        "        copy_path, mtime_ns = operation.copy_path, None\n",
        CONTENTS,
    ),
    Fault(
        "a conflict copy takes the place of another file",
        "engine/execute.py",
        "                    continue  # the name is taken by another content\n",
        "                    pass\n",
        CONTENTS,
    ),
    Fault(
        "the token is read after the transfer",
        "engine/execute.py",
        "self._agreed(task, written, source.token, written.token, attributes, task.origin)",
        "self._agreed(task, written, self._local.stat(path).token, written.token, attributes,"
        " task.origin)",
        EXECUTE,
    ),
    Fault(
        "what was read is not confirmed",
        "engine/execute.py",
        "        content.confirm()\n"
        "        return Learned(replace(task.seen, local=replace(local, sha256=sha256)))\n",
        "        return Learned(replace(task.seen, local=replace(local, sha256=sha256)))\n",
        EXECUTE,
    ),
    Fault(
        "a rename is copied by a hash that was not confirmed",
        "engine/execute.py",
        "        content.confirm()\n        try:\n            return self._remote.copy_within",
        "        try:\n            return self._remote.copy_within",
        EXECUTE,
    ),
    Fault(
        "a deletion does not look at the other side again",
        "engine/execute.py",
        "        if other.stat(path) is not None:\n",
        "        if False:\n",
        EXECUTE,
    ),
    Fault(
        "whatever carries our name is ours",
        "engine/execute.py",
        "        if not self._known.is_intended(self._mirror, path, found.version):\n",
        "        if found.writer != self._writer:\n",
        CONTENTS,
    ),
    # Storages.
    Fault(
        "an edit displaces without the archive",
        "storage/local_staging.py",
        "        try:\n            self._archive(staged, swap.version)\n        except OSError:\n"
        "            self._give_back(staged, swap, target)\n            raise\n",
        "        staged.unlink()\n",
        ("contract/test_storage.py::test_a_displaced_content_is_in_the_archive[local]",),
    ),
    Fault(
        "what is displaced is not looked at",
        "storage/local_staging.py",
        "        if not _is_expected(staged, swap):\n            self._give_back",
        "        if False:\n            self._give_back",
        LOCAL_CHANGES,
    ),
    Fault(
        "what changed on the way is put in place",
        "storage/local_write.py",
        "        content.confirm()\n",
        "",
        (
            "contract/test_storage.py::test_an_unfinished_content_never_becomes_visible[local-Moving-large]",
        ),
    ),
    Fault(
        "a damaged content is put in place",
        "storage/local_write.py",
        "        if attributes.sha256 not in (None, sha256):\n",
        "        if False:\n",
        ("contract/test_storage.py::test_a_damaged_content_is_refused[local-large]",),
    ),
    Fault(
        "an object displaces without the archive",
        "storage/s3_write.py",
        "            self._displace(key, expect, archive)\n"
        "            if self.profile.conditional_replace:\n",
        "            if self.profile.conditional_replace:\n",
        ("contract/test_storage.py::test_a_displaced_content_is_in_the_archive[moto]",),
    ),
    Fault(
        "a new object takes the place of another one",
        "storage/s3_write.py",
        "                return send(ABSENT)\n",
        "                return send(None)\n",
        ("contract/test_storage.py::test_a_path_that_is_taken_is_not_created[moto]",),
    ),
    # The plan.
    Fault(
        "a plan takes an upload of ours for a stranger's",
        "engine/dry_run.py",
        "        if path in self._announced:\n",
        "        if False:\n",
        PLANNED,
    ),
    Fault(
        "a plan does not see that a file was only renamed",
        "engine/dry_run.py",
        "            before_judging=self._read_what_may_be_renamed,\n",
        "",
        PLANNED,
    ),
    Fault(
        "a plan does not see that a name is taken",
        "engine/dry_run.py",
        "        if blocker is not None:\n",
        "        if False:\n",
        PLANNED,
    ),
    Fault(
        "a plan knows no deletions of a moment ago",
        "ledger/scratch.py",
        "kind IN {_DELETIONS} AND at >= :since",
        "kind IN {_DELETIONS} AND at < :since",
        PLANNED,
    ),
    Fault(
        "a plan does not know what a person decided",
        "ledger/scratch.py",
        "state IN ('open', 'approved', 'discarded')",
        "state IN ('open')",
        PLANNED,
    ),
    Fault(
        "a plan forgets what it has deleted so far",
        "engine/imagined.py",
        "            self._changed[path] = None\n",
        "            pass\n",
        PLANNED,
    ),
    Fault(
        "a run ends at the first hold and leaves the rest undone",
        "engine/loop.py",
        "        return self._outage.is_on and (is_blocked or self._outage.is_lasting)\n",
        "        return is_blocked or self._outage.is_lasting\n",
        PLANNED,
    ),
    # Names.
    Fault(
        'the key ".." leads out of the folder',
        "core/paths.py",
        r'_UNUSABLE = re.compile(r"\0|(?<![^/])(?:\.{0,2}(?![^/])|%_~+/)")',
        r'_UNUSABLE = re.compile(r"\0|(?<![^/])(?:\.{0,1}(?![^/])|%_~+/)")',
        ("unit/test_paths.py",),
    ),
    Fault(
        "two keys share a local name",
        "core/paths.py",
        "_is_usable(name) and not _belongs_to_another(name) else",
        "_is_usable(name) else",
        ("property/test_paths.py",),
    ),
    # The note after the change.
    Fault(
        "the note comes before the change",
        "engine/consider.py",
        "            self.carrier.add(self._task(seen, operation, since_s))\n\n",
        "            task = self._task(seen, operation, since_s)\n"
        "            if isinstance(operation, Upload):\n"
        "                source, version = operation.source, task.version\n"
        '                synced = SyncedState("", source.token, "", version, source.size)\n'
        "                self._record([(task, Outcome(operation, synced))])\n"
        "            self.carrier.add(task)\n\n",
        CONSIDER,
    ),
    Fault(
        "uploads are not announced",
        "engine/carry.py",
        "            self._intend(intents)  # where it fails, they wait on\n",
        "            pass\n",
        CARRY,
    ),
    Fault(
        "a path is free again before its note is written",
        "engine/carry.py",
        "            # Busy until it is written down: the ledger does not know of it yet.\n",
        "            self._busy.discard(task.operation.path)\n",
        CARRY,
    ),
    Fault(
        "a note that could not be written counts as written",
        "engine/carry.py",
        "                self._result.on_failed(task, error)\n            return\n",
        "                pass\n",
        CARRY,
    ),
    Fault(
        "an outcome is written down in two transactions",
        "ledger/record.py",
        "        _record_versions(tx, outcomes)\n        _fulfil",
        "    with database.writing() as tx:\n"
        "        _record_versions(tx, outcomes)\n        _fulfil",
        ("unit/test_ledger_record.py",),
    ),
)
