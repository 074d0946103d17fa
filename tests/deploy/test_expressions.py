"""Every expression names only metrics that there are."""

import re

import pytest

from tests.deploy.expressions import (
    OF_PROMETHEUS,
    ROOT,
    dashboard_expressions,
    family,
    metric_names,
    rule_expressions,
)

README = ROOT / "README.md"


def documented() -> set[str]:
    """Names in the first column of the README's table of metrics."""
    text = README.read_text(encoding="utf-8")
    section = re.search(r"^## Metrics$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, "the README has no section '## Metrics'"
    cells = re.findall(r"^\|([^|]*)\|", section[1], re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(newsquake_\w+)", cell)}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("up", {"up"}),
        ("rate(a_total[5m])", {"a_total"}),
        ('sum by (topic, stage) (rate(a{b="c_total"}[5m] offset 1h))', {"a"}),
        ("a + on(x) group_left(y) b", {"a", "b"}),
        ("a * on (x) group_left b", {"a", "b"}),
        ("sum without(x)(a) / count(b) > bool 1e3", {"a", "b"}),
        ("histogram_quantile(0.95, sum by (le) (rate(h_bucket[1m])))", {"h_bucket"}),
        ('time() - (g > 0) unless absent(up{job="x"})', {"g", "up"}),
        ("a and b or c unless d", {"a", "b", "c", "d"}),
        ('{job="x"}', set()),
        ("a:b:rate5m > -Inf", {"a:b:rate5m"}),
        ('label_replace(a, "x", "$1", "y", "(.*) and b")', {"a"}),
        ("max_over_time(deriv(a[10m])[1h:5m])", {"a"}),
    ],
)
def test_the_names_in_an_expression(expression: str, names: set[str]) -> None:
    """Functions, labels, strings, durations and operators are no metrics."""
    assert metric_names(expression) == names


def test_a_selector_by_name_is_refused() -> None:
    """It could hide any metric."""
    with pytest.raises(ValueError, match="__name__"):
        metric_names('{__name__=~"newsquake_.*"}')


@pytest.mark.parametrize("expression", rule_expressions() + dashboard_expressions())
def test_an_expression_names_documented_metrics_only(expression: str) -> None:
    """Each metric stands in the README's table, or Prometheus makes it itself."""
    names = {family(name) for name in metric_names(expression)}
    assert names - documented() - OF_PROMETHEUS == set()


def test_each_expression_asks_for_something() -> None:
    """The extraction finds a metric in each of them."""
    silent = [each for each in rule_expressions() + dashboard_expressions() if not metric_names(each)]
    assert silent == []
