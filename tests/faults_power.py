"""Faults that show when the power is cut, or docferry killed in the middle of a step."""

from __future__ import annotations

from fault import Fault

CUT = (
    "system/test_power.py::test_wherever_the_power_is_cut_docferry_goes_on_by_itself_and_nothing_is_lost",
)
FOLDERS = ("unit/test_folders.py",)
AUDIT = ("unit/test_ledger_audit.py",)

OF_THE_POWER = (
    Fault(
        "the state directory goes with its name",
        "ledger/lock.py",
        "        make_folder(self._file.parent, 0o750)\n",
        "        self._file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)\n",
        CUT,
    ),
    Fault(
        "a folder that is there is taken for one that the disk has",
        "folders.py",
        "    for one in (folder, *made):\n",
        "    for one in made:\n",
        FOLDERS,
    ),
    Fault(
        "the ledger is left to the kernel",
        "ledger/database.py",
        '"PRAGMA synchronous=FULL"',
        '"PRAGMA synchronous=OFF"',
        CUT,
    ),
    Fault(
        "what goes up is left to the kernel for good",
        "engine/execute.py",
        "        if task.flush is None:\n            self._local.make_last(path, content)\n",
        "        if task.flush is None:\n            pass\n",
        CUT,
    ),
    Fault(
        "what comes down keeps its name to itself",
        "storage/local_batch.py",
        "            faults = self._make_names_last(arrivals, results)",
        "            faults = [None] * len(results)",
        CUT,
    ),
    Fault(
        "zeros of a power cut end the audit's file for good",
        "ledger/audit_file.py",
        "    _cut_off_zeros(file)\n",
        "",
        AUDIT,
    ),
)
