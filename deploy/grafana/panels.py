"""The kinds of panel that the dashboard is made of, each with the look it always has.

Every panel asks the data source of the variable `datasource`, never a fixed one.
"""
# ruff: noqa: INP001 - deploy/ is no package

import string

from grafana_foundation_sdk.builders import common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.models import common as look
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps = list[tuple[float | None, str]]


def query(expr: str, legend: str = "") -> prometheus.Dataquery:
    """Ask for a range, drawn over time."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).range().datasource(DATASOURCE)


def snapshot(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """Ask for the values now, as rows of a table."""
    return (
        prometheus.Dataquery()
        .expr(expr)
        .instant()
        .format(prometheus_model.PromQueryFormat.TABLE)
        .ref_id(ref)
        .datasource(DATASOURCE)
    )


def thresholds(steps: Steps) -> d.ThresholdsConfig:
    """Set colours from values upwards; the first step has no value."""
    return (
        d.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def choice(label: str, series: str) -> d.QueryVariable:
    """Offer the values that `label` has on `series`; all of them at first."""
    return (
        d.QueryVariable(label)
        .label(label.capitalize())
        .datasource(DATASOURCE)
        .query({"query": f"label_values({series}, {label})", "refId": label})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def number(title: str, expr: str, *, steps: Steps, unit: str = "short", about: str = "") -> stat.Panel:
    """Show one number, coloured by thresholds, with its recent course behind it."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .with_target(query(expr).ref_id("A"))
        .unit(unit)
        .thresholds(thresholds(steps))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(look.BigValueColorMode.BACKGROUND)
        .graph_mode(look.BigValueGraphMode.AREA)
        .span(4)
        .height(4)
    )


def graph(
    title: str, unit: str, *queries: prometheus.Dataquery, span: int, stack: bool = False
) -> timeseries.Panel:
    """Draw lines over time, or stacked areas."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(DATASOURCE)
        .unit(unit)
        .line_width(1)
        .fill_opacity(30 if stack else 5)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(look.LegendDisplayMode.LIST)
            .placement(look.LegendPlacement.BOTTOM)
        )
        .show_points(look.VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions().mode(look.TooltipDisplayMode.MULTI).sort(look.SortOrder.DESCENDING)
        )
        .span(span)
        .height(8)
    )
    if stack:
        panel.stacking(common.StackingConfig().mode(look.StackingMode.NORMAL).group("A"))
    for each, ref in zip(queries, string.ascii_uppercase, strict=False):
        panel.with_target(each.ref_id(ref))
    return panel


def band(title: str, key: str, *, span: int, height: int = 9) -> timeseries.Panel:
    """Draw observed negative stories against the band that is normal for this hour of the week."""
    panel = graph(
        title,
        "short",
        query(f"newsquake_trend_expected_negatives_upper{{{key}}}", "normal, upper edge"),
        query(f"newsquake_trend_expected_negatives{{{key}}}", "expected"),
        query(f"newsquake_trend_observed_negatives{{{key}}}", "observed"),
        span=span,
    )
    return (
        panel.height(height)
        .min(0)
        .override_by_name(
            "normal, upper edge",
            [
                _set("color", {"mode": "fixed", "fixedColor": "green"}),
                _set("custom.lineWidth", 0),
                _set("custom.fillOpacity", 15),
            ],
        )
        .override_by_name(
            "expected",
            [
                _set("color", {"mode": "fixed", "fixedColor": "green"}),
                _set("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
                _set("custom.fillOpacity", 0),
            ],
        )
        .override_by_name(
            "observed",
            [
                _set("color", {"mode": "fixed", "fixedColor": "red"}),
                _set("custom.lineWidth", 2),
                _set("custom.fillOpacity", 0),
            ],
        )
    )


def quantiles(title: str, metric: str, unit: str, *, span: int) -> timeseries.Panel:
    """Draw the median, the 95th and the 99th percentile of a histogram."""
    rate = f"sum by (le) (rate({metric}_bucket[$__rate_interval]))"
    return graph(
        title,
        unit,
        *(query(f"histogram_quantile({q}, {rate})", f"p{q * 100:.0f}") for q in (0.5, 0.95, 0.99)),
        span=span,
    )


def alarms() -> table.Panel:
    """List keys whose negative volume is above its band now, the most surprising first."""
    observed = "newsquake_trend_observed_negatives"
    above = f"{observed} > newsquake_trend_expected_negatives_upper"
    columns = {
        "A": "newsquake_trend_surprise_weeks",
        "B": observed,
        "C": "newsquake_trend_expected_negatives",
        "D": "newsquake_trend_expected_negatives_upper",
    }
    panel = (
        _table("Above its normal band now", 14)
        .description("Empty topic and watch: all news. Surprise: once in so many weeks.")
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            _organise(
                {
                    "topic": "Topic",
                    "watch": "Watch",
                    "Value #A": "Surprise (weeks)",
                    "Value #B": "Observed",
                    "Value #C": "Expected",
                    "Value #D": "Normal up to",
                }
            )
        )
        .sort_by([common.TableSortByFieldState().display_name("Surprise (weeks)").desc(desc=True)])
        .no_value("Nothing is above its band")
    )
    for ref, metric in columns.items():
        panel.with_target(snapshot(f"max by (topic, watch) ({metric} and ({above}))", ref))
    return panel


def firing() -> table.Panel:
    """List the rules of `deploy/prometheus/rules.yml` that fire: the machinery, not the news."""
    return (
        _table("The machinery: rules that fire", 10)
        .with_target(
            snapshot(
                'max by (alertname, severity, stage) (ALERTS{alertname=~"Newsquake.*", alertstate="firing"})'
            )
        )
        .with_transformation(
            _organise({"alertname": "Rule", "severity": "Severity", "stage": "Stage"}, ["Value"])
        )
        .no_value("No rule fires")
    )


def heading(title: str, metric: str, labels: list[str], *, span: int) -> table.Panel:
    """List the labels of an info metric, and how many processes show them."""
    expr = f"count by ({', '.join(labels)}) ({metric})"
    names = {label: label.capitalize() for label in labels}
    return (
        _table(title, span)
        .height(4)
        .with_target(snapshot(expr))
        .with_transformation(_organise({**names, "Value": "Processes"}))
    )


def _table(title: str, span: int) -> table.Panel:
    return table.Panel().title(title).datasource(DATASOURCE).span(span).height(7)


def _organise(names: dict[str, str], hidden: list[str] | None = None) -> model.DataTransformerConfig:
    return model.DataTransformerConfig(
        id_val="organize",
        options={
            "renameByName": names,
            "excludeByName": dict.fromkeys(["Time", *(hidden or [])], True),
            "indexByName": {name: place for place, name in enumerate(names)},
        },
    )


def _set(property_id: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=property_id, value=value)
