"""What the rules and the dashboard ask Prometheus, and which metrics an expression names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"

# What Prometheus itself adds: up per target, ALERTS per firing rule.
OF_PROMETHEUS = {"up", "ALERTS"}

_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end"}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_SELECTOR = re.compile(r"\{[^{}]*\}")
_RANGE = re.compile(r"\[[^\[\]]*\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", re.IGNORECASE)
_GROUP = re.compile(r"\b(?:group_left|group_right)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w:.$])([A-Za-z_:][\w:]*)(?!\s*\()(?![\w:])")
_LABEL_VALUES = re.compile(r"^label_values\((.*),\s*\w+\)$", re.DOTALL)

# Grafana's variables, as they are when everything is chosen.
_VARIABLES = {
    "$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h",
    "$topic": ".+", "$watch": ".+", "$window": "24h",
}  # fmt: skip


def metric_names(expression: str) -> set[str]:
    """Name the metrics of a PromQL expression, as written (a histogram's with _bucket).

    Refuses a selector by `__name__`: nobody could say which metrics that names.
    """
    if "__name__" in expression:
        raise ValueError(f"a selector by __name__: {expression}")
    for pattern, instead in (
        (_STRING, '""'), (_SELECTOR, " "), (_RANGE, " "), (_LABELS, " "), (_GROUP, " "),
    ):  # fmt: skip
        expression = pattern.sub(instead, expression)
    # An operator's or a function's name stands before its parenthesis.
    return {name for name in _NAME.findall(expression) if name.lower() not in _WORDS}


def family(name: str) -> str:
    """Name the metric that a series belongs to: a histogram's series share one."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def rule_expressions() -> list[str]:
    """All expressions of the rules file."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    """All expressions of the dashboards, those of annotations and variables too."""
    found = []
    for file in sorted(DASHBOARDS.glob("*.json")):
        page = json.loads(file.read_text(encoding="utf-8"))
        variables = page["templating"]["list"]  # of other types the query is a list of values
        page["templating"]["list"] = [each for each in variables if each["type"] == "query"]
        found += [value for key, value in _strings(page) if key in ("expr", "query")]
    return [_without_variables(each) for each in found]


def _without_variables(expression: str) -> str:
    if match := _LABEL_VALUES.match(expression):
        expression = match[1]
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"an unknown variable: {expression}"
    return expression


def _strings(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Walk JSON: every string with the key it stands under."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _strings(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value, key)
