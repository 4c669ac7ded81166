"""Faults by which docferry says of a document what is not so."""

from __future__ import annotations

from fault import Fault

HOLDS = ("integration/test_loop_holds.py",)
LEFT = ("integration/test_loop_left.py", "unit/test_left.py")
CONTENTS = ("unit/test_contents.py",)

OF_WHAT_IS_SAID = (
    # That a path holds a version.
    Fault(
        "what does not come back after a refused deletion stays its path's version",
        "engine/consider.py",
        "        self._left.looked(seen)\n",
        "",
        LEFT,
    ),
    Fault(
        "what both sides lost while docferry was down stays its path's version",
        "engine/consider.py",
        "        self._left.full_run_ended()\n",
        "",
        LEFT,
    ),
    Fault(
        "only the first of those that both sides lost are looked at",
        "engine/left.py",
        "        if path == self._after:\n",
        "        if False:\n",
        LEFT,
    ),
    Fault(
        "what one side has still leaves while the other is without it",
        "engine/left.py",
        "        if seen.is_nowhere and self._ledger",
        "        if self._ledger",
        LEFT,
    ),
    # That a file is gone.
    Fault(
        "what is held as gone is not looked for while the bucket is as it was listed",
        "engine/one_side.py",
        "        return not is_any_gone and self",
        "        return self",
        HOLDS,
    ),
    Fault(
        "what waits to be judged is not looked for where a listing does not lack it",
        "ledger/holds.py",
        "            .where(_IS_PARKED | (hold.c.state == HoldState.OPEN))\n",
        "            .where(hold.c.state == HoldState.OPEN)\n",
        ("unit/test_ledger_holds.py",),
    ),
    Fault(
        "what both listings lack is forgotten unasked",
        "engine/execute.py",
        "                require_absent(operation.path, self._local, self._remote)\n",
        "",
        ("unit/test_execute.py", "integration/test_loop_left.py"),
    ),
    # That a version is nowhere.
    Fault(
        "a file that was touched holds its version no more",
        "engine/contents.py",
        "            yield partial(_as_it_is, side, version)\n",
        "            yield from ()\n",
        CONTENTS,
    ),
    Fault(
        "an edit of the same size is taken for the version before",
        "engine/contents.py",
        "        if content.sha256() != version.sha256:\n",
        "        if False:\n",
        CONTENTS,
    ),
)
