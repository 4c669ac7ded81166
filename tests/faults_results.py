"""Faults of results that the ledger does not know of: what objects and snapshots say of them."""

from __future__ import annotations

from fault import Fault

CLAIMS = ("unit/test_claims.py",)
TOLD = ("unit/test_execute_claims.py",)
REBUILT = ("integration/test_rebuild.py",)
RESULTS = ("integration/test_worker_results.py",)
NOTED = ("unit/test_ledger_results.py",)
SNAPSHOTS = ("unit/test_snapshots_of_results.py",)
PLACES = ("unit/test_result_places.py",)
OF_TEMPLATES = ("unit/test_places.py",)
ON_PURPOSE = ("integration/test_convert_on_purpose.py",)
WHY = ("integration/test_why.py",)
REBUILT_RESULTS = "test_a_rebuild_from_objects_knows_results_and_replaces_them_and_no_copy"
LOST = "test_without_a_ledger_results_are_known_by_what_their_objects_say"

OF_RESULTS = (
    # What objects say.
    Fault(
        "a copy of a result passes for a result wherever it is",
        "core/rules.py",
        " made_from.source_sha256) == path\n",
        " made_from.source_sha256) != ''\n",
        CLAIMS,
    ),
    Fault(
        "any version passes for the document of a result",
        "core/rules.py",
        "        return is_it and result_path(",
        "        return result_path(",
        CLAIMS,
    ),
    Fault(
        "what an unknown document was made into passes for a result wherever it is",
        "core/places.py",
        "    return _are_in_order(_between_fields(template, values), path)\n",
        "    return True\n",
        CLAIMS,
    ),
    Fault(
        "a character of a path belongs to two parts of a template",
        "core/places.py",
        " and len(path) - len(others[-1]) >= at\n",
        "\n",
        OF_TEMPLATES,
    ),
    Fault(
        "a snapshot fills the memory by the place of a job",
        "core/places.py",
        " or form or sign for _, field, form, sign in parts):\n",
        " for _, field, _, _ in parts):\n",
        ("unit/test_ledger_snapshots.py",),
    ),
    Fault(
        "a result is believed to be one in any mirror",
        "engine/claims.py",
        "            and rule.to_mirror == version.mirror\n",
        "",
        CLAIMS,
    ),
    Fault(
        "what an object says it was made by need be no rule",
        "engine/claims.py",
        "            rule.name == made_from.rule\n            and rule",
        "            rule",
        CLAIMS,
    ),
    Fault(
        "an edit that kept its metadata passes for the result that it was",
        "core/results.py",
        "    return says.made_from if says.sha256 == sha256 else None\n",
        "    return says.made_from\n",
        (*TOLD, *REBUILT),
    ),
    Fault(
        "a result that comes down to a new ledger is a stranger's file",
        "engine/execute.py",
        "        return replace(outcome, claimed=claim_of(attributes, written.sha256))\n",
        "        return outcome\n",
        TOLD,
    ),
    Fault(
        "a result that is on both sides is a person's file to a new ledger",
        "engine/execute.py",
        "        return Outcome(operation, synced, version, claimed=task.seen.claimed)\n",
        "        return Outcome(operation, synced, version)\n",
        TOLD,
    ),
    Fault(
        "a daemon whose ledger was lost asks no object what it is",
        "app/conversion.py",
        "self._claims.believe([(row, said) for row, said in claimed if row and said])",
        "set[Ulid]()",
        ("system/test_conversions.py::" + LOST,),
    ),
    Fault(
        "what is believed to be a result is converted all the same",
        "core/results.py",
        "    if is_claimed and told is Origin.STORE:\n",
        "    if False:\n",
        PLACES,
    ),
    Fault(
        "an object has the last word about what a job has noted",
        "ledger/results.py",
        "                tx.insert_missing(result, rows)\n",
        "                tx.delete(result)\n                tx.insert(result, rows)\n",
        NOTED,
    ),
    Fault(
        "a rebuild takes results for people's files",
        "engine/rebuild.py",
        "        self._believe(claimed)\n",
        "",
        REBUILT,
    ),
    Fault(
        "results are rebuilt before the documents that they were made of",
        "app/rebuild.py",
        "sorted(config.mirrors, key=takers.__contains__)",
        "config.mirrors",
        ("system/test_conversions.py::" + REBUILT_RESULTS,),
    ),
    Fault(
        "archived results are people's files after a rebuild",
        "engine/rebuild.py",
        "self._told_apart([(row, says[row.id]) for row in rows])",
        "rows",
        REBUILT,
    ),
    # What may be replaced.
    Fault(
        "who writes that a file is a result has it replaced",
        "engine/put_result.py",
        "            self._refuse_unknown(job, path, made_from)\n",
        "",
        RESULTS,
    ),
    Fault(
        "a result meets the one of before on its way down",
        "engine/put_result.py",
        "        if is_on_its_way and way in (Way.WRITE, Way.REFUSE):\n",
        "        if is_on_its_way and way is Way.REFUSE:\n",
        RESULTS,
    ),
    Fault(
        "an earlier result that the loop has not told of yet is in the way",
        "engine/put_result.py",
        "        if is_on_its_way and way in (Way.WRITE, Way.REFUSE):\n",
        "        if is_on_its_way and way is Way.WRITE:\n",
        RESULTS,
    ),
    Fault(
        "a path is not busy any more, and nothing is known yet of what came of it",
        "engine/carry.py",
        "        try:\n            self._record(outcomes)\n        finally:\n"
        "            self._busy.difference_update(task.operation.path for task, _ in outcomes)\n",
        "        self._busy.difference_update(task.operation.path for task, _ in outcomes)\n"
        "        self._record(outcomes)\n",
        ("unit/test_carry.py",),
    ),
    # Snapshots.
    Fault(
        "what was put where goes into no snapshot",
        "ledger/snapshots.py",
        "    schema.result,\n",
        "",
        SNAPSHOTS,
    ),
    Fault(
        "a snapshot holds whatever was ever about to be put somewhere",
        "ledger/snapshots.py",
        ' WHERE {mine} = ?" + are_kept,',
        ' WHERE {mine} = ?",',
        SNAPSHOTS,
    ),
    Fault(
        "a snapshot may name any path as that of a result",
        "ledger/rebuilt.py",
        'values, anew=told, then=" WHERE is_plain(path)")\n',
        "values, anew=told)\n",
        SNAPSHOTS,
    ),
    Fault(
        "a snapshot may say that a result was made of anything",
        "ledger/snapshot_values.py",
        "    result.c.source,\n",
        "",
        SNAPSHOTS,
    ),
    # Who made it.
    Fault(
        "what comes back to a path is said to be made by whoever made it first",
        "ledger/jobs.py",
        "tx.upsert(result, rows, _SAME_RESULT)",
        "tx.insert_missing(result, rows)",
        NOTED,
    ),
    Fault(
        "a program that made a result again is said to have made it",
        "cli/why.py",
        "    if how.source != job.version or how.converter != (job.release or job.converter):\n",
        "    if how.source != job.version:\n",
        WHY,
    ),
    Fault(
        "a result whose job is forgotten tells of no document",
        "app/why.py",
        "        how = noted or (None if job is None else _told_by(job))\n",
        "        how = None if job is None else _told_by(job)\n",
        WHY,
    ),
    Fault(
        "a result tells of a document whose result goes elsewhere",
        "app/why.py",
        "            if rule.puts(how, path, row)\n",
        "",
        WHY,
    ),
    Fault(
        "what the bucket says of a result is told as a fact",
        "cli/why.py",
        ' if made.is_claim else ""',
        ' if False else ""',
        WHY,
    ),
    Fault(
        "what an object says of itself is noted as a fact",
        "ledger/results.py",
        '                "is_claim": True,\n',
        '                "is_claim": False,\n',
        NOTED,
    ),
    Fault(
        "what a snapshot says of results is a fact",
        "ledger/rebuilt.py",
        '{"is_claim": "1"}',
        "{}",
        SNAPSHOTS,
    ),
    Fault(
        "what says of itself that it is a result is never converted",
        "app/convert_again.py",
        "    is_meant = rule is not None and isinstance(found, tuple)\n",
        "    is_meant = False\n",
        ON_PURPOSE,
    ),
    Fault(
        "to name a rule has all results below a folder converted again",
        "app/convert_again.py",
        "    is_meant = rule is not None and isinstance(found, tuple)\n",
        "    is_meant = rule is not None\n",
        ON_PURPOSE,
    ),
)
