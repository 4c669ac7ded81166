"""Faults of what Prometheus is told: counts that drift, old figures, waiting for what hangs."""

from __future__ import annotations

from fault import Fault

TALLIES = ("unit/test_ledger_tallies.py",)
MIGRATION = "ledger/migrations/versions/0006_a_service.py"
BESIDE = ("unit/test_beside.py",)

MONITORING = (
    Fault(
        "rows that go are counted for ever",
        MIGRATION,
        '    _trigger(f"{table}_goes", f"DELETE ON {table}", gone)\n',
        "",
        TALLIES,
    ),
    Fault(
        "a row that changes its mirror, size or state is counted as it was",
        MIGRATION,
        'ON {table} WHEN {differs}", gone + added)',
        'ON {table} WHEN {differs}", added)',
        TALLIES,
    ),
    Fault(
        "what a ledger held before it counted is not counted",
        MIGRATION,
        'f"INSERT INTO tally SELECT',
        'f"SELECT',
        ("unit/test_ledger_tallies.py::test_what_an_older_ledger_holds_is_counted",),
    ),
    Fault(
        "a snapshot carries triggers, and nobody takes it",
        "ledger/snapshots.py",
        "    _leave_triggers_out(copy)\n",
        "",
        ("unit/test_ledger_snapshots.py",),
    ),
    Fault(
        "a scrape tells how much room there was long ago",
        "app/machine.py",
        "if at_s >= oldest_s}",
        "if at_s > 0}",
        BESIDE,
    ),
    Fault(
        "a folder that hangs is asked again and again",
        "app/machine.py",
        "if key not in self._under_way and self._now_s()",
        "if self._now_s()",
        BESIDE,
    ),
    Fault(
        "a store that is gone from the configuration is still told of",
        "app/machine.py",
        "            del self._answers[key]\n",
        "            pass\n",
        BESIDE,
    ),
    Fault(
        "the end of a certificate is told only if it is trusted",
        "storage/certificate.py",
        "    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE\n",
        "",
        ("integration/test_certificate.py",),
    ),
    Fault(
        "the begin of a certificate passes for its end",
        "storage/certificate.py",
        "    _, (tag, text) = _elements(validity)\n",
        "    (tag, text), _ = _elements(validity)\n",
        ("integration/test_certificate.py",),
    ),
    Fault(
        "without a ledger nothing is told of the disk it is on",
        "metrics.py",
        "        yield from _machine_families(self._machine())\n        # What",
        "        self._mirrors()\n        # What",
        ("unit/test_metrics.py",),
    ),
    Fault(
        "held deletions pass for changes that wait",
        "app/figures.py",
        "        oldest_dirty_at=facts.oldest_dirty_at,\n",
        "        oldest_dirty_at=min(waiting, default=None),\n",
        ("integration/test_report.py",),
    ),
    Fault(
        "the clock of a store is known only once it has refused",
        "storage/s3_client.py",
        "        self._note_clock(page, sent_at)\n        return page\n",
        "        return page\n",
        ("contract/test_s3_clock.py::test_a_listing_tells_how_far_the_stores_clock_is_ahead",),
    ),
)
