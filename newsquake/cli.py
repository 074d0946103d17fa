"""The command line. Each command imports what it needs when it runs, so that help is quick.

Results go to stdout; logs and progress to stderr. Exit status: 0 done, 1 failed, 2 wrong
usage or configuration.
"""

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from .calling import installation_of, settings_of
from .deliveries import deliveries_app
from .incidents import incidents_app

app = typer.Typer(
    name="newsquake",
    help="A seismograph for financial news.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
topics_app = typer.Typer(help="Topics of your own, beside the model's.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
streams_app = typer.Typer(help="Look at the streams of the log.", no_args_is_help=True)
app.add_typer(streams_app, name="streams")
app.add_typer(incidents_app, name="incidents")
app.add_typer(deliveries_app, name="deliveries")

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
GLOBAL_OPTIONS = ("--config", "--home", "--log-level")


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(envvar="NEWSQUAKE_CONFIG", help="Settings, a TOML file.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Every file that we write lives here.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Global options; they may stand before or after the command."""
    if log_level not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter("one of debug, info, warning, error", param_hint="--log-level")
    context.obj = {"config": config, "home": home, "log_level": log_level}


@app.command()
def demo(
    context: typer.Context,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop by itself after so many seconds.")
    ] = None,
    plain: Annotated[bool, typer.Option(help="Plain lines instead of the live view.")] = False,
) -> None:
    """Run the whole pipeline on a simulated newswire, with a receiver that checks each alert."""
    from .demo.run import run_demo

    if context.obj["log_level"] == "info":
        context.obj["log_level"] = "error"
    home = context.obj["home"] or Path("newsquake-home") / "demo"
    context.obj["home"] = home
    with installation_of(context) as here:
        run_demo(here, seconds, plain=plain)


@app.command()
def run(
    context: typer.Context,
    stages: Annotated[
        list[str] | None, typer.Argument(help="ingest, classifier, alerts, or all (default).")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the web endpoints; 0: a free one.")
    ] = None,
) -> None:
    """Run stages live until interrupted: Ctrl-C drains and exits."""
    from . import pipeline

    chosen = set(stages or ["all"])
    if unknown := chosen - {*pipeline.STAGES, "all"}:
        raise typer.BadParameter(f"no such stage: {', '.join(sorted(unknown))}")
    web = None if port is None else {"port": port}
    with installation_of(context, web=web) as here:
        every = pipeline.STAGES if "all" in chosen else tuple(chosen)
        pipeline.run(here, every, lambda url: typer.echo(f"listening on {url}", err=True))


@app.command()
def replay(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="CSV: published,title,summary,link,source,language; or .gz")
    ],
    speed: Annotated[str, typer.Option(help="max, or virtual seconds per second.")] = "max",
    log_direct: Annotated[
        bool, typer.Option("--log-direct", help="Skip HTTP: append to the log directly.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the JSON object.")] = False,
    deliver: Annotated[bool, typer.Option(help="Send alerts to the receivers.")] = False,
    ingest_only: Annotated[
        bool,
        typer.Option("--ingest-only", help="The other stages run elsewhere on the same log and store."),
    ] = False,
) -> None:
    """Send archived news through the whole pipeline on a virtual clock."""
    from . import replaying

    pace = replaying.parse_speed(speed)
    with installation_of(context, own_prefix=True) as here:
        outcome = replaying.run(
            here, files, pace, direct=log_direct, deliver=deliver, ingest_only=ingest_only
        )
    if not as_json:
        typer.echo(replaying.summary(outcome))
    typer.echo(outcome.to_json())


@app.command()
def backtest(
    context: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Archived news, as for replay; none: what the store holds.")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Settings (TOML) whose rules are tried; twice compares.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV topic,watch,start,end: what deserved an alert.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=TIMES, help="First day or time, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=TIMES, help="Before this day or time.")] = None,
    counts: Annotated[Path | None, typer.Option(help="Judge a CSV time,key,count instead of news.")] = None,
    out: Annotated[Path | None, typer.Option(help="With --counts: where the judged rows go.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write an HTML report with plots here.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write incidents.csv and hours.csv into this folder.")
    ] = None,
) -> None:
    """Show what rules would have alerted, over the store, archived news or counts."""
    from . import backtest_csv, backtest_page, backtesting

    if (counts is None) != (out is None):
        raise typer.BadParameter("--counts and --out go together")
    if counts is not None and out is not None:
        if files or labels or since or until or page or csv:
            raise typer.BadParameter("--counts goes with --out and --rules only")
        told = backtesting.judge_counts(settings_of(context), counts, out, rules or [])
        typer.echo(f"{told} rows judged", err=True)
        return
    with installation_of(context) as here:
        outcome = backtesting.run(here, files or [], rules or [], labels, utc(since), utc(until))
    if page is not None:
        backtest_page.write(outcome, page)
    if csv is not None:
        backtest_csv.write(outcome, csv)
    typer.echo(outcome.to_json(labelled=labels is not None) if as_json else backtesting.summary(outcome))


