"""`newsquake backtest` as a user meets it: over a store, over files, under other rules, against labels."""

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import msgspec
import pytest

from alerts.retention import prune
from alerts.settings import AlertsSettings, Retention
from alerts.store import open_store
from tests.alerts.builders import count, history, judge_all
from tests.journeys.journey import Journey, write_archive

START = datetime(2026, 1, 5, tzinfo=UTC)
SURGE = START + timedelta(days=6, hours=12)
CALM = (
    "{} opens a new office in {}", "{} to present at a conference in {}",
    "{} names a head of logistics for {}",
    "{} signs a lease on a warehouse near {}", "{} publishes its calendar for {}",
    "{} moves its headquarters to {}",
)  # fmt: skip
NAMES = ("Aldermoor", "Brightwell", "Carnforth", "Dunmere", "Eskdale", "Fenwick", "Garston", "Holbeck")
CITIES = ("Lyon", "Porto", "Gdansk", "Turin", "Malmo", "Graz", "Bilbao", "Ghent", "Bergen", "Brno")
BAD = (
    "Harbour Bank shares plunge as regulator opens fraud probe",
    "Depositors flee Harbour Bank after losses widen",
    "Harbour Bank halts withdrawals, warns of insolvency & 'worse'",
    "Prosecutors raid Harbour Bank headquarters over false accounts",
    "Credit agency cuts Harbour Bank to junk on liquidity fears",
    "Harbour Bank chief resigns amid criminal investigation",
    "Lenders fall sharply on contagion fears from Harbour Bank collapse",
    "Harbour Bank bonds tumble to record low as default looms",
    "Investors sue Harbour Bank for hiding billions in bad loans",
    "Harbour Bank to cut 4,000 jobs after disastrous quarter",
    "Central bank rejects Harbour Bank plea for emergency aid",
    "Auditor quits Harbour Bank, citing misstated results",
    "Harbour Bank misses bond payment, triggering default clauses",
    "Trading in Harbour Bank suspended after shares crash 70 percent",
)


def archive(path):
    """Write a week of quiet news of one item an hour, and an hour in which a bank falls."""
    chance = random.Random(4)
    rows = [
        {"published": (START + timedelta(hours=hour, minutes=17)).isoformat(),
         "title": chance.choice(CALM).format(chance.choice(NAMES), chance.choice(CITIES)) + f", unit {hour}",
         "summary": "", "link": f"https://calm.example/{hour}", "source": f"Outlet {hour % 5}",
         "language": "en"}
        for hour in range(7 * 24)
    ]  # fmt: skip
    rows += [
        {"published": (SURGE + timedelta(minutes=4 * number)).isoformat(), "title": title, "summary": "",
         "link": "javascript:alert(1)" if number == 5 else f"https://bad.example/{number}?a=1&b=2",
         "source": f"Outlet {number % 5}", "language": "en"}
        for number, title in enumerate(BAD)
    ]  # fmt: skip
    return write_archive(path, sorted(rows, key=lambda row: row["published"]))


class Told(msgspec.Struct):
    """What a command printed, its incidents byte for byte."""

    incidents: msgspec.Raw


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The archive."""
    return archive(tmp_path_factory.mktemp("archive") / "week.csv")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, file):
    """A home after a replay of the archive, and the bytes of its incidents."""
    journey = Journey(tmp_path_factory.mktemp("replayed") / "home")
    finished = journey.run("replay", str(file), "--json")
    assert 0 == finished.status, finished.err
    return journey, bytes(msgspec.json.decode(finished.out, type=Told).incidents)


def told(journey, *arguments):
    """Run a backtest and return its line of JSON."""
    finished = journey.run("backtest", *map(str, arguments), "--json")
    assert 0 == finished.status, finished.err
    assert 1 == len(finished.out.splitlines())
    return finished.out


def incidents(out):
    """The bytes of the incidents."""
    return bytes(msgspec.json.decode(out, type=Told).incidents)


@pytest.fixture(scope="module")
def opened(replayed):
    """When the first incident opened."""
    (first, *_rest) = json.loads(replayed[1])
    at = datetime.fromisoformat(first["opened_at"])
    assert SURGE < at <= SURGE + timedelta(hours=1)
    return at


def test_over_the_store_it_says_what_the_replay_said(replayed, opened):
    """Byte for byte, and the sums fit."""
    journey, expected = replayed
    out = told(journey)
    found = json.loads(out)
    assert expected == incidents(out)
    assert len(found["incidents"]) == sum(each["incidents"] for each in found["by_key"])
    assert found["alerts_per_day"] == pytest.approx(len(found["incidents"]) / found["days"], abs=1e-3)
    assert 6.9 < found["days"] < 7.1
    assert not {"precision", "recall", "median_delay_minutes", "others"} & found.keys()


def scored(home):
    """What the streams of a backtest's own home hold."""
    (own,) = (home / "backtests").iterdir()
    lines = Journey(own).run("streams", "list").out.splitlines()
    return [line for line in lines if line.startswith("scored-articles")]


