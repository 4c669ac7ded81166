"""Faults of what was asked for: taken back, asked twice, told of."""

from __future__ import annotations

from fault import Fault

LEDGER = ("unit/test_ledger_requests.py",)
ASKED = ("unit/test_asked_for.py",)
COMMANDS = ("integration/test_request_commands.py",)


ASKED_FOR = (
    Fault(
        "what was answered is taken back all the same",
        "ledger/requests.py",
        "_CAN_BE_CANCELLED = (request.c.state == RequestState.OPEN, ",
        "_CAN_BE_CANCELLED = (",
        LEDGER,
    ),
    Fault(
        "an erasure that has begun is taken back",
        "ledger/requests.py",
        ", request.c.begun_at.is_(null()))",
        ",)",
        LEDGER,
    ),
    Fault(
        "an erasure does not say that it has begun",
        "ledger/erasures.py",
        '            return bool(tx.update(request, {"begun_at": at}, *is_open))\n',
        '            return bool(tx.update(request, {"begun_at": None}, *is_open))\n',
        LEDGER,
    ),
    Fault(
        "a cancelled erasure is carried out",
        "engine/erase.py",
        "        if not self._ledger.erasures.begin(request.id, self._now()):\n",
        "        if self._ledger.erasures.begin(request.id, self._now()) is None:\n",
        ("unit/test_erase.py",),
    ),
    Fault(
        "what was carried out although it was cancelled does not say so",
        "ledger/requests.py",
        "    if not is_open and state in (RequestState.DONE, RequestState.CONFLICT):\n",
        "    if not is_open and state in ():\n",
        LEDGER,
    ),
    Fault(
        "what failed after it was cancelled claims to be carried out",
        "ledger/requests.py",
        "    if not is_open and state in (RequestState.DONE, RequestState.CONFLICT):\n",
        "    if not is_open:\n",
        LEDGER,
    ),
    Fault(
        "a failure takes the place of an erasure's report",
        "ledger/requests.py",
        '                    request.c.path != "",  # of an erasure that is done, its note is',
        "                    #",
        LEDGER,
    ),
    Fault(
        "why a request waits is not written down",
        "engine/asked.py",
        "            self._ledger.requests.note_failures([*self._failures.values()])\n",
        "",
        ASKED,
    ),
    Fault(
        "what a person puts where a cancelled restore was to be passes for the restored",
        "engine/asked.py",
        "                self._leave_cancelled()\n",
        "",
        ASKED,
    ),
    Fault(
        "what was in its place when it was cancelled passes for somebody's edit",
        "engine/asked.py",
        "            if one.is_cancelled and one.placed is None:\n",
        "            if one.is_cancelled:\n",
        ASKED,
    ),
    Fault(
        "a cancelled restore answers for a later edit",
        "engine/asked.py",
        "        if restoring is not None and restoring.is_cancelled:\n",
        "        if restoring is not None and restoring.is_cancelled and not version.path:\n",
        ASKED,
    ),
    Fault(
        "of an unknown number the known ones are taken back",
        "app/requests.py",
        "    if unknown:\n",
        "    if len(unknown) == len(ids):\n",
        COMMANDS,
    ),
    Fault(
        "an old failure is told for what keeps the whole mirror",
        "app/requests.py",
        "        if whole is not None:\n",
        "        if whole is not None and row.note is None:\n",
        COMMANDS,
    ),
    Fault(
        "the report of an erasure is shown as the reason of a request",
        "app/requests.py",
        '            return ("" if is_report else row.note or ""), None\n',
        '            return row.note or "", None\n',
        COMMANDS,
    ),
    Fault(
        "the same restore asked twice is two requests",
        "app/versions.py",
        "    [found] = ledger.requests.add_once([wanted], at)\n",
        "    [found] = [(one, True) for one in ledger.requests.add([wanted], at)]\n",
        COMMANDS,
    ),
    Fault(
        "the same undelete asked twice is two requests",
        "app/versions.py",
        "    asked = ledger.requests.add_once(wanted, at)\n",
        "    asked = [(one, True) for one in ledger.requests.add(wanted, at)]\n",
        COMMANDS,
    ),
    Fault(
        "whoever asks again is answered though something else has the last word",
        "ledger/requests.py",
        "tx.tuples(query.order_by(request.c.id))\n",
        "tx.tuples(query.order_by(request.c.id.desc()))\n",
        LEDGER,
    ),
    Fault(
        "a request that expects something else answers for this one",
        "ledger/requests.py",
        "NewRequest(mirror, path, RequestKind(kind), version, expect), number)\n",
        "NewRequest(mirror, path, RequestKind(kind), version), number)\n",
        LEDGER,
    ),
    Fault(
        "open requests are not measured by their kinds",
        "app/figures.py",
        "        requests=known.requests,\n",
        "",
        ("integration/test_report.py",),
    ),
)
