"""Faults of the audit and the log: what happened is not told, or told so that nobody finds it."""

from __future__ import annotations

from fault import Fault

CHAIN = ("unit/test_audit.py",)
AUDIT = ("unit/test_ledger_audit.py",)
LOGS = ("unit/test_logs.py",)
LOG_FILE = ("unit/test_log_file.py",)
STORIES = ("unit/test_stories.py",)


ARRIVALS = ("integration/test_arrivals.py",)

OF_THE_AUDIT = (
    Fault(
        "two write the audit's file at once",
        "ledger/audit_file.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        (
            "unit/test_ledger_audit.py::test_who_may_only_read_the_file_holds_nobody_up_by_locking_it",
        ),
    ),
    Fault(
        "a pipe in the place of the log holds the start up",
        "log_file.py",
        "flags | os.O_NONBLOCK | os.O_NOFOLLOW",
        "flags | os.O_NONBLOCK",
        (
            "unit/test_log_file.py::test_a_pipe_or_a_link_in_its_place_is_told_of_and_holds_nobody_up",
        ),
    ),
    Fault(
        "an audit row may say what it likes",
        "core/audit.py",
        "    if hash_of(chain, row) != row.hash:\n",
        "    if not row.hash:\n",
        CHAIN,
    ),
    Fault(
        "an audit row need not follow the one before it",
        "core/audit.py",
        "    if row.previous != previous:\n",
        "    if row.previous == row.hash:\n",
        CHAIN,
    ),
    Fault(
        "a dropped audit row is not missed",
        "core/audit.py",
        "    if row.seq != seq:\n",
        "    if row.seq < seq:\n",
        CHAIN,
    ),
    Fault(
        "the audit's hash leaves out who did it",
        "core/audit.py",
        "row.at, row.actor, row.action",
        "row.at, row.action",
        CHAIN,
    ),
    Fault(
        "an audit of another ledger passes for this one's",
        "core/audit.py",
        "    told = [chain, row.seq",
        '    told = ["", row.seq',
        CHAIN,
    ),
    Fault(
        "the audit can be updated",
        "ledger/migrations/versions/0006_a_service.py",
        '("UPDATE", "DELETE")',
        '("DELETE",)',
        AUDIT,
    ),
    Fault(
        "an approval is not in the audit",
        "ledger/holds.py",
        "            note(tx, action, at, found.mirror, facts)\n",
        "",
        AUDIT,
    ),
    Fault(
        "what was asked for is in the audit with its path",
        "ledger/requests.py",
        '{"request": number, "kind": one.kind, "version": one.version}',
        '{"request": number, "kind": one.kind, "version": one.path}',
        AUDIT,
    ),
    Fault(
        "removals are not among the audit's deletions",
        "ledger/record.py",
        "_DELETIONS = (DeleteLocal, DeleteRemote, Remove)",
        "_DELETIONS = (DeleteLocal, DeleteRemote)",
        AUDIT,
    ),
    Fault(
        "the audit tells of letters that were not there",
        "ledger/job_letters.py",
        "                if found:\n                    changed",
        "                if True:\n                    changed",
        AUDIT,
    ),
    Fault(
        "the audit's file is added to though it is another ledger's",
        "ledger/audit_file.py",
        "        if there is None or line_of(chain, there) != whole:\n",
        "        if there is None:\n",
        AUDIT,
    ),
    Fault(
        "a torn line of the audit's file is begun anew behind what is left of it",
        "ledger/audit_file.py",
        "        _write(file, line[len(torn) :])\n",
        "        _write(file, line)\n",
        AUDIT,
    ),
    Fault(
        "rows that only the audit's file has are not missed",
        "app/audit.py",
        "        file.end(rows)\n",
        "        pass\n",
        AUDIT,
    ),
    Fault(
        "a hash that was noted is believed",
        "app/audit.py",
        "        if not is_known:\n",
        "        if not is_known and noted is None:\n",
        AUDIT,
    ),
    Fault(
        "a changed secret is told of by what it is",
        "app/audit.py",
        ".hexdigest()[:16]",
        ".hexdigest()[:16] + repr(value)",
        AUDIT,
    ),
    Fault(
        "in the journal all lines have one priority",
        "logs.py",
        "if self._is_journal else",
        "if not self._is_journal else",
        LOGS,
    ),
    Fault(
        "what a thread worked on stays in what it logs later",
        "logs.py",
        "        _own.about = before\n",
        "        pass\n",
        LOGS,
    ),
    Fault(
        "a long line is cut in two by the journal",
        "logs.py",
        "            value = _shortened(value) if len(value) > _LONGEST else value\n",
        "",
        LOGS,
    ),
    Fault(
        "a log file that cannot be written stops the work",
        "logs.py",
        "            except OSError as error:\n                failed = error\n",
        "            except KeyError as error:\n                failed = OSError(error)\n",
        LOG_FILE,
    ),
    Fault(
        "a torn line of the log file spoils the next one",
        "log_file.py",
        "        if self._is_torn:\n",
        "        if not self._is_torn and not lines:\n",
        LOG_FILE,
    ),
    Fault(
        "a line that a crash tore spoils the first one of the next process",
        "log_file.py",
        "        self._is_torn = self._is_cut_off()\n",
        "",
        LOG_FILE,
    ),
    Fault(
        "a rotated log file takes the place of one that was to be kept",
        "log_file.py",
        "in reversed([*zip(names[1:], names, strict=False)])",
        "in [*zip(names[1:], names, strict=False)]",
        LOG_FILE,
    ),
    Fault(
        "the next try of an operation is told of as another story",
        "engine/consider.py",
        "        path = task.seen.path\n        self._stories[path] = task.id, task.attempts\n",
        "        path = task.seen.path\n",
        STORIES,
    ),
    Fault(
        "the next change of a file goes on with its last story",
        "engine/consider.py",
        "            self._stories.pop(task.seen.path, None)\n",
        "",
        STORIES,
    ),
    Fault(
        "reading counts as a try",
        "engine/consider.py",
        "= task.id, task.attempts - 1",
        "= task.id, task.attempts",
        STORIES,
    ),
    Fault(
        "audit: of a document that a crash caught there is no row",
        "app/upload.py",
        "        self._arrival = self._ledger.arrivals.intend(arrival)\n",
        "        self._arrival = arrival\n",
        ARRIVALS,
    ),
    Fault(
        "audit: a document is said to be received that is not there",
        "app/arrivals.py",
        "    return agreed is not None and agreed.local_token == one.token\n",
        "    return True\n",
        ARRIVALS,
    ),
    Fault(
        "audit: who finishes after somebody has looked writes a second row",
        "ledger/arrivals.py",
        "or not _is_noted(tx, one):\n",
        "or one:\n",
        ARRIVALS,
    ),
    Fault(
        "audit: who looks after a crash is taken for who handed the document over",
        "ledger/arrivals.py",
        "        with self._database.acting_as(one.actor).writing() as tx:\n",
        "        with self._database.writing() as tx:\n",
        ARRIVALS,
    ),
    Fault(
        "audit: what was refused is taken for a document that a crash caught",
        "app/upload.py",
        "        else:\n            self._withdraw()\n\n",
        "\n",
        ARRIVALS,
    ),
    Fault(
        "audit: a document whose first try failed after it had its name has no row",
        "app/upload.py",
        "        if arrival is None or arrival.token != found.token:\n",
        "        if arrival is None or found:\n",
        ARRIVALS,
    ),
    Fault(
        "audit: a row about what was handed over waits for the next start",
        "web/serve.py",
        "            desk.owed.settle(desk.ledger)\n",
        "            pass\n",
        ARRIVALS,
    ),
    Fault(
        "audit: a row about what came by the API is kept by nobody",
        "web/file_upload.py",
        "wanted, owed=asker.desk.owed)",
        "wanted)",
        (
            "integration/test_api_upload.py"
            "::test_a_row_that_the_ledger_did_not_take_is_kept_until_it_does",
        ),
    ),
    Fault(
        "audit: a folder that is away keeps back the rows of other mirrors",
        "app/arrivals.py",
        "reason=str(error))\n            continue\n",
        "reason=str(error))\n            return\n",
        ARRIVALS,
    ),
    Fault(
        "after the clock was set back rows of a time are left out",
        "ledger/audit.py",
        "select(func.max(number)).where(is_early)",
        "select(func.min(number) - 1).where(~is_early)",
        ("unit/test_ledger_audit_lists.py::test_rows_are_found_by_who_what_where_and_when",),
    ),
    Fault(
        "an export heeds no filter",
        "web/audit.py",
        "audit.rows(after, which)",
        "audit.rows(after)",
        (
            "integration/test_api_strict.py"
            "::test_the_audit_is_listed_and_exported_by_who_what_where_and_when",
        ),
    ),
)