def test_over_files_it_says_the_same_and_scores_once(tmp_path, file, replayed):
    """A second backtest over the same file adds no scored article; its own topics would."""
    journey = Journey(tmp_path / "home")
    assert replayed[1] == incidents(told(journey, file))
    before = scored(journey.home)
    assert before
    copy = tmp_path / "other-name.csv"
    copy.write_bytes(file.read_bytes())
    assert replayed[1] == incidents(told(journey, copy))
    assert before == scored(journey.home)


def test_topics_of_ones_own_and_retention_do_not_get_lost(tmp_path, file):
    """The files' own home scores the topics of this one, and keeps what retention would take."""
    config = tmp_path / "c.toml"
    config.write_text("[alerts.retention]\narticles = 4\nbuckets = 15\nincidents = 7\n")
    journey = Journey(tmp_path / "home")
    added = journey.run("topics", "add", "Lender in trouble", "--description",
                        "A bank that halts withdrawals, defaults, collapses, is raided or sued")  # fmt: skip
    assert 0 == added.status, added.err
    found = json.loads(told(journey, file, "--config", config))
    assert 6.9 < found["days"] < 7.1
    shown = {key for one in found["incidents"] for key in (one["topic"], *(o["topic"] for o in one["also"]))}
    assert "Lender in trouble" in shown


@pytest.fixture
def strict(tmp_path):
    """Rules under which a surge needs more stories than there are."""
    rules = tmp_path / "strict.toml"
    rules.write_text('[[rules]]\nkind = "surge"\nmin_stories = 500\n')
    return rules


def test_other_rules_stand_beside_each_other(tmp_path, replayed, strict):
    """Given twice, both are judged; the first is the object, the other is in it."""
    loose = tmp_path / "loose.toml"
    loose.write_text("[alerts]\nfalse_alarms_per_week = 1.0\n")
    out = told(replayed[0], "--rules", loose, "--rules", strict)
    found = json.loads(out)
    assert replayed[1] == incidents(out)
    assert [str(loose), str(strict)] == [found["rules"], found["others"][0]["rules"]]
    assert ([], 0.0, []) == tuple(
        found["others"][0][name] for name in ("incidents", "alerts_per_day", "by_key")
    )


def labelled(tmp_path, *events):
    """Write labels."""
    path = tmp_path / "labels.csv"
    with path.open("w", newline="") as target:
        csv.writer(target).writerows([("topic", "watch", "start", "end"), *events])
    return path


def test_labels_give_precision_recall_and_delay(tmp_path, replayed, opened):
    """One event in which the incidents opened, after 40 and 10 minutes; one that nobody noticed."""
    found = json.loads(replayed[1])
    first, last = opened, max(datetime.fromisoformat(one["opened_at"]) for one in found)
    events = [
        ("", "", (first - timedelta(minutes=40)).isoformat(), last.isoformat()),
        ("", "", f"{first - timedelta(minutes=10):%Y-%m-%d %H:%M:%S}", last.isoformat()),
        ("", "", "2026-01-07", "2026-01-07"),
        ("", "", "2020-01-07", "2020-01-08"),  # before the period: neither hit nor missed
    ]
    told_ = json.loads(told(replayed[0], "--labels", labelled(tmp_path, *events)))
    assert (1.0, 2 / 3, 25.0) == (told_["precision"], told_["recall"], told_["median_delay_minutes"])


def test_since_and_until_bound_what_is_reported(replayed, opened):
    """From `since` on and before `until`; the baseline still rests on everything."""
    journey, everything = replayed
    after, before = f"{opened:%Y-%m-%dT%H:%M:%SZ}", f"{opened - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    assert everything == incidents(told(journey, "--since", after))
    assert [] == json.loads(told(journey, "--until", after))["incidents"]
    early = json.loads(told(journey, "--since", "2026-01-06", "--until", before))
    assert ([], 0.0) == (early["incidents"], early["alerts_per_day"])
    assert early["days"] == pytest.approx((opened - START).total_seconds() / 86_400 - 1 - 1 / 24, abs=0.01)


