"""What stands on the wire: golden files per version, round trips, and tolerance of neighbours."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT

from tests.wire.messages_of_every_kind import ARTICLE, HEARTBEAT, MESSAGES, NOON
from wire.errors import BadMessageError
from wire.messages import (
    MESSAGES as KINDS,
)
from wire.messages import (
    SENTIMENTS,
    Article,
    DeadLetter,
    Heartbeat,
    Message,
    ScoredArticle,
    decode,
    encode,
)

GOLDEN = Path(__file__).parent / "golden"


def name(message: Message) -> str:
    """Return the tag of a message."""
    return str(message.__struct_config__.tag)


def test_every_kind_has_an_example() -> None:
    """A new kind of message comes with a golden file."""
    assert list(KINDS) == [type(message) for message in MESSAGES]


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_version_1_is_written_as_it_always_was(message: Message) -> None:
    """The bytes on the wire are those of the golden file."""
    golden = (GOLDEN / "1" / f"{name(message)}.json").read_bytes()

    assert golden == encode(message) + b"\n"


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_version_1_is_still_read(message: Message) -> None:
    """What an older stage has written means the same to this one."""
    golden = (GOLDEN / "1" / f"{name(message)}.json").read_bytes()

    assert message == decode(golden)


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_unknown_fields_are_ignored_at_every_depth(message: Message) -> None:
    """A newer writer may add fields before its readers know them."""
    assert message == decode(json.dumps(_grown(json.loads(encode(message)))).encode())


def _grown(value: object) -> object:
    """Add a field to every object that is a message or part of one."""
    if isinstance(value, list):
        return [_grown(each) for each in value]
    if not isinstance(value, dict):
        return value
    grown = {key: _grown(each) for key, each in value.items()}
    labels = {"topics", "sentiments", "also", "feedback"}
    for key in labels & value.keys():
        grown[key] = value[key]
    return grown | {"added_in_version_9": {"deep": [1]}}


@pytest.mark.parametrize("message", MESSAGES, ids=name)
def test_missing_new_fields_are_filled_in(message: Message) -> None:
    """A message without the fields that have defaults is what an older writer sent."""
    written = json.loads(encode(message))
    optional = {f.name for f in msgspec.structs.fields(message) if not f.required}
    older = {key: value for key, value in written.items() if key not in optional}

    found = decode(json.dumps(older).encode())

    for field in msgspec.structs.fields(message):
        default = field.default if field.default_factory is NODEFAULT else field.default_factory()
        expected = getattr(message, field.name) if field.required else default
        assert expected == getattr(found, field.name)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"null", b"{}", b"[]", b"\xff\xfe", b"{", b'{"type":"article"}',
        b'{"type":"something_else"}', b'{"type":"heartbeat","through":"yesterday"}',
        b'{"type":"heartbeat","through":"2026-03-02T12:00:00"}',
        b'{"type":"heartbeat","through":"2026-03-02T12:00:00Z","sources":"many"}',
        b'{"type":"heartbeat","through":"2026-03-02T12:00:00Z"}x',
        b'{"type":"heartbeat","deep":' + b"[" * 100_000,
    ],
)
def test_what_is_no_message_of_ours_is_a_bad_message(payload: bytes) -> None:
    """One error for all of it, with a reason."""
    with pytest.raises(BadMessageError, match=r".+"):
        decode(payload)


def test_a_probability_above_one_is_a_bad_message() -> None:
    """Numbers out of range do not get past the reader."""
    with pytest.raises(BadMessageError, match="topics"):
        decode(encode(ScoredArticle(article=ARTICLE, topics={"a": 1.5}, sentiments={}, model="m")))


def test_text_that_is_no_unicode_is_a_bad_message() -> None:
    """A lone surrogate cannot be written as UTF-8."""
    with pytest.raises(BadMessageError):
        encode(DeadLetter(
            id="a", stage="ingest", reason="r", detail="\ud800", payload="", time=NOON,
        ))


def test_times_are_the_same_moment_in_any_zone() -> None:
    """An offset is read for what it is."""
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert HEARTBEAT == decode(encode(msgspec.structs.replace(HEARTBEAT, through=there)))


moments = st.datetimes(
    datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)
)
articles = st.builds(
    Article, id=st.text(), url=st.text(), title=st.text(), text=st.text(), source=st.text(),
    language=st.text(), observed_at=moments, story_id=st.text(),
    published_at=st.none() | moments, backfill=st.booleans(),
)
probabilities = st.floats(0, 1)
messages = st.one_of(
    articles,
    st.builds(
        ScoredArticle, article=articles, topics=st.dictionaries(st.text(), probabilities),
        sentiments=st.dictionaries(st.sampled_from(SENTIMENTS), probabilities),
        model=st.text(), truncated=st.booleans(),
    ),
    st.builds(
        Heartbeat, through=moments, sources=st.integers(0, 10_000),
        failing=st.lists(st.text()).map(tuple),
    ),
    st.builds(
        DeadLetter, id=st.text(), stage=st.sampled_from(["ingest", "classifier", "alerts"]),
        reason=st.text(), detail=st.text(), payload=st.text(), time=moments,
    ),
)


@given(messages)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    """Any text, time and probability survives the wire, to the bit and the microsecond."""
    assert message == decode(encode(message))


@given(messages, st.data())
def test_damage_is_an_error_or_a_message(message: Message, data: st.DataObject) -> None:
    """A cut or a flipped byte raises BadMessageError at worst."""
    payload = bytearray(encode(message))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(payload), bytes(payload[:place])):
        try:
            assert isinstance(decode(damaged), Message)
        except BadMessageError:
            continue
