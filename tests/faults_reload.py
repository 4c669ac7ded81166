"""Faults of reloads: others are disturbed, a wrong configuration counts, a key costs a file."""

from __future__ import annotations

from fault import Fault

CHANGES = ("unit/test_reload_changes.py",)
SOURCE = ("unit/test_reload_source.py",)
SYSTEM = "system/test_reload.py::"
KEYS = SYSTEM + "test_keys_rotate_under_load_and_no_file_fails"
RULES = SYSTEM + "test_a_new_rule_works_at_once_and_leaves_what_runs_alone"


RELOADING = (
    Fault(
        "new keys stop the mirrors of their store",
        "config/changes.py",
        "and _place_of(old.stores[name]) != _place_of(store)",
        "and old.stores[name] != store",
        CHANGES,
    ),
    Fault(
        "a mirror goes on with a store that is elsewhere by now",
        "config/changes.py",
        "    mirrors = _named(old.mirrors, new.mirrors, moved)\n",
        "    mirrors = _named(old.mirrors, new.mirrors)\n",
        CHANGES,
    ),
    Fault(
        "a drop folder feeds a mirror that has ended",
        "config/changes.py",
        "        drops=_named(old.drops, new.drops, fed),\n",
        "        drops=_named(old.drops, new.drops),\n",
        CHANGES,
    ),
    Fault(
        "a rule goes on with its converter of before",
        "config/changes.py",
        "        return (rule, *(config.converters[name] for name in rule.chain))\n",
        "        return (rule,)\n",
        CHANGES,
    ),
    Fault(
        "two mirrors may work on the same prefix for a while",
        "config/changes.py",
        "        or (same_bucket and one.prefix.startswith(other.prefix))\n",
        "",
        CHANGES,
    ),
    Fault(
        "what only a restart changes is left out in silence",
        "app/reload.py",
        "        if found.after_restart:\n",
        "        if False:\n",
        (SYSTEM + "test_what_only_a_restart_changes_is_refused_by_name_and_status_tells",),
    ),
    Fault(
        "a folder of another daemon is found when all else has changed",
        "app/reload.py",
        "with suppress(PermanentError), lock:",
        "with suppress(PermanentError):",
        (SYSTEM + "test_a_folder_of_another_daemon_is_refused_before_anything_is_changed",),
    ),
    Fault(
        "a refusal is forgotten by whoever asks for the status",
        "app/reload.py",
        "            self._ledger.refusals.put(RefusedConfig(at, reason))\n",
        "            pass\n",
        (SYSTEM + "test_what_only_a_restart_changes_is_refused_by_name_and_status_tells",),
    ),
    Fault(
        "new secrets make a file count that is being edited",
        "config/source.py",
        "        return Reading(before.text, load(self.path, self._environ, before.text))\n",
        "        return self.read()\n",
        SOURCE,
    ),
    Fault(
        "links that are exchanged are taken for the same files",
        "config/credentials.py",
        "            seen = file.stat()  # of",
        "            seen = file.lstat()  # of",
        SOURCE,
    ),
    Fault(
        "a mirror is built anew while its predecessor still works",
        "app/parts.py",
        "        if any(may_meet(options, one.options) for one in mirrors):\n",
        "        if False:\n",
        (SYSTEM + "test_a_mirror_that_hung_begins_anew_once_it_has_ended",),
    ),
    Fault(
        "clients go on with the old keys",
        "storage/s3.py",
        "        self._client.connections.use(options)\n",
        "        pass\n",
        (KEYS,),
    ),
    Fault(
        "a refused key is a file's failure",
        "storage/s3_errors.py",
        '    "InvalidAccessKeyId": _Meaning(\n        RefusedKeysError,',
        '    "InvalidAccessKeyId": _Meaning(\n        PermanentError,',
        (KEYS,),
    ),
    Fault(
        "a client refers to itself, and its connections stay open",
        "storage/s3_connect.py",
        "credential_provider=partial(_credentials_of, clients.connected),",
        "credential_provider=lambda: _credentials_of(clients.connected),",
        (SYSTEM + "test_threads_and_files_do_not_grow_with_reloads",),
    ),
    Fault(
        "a new rule ends the conversions of the others",
        "app/conversion.py",
        "        return not self._worker.is_at_work and self._worker.stop(0.0)\n",
        "        return self._worker.stop(0.0)\n",
        (RULES,),
    ),
    Fault(
        "documents of a mirror that begins anew count as gone",
        "app/conversion.py",
        "            raise TemporaryError(_anew(mirror))  # else",
        "            raise KeyError(mirror)  # else",
        ("integration/test_reload.py",),
    ),
    Fault(
        "a document that may not be read counts as gone",
        "engine/stage.py",
        "    except LostError as error:\n",
        "    except PermanentError as error:\n",
        ("integration/test_reload.py",),
    ),
    Fault(
        "a mirror waits on though its store has new keys",
        "engine/outage.py",
        "replace(self._pause, retry_s=self._timing.monotonic())",
        "self._pause",
        ("unit/test_outage.py",),
    ),
    Fault(
        "a path waits on though its store has new keys",
        "engine/loop.py",
        '            self._planner.problems.try_again_below("")\n',
        "",
        ("integration/test_reload.py",),
    ),
)
