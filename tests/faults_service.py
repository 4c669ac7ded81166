"""Faults of a service: a life that is claimed without proof, a reason that nobody is told."""

from __future__ import annotations

from fault import Fault

ALIVE = ("unit/test_supervision.py",)
AT_REST = ("integration/test_at_rest.py",)
FOLDERS = ("unit/test_unit_folders.py",)
UNIT = "system/test_unit.py"
WHOLE_LIFE = ("system/test_service.py::test_a_service_lives_from_its_installation_to_its_purge",)
_SYSTEMD = "../../systemd/docferry.service"

OF_THE_SERVICE = (
    Fault(
        "a file's name speaks to the terminal of who asks for the status",
        "notify.py",
        'char if char.isprintable() else "?"',
        "char",
        ("unit/test_notify.py",),
    ),
    Fault(
        "a timer that meets a locked ledger looks like a bug",
        "engine/timers.py",
        "isinstance(event.exception, DocferryError)",
        "False",
        ("unit/test_timers.py",),
    ),
    Fault(
        "memory that is free stays with the daemon",
        "app/memory.py",
        "_trim(0)",
        "pass",
        ("unit/test_memory.py",),
    ),
    Fault(
        "every daemon holds a client for services that it does not ask",
        "app/converters.py",
        "if TYPE_CHECKING:\n    from docferry.convert.service",
        "if not TYPE_CHECKING:\n    from docferry.convert.service",
        (
            "integration/test_starts.py"
            "::test_a_daemon_without_a_conversion_service_loads_no_client_for_one",
        ),
    ),
    Fault(
        "an installation makes no user for the service",
        "../../packaging/scripts/deb-postinst",
        "systemd-sysusers docferry.conf\n",
        "",
        WHOLE_LIFE,
    ),
    Fault(
        "a service that was killed stays down",
        _SYSTEMD,
        "Restart=on-failure\n",
        "",
        WHOLE_LIFE,
    ),
    Fault(
        "nobody watches whether the service hangs",
        _SYSTEMD,
        "WatchdogSec=5min\n",
        "",
        WHOLE_LIFE,
    ),
    Fault(
        "systemctl has no way to reload the service",
        _SYSTEMD,
        "ExecReload=/bin/kill -HUP $MAINPID\n",
        "",
        WHOLE_LIFE,
    ),
    Fault(
        "an upgrade takes from the service the keys that it was let read",
        "../../systemd/tmpfiles.conf",
        ":0700 :root :root",
        "0700 root root",
        WHOLE_LIFE,
    ),
    Fault(
        "nobody is told that deletions wait",
        "../../config/prometheus/alerts.yml",
        "expr: docferry_holds > 0",
        "expr: docferry_holds > 9",
        WHOLE_LIFE,
    ),
    Fault(
        "the installed unit opens namespaces to the service",
        _SYSTEMD,
        "RestrictNamespaces=yes\n",
        "",
        (
            "system/test_service.py::"
            "test_systemd_finds_no_fault_with_the_installed_unit_and_little_that_it_leaves_open",
        ),
    ),
    Fault(
        "a hung loop feeds the watchdog",
        "app/supervision.py",
        "is_still = min(round_s, still_s) > self._patience_s",
        "is_still = False",
        ALIVE,
    ),
    Fault(
        "the watchdog ends a daemon for a slow store",
        "app/supervision.py",
        "min(round_s, still_s)",
        "round_s",
        ALIVE,
    ),
    Fault(
        "the watchdog lets a loop go on that never comes round",
        "app/supervision.py",
        "(is_still or is_too_long)",
        "is_still",
        ALIVE,
    ),
    Fault(
        "a hung pool feeds the watchdog",
        "app/supervision.py",
        "silent_s > _LONG * self._patience_s",
        "False",
        ALIVE,
    ),
    Fault(
        "a hung worker feeds the watchdog",
        "app/supervision.py",
        "        for going in self._going():",
        "        for going in ():",
        ALIVE,
    ),
    Fault(
        "a worker that hangs is known to nobody",
        "engine/worker.py",
        'going_round("the worker")(self._give_out)',
        "self._give_out",
        ("integration/test_worker_leases.py",),
    ),
    Fault(
        "a chore that hangs is known to nobody",
        "engine/keeper.py",
        '            with going_round(f"chore {name} of mirror {self._mirror}", is_slow=True):',
        "            if name:",
        ("unit/test_keeper.py",),
    ),
    Fault(
        "after a pause of the machine the watchdog ends the daemon",
        "app/supervision.py",
        "            self._stillness.clear()  # we",
        "            pass  # we",
        ALIVE,
    ),
    Fault(
        "a status of two lines is another message to systemd",
        "notify.py",
        '" ".join(text.split())',
        "text",
        ("unit/test_notify.py",),
    ),
    Fault(
        "a manager that does not read holds up the daemon",
        "notify.py",
        "        talk.settimeout(_WITHIN_S)\n",
        "        talk.settimeout(30)\n",
        ("unit/test_notify.py",),
    ),
    Fault(
        "a folder's name is a unit's next line",
        "app/unit_folders.py",
        "not str(folder).isprintable()",
        "not str(folder)",
        FOLDERS,
    ),
    Fault(
        "a per cent sign in a folder's name is taken for systemd's",
        "app/unit_folders.py",
        '.replace("%", "%%")',
        "",
        FOLDERS,
    ),
    Fault(
        "what docferry brings into a shared folder its group cannot change",
        "storage/local_write.py",
        "mode: int = 0o666",
        "mode: int = 0o644",
        ("unit/test_local_storage.py",),
    ),
    Fault(
        "what a killed daemon wrote last is left out of what is told",
        "ledger/at_rest.py",
        "    if any(path.with_name(path.name + end).exists() for end in _JOURNALS):\n"
        "        return None\n",
        "",
        AT_REST,
    ),
    Fault(
        "a ledger that somebody changes meanwhile is told as it never was",
        "ledger/database.py",
        "            self._at_rest.refuse_changed()",
        "            pass",
        AT_REST,
    ),
    Fault(
        "who may not write beside the ledger cannot read it",
        "ledger/database.py",
        "AtRest.found(path) if read_only else None",
        "None",
        AT_REST,
    ),
    Fault(
        "a folder's path is a label, for ever",
        "app/disks.py",
        "DISK_SHORT.labels(of, name)",
        "DISK_SHORT.labels(of, str(folder))",
        ("unit/test_disk_guard.py",),
    ),
    Fault(
        "root leaves a ledger that the service cannot open",
        "ledger/lock.py",
        "os.geteuid() == 0 and owner != 0",
        "False",
        (f"{UNIT}::test_root_leaves_nothing_in_the_folder_of_the_services_user",),
    ),
    Fault(
        "converters have the service's capability",
        "convert/confine.py",
        "    calls.clear_ambient()\n",
        "",
        (f"{UNIT}::test_a_converter_is_handed_none_of_the_services_capabilities",),
    ),
    Fault(
        "a port that is taken is never tried again",
        "cli/run.py",
        "sys.exit(EXIT_TAKEN)",
        "sys.exit(2)",
        (f"{UNIT}::test_a_port_that_is_taken_is_tried_again_until_it_is_free",),
    ),
    Fault(
        "what is wrong is not in the unit's status",
        "cli/run.py",
        "        notify.status(str(error))  # `sys",
        "        pass  # `sys",
        (f"{UNIT}::test_without_a_configuration_it_says_so_and_is_not_started_again",),
    ),
)
