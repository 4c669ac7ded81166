"""
Which tests go to a worker together, and which are begun first.

A module stays whole: what it starts for all its tests is started once. With one process none of
this matters, and the modules come in random order.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: They start docferry as a service, on the port that it has by default, or build the packages in
#: the tree: no two at the same time.
_SERVICES = (
    "tests/system/test_packages.py",
    "tests/system/test_unit.py",
    "tests/system/test_service.py",
    "tests/system/test_newcomer.py",
    "tests/system/test_reload_unit.py",
)
#: What takes longest, longest first: begun late, one of them would keep everybody waiting. It need
#: not be exact; `make test WORKERS=3 ARGS="--durations=200"` tells.
LONGEST = (
    *_SERVICES,
    "tests/system/test_stop_under_load.py",
    "tests/simulation/test_simulation.py",
    "tests/system/test_reload.py",
    "tests/system/test_conversions.py",
    "tests/system/test_store_trouble.py",
    "tests/system/test_rebuild.py",
    "tests/system/test_rewind.py",
    "tests/system/test_plan_and_run.py",
    "tests/system/test_versions.py",
)
#: Then these folders. What is left has many short tests, which fill the gaps at the end.
_FOLDERS = ("tests/system/", "tests/contract/", "tests/integration/")


class ByModule(LoadScopeScheduling):
    """Give each worker module after module, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    """Name what goes to one worker as a whole, and this test with it."""
    module = _module_of(nodeid)
    return "services" if module in _SERVICES else module


def rank(nodeid: str) -> int:
    """Say when the test's turn is: the lower, the earlier."""
    module = _module_of(nodeid)
    if module in LONGEST:
        return LONGEST.index(module)
    after = [number for number, folder in enumerate(_FOLDERS) if module.startswith(folder)]
    return len(LONGEST) + (after[0] if after else len(_FOLDERS))


def _module_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]