@app.command()
def classify(
    context: typer.Context,
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...")] = None,
    csv: Annotated[Path | None, typer.Option(help="Read the texts from this CSV file.")] = None,
    column: Annotated[str | None, typer.Option(help="The CSV's column of texts.")] = None,
) -> None:
    """Score texts (arguments, a CSV, or stdin, one a line): one JSON object a line."""
    from . import classifying

    if (csv is None) != (column is None):
        raise typer.BadParameter("--csv and --column go together")
    if csv is not None and texts:
        raise typer.BadParameter("give texts or --csv, not both")
    settings = settings_of(context)
    source = classifying.texts_of(texts, csv, column, sys.stdin.buffer)
    classifying.write(settings, source, sys.stdout.buffer)


@app.command()
def train(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Where the artifact goes; default: HOME/models/candidate.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe (TOML); default: the shipped one.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(envvar="NEWSQUAKE_DATA", help="Folder of the labelled sets."),
    ] = None,
    search: Annotated[
        int, typer.Option(min=0, metavar="N", help="First search the recipe's choices in N short runs.")
    ] = 0,
) -> None:
    """Train the model again, evaluate, calibrate and export it (extra `train`)."""
    from . import training

    training.run(settings_of(context), out, recipe, data, search)


@app.command()
def evaluate(
    context: typer.Context,
    data: Annotated[
        Path, typer.Option(help="CSV: text,label; or text and topic, sentiment; summary too.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="An artifact's folder; default: the model of the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write an HTML report with plots here.")] = None,
) -> None:
    """Hold a model against a labelled file: accuracy, F1, calibration, by class (extra `train`)."""
    from . import evaluating

    found = evaluating.run(settings_of(context), model, data, page)
    typer.echo(json.dumps(found) if as_json else evaluating.summary(found))


@app.command()
def check(context: typer.Context) -> None:
    """Check settings, sources, log, model and store, and say what is wrong."""
    from . import checking

    with installation_of(context) as here:
        findings = list(checking.findings(here))
    for finding in findings:
        typer.echo(finding.line())
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@topics_app.command("add")
def topics_add(
    context: typer.Context,
    name: str,
    description: Annotated[str, typer.Option(help="What it is about, in a sentence or two.")],
    examples: Annotated[
        Path | None, typer.Option(help="CSV of headlines that are about it: at most 50.")
    ] = None,
    ordinary: Annotated[
        Path | None, typer.Option(help="CSV of texts of the same kind that are not about it: at most 1,000.")
    ] = None,
    column: Annotated[str, typer.Option(help="The CSVs' column of texts.")] = "text",
    share: Annotated[float, typer.Option(help="How much of the news is about it, roughly.")] = 0.02,
) -> None:
    """Add a topic by a description and examples; nothing is trained. What runs reads it at its start."""
    from . import topics

    topic = topics.added(settings_of(context), name, description, examples, ordinary, column, share)
    typer.echo(f"{topic.name}: {len(topic.examples)} examples")


@topics_app.command("list")
def topics_list(context: typer.Context) -> None:
    """Print the model's topics and your own."""
    from . import topics

    for line in topics.listed(settings_of(context)):
        typer.echo(line)


@topics_app.command("remove")
def topics_remove(context: typer.Context, name: str) -> None:
    """Remove a topic of your own."""
    from . import topics

    topics.removed(settings_of(context), name)


@streams_app.command("list")
def streams_list(context: typer.Context) -> None:
    """Print each stream and its partitions with their first and end offsets."""
    from . import streams

    with installation_of(context) as here:
        for line in streams.listed(here.log):
            typer.echo(line)


@streams_app.command("lag")
def streams_lag(context: typer.Context) -> None:
    """Print how many records each stage has not settled yet."""
    from . import streams

    with installation_of(context) as here:
        for line in streams.lagging(here.log):
            typer.echo(line)


@streams_app.command("peek")
def streams_peek(
    context: typer.Context,
    stream: str,
    count: Annotated[int, typer.Option(min=1, help="How many records.")] = 10,
    last: Annotated[bool, typer.Option("--last", help="The last ones instead of the first.")] = False,
) -> None:
    """Print records of a stream as JSON lines; settles nothing."""
    from . import streams

    with installation_of(context) as here:
        for line in streams.peek(here.log, stream, count, last=last):
            typer.echo(line)


def utc(time: datetime | None) -> datetime | None:
    """Give a time without a zone that of UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def hoisted(arguments: list[str]) -> list[str]:
    """Put the global options first, wherever they stand before a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    first: list[str] = []
    rest: list[str] = []
    position = 0
    while position < end:
        word = arguments[position]
        taken = 1 + (word in GLOBAL_OPTIONS)
        into = first if word.split("=")[0] in GLOBAL_OPTIONS else rest
        into += arguments[position : min(position + taken, end)]
        position += taken
    return first + rest + arguments[end:]


def main() -> None:
    """Run the command line; expected failures are one line and a hint."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager's Ctrl-C
    try:
        app(args=hoisted(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; there is nobody to tell
        sys.exit(1)
    except Exception as error:
        from .failures import explain

        explanation = explain(error)
        if explanation is None:
            raise
        typer.echo(explanation.text, err=True)
        sys.exit(explanation.exit_status)
