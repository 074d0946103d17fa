"""The stage scores what is in the log, in order, and loses nothing whatever happens."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from classifier.metrics import ClassifierMetrics
from classifier.settings import ClassifierSettings
from classifier.stage import Classifier
from tests.classifier.fakes import MemoryLog, ScriptedModel
from wire.embedded import EmbeddedLog
from wire.log import NewRecord
from wire.messages import Article, DeadLetter, Heartbeat, Label, ScoredArticle, decode, encode
from wire.metrics import StageMetrics

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
QUICK = ClassifierSettings(limit=16, within_s=0.01, chunk=4, retry_s=0.001, retry_max_s=0.004)


def article(number: int, title: str = "shares fall", text: str = "") -> bytes:
    """An article, encoded."""
    return encode(Article(
        id=f"a{number}", url="", title=title, text=text, source="wire", language="en",
        observed_at=BEGIN + timedelta(seconds=number), story_id=f"s{number}",
    ))


def heartbeat(number: int) -> bytes:
    """A heartbeat, encoded."""
    return encode(Heartbeat(through=BEGIN + timedelta(seconds=number), sources=3, failing=("x",)))


class Bench:
    """A stage on a log, run until the log's articles are settled."""

    def __init__(self, log, model, settings=QUICK) -> None:
        self.log, self.model = log, model
        self.registry = CollectorRegistry()
        self.stage = Classifier(
            log, model, settings, ClassifierMetrics(self.registry), StageMetrics(self.registry),
            now=lambda: BEGIN,
        )
        self.stop = threading.Event()

    def run_until(self, done, within_s=20.0) -> "Bench":
        """Run in a thread until `done()`; what the stage raises is raised here."""
        raised = []

        def work():
            try:
                self.stage.run(self.stop)
            except Exception as error:  # noqa: BLE001 - raised again below
                raised.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        deadline = time.monotonic() + within_s
        while thread.is_alive() and not done() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.stop.set()
        thread.join(10)
        assert not thread.is_alive()
        if raised:
            raise raised[0]
        assert done()
        return self

    def metric(self, name, **labels) -> float | None:
        return self.registry.get_sample_value(name, labels)


def memory_log(*values: bytes, partitions: int = 1) -> MemoryLog:
    """A log whose articles are these, dealt to the partitions in turn."""
    log = MemoryLog()
    log.create("articles", partitions)
    for number, value in enumerate(values):
        partition = number % partitions
        log.append("articles", [NewRecord(b"key %d" % number, value, partition)])
    return log


def all_settled(log: MemoryLog):
    """Say whether every article is settled."""
    return lambda: log.settled == log.bounds("articles").end


def names(values: list[bytes]) -> list[str]:
    """Ids of articles, times of heartbeats."""
    return [_name(decode(value)) for value in values]


def _name(message) -> str:
    if isinstance(message, Heartbeat):
        return message.through.strftime("%S")
    return message.article.id if isinstance(message, ScoredArticle) else message.id


def letters(log: MemoryLog) -> list[DeadLetter]:
    """The dead letters."""
    return [decode(value) for value in log.values("dead-letters")]


def test_articles_are_scored_and_heartbeats_stay_in_their_place(tiny_model, tmp_path):
    """On the embedded log, with a model of the real form."""
    with EmbeddedLog(tmp_path / "log.db") as log:
        log.create("articles")
        values = [article(1), heartbeat(2), article(3, "", "oil"), article(4, "中\x00"), heartbeat(5)]
        log.append("articles", [NewRecord(b"k", value) for value in values])

        def found() -> list[bytes]:
            with log.join("scored-articles", None) as reader:
                return [record.value for record in reader.take(99, 0).records]

        def done() -> bool:
            return log.settled("articles", "classifier") == {0: 5}

        bench = Bench(log, tiny_model).run_until(done)
        assert names(found()) == ["a1", "02", "a3", "a4", "05"]
        first = decode(found()[0])
        assert isinstance(first, ScoredArticle)
        assert encode(first.article) == values[0]
        assert first.model == tiny_model.name
        assert tuple(first.topics) == tiny_model.topics
        (expected,) = tiny_model.score(["shares fall"])
        assert first.topics == expected.topics
        assert first.sentiments == expected.sentiments
        assert found()[1] == values[1]
        assert bench.metric("newsquake_articles_scored_total") == 3
        assert bench.metric("newsquake_backend_info", backend="onnx", model=tiny_model.name,
                            reason="configured") == 1
        assert bench.metric("newsquake_consumer_lag_records", stage="classifier") == 0


