"""Faults of the worker: a person's file overwritten, a document lost, or converted for nothing."""

from __future__ import annotations

from fault import Fault

RESULTS = "integration/test_worker_results.py"
JOBS = "integration/test_worker.py"
LEASES = "integration/test_worker_leases.py"
OUTAGES = "integration/test_worker_outages.py"

OF_THE_WORKER = (
    Fault(
        "a result takes the place of a person's file",
        "core/results.py",
        "return Way.REPLACE if found in ours else Way.REFUSE",
        "return Way.REPLACE",
        ("unit/test_result_places.py", RESULTS),
    ),
    Fault(
        "a result is put to a path that is docferry's own",
        "core/results.py",
        "if not path or not is_plain(path) or is_alias(path)",
        "if not path or is_alias(path)",
        ("unit/test_result_places.py",),
    ),
    Fault(
        "what a crash forgot passes for a person's file",
        "core/results.py",
        "return Origin.CONVERSION if is_result else Origin.LOCAL",
        "return told",
        ("unit/test_result_places.py",),
    ),
    Fault(
        "an older version's result replaces the newer one's",
        "engine/put_result.py",
        "        self._refuse_outdated(job)\n",
        "",
        (RESULTS,),
    ),
    Fault(
        "a result is written whatever has come to its path meanwhile",
        "engine/put_result.py",
        "found = target.folder.stat(path)  # first",
        "found = None  # first",
        (RESULTS,),
    ),
    Fault(
        "what is about to be put is not noted, and a crash makes it a stranger's",
        "engine/worker_progress.py",
        "        self._jobs.about_to_put(job, path, sha256, release, self._now())\n",
        "",
        (f"{RESULTS}::test_a_result_that_a_crash_left_there_is_known_for_ours",),
    ),
    Fault(
        "a displaced result is not told to be in the archive",
        "engine/put_result.py",
        "                self._ledger.versions.note_archived([base.version], Side.LOCAL)\n",
        "                pass\n",
        (RESULTS,),
    ),
    Fault(
        "the loop takes a result for a person's file",
        "engine/put_result.py",
        "        target.mark(path, Origin.CONVERSION)  # before the watcher",
        "        # before the watcher",
        (RESULTS,),
    ),
    Fault(
        "a shared result is believed unread",
        "engine/worker_shared.py",
        "if digest == twin.result_sha256:",
        "if True:",
        (JOBS,),
    ),
    Fault(
        "what is asked for on purpose is only shared",
        "engine/worker_attempt.py",
        "        if job.is_forced:\n",
        "        if False:\n",
        (JOBS,),
    ),
    Fault(
        "another content than the version's is converted",
        "engine/stage.py",
        "            if copy(content, target) == version.sha256:\n                return target",
        "            copy(content, target)\n            return target",
        (JOBS,),
    ),
    Fault(
        "a version that is gone is a dead letter",
        "engine/stage.py",
        "        raise GoneError(str(error)) from error\n",
        "        raise\n",
        (JOBS,),
    ),
    Fault(
        "a rule's types are not looked at",
        "engine/worker_attempt.py",
        "if not is_of_types(staged.document.media_type, rule.types):",
        "if False:",
        (JOBS,),
    ),
    Fault(
        "a document is made by another recipe than its job says",
        "engine/worker_attempt.py",
        "if job.recipe != rule.recipe:",
        "if False:",
        (JOBS,),
    ),
    Fault(
        "a document that ends docferry is tried for ever",
        "engine/worker_attempt.py",
        "if (lost := lost_too_often(job.attempts, conversion.max_attempts)) is not None:",
        "if (lost := lost_too_often(0, conversion.max_attempts)) is not None:",
        (LEASES,),
    ),
    Fault(
        "a converter is given more documents than it takes",
        "engine/worker_converters.py",
        "one.taken < one.slots and",
        "",
        (JOBS,),
    ),
    Fault(
        "jobs are claimed while their target takes nothing",
        "engine/worker.py",
        "return target is not None and target.trouble() is None",
        "return target is not None",
        (LEASES,),
    ),
    Fault(
        "after a standstill every running job passes for lost",
        "engine/worker.py",
        "        self._progress.renew()  # first",
        "        # first",
        (LEASES,),
    ),
    Fault(
        "what a killed daemon left running stays so",
        "engine/worker.py",
        "        for job in self._ledger.jobs.requeue_running(self._now()):",
        "        for job in ():",
        (LEASES,),
    ),
    Fault(
        "a stage that lasts is not told",
        "engine/worker_progress.py",
        "if one.since is not None and one.since <= before",
        "if False",
        (LEASES,),
    ),
    Fault(
        "a converter that is down is asked on and on",
        "engine/worker_converters.py",
        "one.alone is None and breakers.may_start(one.breaker, now)",
        "one.alone is None",
        (OUTAGES,),
    ),
    Fault(
        "one that was tried out for nothing is never tried again",
        "engine/worker_converters.py",
        "one.breaker = breakers.on_probe_end(one.breaker, now)",
        "pass",
        (JOBS,),
    ),
    Fault(
        "a suspect is tried beside others, who come into its fault",
        "engine/worker_converters.py",
        "one.alone = job if job in self._suspects else None",
        "one.alone = None",
        (f"{OUTAGES}::test_those_beside_a_poison_document_are_not_blamed_for_it",),
    ),
    Fault(
        "a document that is to blame keeps a converter down",
        "engine/worker_converters.py",
        "                return True  # and",
        "                return False  # and",
        (OUTAGES,),
    ),
    Fault(
        "what was given up on in an outage stays so",
        "engine/worker_converters.py",
        "                    self._on_up(name, since)\n",
        "",
        (OUTAGES,),
    ),
    Fault(
        "other processes do not hear of an outage",
        "engine/worker_converters.py",
        "        self._put(now.row(name))\n",
        "",
        (JOBS,),
    ),
    Fault(
        "a content that comes again leaves the result of the one between",
        "ledger/jobs.py",
        "            _put_again(tx, new)\n",
        "            pass\n",
        (RESULTS,),
    ),
)
