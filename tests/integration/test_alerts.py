"""Alert rules: each fires when it should and not before, and has its place in the runbook."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from alert_rules import ROOT, RULES, rules

RUNBOOK = ROOT / "daemon" / "OPERATING.md"
_DAY = 86400
_AT = "{instance='host:9412',job='docferry'"


def series(metric: str, values: str, /, **labels: str) -> dict[str, str]:
    more = "".join(f",{label}='{value}'" for label, value in labels.items())
    return {"series": f"{metric}{_AT}{more}}}", "values": values}


def of_docs(name: str, values: str) -> dict[str, str]:
    return series(f"docferry_{name}", values, mirror="docs")


def patrol(age_s: float, interval_s: float) -> list[dict[str, str]]:
    return [
        of_docs("patrol_age_seconds", f"{age_s}+0x150"),
        of_docs("patrol_interval_seconds", f"{interval_s}+0x150"),
    ]


def health(
    word: str, *, held: int = 0, changes: int = 0, since: str = "1+0x150"
) -> list[dict[str, str]]:
    return [
        series("docferry_mirror_health", since, mirror="docs", health=word),
        of_docs("held_deletions", f"{held}+0x150"),
        of_docs("held_changes", f"{changes}+0x150"),
    ]


def polls(values: str, interval_s: float) -> list[dict[str, str]]:
    return [
        of_docs("last_poll_timestamp_seconds", values),
        of_docs("poll_interval_seconds", f"{interval_s}+0x150"),
    ]


def paused(values: str) -> list[dict[str, str]]:
    return [of_docs("paused_seconds", values)]


def disk(free: float, size: float) -> list[dict[str, str]]:
    labels = {"of": "mirror", "name": "docs"}
    return [
        series("docferry_filesystem_avail_bytes", f"{free:.0f}+0x150", **labels),
        series("docferry_filesystem_size_bytes", f"{size:.0f}+0x150", **labels),
    ]


def certificate(end: float) -> list[dict[str, str]]:
    name = "docferry_certificate_expiry_timestamp_seconds"
    return [series(name, f"{end}+0x150", of="store", name="main")]


def keys(values: str) -> list[dict[str, str]]:
    return [series("docferry_credentials_expiry_timestamp_seconds", values, store="main")]


def watches(used: int) -> list[dict[str, str]]:
    return [
        series("docferry_inotify_watches", f"{used}+0x150"),
        series("docferry_inotify_watch_limit", "1000+0x150"),
    ]


def breaker(*states: str) -> list[dict[str, str]]:
    name = "docferry_converter_breaker"
    words = [[str(int(word == state)) for state in states] for word in ("closed", "open")]
    return [
        series(name, " ".join(values), converter="office", state=word)
        for values, word in zip(words, ("closed", "open"), strict=True)
    ]


def skew(seconds: float) -> list[dict[str, str]]:
    return [series("docferry_store_clock_skew_seconds", f"{seconds}+0x150", store="main")]


def dead(count: int) -> list[dict[str, str]]:
    name, values = "docferry_dead_letters", f"{count}+0x150"
    return [series(name, values, rule="text", failure=why) for why in ("timeout", "crashed")]


def of_crm(name: str, values: str) -> list[dict[str, str]]:
    return [series(f"docferry_webhook_{name}", values, webhook="crm")]


_IS_FIRING = "alertstate='firing'"
#: Each with what there is, a sample a minute, and whether it fires after 150 of them.
CASES = {
    "DocferryDown": [
        ([series("up", "0+0x150")], True),
        ([series("up", "1+0x146 0 0 0 0")], False),  # a restart
    ],
    "DocferryMirrorDown": [
        (health("unreachable", held=3), True),
        (health("blocked", held=0), True),
        (health("blocked", held=3), False),  # all else travels
        (health("blocked", changes=3), False),
        (health("unreachable", since="0+0x144 1 1 1 1 1 1"), False),  # the store was restarted
    ],
    "DocferryMirrorStale": [
        (polls("3600+0x150", 30), True),
        (polls("0+0x150", 30), True),  # there never was one
        (polls("0+60x150", 30), False),
        (polls("0+0x150", 3600), False),  # it polls but once an hour
        ([*polls("3600+0x150", 30), *paused("0+60x150")], False),
        ([*polls("3600+0x150", 30), *paused("0+0x150")], True),
    ],
    "DocferryCanariesLate": [
        ([of_docs("canaries_late", "2+0x150")], True),
        ([of_docs("canaries_late", "1+0x150")], False),
        ([of_docs("canaries_late", "2+0x150"), *paused("0+60x150")], False),
    ],
    "DocferryUnsyncedOld": [
        ([of_docs("oldest_dirty_path_seconds", "0+60x150")], True),
        ([of_docs("oldest_dirty_path_seconds", "3500+0x150")], False),
        ([of_docs("oldest_dirty_path_seconds", "0+60x150"), *paused("0+60x150")], False),
    ],
    "DocferryBacklogGrowing": [
        ([of_docs("dirty_paths", "2000+10x150")], True),
        ([of_docs("dirty_paths", "100000-10x150")], False),  # the first run of a large mirror
        ([of_docs("dirty_paths", "0+1x150")], False),
        ([of_docs("dirty_paths", "2000+10x150"), *paused("0+60x150")], False),
    ],
    "DocferryConversionsBacklogGrowing": [
        ([series("docferry_jobs_queued", "200+5x150", converter="office")], True),
        ([series("docferry_jobs_queued", "100000-5x150", converter="office")], False),
    ],
    "DocferryDeadLetters": [(dead(1), True), (dead(0), False)],
    "DocferryHoldOpen": [
        ([of_docs("holds", "1+0x150")], True),
        ([of_docs("holds", "0+0x150")], False),
    ],
    "DocferryChangesHeld": [
        ([of_docs("held_changes", "0+0x147 80 81 81")], True),  # nobody waits for morning
        ([of_docs("held_changes", "0+0x150"), of_docs("held_deletions", "200+0x150")], False),
    ],
    "DocferryPauseForgotten": [
        (paused(f"{_DAY}+60x150"), True),
        (paused("60000+60x150"), False),  # it ends today
        (paused(f"{_DAY}+60x144 0 0 0 0 0 0"), False),  # somebody has thought of it
    ],
    "DocferryBreakerOpen": [
        (breaker(*["open", "half-open"] * 76), True),  # tried again and again, it stays down
        (breaker(*["closed"] * 148, "open", "open", "open"), False),
    ],
    "DocferryWebhookDead": [(of_crm("dead", "1+0x150"), True), (of_crm("dead", "0+0x150"), False)],
    "DocferryWebhookBehind": [
        (of_crm("oldest_age_seconds", "0+60x150"), True),
        (of_crm("oldest_age_seconds", "0+60x60 0+0x90"), False),  # it has caught up
    ],
    "DocferryRot": [
        ([of_docs("rotten_contents", "1+0x150")], True),
        ([of_docs("rotten_contents", "0+0x150")], False),
    ],
    "DocferryPatrolBehind": [
        (patrol(50 * _DAY, 30 * _DAY), True),
        (patrol(40 * _DAY, 30 * _DAY), False),
        (patrol(400 * _DAY, 0), False),  # it is off
    ],
    "DocferryDiskLow": [
        (disk(4e9, 100e9), True),
        (disk(15e9, 10e12), True),
        (disk(6e9, 100e9), False),
        (disk(30e9, 10e12), False),
    ],
    "DocferryCertificateExpiring": [
        (certificate(10 * _DAY), True),
        (certificate(0), True),  # it has ended
        (certificate(20 * _DAY), False),
    ],
    "DocferryConfigRefused": [
        ([series("docferry_config_last_reload_successful", "0+0x150")], True),
        ([series("docferry_config_last_reload_successful", "1+0x150")], False),
    ],
    "DocferryCredentialsExpiring": [
        (keys("9100+0x150"), True),
        (keys("900+60x150"), False),  # renewed all the time
    ],
    "DocferryWatchesNearLimit": [(watches(950), True), (watches(850), False)],
    "DocferryWatchDegraded": [
        ([series("docferry_degraded_watches", "1+0x150")], True),
        ([series("docferry_degraded_watches", "0+0x150")], False),
    ],
    "DocferryApiFailing": [
        ([series("docferry_faces_restarts_total", "0+0x140 1 2 4 4 4 4 4 4 4 4")], True),
        ([series("docferry_faces_restarts_total", "0+0x140 1+0x10")], False),
    ],
    "DocferryClockSkew": [(skew(-90), True), (skew(61), True), (skew(59), False)],
    "DocferryBug": [
        ([of_docs("loop_failures_total", "0+0x130 1+0x20")], True),
        ([of_docs("loop_failures_total", "5+0x150")], False),
    ],
}


@pytest.mark.tools("promtool")
def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    tests = [
        {
            "interval": "1m",
            "input_series": given,
            "promql_expr_test": [
                {
                    "expr": f"count by (alertname) (ALERTS{{alertname='{alert}',{_IS_FIRING}}})",
                    "eval_time": "150m",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
                    if fires
                    else [],
                }
            ],
        }
        for alert, cases in CASES.items()
        for given, fires in cases
    ]
    file = tmp_path / "tests.yml"
    head = {"rule_files": [str(RULES)], "evaluation_interval": "1m"}
    file.write_text(yaml.safe_dump(head | {"tests": tests}))

    ended = promtool("test", "rules", str(file))

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_is_tried_both_ways() -> None:
    tried = {alert: {fires for _, fires in cases} for alert, cases in CASES.items()}

    assert tried == {alert: {True, False} for alert in rules()}


@pytest.mark.tools("promtool")
def test_prometheus_takes_the_rules() -> None:
    ended = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("alert", rules())
def test_each_alert_says_how_urgent_it_is_what_it_is_and_what_to_do(alert: str) -> None:
    rule = rules()[alert]

    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert all(len(rule["annotations"][each]) > 30 for each in ("summary", "description"))


def test_each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() -> None:
    head, _, after = RUNBOOK.read_text().partition("\n## Runbook\n")
    runbook, _, _ = after.partition("\n## ")
    sections = re.findall(r"^### (\S+)$", runbook, re.MULTILINE)

    linked = {name: rule["annotations"]["runbook_url"] for name, rule in rules().items()}

    assert head
    assert sections == list(linked)
    assert linked == {
        name: f"/usr/share/doc/docferry/OPERATING.md#{name.lower()}" for name in sections
    }


@pytest.mark.parametrize("alert", rules())
def test_each_section_says_what_it_means_what_is_at_stake_and_what_to_do(alert: str) -> None:
    _, _, after = RUNBOOK.read_text().partition(f"\n### {alert}\n")
    section = re.split(r"\n##", after)[0]

    for part in ("**Means:**", "**At stake:**", "**Look:**", "**Do:**"):
        assert part in section


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
