"""Faults of jobs: who gets one, what a failure costs, what keeps a converter closed, what waits."""

from __future__ import annotations

from fault import Fault

JOBS = ("unit/test_ledger_jobs.py",)
ROWS = ("unit/test_job_rows.py",)
LETTERS = ("unit/test_job_letters.py",)
FAILURES = ("unit/test_failures.py",)
BREAKER = ("unit/test_breaker.py",)
SERVICES = ("property/test_breaker.py",)
BACKLOG = ("unit/test_backlog.py",)
SNAPSHOTS = ("unit/test_ledger_snapshots.py",)
ERASE = ("unit/test_erase.py",)

JOBS_DONE = (
    # Claimed.
    Fault(
        "a content is converted twice at the same time",
        "ledger/job_claims.py",
        "running.c.state == literal_column(\"'running'\")",
        "running.c.state == literal_column(\"'dead'\")",
        JOBS,
    ),
    Fault(
        "of many of one content one at a time is claimed, though all share a result",
        "ledger/job_claims.py",
        ", ~_is_made(running)\n",
        "\n",
        JOBS,
    ),
    Fault(
        "those that share a result are claimed one at a time",
        "ledger/job_claims.py",
        "is_free = is_made or",
        "is_free =",
        JOBS,
    ),
    Fault(
        "a job is claimed while its last attempt is still in somebody's hands",
        "ledger/job_claims.py",
        " and job_id not in but_not:",
        ":",
        JOBS,
    ),
    Fault(
        "what a person waits for goes last",
        "ledger/job_claims.py",
        "        .order_by(job.c.priority.desc(), job.c.run_at, job.c.id)\n",
        "        .order_by(job.c.priority, job.c.run_at, job.c.id)\n",
        JOBS,
    ),
    Fault(
        "jobs of a paused rule are claimed",
        "ledger/job_claims.py",
        "            due.c.rule == some.c.rule,\n",
        "",
        JOBS,
    ),
    Fault(
        "a late worker speaks for the one that has its job now",
        "ledger/jobs.py",
        "        found.append(job.c.claimed_at == claimed_at)\n",
        "        pass\n",
        JOBS,
    ),
    Fault(
        "a late worker fails a job that is queued again",
        "ledger/jobs.py",
        "    found = [job.c.id == job_id, job.c.state == JobState.RUNNING]\n",
        "    found = [job.c.id == job_id]\n",
        JOBS,
    ),
    Fault(
        "a document that ends the daemon costs it no attempt",
        "ledger/jobs.py",
        "case((job.c.stage == JobStage.CONVERTING, 0), else_=1)",
        "1",
        JOBS,
    ),
    Fault(
        "an outage costs an attempt",
        "ledger/jobs.py",
        '            values["attempts"] = _UNCOUNTED\n        if failed.is_in_doubt:\n',
        "            pass\n        if failed.is_in_doubt:\n",
        JOBS,
    ),
    Fault(
        "documents that bring a converter down try it out in turn",
        "ledger/jobs.py",
        '            values["priority"] = Priority.BACKLOG\n',
        "            pass\n",
        JOBS,
    ),
    Fault(
        "a document that came back is never converted",
        "ledger/jobs.py",
        "            unskip(tx, job_id, new)\n",
        "            pass\n",
        JOBS,
    ),
    Fault(
        "a running job expires",
        "ledger/jobs.py",
        "            job.c.state == JobState.QUEUED,\n"
        "            job.c.expires_at.is_not(null()),\n",
        "            job.c.expires_at.is_not(null()),\n",
        JOBS,
    ),
    Fault(
        "what was put there before is taken for a person's",
        "ledger/job_rows.py",
        "for query in (noted, of_jobs, at_rest)",
        "for query in (of_jobs, at_rest)",
        ROWS,
    ),
    Fault(
        "a result without a content is shared",
        "ledger/job_rows.py",
        "        job.c.result_path.is_not(null()),\n        job.c.result_sha256.is_not(null()),\n",
        "",
        ROWS,
    ),
    # Letters.
    Fault(
        "a document that brings its converter down is revived for ever",
        "ledger/job_letters.py",
        "            or_(job.c.note.is_(null()), job.c.note != REVIVED),\n",
        "",
        LETTERS,
    ),
    Fault(
        "letters that have nothing to do with an outage are revived",
        "ledger/job_letters.py",
        "            job.c.failure.in_(_OF_AN_OUTAGE),\n",
        "",
        LETTERS,
    ),
    Fault(
        "a replayed letter expires at once",
        "ledger/job_letters.py",
        '_ANEW = _FREED | {"state": JobState.QUEUED, "expires_at": None}\n',
        '_ANEW = _FREED | {"state": JobState.QUEUED}\n',
        LETTERS,
    ),
    Fault(
        "what is asked for again gets the earlier result",
        "ledger/job_letters.py",
        '{"is_forced": is_forced or known.is_forced}',
        '{"is_forced": False}',
        LETTERS,
    ),
    Fault(
        "in whose hands a document was is forgotten with the daemon",
        "ledger/jobs.py",
        '                values["doubted_at"] = at or run_at\n',
        "                pass\n",
        ("integration/test_worker_outages.py",),
    ),
    Fault(
        "a document that is to blame needs another witness each time",
        "ledger/jobs.py",
        "            if not counts:  # else",
        "            if True:  # else",
        JOBS,
    ),
    Fault(
        "a replayed letter is still in doubt",
        "ledger/job_letters.py",
        ', "attempts": 0, "doubted_at": None}\n',
        ', "attempts": 0}\n',
        JOBS,
    ),
    # Failures.
    Fault(
        "what is refused is tried as often as what is slow",
        "core/failures.py",
        "    return min(2, max_attempts) if failure in _TRIED_TWICE else max_attempts\n",
        "    return max_attempts\n",
        FAILURES,
    ),
    Fault(
        "a converter is not given the time that it asks for",
        "core/failures.py",
        "    run_at = now + timedelta(seconds=max(asked_s, wait_s))\n",
        "    run_at = now + timedelta(seconds=wait_s)\n",
        FAILURES,
    ),
    Fault(
        "a converter may put all off for ever",
        "core/failures.py",
        "    asked_s = min(failed.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)\n",
        "    asked_s = failed.retry_after_s or 0.0\n",
        FAILURES,
    ),
    Fault(
        "an outage of a folder ends in dead letters",
        "core/failures.py",
        " | Failure.STORING | Failure.OTHER",
        " | Failure.OTHER",
        FAILURES,
    ),
    # The breaker.
    Fault(
        "any number of documents try out a converter that is down",
        "core/breaker.py",
        "        case BreakerState.HALF_OPEN:\n            return False\n",
        "        case BreakerState.HALF_OPEN:\n            return True\n",
        BREAKER,
    ),
    Fault(
        "a converter that is down is asked without end",
        "core/breaker.py",
        "            return breaker.retry_at is None or now >= breaker.retry_at\n",
        "            return True\n",
        BREAKER,
    ),
    Fault(
        "what was under way when it opened prolongs the pause",
        "core/breaker.py",
        "    if breaker.state is BreakerState.OPEN:\n"
        "        return replace(breaker, reason=failed.reason)\n",
        "",
        BREAKER,
    ),
    Fault(
        "a document is blamed for an outage of the converter",
        "core/breaker.py",
        "        and breaker.succeeded_at > failed_before_at\n",
        "",
        BREAKER,
    ),
    Fault(
        "those beside a poisonous document come into its fault",
        "core/breaker.py",
        "        and is_alone\n",
        "",
        BREAKER,
    ),
    Fault(
        "a document that brings its converter down does so for ever",
        "core/breaker.py",
        "    return Breaker(BreakerState.CLOSED, 0, since, succeeded_at=now)\n",
        "    return Breaker(BreakerState.CLOSED, 0, since)\n",
        BREAKER + SERVICES,
    ),
    # The backlog.
    Fault(
        "a million jobs are queued at once",
        "engine/backlog.py",
        "        self._ledger.insert(missing[:room])\n",
        "        self._ledger.insert(missing)\n",
        BACKLOG,
    ),
    Fault(
        "what has no room in the queue is never converted",
        "engine/backlog.py",
        "            return missing[room - 1].path\n",
        "            return files[-1].path\n",
        BACKLOG,
    ),
    Fault(
        "lost rows stay lost",
        "engine/backlog.py",
        "        return self.passed is None or now - self.passed.at >= AGAIN_AFTER\n",
        "        return self.passed is None\n",
        BACKLOG,
    ),
    Fault(
        "a rule that changed, or was away, finds nothing for a day",
        "engine/backlog.py",
        "        self._ledger.forget_passed_but(",
        "        dict(",
        BACKLOG,
    ),
    Fault(
        "a rule that is away for an hour does not find what came meanwhile",
        "ledger/job_backlog.py",
        '            if wanted != json.loads(value)["fingerprint"]:\n',
        '            if wanted and wanted != json.loads(value)["fingerprint"]:\n',
        BACKLOG,
    ),
    Fault(
        "what has its result by now is called given up on",
        "engine/backlog.py",
        "if rule.why_outdated(letter) is not None]\n",
        "if not letter.recipe]\n",
        BACKLOG,
    ),
    Fault(
        "what was given up on is forgotten when its rule is renamed",
        "engine/backlog.py",
        "        self._letters.take_over(found, now)\n",
        "",
        BACKLOG,
    ),
    Fault(
        "rules take letters from each other",
        "engine/backlog.py",
        "if letter.recipe == rule.recipe and letter.rule not in self._names\n",
        "if letter.recipe == rule.recipe\n",
        BACKLOG,
    ),
    Fault(
        "what was given up on goes with each round",
        "engine/backlog.py",
        "if rule.why_outdated(letter) is not None]\n",
        "if letter.recipe]\n",
        BACKLOG,
    ),
    Fault(
        "a letter of a renamed rule goes before what arrives",
        "ledger/job_letters.py",
        '_anew_for(new, at) | {"priority": Priority.BACKLOG}',
        '_anew_for(new, at) | {"priority": Priority.ASKED}',
        BACKLOG,
    ),
    Fault(
        "a letter is told by the path of another document",
        "ledger/job_letters.py",
        "    return case((has_now(job.c.path), job.c.path), else_=_first_path_of_now())\n",
        "    return case((null(), job.c.path), else_=_first_path_of_now())\n",
        ("integration/test_job_commands.py",),
    ),
    Fault(
        "a converter is down since it was tried out last",
        "core/breaker.py",
        "        since = self.since if is_up else self.down_since or self.since\n",
        "        since = self.since\n",
        BREAKER,
    ),
    Fault(
        "what was there before its rule expires as it is queued",
        "core/rules.py",
        "    if waits_s is None or priority is Priority.BACKLOG:\n",
        "    if waits_s is None:\n",
        ("unit/test_rules.py",),
    ),
    # Snapshots, upgrades, erasures.
    Fault(
        "a job of a snapshot works wherever it likes",
        "ledger/snapshot_values.py",
        "    job.c.id,\n",
        "",
        SNAPSHOTS,
    ),
    Fault(
        "a job of a snapshot puts its result wherever it likes",
        "ledger/rebuilt.py",
        " and is_place(place, target_mirror)\n",
        "\n",
        SNAPSHOTS,
    ),
    Fault(
        "results of an older ledger have another place",
        "ledger/migrations/versions/0005_conversions.py",
        "'/{ulid}.md'",
        "'/{{ulid}}.md'",
        ("unit/test_ledger_schema.py",),
    ),
    Fault(
        "a result keeps the name of an erased document",
        "ledger/erasures.py",
        " or (row.version in erased and _tells_name(row))\n",
        "\n",
        ERASE,
    ),
    Fault(
        "the ledger keeps the name of a result of an erased document",
        "ledger/erasures.py",
        "        tx.delete(result, result.c.source.in_(chunk), "
        "result.c.put_at <= recorded_by, ~_IS_THERE)\n",
        "",
        ERASE,
    ),
)
