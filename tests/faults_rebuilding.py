"""Faults of having a lost ledger back: snapshots, what objects tell, what is put in place."""

from __future__ import annotations

from fault import Fault

REBUILD = "system/test_rebuild.py"
REBUILT = ("property/test_rebuild.py",)
SNAPSHOTS = "unit/test_snapshots.py"
LEDGER_SNAPSHOTS = ("unit/test_ledger_snapshots.py",)

REBUILDING = (
    # What is rebuilt.
    Fault(
        "whatever is in a snapshot is taken for a ledger",
        "ledger/snapshots.py",
        "        check_values(database, KEPT)\n",
        "        pass\n",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "a snapshot may do something when it is opened",
        "ledger/snapshots.py",
        "        check_form(database)\n",
        "",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "a job of a snapshot may name any document of any mirror",
        "ledger/rebuilt.py",
        '    where = " WHERE is_believed(rule, target_mirror, result_path)"\n',
        '    where = ""\n',
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "a job of a snapshot may have put its result anywhere",
        "ledger/rebuilt.py",
        "    return is_ours and (result_path is None or is_plain(result_path))\n",
        "    return is_ours\n",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "that a version is held goes into no snapshot",
        "ledger/versions.py",
        "            tx.insert(history, [_line(kind, at, row.id, row.mirror, row.path)])\n",
        "",
        ("unit/test_snapshot_chore.py",),
    ),
    Fault(
        "two objects are one version",
        "core/rebuild.py",
        "    return known.get(claims.version, mine) == mine\n",
        "    return True\n",
        REBUILT,
    ),
    Fault(
        "a version of the far future is believed",
        "core/ulids.py",
        "    return made_at is not None and made_at <= now + _AHEAD\n",
        "    return made_at is not None\n",
        (*REBUILT, SNAPSHOTS),
    ),
    Fault(
        "what an archive says is written over docferry's own",
        "core/rebuild.py",
        " or is_reserved(claims.path)",
        "",
        REBUILT,
    ),
    Fault(
        "a version leaves its path when it came",
        "core/rebuild.py",
        "    return max(created_at, followed.get(version) or archived_at or now or created_at)\n",
        "    return created_at\n",
        REBUILT,
    ),
    Fault(
        "the snapshots of a lost ledger are removed",
        "core/snapshots.py",
        " if one.instance == own)",
        ")",
        (SNAPSHOTS,),
    ),
    Fault(
        "a mirror that never rests has no snapshot",
        "core/snapshots.py",
        " or now - changes.first_at >= every\n",
        "\n",
        (SNAPSHOTS,),
    ),
    # Snapshots, and what is rebuilt from them.
    Fault(
        "a snapshot holds other mirrors' documents",
        "ledger/snapshots.py",
        ' FROM real.{table.name} WHERE {mine} = ?"',
        " FROM real.{table.name} WHERE ? != ''\"",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "a snapshot that is rotten inside is believed",
        "ledger/snapshots.py",
        '        check_integrity(database, "the snapshot")\n',
        "",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "what a snapshot says of its hash is not looked at",
        "ledger/snapshots.py",
        "    if sha256 not in (None, found):\n",
        "    if not found:\n",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "a snapshot goes into a prefix that is not the mirror's",
        "engine/snapshot.py",
        " if self._is_our_bucket() else None\n",
        "\n",
        ("unit/test_snapshot_chore.py",),
    ),
    Fault(
        "a rebuilt ledger believes that the folder has what it had",
        "ledger/rebuilt.py",
        '    "local_token": f"\'{NEVER_SEEN}\'",\n',
        "",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "what was current in an older ledger is current again",
        "ledger/rebuilt.py",
        "anew=_CLOSED if is_left else {}",
        "anew={}",
        LEDGER_SNAPSHOTS,
    ),
    Fault(
        "a ledger begins beside a damaged one",
        "ledger/ledger.py",
        "        refuse_set_aside(path)\n",
        "",
        ("unit/test_ledger_damage.py",),
    ),
    Fault(
        "what a rebuild leaves when it is killed passes for a ledger",
        "app/rebuild.py",
        '_UNFINISHED = LEDGER_NAME + ".rebuilding"\n',
        "_UNFINISHED = LEDGER_NAME\n",
        (f"{REBUILD}::test_killed_in_the_middle_it_leaves_nothing_half_and_is_simply_done_again",),
    ),
    Fault(
        "a journal of a lost ledger goes into the new one",
        "app/rebuild.py",
        '        clear_sidecars(path, path.with_name(f"{path.name}.stray-{os.getpid()}"))\n',
        "",
        (f"{REBUILD}::test_a_journal_that_a_lost_ledger_has_left_goes_into_no_new_one",),
    ),
    Fault(
        "a rebuild tries out what the store keeps to",
        "app/prepare.py",
        "KnownStore(sides, ledger) if is_rebuilt else StoreProbe(sides, ledger)",
        "StoreProbe(sides, ledger)",
        (f"{REBUILD}::test_with_a_snapshot_everything_is_as_it_was",),
    ),
    Fault(
        "a command makes an empty ledger in the place of a lost one",
        "cli/__init__.py",
        "read_only=read_only, creates=False)",
        "read_only=read_only)",
        ("integration/test_commands.py",),
    ),
    Fault(
        "who may not look at the ledger gets a traceback",
        "ledger/damage.py",
        "        return False\n    except OSError as error:\n",
        "        return False\n    except FileExistsError as error:\n",
        ("integration/test_commands.py",),
    ),
    Fault(
        "a ledger that came to nothing is left behind",
        "app/rebuild.py",
        "    finally:\n        _remove(path)\n",
        "    finally:\n        pass\n",
        (f"{REBUILD}::test_a_bucket_that_never_was_a_mirror_is_nothing_to_rebuild_from",),
    ),
    Fault(
        "two ledgers are made at once",
        "ledger/upgrade.py",
        "    with _one_at_a_time:\n",
        "    with threading.Lock():\n",
        ("unit/test_ledger_schema.py::test_several_ledgers_can_be_made_at_once",),
    ),
)
