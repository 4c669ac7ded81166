"""Faults of what rules may do to each other, and of what people are told about conversions."""

from __future__ import annotations

from fault import Fault

OVERLAP = ("unit/test_overlap.py",)
RULES = ("unit/test_config_rules.py",)
CONVERTERS = ("unit/test_config_converters.py",)
JOBS = ("integration/test_job_commands.py",)
CONVERT = ("integration/test_convert_on_purpose.py",)
WHY = ("integration/test_why.py",)
REPORT = ("integration/test_report.py",)
CHECK = ("integration/test_check_converters.py",)


INSPECTING = (
    # Rules that would feed themselves, or overwrite.
    Fault(
        "a rule that matches its own results is taken",
        "config/rules.py",
        "            if to == first:\n                return way\n",
        "            if to == first and len(way) > 1:\n                return way\n",
        RULES,
    ),
    Fault(
        "rules that feed each other through two mirrors are taken",
        "config/rules.py",
        "                ways.append([*way, to])\n",
        "                pass\n",
        RULES,
    ),
    Fault(
        "rules overwrite each other's results",
        "config/rules.py",
        "    faults += _overwriting(rules)\n",
        "",
        RULES,
    ),
    Fault(
        "results go where their mirror leaves them out",
        "config/rules.py",
        "    faults += _left_out(rules, mirrors)\n",
        "",
        RULES,
    ),
    Fault(
        "only the beginning of a ULID can be matched",
        "core/overlap.py",
        "        automaton.then(_one_of(_CROCKFORD))\n",
        '        automaton.then(_one_of("0"))\n',
        OVERLAP,
    ),
    Fault(
        "what lies below a folder that a pattern names is not taken",
        "core/overlap.py",
        '    below = automaton.then(_just("/"))\n',
        "    below = automaton.then(_nothing)\n",
        OVERLAP,
    ),
    Fault(
        "a dead end passes for a folder whose files are all taken",
        "core/overlap.py",
        "_TAKEN: _Side = (frozenset({-1}),)\n",
        "_TAKEN: _Side = (frozenset(),)\n",
        OVERLAP,
    ),
    Fault(
        "any folder may be called as documents are",
        "core/overlap.py",
        "            return None\n        return _TAKEN",
        "            pass\n        return _TAKEN",
        OVERLAP,
    ),
    Fault(
        "a template gives all results one name",
        "config/conversion_values.py",
        '    if not fields & {"ulid", "sha256", "path", "name", "stem"}:\n',
        "    if not fields:\n",
        RULES,
    ),
    Fault(
        "a template leads out of the mirror",
        "config/conversion_values.py",
        '        for forbidden in ("", ".", "..", RESERVED):\n',
        '        for forbidden in ("", ".", RESERVED):\n',
        RULES,
    ),
    # Converters.
    Fault(
        "a key that means nothing for its kind is taken in silence",
        "config/converters.py",
        '        if key in _ALL_KEYS and key not in takes and key != "kind":\n',
        "        if not takes:\n",
        CONVERTERS,
    ),
    Fault(
        "what a kind needs is not missed",
        "config/converters.py",
        "        if key not in table.values:\n",
        "        if not takes:\n",
        CONVERTERS,
    ),
    Fault(
        "a service's secret is shown",
        "config/credentials.py",
        '            services[name].sound["secret"] = SecretStr(secret)\n',
        '            services[name].sound["secret"] = secret\n',
        CONVERTERS,
    ),
    Fault(
        "a secret in the clear over the network is not warned of",
        "config/load.py",
        '    return parts.scheme == "http" and parts.hostname not in',
        "    return not parts.scheme and parts.hostname not in",
        CONVERTERS,
    ),
    # What is asked for, and decided.
    Fault(
        "whole mirrors are converted again without a question",
        "cli/convert.py",
        "    if len(found.jobs) > _ASK_ABOVE and not is_sure:\n",
        "    if not found.jobs:\n",
        CONVERT,
    ),
    Fault(
        "a dry run asks for conversions",
        "cli/convert.py",
        "        ids = [] if is_dry else ask(ledger, found.jobs, now)\n",
        "        ids = ask(ledger, found.jobs, now)\n",
        CONVERT,
    ),
    Fault(
        "a folder is one that begins alike",
        "app/convert_again.py",
        '    start = f"{folder}/" if folder else ""\n',
        "    start = folder\n",
        CONVERT,
    ),
    Fault(
        "results are converted again",
        "core/verdict.py",
        "    if version.origin is Origin.CONVERSION and not is_meant:\n",
        "    if not version.path:\n",
        ("unit/test_verdict.py", *CONVERT),
    ),
    Fault(
        "all letters are discarded without a question",
        "cli/jobs.py",
        "        count = 0 if ids or is_sure else len(letters(ledger, which))\n",
        "        count = 0\n",
        JOBS,
    ),
    Fault(
        "a letter that nobody would do is queued again",
        "app/letters.py",
        "    wanted = [job.id for job in jobs if job.id not in left]\n",
        "    wanted = [job.id for job in jobs]\n",
        JOBS,
    ),
    Fault(
        "of several letters the sound ones are decided about though one is wrong",
        "app/letters.py",
        "    if job.state is not JobState.DEAD:\n",
        "    if job.id != job_id:\n",
        JOBS,
    ),
    Fault(
        "a letter of another recipe is queued and skipped without a word",
        "app/letters.py",
        "    why = None if rule is None else rule.why_outdated(job)\n",
        "    why = None\n",
        JOBS,
    ),
    # What is told.
    Fault(
        "nobody is told of the one document that a converter fails over",
        "app/queues.py",
        "    if (report.queued, report.running) != (1, 0):\n",
        "    if True:\n",
        JOBS,
    ),
    Fault(
        "one of many passes for the one that a converter fails over",
        "app/queues.py",
        "    if (report.queued, report.running) != (1, 0):\n",
        "    if False:\n",
        JOBS,
    ),
    Fault(
        "what an outage held up is no backlog",
        "app/queues.py",
        "    return job.priority is Priority.BACKLOG and job.doubted_at is not None\n",
        "    return job.priority is Priority.BACKLOG and job.failure is Failure.OUTAGE\n",
        JOBS,
    ),
    Fault(
        "a converter is said to be tried again at a time that is over",
        "cli/jobs.py",
        "    elif down.retry_at <= datetime.now(UTC):",
        "    elif False:",
        ("integration/test_paused_converters.py",),
    ),
    Fault(
        "one that waits to be tried again is lost among those that came since",
        "ledger/job_rows.py",
        "                job.c.failure.is_not(null()),\n"
        "                job.c.failure.in_(failures),\n",
        "",
        (f"{JOBS[0]}::test_it_is_named_however_many_have_come_since",),
    ),
    Fault(
        "what a converter failed over is called a backlog",
        "app/queues.py",
        "        if count and _has_backlog(ledger, name, count)\n",
        "        if count\n",
        JOBS,
    ),
    Fault(
        "a renamed rule waits for ever for what is done",
        "app/why.py",
        "    return (job.converter, job.place) == (rule.converter, rule.place_for(version.path))\n",
        "    return False\n",
        WHY,
    ),
    Fault(
        "a result that came back passes for gone",
        "app/why.py",
        "key=lambda row: (row.is_current, row.id)",
        "key=lambda row: row.id",
        WHY,
    ),
    Fault(
        "a converter that is down is in step",
        "app/report.py",
        "            and not any(each.down for each in self.converters)\n",
        "",
        REPORT,
    ),
    Fault(
        "a chain is down with its first converter only",
        "app/queues.py",
        '        down=next((down[one] for one in name.split("+") if one in down), None),\n',
        '        down=down.get(name.split("+")[0]),\n',
        REPORT,
    ),
    Fault(
        "a result tells of the document that was converted there last",
        "app/why.py",
        "of_result(version.mirror, version.path, version.sha256)",
        "of_result(version.mirror, version.path)",
        WHY,
    ),
    Fault(
        "a result that is gone passes for there",
        "cli/why.py",
        "    elif not one.result.is_current:\n",
        "    elif not one.result:\n",
        WHY,
    ),
    Fault(
        "a service that does not answer passes for well",
        "app/check_converters.py",
        "        converter.health(_PATIENCE_S)\n",
        "",
        CHECK,
    ),
    Fault(
        "what does not confine a converter passes for well",
        "app/check_converters.py",
        '"ok" if line.startswith("holds") else "warning"',
        '"ok" if line else "warning"',
        CHECK,
    ),
    Fault(
        "a gauge of a converter that is idle is not there",
        "app/figures.py",
        "    found = {chain: QueueFigures(chain) for chain in sorted(chains)}\n",
        "    found: dict[str, QueueFigures] = {}\n",
        REPORT,
    ),
    Fault(
        "JSON with a name from the bucket steers the terminal",
        "cli/output.py",
        "        click.echo(_NO_ASCII.sub(_escaped, text))\n",
        "        click.echo(text)\n",
        ("unit/test_output.py",),
    ),
    Fault(
        "a name in the log passes for another one",
        "logs.py",
        "char if char.isprintable() or char in kept else",
        "char if char > '\\x9f' or char.isprintable() or char in kept else",
        ("unit/test_logs.py",),
    ),
)
