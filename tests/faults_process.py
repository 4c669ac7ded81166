"""Mistakes about processing on request, pages of jobs, kept answers and the API's own routes."""

from __future__ import annotations

from fault import Fault

PROCESS = ("integration/test_process.py",)
PAGES = ("unit/test_job_pages.py",)
ANSWERS = ("unit/test_idempotency.py",)
JOBS = ("integration/test_api_jobs.py",)
LIMITED = ("integration/test_limited_keys.py",)
UNSEEN = ("integration/test_unseen.py",)
DECISIONS = ("integration/test_api_decisions.py",)

PROCESSING = (
    Fault(
        "what is done is done again by who only wants it done",
        "ledger/job_letters.py",
        "(not is_forced and _is_done(known, new))",
        "False",
        PROCESS,
    ),
    Fault(
        "what is asked for leaves no row in the audit",
        "ledger/job_letters.py",
        "                if not first:  # the order is told whole, with its first part\n",
        "                if first:\n",
        PROCESS,
    ),
    Fault(
        "a part of a file's name finds it",
        "ledger/file_keys.py",
        ".where(literal(name) == NAME_OF_FILE)\n",
        ".where(NAME_OF_FILE.endswith(name))\n",
        PROCESS,
    ),
    Fault(
        "of several files of one name the first is taken",
        "app/process.py",
        "    if len(found) > 1:\n",
        "    if len(found) > 1000:\n",
        PROCESS,
    ),
    Fault(
        "a version of a mirror that one may not see can be processed",
        "app/versions.py",
        "    if row is not None and (visible is None or row.mirror in visible):\n",
        "    if row is not None:\n",
        PROCESS,
    ),
    Fault(
        "all that is new begins anew with each part",
        "app/process.py",
        '        after = start[1] if mirror == start[0] else ""\n',
        '        after = ""\n',
        PROCESS,
    ),
    Fault(
        "a result counts as arrived when it is put",
        "core/following.py",
        "        return is_done and self.arrived_at is None\n",
        "        return False\n",
        ("unit/test_following.py",),
    ),
    Fault(
        "times of an earlier attempt are told as this one's",
        "core/following.py",
        "    if began_at is None or began_at < job.run_at:\n",
        "    if began_at is None:\n",
        ("unit/test_following.py", *PROCESS),
    ),
    Fault(
        "an older version is processed though the folder has a newer content",
        "app/follow.py",
        "            if by is IdentifierType.ID or not _is_other(config, ledger, found):\n",
        "            if True:\n",
        PROCESS,
    ),
    Fault(
        "who waits waits for a daemon that does not run",
        "app/follow.py",
        "        if is_held(self._state_dir) is None:\n",
        "        if False:\n",
        PROCESS,
    ),
    Fault(
        "letters of other mirrors are decided about by name",
        "app/bulk.py",
        "if meant.takes(row.mirror)",
        "if True",
        (*PROCESS, *JOBS),
    ),
    Fault(
        "all letters means those of other mirrors too",
        "app/bulk.py",
        "if meant.takes(job.mirror)]",
        "]",
        (*PROCESS, *JOBS),
    ),
    Fault(
        "a page of jobs begins with the last one of the page before",
        "ledger/job_pages.py",
        '        job.c.id < bindparam("before"),\n',
        '        job.c.id <= bindparam("before"),\n',
        PAGES,
    ),
    Fault(
        "an empty page below a folder ends the list",
        "ledger/job_pages.py",
        "                if len(ids) == most or looked_at == MOST_LOOKED_AT:\n",
        "                if len(ids) == most:\n",
        PAGES,
    ),
    Fault(
        "an answer is given to somebody else's call",
        "app/idempotency.py",
        "for one in (actor, key, route))",
        "for one in (key, route))",
        ANSWERS,
    ),
    Fault(
        "another body gets the answer of the first",
        "app/idempotency.py",
        "    if found.fingerprint != fingerprint:\n",
        "    if False:\n",
        ANSWERS,
    ),
    Fault(
        "a process that died over a call blocks it for ever",
        "ledger/answers.py",
        "(alive_since if found.status is None else kept_since)",
        "kept_since",
        ANSWERS,
    ),
    Fault(
        "who comes too late answers for who took its place",
        "ledger/answers.py",
        "answer.c.begun_at == begun_at, ",
        "",
        ANSWERS,
    ),
    Fault(
        "an erasure leaves answers that name the document",
        "ledger/erasures.py",
        "    tx.delete(answer, answer.c.status.is_not(null()))\n",
        "",
        ANSWERS,
    ),
    Fault(
        "the content that was kept is asked back over one that nobody has seen",
        "app/decisions.py",
        "RequestKind.RESTORE, kept.version, held_now)",
        "RequestKind.RESTORE, kept.version)",
        DECISIONS,
    ),
    Fault(
        "a conflict is settled twice, in two ways",
        "ledger/conflicts.py",
        "    if row.settled_at is not None:\n",
        "    if False:\n",
        DECISIONS,
    ),
    Fault(
        "the reason tells of documents that one may not see",
        "app/why.py",
        "    is_seen = is_known if source is None else sees(source.mirror)\n",
        "    is_seen = True\n",
        ("integration/test_limited_keys.py",),
    ),
    Fault(
        "a job tells of its result in a mirror that one may not see",
        "app/unseen.py",
        "    if sees(job.target_mirror):\n",
        "    if job:\n",
        UNSEEN,
    ),
    Fault(
        "a document's conversions are those of mirrors that one may not see, too",
        "app/renditions.py",
        "        if job.mirror in visible\n        and (",
        "        if (",
        ("integration/test_api_files.py",),
    ),
    Fault(
        "a comparison takes as long as it takes",
        "app/compare_apart.py",
        "            found = here.recv() if here.poll(within_s) else None\n",
        "            found = here.recv()\n",
        ("integration/test_compare_apart.py",),
    ),
    Fault(
        "who is limited is told of all mirrors' troubles",
        "web/pages/overview.py",
        "        trouble=None,\n",
        "",
        UNSEEN,
    ),
    Fault(
        "who may see one mirror reads the audit of all",
        "web/audit.py",
        "    asker.require_all_mirrors()\n    rows =",
        "    rows =",
        DECISIONS,
    ),
    Fault(
        "who is limited is told the names of all rules",
        "app/convert_again.py",
        "if visible is None or one.from_mirror in visible]\n",
        "if visible is None or one.from_mirror]\n",
        LIMITED,
    ),
    Fault(
        "a file tells of the job of another mirror that has its content",
        "app/renditions.py",
        " if job.mirror in visible else _hidden(rule, job, results)\n",
        " if job else _hidden(rule, job, results)\n",
        LIMITED,
    ),
    Fault(
        "a job tells of the one that it shares a result with, wherever that is",
        "web/values.py",
        "None if row.shared_with in hidden else row.shared_with",
        "row.shared_with",
        LIMITED,
    ),
    Fault(
        "a result tells of its document by id to who may not see it",
        "app/why.py",
        "        return replace(made_from, how=None, job=None, source=None)\n",
        "        return replace(made_from, job=None, source=None)\n",
        LIMITED,
    ),
    Fault(
        "what stands in the way of a result is told to who may not see its mirror",
        "app/unseen.py",
        "        shown = replace(shown, last_error=_NOT_STORED)\n",
        "        pass\n",
        LIMITED,
    ),
    Fault(
        "the page offers the rules of all mirrors",
        "web/pages/jobs.py",
        "if asker.sees(one.from_mirror)",
        "if asker",
        LIMITED,
    ),
    Fault(
        "a mirror of before names all that there are",
        "web/asker.py",
        "name not in self.mirrors:",
        "name not in self.caller.mirrors:",
        LIMITED,
    ),
)
