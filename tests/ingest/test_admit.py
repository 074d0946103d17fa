"""The admitter's decisions, and the steps that make them durable."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingest.admit import Candidate, Memory, admit, is_backfill
from ingest.entries import entry
from ingest.index import Index
from ingest.writer import Writer, create_streams
from wire.errors import RecordTooLargeError, StreamMismatchError
from wire.messages import Heartbeat
from wire.metrics import StageMetrics

NOON = datetime(2022, 11, 8, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def candidate(number, not_before=NOON, title=None, **more):
    """Make a candidate with an id of its own."""
    item = entry(title=f"t{number}" if title is None else title, link=f"https://x.org/{number}")
    return Candidate(item.id("s"), item, "s", not_before, **more)


batches = st.lists(
    st.builds(candidate, st.integers(0, 20), st.sampled_from([NOON, NOON + DAY, NOON - DAY]),
              st.sampled_from([None, "same", ""])),
    max_size=30,
)


@given(batches, st.sampled_from([None, NOON, NOON + DAY]))
def test_stamps_strictly_increase_and_nothing_is_admitted_twice(candidates, last):
    """Whatever the clock does, each article is stamped once, after the one before it."""
    found = admit(candidates, Memory(last=last))
    stamps = [*([last] if last else []), *(article.observed_at for article in found.articles)]
    assert sorted(set(stamps)) == stamps
    ids = [article.id for article in found.articles]
    assert len(set(ids)) == len(ids)
    assert {item.id for item in candidates} == {*ids, *(letter.id for letter in found.dead)}


@given(batches, st.data())
def test_a_batch_decided_again_gives_the_rest_what_they_would_have_got(candidates, data):
    """Any part of the articles may have been written before the crash."""
    candidates = sorted(candidates, key=lambda item: (item.not_before, item.id))
    calm = admit(candidates, Memory(last=NOON - DAY)).articles
    written = [article for article in calm if data.draw(st.booleans())]
    known = {article.id: article.observed_at for article in written}
    rest = admit(candidates, Memory(known=known, last=NOON - DAY)).articles
    expected = {article.id: article.observed_at for article in calm}
    assert expected == known | {article.id: article.observed_at for article in rest}


@pytest.mark.parametrize(("ago_s", "interval_s", "expected"), [
    (None, 300, True), (3599, 300, False), (3601, 300, True), (86_400, 86_400, False),
    (260_000, 86_400, True),
])
def test_backfill_is_a_first_poll_or_one_after_a_gap(ago_s, interval_s, expected):
    """A gap is an hour, or three intervals of a slow source."""
    succeeded = None if ago_s is None else NOON - timedelta(seconds=ago_s)
    assert expected == is_backfill(NOON, succeeded, interval_s=interval_s, gap_s=3600)


def test_an_entry_without_words_is_a_dead_letter_once(log, tmp_path, messages):
    """It is told with its link, and not again when the feed still shows it."""
    create_streams(log)
    with Index(tmp_path) as index:
        writer = Writer(log, index, StageMetrics(CollectorRegistry()))
        for _ in range(2):
            writer.write(writer.decide([candidate(1, title="")], None))
    found = [(letter.reason, letter.stage) for letter in messages(log, "dead-letters")]
    assert [("empty", "ingest")] == found


class Narrow:
    """A log that refuses records above a size, with everything appended beside them."""

    def __init__(self, log, limit):
        self._log, self._limit = log, limit

    def __getattr__(self, name):
        return getattr(self._log, name)

    def append(self, stream, records):
        """Append all or none."""
        if any(len(record.value) > self._limit for record in records):
            raise RecordTooLargeError
        self._log.append(stream, records)


def test_one_article_that_is_too_large_costs_nobody_else(log, tmp_path, messages):
    """The others are appended, the heartbeat too; the large one is a dead letter."""
    create_streams(log)
    narrow = Narrow(log, 1000)
    with Index(tmp_path) as index:
        writer = Writer(narrow, index, StageMetrics(CollectorRegistry()))
        batch = [candidate(1), candidate(2, title="w" * 1500), candidate(3)]
        appended = writer.write(writer.decide(batch, None), closing=[Heartbeat(through=NOON)])
    titles = [getattr(message, "title", "beat") for message in messages(log, "articles")]
    assert ["beat", "t1", "t3"] == titles
    assert ["t1", "t3"] == [article.title for article in appended]
    assert ["too_large"] == [letter.reason for letter in messages(log, "dead-letters")]


def test_partitions_that_are_asked_for_must_be_there(log):
    """A stream with another number of partitions is not written to silently."""
    create_streams(log)
    create_streams(log)
    with pytest.raises(StreamMismatchError):
        create_streams(log, partitions=3)
