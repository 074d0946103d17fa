"""The command line as a user meets it."""

import json
from pathlib import Path

import pytest

from newsquake.cli import hoisted
from tests.journeys.journey import Journey


@pytest.fixture
def journey(tmp_path: Path) -> Journey:
    """A home of its own."""
    return Journey(tmp_path / "home")


def test_global_options_may_stand_after_the_command() -> None:
    """They are put first, with their values; what follows `--` is left alone."""
    given = ["classify", "--home", "h", "--config=c.toml", "a", "--", "--home", "x"]
    assert hoisted(given) == ["--home", "h", "--config=c.toml", "classify", "a", "--", "--home", "x"]


def test_classify_keeps_order_and_count(journey: Journey) -> None:
    """Each text, an empty one too, gives one object with the fixed fields."""
    texts = ["Bank shares plunge after probe", "", "石油价格上涨", "Retailer lifts outlook"]
    finished = journey.run("classify", *texts)
    assert finished.status == 0, finished.err
    found = [json.loads(line) for line in finished.out.splitlines()]
    assert len(found) == len(texts)
    fields = {"topic", "topics", "sentiment", "sentiments", "model", "truncated"}
    assert {frozenset(each) for each in found} == {frozenset(fields)}
    assert all(abs(sum(each["topics"].values()) - 1) < 1e-5 for each in found)
    assert found[0]["sentiment"] == "negative"


def test_a_topic_of_ones_own_is_added_scored_and_removed(journey: Journey, tmp_path: Path) -> None:
    """By a description and a CSV of examples; it stands beside the model's topics in every answer."""
    examples = tmp_path / "ships.csv"
    examples.write_text("text\nFreight rates double as ships avoid the canal\nPort clears its queue\n")
    text = "Tanker rates climb as vessels wait outside the strait"
    described = ("--description", "Container lines, freight rates, ports, canals and cargo ships")
    added = journey.run("topics", "add", "Shipping", *described, "--examples", str(examples))
    assert (0, "Shipping: 2 examples\n") == (added.status, added.out)
    assert "Shipping (yours, 2 examples)" in journey.run("topics", "list").out
    assert "Shipping" == json.loads(journey.run("classify", text).out)["topic"]
    assert 0 == journey.run("topics", "remove", "Shipping").status
    assert "Shipping" not in json.loads(journey.run("classify", text).out)["topics"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Dividend", "--description", "x"), "is a topic of the model"),
        (("add", "Ships", "--description", "x", "--share", "0.7"), "share"),
        (("remove", "Ships"), "no topic 'Ships' of your own"),
    ],
)
def test_a_topic_that_cannot_be_is_refused(journey: Journey, arguments: tuple[str, ...], said: str) -> None:
    """In one line that says why; nothing is kept."""
    finished = journey.run("topics", *arguments)
    assert 2 == finished.status
    assert said in finished.err
    assert "yours" not in journey.run("topics", "list").out


def test_a_missing_column_is_one_line_and_a_wrong_usage(journey: Journey, tmp_path: Path) -> None:
    """The message names the columns that there are."""
    file = tmp_path / "a.csv"
    file.write_text("title,label\nx,y\n")
    finished = journey.run("classify", "--csv", str(file), "--column", "text")
    assert finished.status != 0
    assert "title" in finished.err
    assert "Traceback" not in finished.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("replay", "absent.csv"), 1, "absent.csv"),
        (("replay", "x.csv", "--speed", "fast"), 2, "--speed fast"),
        (("run", "everything"), 2, "no such stage"),
        (("--config", "absent.toml", "check"), 2, "no such file"),
        (("streams", "peek", "nothing"), 1, "nothing"),
        (("train", "--recipe", "absent.toml"), 2, "absent.toml"),
        (("train", "--data", "absent"), 2, "no such file as absent"),
    ],
)
def test_errors_are_short(
    journey: Journey, arguments: tuple[str, ...], status: int, said: str
) -> None:
    """Expected failures say what is wrong, with the fixed exit status and no traceback."""
    finished = journey.run(*arguments)
    assert (finished.status, "Traceback" in finished.err) == (status, False), finished.err
    assert said in finished.err