def test_page_and_csv_are_written_beside_the_json(tmp_path, replayed, strict):
    """Every headline of the evidence is on the page, as text; the files are whole."""
    page, folder = tmp_path / "report.html", tmp_path / "out"
    empty = tmp_path / "same.toml"
    empty.write_text("")
    labels = labelled(tmp_path, ("", "", "2026-01-07", "2026-01-07"))
    files = ("--page", page, "--csv", folder, "--labels", labels)
    found = json.loads(told(replayed[0], "--rules", empty, "--rules", strict, *files))
    html = page.read_text()
    assert html.startswith("<!doctype html>")
    assert "<script" not in html
    assert "javascript:" not in html
    titles = [each["title"] for one in found["incidents"] for each in one["evidence"]]
    assert [] == [title for title in titles if escape(title) not in html]
    assert 'class="missed"' in html
    with (folder / "incidents.csv").open() as source:
        assert [one["id"] for one in found["incidents"]] == [row["id"] for row in csv.DictReader(source)]
    with (folder / "hours.csv").open() as source:
        rows = [row for row in csv.DictReader(source) if row["rules"] == str(empty)]
    everything = [row for row in rows if not row["topic"] and not row["watch"]]
    assert 7 * 24 <= len(everything) <= 7 * 24 + 2
    assert sum(int(row["observed"]) for row in everything) >= len(BAD) - 2
    assert [] == [*tmp_path.glob("*.part"), *folder.glob("*.part")]


@pytest.mark.parametrize(
    ("event", "wrong"),
    [
        (("", "", "soon", "2026-01-07"), "line 2: Invalid isoformat string: 'soon'"),
        (("", "", "2026-01-08", "2026-01-06"), "line 2: it ends before it starts"),
    ],
)
def test_wrong_labels_are_wrong_usage(tmp_path, replayed, event, wrong):
    """Named with their line."""
    finished = replayed[0].run("backtest", "--labels", str(labelled(tmp_path, event)))
    assert (2, False) == (finished.status, "Traceback" in finished.err)
    assert wrong in finished.err


def test_counts_of_anybody_are_judged(tmp_path):
    """The rows come back with three columns more; what does not go with counts is refused."""
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    hours = [START + timedelta(hours=hour) for hour in range(15 * 24)]
    source.write_text("time,key,count\n" + "".join(
        f"{at.isoformat()},x,{60 if number == 350 else 3 + number % 3}\n" for number, at in enumerate(hours)
    ))  # fmt: skip
    journey = Journey(tmp_path / "home")
    finished = journey.run("backtest", "--counts", str(source), "--out", str(out))
    assert (0, "") == (finished.status, finished.out), finished.err
    with out.open() as judged:
        rows = list(csv.DictReader(judged))
    assert "1" == rows[350]["alert"]
    assert float(rows[350]["score"]) == max(float(row["score"]) for row in rows)
    refused = journey.run("backtest", "--counts", str(source), "--out", str(out), "--since", "2026-01-06")
    assert 2 == refused.status


def test_an_empty_home_has_nothing_to_say(tmp_path):
    """No failure: no days, no incidents; the page says so."""
    page = Path(tmp_path / "p.html")
    found = json.loads(told(Journey(tmp_path / "home"), "--page", page))
    assert ([], 0.0, 0.0) == (found["incidents"], found["days"], found["alerts_per_day"])
    assert "None in 0.0 days" in page.read_text()


def test_what_retention_took_is_not_taken_for_silence(tmp_path):
    """Ten days of sums, and the articles of the last four: it is four days that are judged."""
    home, settings = tmp_path / "home", AlertsSettings(topics=("Legal", "Energy"))
    home.mkdir()
    with open_store(f"sqlite:///{home}/store.db") as store:
        count(store, history(10), settings)
        judge_all(store, settings)
        whole = json.loads(told(Journey(home)))
        taken = sum(prune(store, Retention(articles=4), lambda: None))
    left = json.loads(told(Journey(home)))
    assert taken > 0
    assert (10.0, 4.0) == (pytest.approx(whole["days"], abs=0.2), pytest.approx(left["days"], abs=0.2))