def test_partitions_keep_their_numbers_and_order(tiny_model):
    """Every record leaves by the partition that it came from."""
    log = memory_log(*(article(n) if n % 5 else heartbeat(n) for n in range(40)), partitions=3)
    Bench(log, tiny_model).run_until(all_settled(log))
    assert len(log.held["scored-articles"]) == 3
    for number in range(3):
        expected = [f"a{n}" if n % 5 else f"{n:02}" for n in range(number, 40, 3)]
        assert names(log.values("scored-articles", number)) == expected
    keys = [record.key for record in log.held["scored-articles"][1]]
    assert keys == [record.key for record in log.held["articles"][1]]


def test_the_four_steps_are_in_order_and_membership_is_kept():
    """Take, score, append, settle; between two chunks a sign of life."""
    log = memory_log(*(article(n) for n in range(6)))
    log.events.clear()
    Bench(log, ScriptedModel()).run_until(all_settled(log))
    assert log.events[:6] == [
        "join", "take 16", "take 0", "take 0", "append scored-articles", "settle",
    ]
    assert log.events[-1] == "leave"


def test_title_and_text_are_joined_as_in_training():
    """The model reads what it was trained to read."""
    log = memory_log(article(1, "Profit falls", "poison"), article(2, "fine"))
    Bench(log, ScriptedModel(poison="Profit falls. poison")).run_until(all_settled(log))
    assert [letter.id for letter in letters(log)] == ["a1"]


def test_poison_is_bisected_out_and_nothing_is_lost():
    """Neighbours are scored, in their order; the bad ones are dead letters, whole."""
    log = memory_log(*(article(n, "poison" if n in {3, 9} else "oil") for n in range(12)), heartbeat(20))
    bench = Bench(log, ScriptedModel()).run_until(all_settled(log))
    expected = [f"a{n}" for n in range(12) if n not in {3, 9}]
    assert names(log.values("scored-articles")) == [*expected, "20"]
    assert [(letter.id, letter.reason) for letter in letters(log)] == [
        ("a3", "unscorable"), ("a9", "unscorable"),
    ]
    assert letters(log)[0].payload.encode() == article(3, "poison")
    assert letters(log)[0].time == BEGIN
    assert bench.metric("newsquake_dead_letters_total", stage="classifier", reason="unscorable") == 2


def test_a_broken_model_raises_and_buries_nothing():
    """A lost device is not a thousand bad articles."""
    log = memory_log(article(1), article(2))
    with pytest.raises(RuntimeError, match="device is gone"):
        Bench(log, ScriptedModel(broken=True)).run_until(all_settled(log))
    assert log.values("dead-letters") == []
    assert log.settled == {}


def test_a_batch_too_large_for_memory_is_split():
    """And no article is refused for it."""
    log = memory_log(*(article(n) for n in range(8)))
    Bench(log, ScriptedModel(fits=1)).run_until(all_settled(log))
    assert names(log.values("scored-articles")) == [f"a{n}" for n in range(8)]
    assert log.values("dead-letters") == []


