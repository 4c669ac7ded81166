"""Faults of what a service needs to last: room, old rows, backups, upgrades, bundles."""

from __future__ import annotations

from fault import Fault

DISK = ("unit/test_disk_guard.py",)
PRUNING = ("unit/test_housekeeping.py",)
BACKUP = ("integration/test_backup.py",)
STRANGE = ("integration/test_backup_strange.py",)
COMES_BACK = ("property/test_restored_ledger.py",)
UPGRADE = ("integration/test_upgrade.py",)
DOCTOR = ("integration/test_doctor.py",)


HOUSEKEEPING = (
    # What others put into the service's own folders and files.
    Fault(
        "root's doctor follows a link to another file",
        "app/doctor_process.py",
        "os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_RDWR",
        DOCTOR,
    ),
    Fault(
        "a ledger that acts by itself is taken back",
        "ledger/backups.py",
        "    if _acting_in(path) - _acting_in(model):\n",
        "    if not model:\n",
        BACKUP,
    ),
    Fault(
        "a damaged ledger is told for one that was replaced long ago",
        "ledger/damage.py",
        'key=lambda one: one.name.rpartition("-")[2]',
        "key=lambda one: REPLACED in one.name",
        ("unit/test_ledger_damage.py",),
    ),
    # Disks.
    Fault(
        "a disk is filled to its last byte",
        "core/disk.py",
        "    return disk.free - promised - size >= reserve\n",
        "    return disk.free - promised - size >= 0\n",
        DISK,
    ),
    Fault(
        "many that come in at once each have the same room",
        "core/disk.py",
        "    return disk.free - promised - size >= reserve\n",
        "    return disk.free - size >= reserve\n",
        DISK,
    ),
    Fault(
        "what gave up keeps its room on the disk",
        "engine/disk_guard.py",
        "            came(left)\n",
        "            pass\n",
        DISK,
    ),
    Fault(
        "what has come in is counted twice, until all of it has",
        "engine/disk_guard.py",
        "                count = min(count, left)\n",
        "                count = left if count == left else 0\n",
        DISK,
    ),
    Fault(
        "a disk that is short takes in each byte that others free",
        "core/disk.py",
        "reserve + (reserve // _MARGIN if was_short else 0)",
        "reserve",
        DISK,
    ),
    Fault(
        "a content comes into a folder without asking for its room",
        "storage/local_batch.py",
        "            self.room(max(0, content.size - coming.taken_bytes)) as took,\n",
        "            self.room(0) as took,\n",
        DISK,
    ),
    # Rows.
    Fault(
        "a job is pruned whose content can be had back",
        "ledger/pruning.py",
        "    return or_(_exists(at_rest), _exists(at_a_path))\n",
        "    return _exists(at_a_path)\n",
        PRUNING,
    ),
    Fault(
        "a job is pruned though another mirror holds its content",
        "ledger/pruning.py",
        "    mirrors = select(mirror.c.name)\n",
        "    mirrors = select(mirror.c.name).limit(1)\n",
        PRUNING,
    ),
    Fault(
        "why a result came to be is pruned while it is there",
        "ledger/pruning.py",
        "            ~_is_result_there(),\n",
        "",
        PRUNING,
    ),
    Fault(
        "a job of a recipe of before is pruned before it is done anew",
        "ledger/pruning.py",
        "        later.c.state == JobState.DONE,\n",
        "",
        PRUNING,
    ),
    Fault(
        "a job that waits is pruned",
        "ledger/pruning.py",
        "            job.c.state.in_(_ENDED),\n            job.c.finished_at < before,\n",
        "",
        PRUNING,
    ),
    Fault(
        "the proof of an erasure is pruned",
        "ledger/pruning.py",
        "            request.c.kind != RequestKind.ERASE,  # its note is the proof\n",
        "",
        PRUNING,
    ),
    Fault(
        "the number of a pruned request is given again",
        "ledger/pruning.py",
        "            request.c.id < newest,  # ids are never given twice\n",
        "",
        PRUNING,
    ),
    Fault(
        "a ledger that was set aside is tidied away",
        "core/housekeeping.py",
        "    if _COPY.fullmatch(name):\n        return age >= COPIES_KEPT_FOR\n",
        '    if name.startswith("ledger.sqlite3."):\n        return age >= COPIES_KEPT_FOR\n',
        PRUNING,
    ),
    Fault(
        "a clock that was ahead keeps old rows for as long as it was ahead",
        "engine/housekeeping.py",
        "timedelta() < rest <= AGAIN_AFTER",
        "timedelta() < rest",
        PRUNING,
    ),
    # Backups.
    Fault(
        "an old ledger that comes back takes absence for a deletion",
        "ledger/backups.py",
        "            tx.run(_FORGET_THE_FOLDER)\n",
        "",
        COMES_BACK,
    ),
    Fault(
        "what waited when a ledger was backed up is carried out on a later world",
        "ledger/backups.py",
        '{"state": RequestState.CANCELLED, "finished_at": at, "note": _TAKEN_BACK}',
        '{"note": _TAKEN_BACK}',
        BACKUP,
    ),
    Fault(
        "an old ledger removes the snapshots that know more",
        "ledger/backups.py",
        "            tx.run(_RENAME_INSTANCE, new_value=secrets.token_hex(8))\n",
        "",
        BACKUP,
    ),
    Fault(
        "what was held since the backup is let go",
        "ledger/backups.py",
        "            tx.insert_missing(schema.setting, waits)\n",
        "",
        BACKUP,
    ),
    Fault(
        "a damaged backup takes the place of the ledger",
        "app/backup.py",
        "    if sha256 != facts.sha256:\n",
        "    if not sha256:\n",
        BACKUP,
    ),
    Fault(
        "the ledger in use is replaced while docferry runs",
        "app/backup.py",
        "    with StateLock(config.state_dir), _translated(file), _scratch(",
        "    with _translated(file), _scratch(",
        BACKUP,
    ),
    Fault(
        "a crash between two ledgers makes room for an empty one",
        "ledger/damage.py",
        "(DAMAGED, REPLACED)",
        "(DAMAGED,)",
        BACKUP,
    ),
    Fault(
        "a backup of a few bytes fills the disk",
        "app/backup.py",
        "        or member.issparse()  # a",
        "        # a",
        STRANGE,
    ),
    Fault(
        "what does not fit on the disk is unpacked until it is full",
        "app/backup.py",
        "            _refuse_too_large(file, facts.size, plain.parent)\n",
        "",
        STRANGE,
    ),
    Fault(
        "what describes a backup's member fills the memory",
        "app/backup.py",
        "0 <= size <= min(self._left, _CHUNK_BYTES)",
        "size",
        STRANGE,
    ),
    Fault(
        "a damaged backup ends in a traceback",
        "app/backup.py",
        "    zlib.error,\n",
        "",
        STRANGE,
    ),
    Fault(
        "a ledger is out of use because its audit's file cannot be set aside",
        "app/backup.py",
        """        AuditFile(config.audit_path).set_aside(datetime.now(UTC))
        aside = set_aside(path, mark=REPLACED) if is_there(path) else None
""",
        """        aside = set_aside(path, mark=REPLACED) if is_there(path) else None
        AuditFile(config.audit_path).set_aside(datetime.now(UTC))
""",
        BACKUP,
    ),
    # Upgrades.
    Fault(
        "a daemon migrates without keeping what was",
        "ledger/upgrade.py",
        "            _keep_copy(database.path)  # a daemon's own",
        "            pass  # a daemon's own",
        UPGRADE,
    ),
    Fault(
        "a newer ledger is backed up as if it were ours",
        "ledger/upgrade.py",
        "    _refuse_newer(found, database.path)\n    return found\n",
        "    return found\n",
        UPGRADE,
    ),
    # Bundles.
    Fault(
        "a part of a bundle is left, and takes its name",
        "app/doctor.py",
        "            file.unlink(missing_ok=True)  # a",
        "            pass  # a",
        DOCTOR,
    ),
    Fault(
        "names of files leave the machine in a bundle",
        "core/bundle.py",
        "            told[key] = hide(str(value))\n",
        "            told[key] = str(value)\n",
        DOCTOR,
    ),
    Fault(
        "what a converter said leaves the machine in a bundle",
        "core/bundle.py",
        "        if is_of_a_conversion and key in _OF_CONVERTERS:\n            continue\n",
        "",
        DOCTOR,
    ),
    Fault(
        "a secret that slipped into an error leaves the machine in a bundle",
        "app/doctor.py",
        '        return without(self._secrets, str(mask({"text": text})["text"]), MASK)\n',
        '        return str(mask({"text": text})["text"])\n',
        DOCTOR,
    ),
    Fault(
        "what is given to a command leaves the machine in a bundle",
        "app/doctor.py",
        "(one if one in placeholders else MASK for one in arguments)",
        "(one for one in arguments)",
        DOCTOR,
    ),
    Fault(
        "asking for stacks ends a process that does not know the signal",
        "app/doctor_process.py",
        "    if not pid or not _answers(pid):\n",
        "    if not pid:\n",
        DOCTOR,
    ),
)
