"""Writes the Grafana dashboard: classic JSON, for file provisioning, from typed builders.

`python -m deploy.grafana.build` writes `dashboards/newsquake.json` beside this file; a test
holds the two together. The layout is in `dashboard`, one function per row: what is alarming
now comes first, how well the machine works comes last. It refuses nothing: it has no input.
"""
# ruff: noqa: INP001 - deploy/ is no package

from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as d
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from .panels import (
    DATASOURCE,
    alarms,
    band,
    choice,
    firing,
    graph,
    heading,
    number,
    quantiles,
    query,
)

HERE = Path(__file__).parent
TARGET = HERE / "dashboards" / "newsquake.json"

# Grafana escapes the values of a multi-value variable for a regular expression ("Legal |
# Regulation" has a bar), so they are matched with =~ even where a repeated panel has one.
ALL = 'topic="", watch=""'
DAY = model.VariableOption(selected=True, text="24h", value="24h")
TOPICS = 'topic=~"$topic", topic!="", watch=""'
WATCHES = 'topic="", watch=~"$watch", watch!=""'


def dashboard() -> d.Dashboard:
    """Lay out the whole page, from what is alarming now down to what the machine is busy with."""
    page = (
        d.Dashboard("Newsquake")
        .uid("newsquake")
        .description("A seismograph for financial news.")
        .tags(["newsquake"])
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(d.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(choice("topic", 'newsquake_trend_observed_negatives{topic!="", watch=""}'))
        .with_variable(choice("watch", 'newsquake_trend_observed_negatives{watch!="", topic=""}'))
        .with_variable(d.CustomVariable("window").label("Window").values("5m,1h,24h,7d").current(DAY))
        .annotation(
            d.AnnotationQuery()
            .name("More incidents open")
            .datasource(DATASOURCE)
            .expr("sum(delta(newsquake_open_incidents[2m])) > 0")
            .icon_color("red")
            .enable(enable=True)
        )
    )
    for row in (now, volume, topics, watches, mood, windows, flow, freshness, work):
        row(page)
    return page


def now(page: d.Dashboard) -> None:
    """Show what is alarming at this moment."""
    page.with_row(d.Row("Now"))
    for severity, colour in (("critical", "red"), ("warning", "orange"), ("info", "blue")):
        page.with_panel(
            number(
                f"Open incidents: {severity}",
                f'sum(newsquake_open_incidents{{severity="{severity}"}}) or vector(0)',
                steps=[(None, "green"), (1, colour)],
            )
        )
    page.with_panel(
        number(
            "Negative stories, last hour",
            f"newsquake_trend_observed_negatives{{{ALL}}}",
            steps=[(None, "text")],
            about="All topics together, copies of one story counted once.",
        )
    )
    page.with_panel(
        number(
            "Judged up to (age)",
            "time() - (newsquake_watermark_timestamp_seconds > 0)",
            unit="s",
            steps=[(None, "green"), (600, "orange"), (900, "red")],
            about="How far behind the clock the last judgement can be.",
        )
    )
    page.with_panel(
        number(
            "Sources failing",
            'sum(newsquake_sources{state="failing"})',
            steps=[(None, "green"), (1, "orange")],
            about="What these would have said is unknown, not calm.",
        )
    )
    page.with_panel(alarms())
    page.with_panel(firing())


def volume(page: d.Dashboard) -> None:
    """Show all news together, and how surprising it is."""
    page.with_row(d.Row("All news"))
    page.with_panel(band("Negative stories of the last hour, and what is normal", ALL, span=16))
    surprise = graph(
        "Surprise", "none", query(f"newsquake_trend_surprise_weeks{{{ALL}}}", "all news"), span=8
    )
    page.with_panel(surprise.description("Such a volume is seen once in so many weeks."))


def topics(page: d.Dashboard) -> None:
    """Repeat a panel per chosen topic: negative volume against its band."""
    page.with_row(d.Row("Negative volume by topic, against its expected band"))
    each = band("$topic", TOPICS, span=8, height=6)
    page.with_panel(each.repeat("topic").repeat_direction("h"))


def watches(page: d.Dashboard) -> None:
    """Repeat a panel per chosen watch; nothing where no watches are configured."""
    page.with_row(d.Row("Negative volume by watch, against its expected band"))
    each = band("$watch", WATCHES, span=8, height=6)
    page.with_panel(each.repeat("watch").repeat_direction("h"))


def mood(page: d.Dashboard) -> None:
    """Show the tone, by topic and by watch."""
    page.with_row(d.Row("Mood"))
    for title, metric, unit in (
        ("Net sentiment by topic", "newsquake_trend_net_sentiment", "percentunit"),
        ("Negative share by topic", "newsquake_trend_negative_share", "percentunit"),
        ("Surprise by topic (once in N weeks)", "newsquake_trend_surprise_weeks", "none"),
    ):
        page.with_panel(graph(title, unit, query(f"{metric}{{{TOPICS}}}", "{{topic}}"), span=8))
    page.with_panel(
        graph(
            "Net sentiment by watch",
            "percentunit",
            query(f"newsquake_trend_net_sentiment{{{WATCHES}}}", "{{watch}}"),
            span=12,
        )
    )
    page.with_panel(
        graph(
            "Surprise by watch (once in N weeks)",
            "none",
            query(f"newsquake_trend_surprise_weeks{{{WATCHES}}}", "{{watch}}"),
            span=12,
        )
    )


def windows(page: d.Dashboard) -> None:
    """Show the tone over the chosen window, how sure that is, and where it is going."""
    page.with_row(d.Row("Tone over $window"))
    everything = f'{ALL}, window="$window"'
    page.with_panel(
        graph(
            "Net sentiment of all news, with its 95% interval",
            "percentunit",
            *(
                query(f"newsquake_window_net_sentiment{bound}{{{everything}}}", legend)
                for bound, legend in (("_high", "upper bound"), ("", "tone"), ("_low", "lower bound"))
            ),
            span=8,
        )
    )
    for title, metric in (
        ("Negative share by topic", "newsquake_window_negative_share"),
        ("Momentum by topic (against the window before)", "newsquake_window_momentum"),
    ):
        each = query(f'{metric}{{{TOPICS}, window="$window"}}', "{{topic}}")
        page.with_panel(graph(title, "percentunit", each, span=8))


def flow(page: d.Dashboard) -> None:
    """Show what comes in: articles, polls, sources, incidents."""
    page.with_row(d.Row("Flow"))
    counted = 'rate(newsquake_articles_counted_total{topic=~"$topic"}[$__rate_interval])'
    page.with_panel(
        graph(
            "Articles by topic",
            "cps",
            query(f"sum by (topic) ({counted})", "{{topic}}"),
            span=12,
            stack=True,
        )
    )
    page.with_panel(
        graph(
            "Articles by sentiment",
            "cps",
            query(f"sum by (sentiment) ({counted})", "{{sentiment}}"),
            span=12,
            stack=True,
        )
    )
    page.with_panel(
        graph(
            "Items at the door",
            "cps",
            *(
                query(f"sum(rate(newsquake_articles_{what}_total[$__rate_interval]))", what)
                for what in ("observed", "admitted", "duplicate", "backfill")
            ),
            span=8,
        )
    )
    page.with_panel(
        graph(
            "Polls by outcome",
            "cps",
            query("sum by (outcome) (rate(newsquake_polls_total[$__rate_interval]))", "{{outcome}}"),
            span=8,
            stack=True,
        )
    )
    page.with_panel(
        graph(
            "Sources",
            "short",
            query("sum by (state) (newsquake_sources)", "{{state}}"),
            span=8,
            stack=True,
        )
    )


def freshness(page: d.Dashboard) -> None:
    """Show whether everything moves, how late it is, and whether alerts arrive."""
    page.with_row(d.Row("Freshness and delivery"))
    page.with_panel(
        graph(
            "Since last progress",
            "s",
            query("time() - (newsquake_last_progress_timestamp_seconds > 0)", "{{stage}}"),
            query("newsquake_watermark_age_seconds", "watermark age when last moved"),
            span=8,
        )
    )
    page.with_panel(
        graph(
            "Consumer lag (records)",
            "short",
            query("sum by (stage) (newsquake_consumer_lag_records)", "{{stage}}"),
            span=8,
        )
    )
    page.with_panel(quantiles("Observed to counted", "newsquake_observed_to_counted_seconds", "s", span=8))
    # These are rare, and a labelled counter first appears at 1: a rate would miss the first one.
    for title, metric, label in (
        ("Deliveries by outcome, since the start", "newsquake_deliveries_total", "outcome"),
        ("Dead letters, since the start", "newsquake_dead_letters_total", "reason"),
        ("Incident events, since the start", "newsquake_incidents_total", "event"),
    ):
        each = query(f"sum by ({label}) ({metric})", f"{{{{{label}}}}}")
        page.with_panel(graph(title, "short", each, span=8))
    answered = query("newsquake_alert_precision", "{{rule}}")
    precision = graph("Precision by rule, as people answered", "percentunit", answered, span=8)
    page.with_panel(precision.description("True among true and false alarm; no line before an answer."))


def work(page: d.Dashboard) -> None:
    """Show what the model costs, and which builds run."""
    page.with_row(d.Row("Model and builds"))
    page.with_panel(quantiles("Model time per batch", "newsquake_model_seconds", "s", span=6))
    page.with_panel(quantiles("Articles per batch", "newsquake_batch_articles", "short", span=6))
    page.with_panel(quantiles("Tokens per batch", "newsquake_batch_tokens", "short", span=6))
    page.with_panel(
        graph(
            "Scored, and cut short",
            "cps",
            query("sum(rate(newsquake_articles_scored_total[$__rate_interval]))", "scored"),
            query("sum(rate(newsquake_texts_truncated_total[$__rate_interval]))", "truncated"),
            span=6,
        )
    )
    serving = ["backend", "model", "reason"]
    page.with_panel(heading("Model in service", "newsquake_backend_info", serving, span=12))
    page.with_panel(heading("Builds", "newsquake_build_info", ["version", "python"], span=12))


def render() -> str:
    """Write the dashboard as it is committed: sorted keys, so that a change is easy to see."""
    built = dashboard().build()
    # The builders leave the ids out; links to a panel need them to be distinct and lasting.
    for number_of_panel, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number_of_panel
    return JSONEncoder(sort_keys=True, indent=2).encode(built) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(render(), encoding="utf-8")