def test_records_that_are_no_articles_become_dead_letters():
    """Undecodable bytes and strange messages, with the payload and where it stood."""
    label = encode(Label(
        article_id="a", field="topic", old="", new="", author="", time=BEGIN, way="CLI",
    ))
    log = memory_log(b"\xff{", article(1), label, b"")
    Bench(log, ScriptedModel()).run_until(all_settled(log))
    assert names(log.values("scored-articles")) == ["a1"]
    assert [letter.reason for letter in letters(log)] == ["undecodable", "unexpected", "undecodable"]
    assert letters(log)[0].payload == "\\xff{"
    assert "offset 2" in letters(log)[1].detail
    assert letters(log)[1].payload.encode() == label


def test_a_record_that_grew_too_large_becomes_a_dead_letter():
    """The others go on in order; the letter holds what fits."""
    log = memory_log(article(1), article(2, text='"' * 150_000), article(3))
    log.refuse_above(len(article(2, text='"' * 150_000)) + 50)
    Bench(log, ScriptedModel()).run_until(all_settled(log))
    assert names(log.values("scored-articles")) == ["a1", "a3"]
    (letter,) = letters(log)
    assert (letter.id, letter.reason) == ("a2", "too_large")
    assert "only the first" in letter.detail


def test_an_unavailable_log_is_tried_again_until_it_is_there():
    """What was appended in part is appended again; nothing is missing."""
    log = memory_log(*(article(n) for n in range(9))).fail_appends(3)
    Bench(log, ScriptedModel()).run_until(all_settled(log))
    found = names(log.values("scored-articles"))
    assert found[-9:] == [f"a{n}" for n in range(9)]
    assert len(found) == 3 * 4 + 9


def test_an_unavailable_log_does_not_hold_a_stop_back():
    """Stop ends the waiting, and nothing is settled."""
    log = memory_log(article(1)).fail_appends(10**6)
    slow = QUICK.model_copy(update={"retry_s": 60.0, "retry_max_s": 60.0})
    Bench(log, ScriptedModel(), slow).run_until(lambda: "leave" in log.events)
    assert log.settled == {}


def test_a_fenced_member_joins_again():
    """The batch comes again from what was settled."""
    log = memory_log(article(1), article(2)).fence(2)
    Bench(log, ScriptedModel()).run_until(all_settled(log))
    assert log.events.count("join") == 3
    assert names(log.values("scored-articles")) == ["a1", "a2"] * 3


def test_a_stop_in_the_middle_of_a_batch_leaves_it_unsettled():
    """It returns after the chunk in hand, and the batch comes again."""
    log = memory_log(*(article(n) for n in range(12)))
    model = ScriptedModel()
    bench = Bench(log, model)
    model.on_score = bench.stop.set
    bench.stage.run(bench.stop)
    assert log.settled == {}
    assert log.values("scored-articles") == []
    Bench(log, ScriptedModel()).run_until(all_settled(log))
    assert names(log.values("scored-articles")) == [f"a{n}" for n in range(12)]


def test_metrics_tell_batches_tokens_and_truncation():
    """Counted as they are scored."""
    log = memory_log(article(1, "x" * 100), article(2, "oil"), heartbeat(3))
    bench = Bench(log, ScriptedModel()).run_until(all_settled(log))
    assert bench.metric("newsquake_batch_articles_sum") == 2
    assert bench.metric("newsquake_batch_tokens_sum") == 103
    assert bench.metric("newsquake_model_seconds_count") == 1
    assert bench.metric("newsquake_texts_truncated_total") == 1
    assert bench.metric("newsquake_last_progress_timestamp_seconds", stage="classifier") > 0


def test_records_on_the_wire_are_plain_json(tiny_model):
    """Another language could read them."""
    log = memory_log(article(1))
    Bench(log, tiny_model).run_until(all_settled(log))
    found = json.loads(log.values("scored-articles")[0])
    assert found["type"] == "scored_article"
    assert set(found) == {
        "type", "schema_version", "article", "topics", "sentiments", "model", "truncated",
    }
