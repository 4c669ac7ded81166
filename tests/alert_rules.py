"""The alert rules that docferry ships, and what their metrics are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Metric

ROOT = Path(__file__).parents[1]
RULES = ROOT / "config" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "config" / "grafana" / "docferry.json"

_METRIC = re.compile(r"\b((?:docferry|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*=")
_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")
#: What Prometheus adds itself.
_OF_TARGETS = {"job", "instance", "le"}


def rules() -> dict[str, dict[str, Any]]:
    """Give the rules, by the names of their alerts."""
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def unknown_in(
    expression: str, families: Iterable[Metric], labels: dict[str, set[str]]
) -> set[str]:
    """
    Give the metrics, and the labels of metrics, that *expression* names and nobody tells.

    Args:
        labels: Of each series that was told, by its name.
    """
    told = {family.name: family.type for family in families}
    unknown = set()
    for name, selector in _METRIC.findall(expression):
        if not _is_told(name, told):
            unknown.add(name)
        for label in _LABEL.findall(selector):
            if name in labels and label not in labels[name] | _OF_TARGETS:
                unknown.add(f"{name}{{{label}}}")
    return unknown


def _is_told(name: str, told: dict[str, str]) -> bool:
    if name.endswith("_total"):
        return told.get(name.removesuffix("_total")) == "counter"
    for end in _OF_HISTOGRAMS:
        if told.get(name.removesuffix(end)) == "histogram" and name.endswith(end):
            return True
    return name in told or told.get(name.removesuffix("_info")) == "info"
