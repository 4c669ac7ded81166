"""Faults of deeds: operations, storages, the plan, names, the note after the change."""

from __future__ import annotations

from fault import Fault

EXECUTE = ("unit/test_execute.py",)
CONTENTS = ("unit/test_execute_contents.py",)
CARRY = ("unit/test_carry.py",)
CONSIDER = ("unit/test_consider.py", "unit/test_deletions.py")
DURABLE = ("system/test_durable.py",)
TIDY = ("unit/test_tidy.py",)
LOCAL_CHANGES = ("unit/test_local_changes.py",)
PLANNED = ("property/test_plan_and_run.py",)
PROBLEMS = ("unit/test_problems.py",)


DOING = (
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
        "what was agreed on and comes down is another version",
        "engine/execute.py",
        "        if base is not None and base.sha256 == written.sha256:\n",
        "        if base is not None and base.sha256 == written.sha256 == '':\n",
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
        "the watch keeps a name that is not UTF-8 to itself",
        "engine/inotify.py",
        "        if _is_own(folder, event.name):\n",
        "        if not _is_ours(folder, event.name):\n",
        ("integration/test_watch.py",),
    ),
    Fault(
        "a name that is not UTF-8 is told of for ever",
        "engine/look.py",
        "    return Unknown(shown, fault, below=is_folder) if is_there else shown\n",
        "    return Unknown(shown, fault, below=is_folder)\n",
        ("unit/test_look.py",),
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
        "engine/beside.py",
        "            continue  # the name is taken by another content\n",
        "            pass\n",
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
        "engine/learn.py",
        "    content.confirm()\n"
        "    return Learned(replace(task.seen, local=replace(local, sha256=sha256)))\n",
        "    return Learned(replace(task.seen, local=replace(local, sha256=sha256)))\n",
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
        "        require_absent(path, other)\n",
        "",
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
        "        try:\n            self._archive(staged, swap)\n"
        "        except (OSError, StaleError):\n"
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
        "            try:\n                return send(ABSENT)\n",
        "            try:\n                return send(None)\n",
        ("contract/test_storage.py::test_a_path_that_is_taken_is_not_created[moto]",),
    ),
    Fault(
        "where a folder was emptied a new object takes the place of another one",
        "storage/s3_write.py",
        "Folder.NONE | Folder.REMOVED:\n                    return send(ABSENT)\n",
        "Folder.NONE | Folder.REMOVED:\n                    return send(None)\n",
        (
            "contract/test_s3.py::test_what_a_stranger_writes_where_a_folder_was_emptied_is_not_overwritten",
        ),
    ),
    Fault(
        "a folder that a person made is removed",
        "storage/s3_folders.py",
        "    if page.get(LISTED) or",
        "    if",
        ("contract/test_s3.py::test_a_folder_in_which_something_is_stays_beside_its_name",),
    ),
    Fault(
        "what is in a bare mount point is taken for the mirror's",
        "storage/local.py",
        "            if not own:\n                self._require_marker(root_fd)\n",
        "",
        ("integration/test_loop.py::test_what_is_written_to_a_bare_mount_point_replaces_nothing",),
    ),
    Fault(
        "what is missing in a bare mount point is taken for deleted",
        "storage/local.py",
        "            if found is None:\n",
        "            if False:\n",
        ("unit/test_local_marker.py",),
    ),
    Fault(
        "a dropped file is thrown away while somebody may be writing it",
        "storage/hand_over.py",
        "            if has_writer is None and",
        "            if False and",
        ("unit/test_hand_over.py",),
    ),
    Fault(
        "the archive is the file that others can still reach",
        "storage/local_staging.py",
        "        if found is None or (found.st_nlink == 1 and has_writer is False):\n",
        "        if True:\n",
        ("unit/test_local_archive.py",),
    ),
    Fault(
        "what may still be written is thrown away once it is copied",
        "storage/local_staging.py",
        "            self._keep(staged)\n",
        "            staged.unlink()\n",
        ("unit/test_local_archive.py",),
    ),
    Fault(
        "odd names below a link are taken for deleted",
        "storage/local_walk.py",
        "                odd.append(unknown)  #",
        "                if is_odd(path):\n                    odd.append(unknown)  #",
        ("unit/test_local_odd.py",),
    ),
    Fault(
        "a person's empty folder is removed",
        "storage/local_folder.py",
        "            if fd not in self.made_in:\n                return\n",
        "",
        ("unit/test_hand_over_across.py",),
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
        "        is_out = self._outage.is_on and (is_blocked or self._outage.is_lasting)\n",
        "        is_out = is_blocked or self._outage.is_lasting\n",
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
        "        _record_versions(tx, mirror, outcomes, at)\n        _fulfil",
        "    with database.writing() as tx:\n"
        "        _record_versions(tx, mirror, outcomes, at)\n        _fulfil",
        ("unit/test_ledger_record.py",),
    ),
    # On the way to the disk.
    Fault(
        "what goes up is left to the kernel until it is noted",
        "engine/execute.py",
        "            self._make_last(task, path, content)\n            parent, held = ",
        "            parent, held = ",
        DURABLE,
    ),
    Fault(
        "what both sides have is noted before it is on the disk",
        "engine/execute.py",
        "        self._make_touched_last(task, operation.local_token)\n",
        "",
        CONTENTS,
    ),
    Fault(
        "many that go up together are left to the kernel",
        "engine/task.py",
        "                self._make_all_last()\n",
        "",
        CARRY,
    ),
    Fault(
        "what goes up has a name that a power cut takes back",
        "storage/local.py",
        "                    for fd in parent.fds[::-1]:\n",
        "                    for fd in ():\n",
        DURABLE,
    ),
    Fault(
        "a download gets its name before its bytes are on the disk",
        "storage/local_write.py",
        "            os.fsync(fd)\n",
        "            pass\n",
        DURABLE,
    ),
    Fault(
        "many downloads get their names before their bytes are on the disk",
        "storage/local_batch.py",
        "            staged = self._make_last(staged)\n",
        "            pass\n",
        ("unit/test_local_batch.py",),
    ),
    Fault(
        "a download is noted before its name is on the disk",
        "storage/local_batch.py",
        'self._attempt(above or ".", parent.fsync)',
        'self._attempt(above or ".", lambda: None)',
        DURABLE,
    ),
    Fault(
        "of several new files one's error is taken for another's",
        "engine/execute.py",
        "            written = iter(self._local.write_all(arrived))\n",
        "            written = iter(self._local.write_all(arrived)[::-1])\n",
        EXECUTE,
    ),
    Fault(
        "new files of which one cannot come leave its staged bytes behind",
        "storage/local_batch.py",
        "                newcomer.unlink()\n",
        "                pass\n",
        ("unit/test_local_batch.py",),
    ),
    # Trouble.
    Fault(
        "what was under way when a store went counts as so many tries",
        "core/outage.py",
        "    if before is not None and now_s < before.retry_s:\n",
        "    if False:\n",
        ("unit/test_outage.py",),
    ),
    Fault(
        "a file whose mode was mended waits for its turn",
        "engine/problems.py",
        "        if failing.changed_ns != _changed_ns(seen):  # its mode or owner, perhaps\n",
        "        if False:\n",
        PROBLEMS,
    ),
    Fault(
        "what could not be looked at once is shown for ever",
        "engine/problems.py",
        "        self.mended(self._unseen - self._unseen_now)\n",
        "        pass\n",
        PROBLEMS,
    ),
    Fault(
        "a folder that cannot be read stops its mirror",
        "storage/local.py",
        "            except PermissionError as error:\n"
        "                yield Unknown(folder, why_unreadable(error), below=True)\n",
        "            except ZeroDivisionError:\n                pass\n",
        ("unit/test_look.py",),
    ),
    Fault(
        "a ledger that cannot be written ends the loop",
        "engine/health.py",
        "        except DocferryError as error:  # the mirroring goes on; the row is tried again\n",
        "        except ZeroDivisionError as error:\n",
        ("unit/test_health.py",),
    ),
    Fault(
        "a mirror that hangs is in step",
        "engine/health.py",
        'is_news = self._change({"health": MirrorHealth.WAITING, "reason": reason})',
        "is_news = False",
        ("unit/test_health.py",),
    ),
    Fault(
        "what has come of a slow group so far is lost",
        "engine/carry.py",
        "                self._tell(finished)\n                finished, told_s",
        "                finished, told_s",
        CARRY,
    ),
    # What is left behind.
    Fault(
        "a conflict whose note was lost is never listed",
        "engine/loop.py",
        "        recover_conflicts(self.name, self._places, self._ledger, is_busy, began)\n",
        "",
        ("integration/test_loop.py",),
    ),
    Fault(
        "a conflict is noted only when it is over",
        "engine/execute.py",
        "        self._known.begin_conflict(displaced, copy_path)\n",
        "",
        ("property/test_convergence.py",),
    ),
    Fault(
        "an announced upload is forgotten while the bucket may hold it",
        "core/intents.py",
        "isinstance(seen, Difference) and seen.is_settled",
        "isinstance(seen, Difference)",
        TIDY,
    ),
    Fault(
        "an announced upload is forgotten while it may still arrive",
        "engine/tidy.py",
        "now - INTENT_LIFE",
        "now",
        TIDY,
    ),
    Fault(
        "a sweep takes away an upload that is under way",
        "storage/s3_uploads.py",
        "                if upload.id not in self._under_way and key in (None, upload.key)\n",
        "                if key in (None, upload.key)\n",
        ("contract/test_s3_uploads.py::test_an_upload_that_is_under_way_is_not_swept[moto]",),
    ),
    Fault(
        "an upload is begun without a note",
        "storage/s3_uploads.py",
        "            self._notes.begun(self._bucket, key, upload_id, plan)\n",
        "            pass\n",
        (
            "contract/test_s3_uploads.py::test_no_part_is_sent_of_an_upload_that_could_not_be_noted[moto]",
        ),
    ),
)