def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    journey: Journey, tmp_path: Path
) -> None:
    """A misspelt setting and a bad value are both named; a secret never appears."""
    config = tmp_path / "bad.toml"
    config.write_text('[alerts]\nbatch_wait_s = "hunter2"\n[ingest]\nheartbeats = 1\n')
    finished = journey.run("--config", str(config), "check")
    assert finished.status == 2
    assert "alerts.batch_wait_s" in finished.err
    assert "ingest.heartbeats" in finished.err
    assert "hunter2" not in finished.err


def test_evaluate_prints_the_measures_and_writes_the_page(journey: Journey, tmp_path: Path) -> None:
    """One JSON object with what the design fixes, and a page beside it; a bad label is named."""
    file, page = tmp_path / "a.csv", tmp_path / "a.html"
    file.write_text("text,label\nHarbour Bank halts withdrawals,negative\nPort reopens,positive\n")
    finished = journey.run("evaluate", "--data", str(file), "--page", str(page), "--json")
    assert finished.status == 0, finished.err
    found = json.loads(finished.out)
    assert {"accuracy", "macro_f1", "weighted_f1", "ece", "per_class"} <= found.keys()
    assert (found["head"], found["texts"]) == ("sentiment", 2)
    assert page.read_text().startswith("<!doctype html>")
    file.write_text("text,label\nPort reopens,sunny\n")
    refused = journey.run("evaluate", "--data", str(file))
    assert (refused.status, "Traceback" in refused.err) == (2, False)
    assert "row 2: unknown topic 'sunny'" in refused.err


def test_check_says_what_is_right_and_what_is_not(journey: Journey) -> None:
    """A fresh home passes; a broker that is away is a finding, not a traceback."""
    finished = journey.run("check")
    assert finished.status == 0, finished.out + finished.err
    away = Journey(journey.home, {"NEWSQUAKE_LOG": "kafka://127.0.0.1:1"}).run("check")
    assert away.status == 1
    assert "BAD log" in away.out


def test_check_names_the_sources_and_receivers_that_fail(journey: Journey, tmp_path: Path) -> None:
    """A source that cannot be reached and a secret that is none are findings of their own."""
    config = tmp_path / "c.toml"
    config.write_text(
        '[[sources]]\nname = "Closed port"\nurl = "http://127.0.0.1:1/feed"\nallow_private = true\n'
        '[[sources]]\nname = "Inside"\nurl = "http://127.0.0.1:1/feed"\n'
        '[[receivers]]\nname = "risk-desk"\nurl = "https://hooks.example"\nsecret = "hunter2"\n'
    )
    finished = journey.run("--config", str(config), "check")
    assert finished.status == 1
    lines = finished.out.splitlines()
    assert [line.split(": ")[1:3] for line in lines if line.startswith("BAD source:")] == [
        ["Closed port", "connect"], ["Inside", "address"],
    ]
    assert "BAD sources: 0 of 2 answer, with 0 entries" in lines
    assert any(line.startswith("BAD receiver: risk-desk: a webhook secret") for line in lines)
    assert "hunter2" not in finished.out + finished.err


def test_streams_show_what_a_replay_left(journey: Journey, tmp_path: Path) -> None:
    """List, lag and peek agree with what was replayed."""
    file = tmp_path / "one.csv"
    file.write_text("published,title,link\n2026-01-05T10:00:00Z,Port reopens,https://a.example/1\n")
    assert journey.replay(file)["counted"] == 1
    listed = journey.run("streams", "list").out
    assert {"articles", "scored-articles"} <= {line.split("\t")[0] for line in listed.splitlines()}
    lag = journey.run("streams", "lag").out.splitlines()
    assert [line.split("\t")[-1] for line in lag] == ["lag=0", "lag=0"]
    first = json.loads(journey.run("streams", "peek", "articles", "--count", "1").out.splitlines()[0])
    assert first["value"]["title"] == "Port reopens"
