"""What kafka-python raises, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors as kafka

from .errors import (
    FencedError,
    LogError,
    LogUnavailableError,
    PositionLostError,
    RecordTooLargeError,
    StreamMismatchError,
    StreamUnknownError,
)

# In this order: a later row is more general.
_OURS: tuple[tuple[tuple[type[BaseException], ...], type[LogError]], ...] = (
    ((kafka.UnknownTopicOrPartitionError, kafka.InvalidTopicError), StreamUnknownError),
    ((kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError), RecordTooLargeError),
    (
        (kafka.OffsetOutOfRangeError, kafka.NoOffsetForPartitionError, kafka.LogTruncationError),
        PositionLostError,
    ),
    (
        (kafka.CommitFailedError, kafka.IllegalGenerationError, kafka.UnknownMemberIdError,
         kafka.RebalanceInProgressError, kafka.FencedInstanceIdError),
        FencedError,
    ),
    ((kafka.InvalidPartitionsError,), StreamMismatchError),
    ((kafka.RetriableError, OSError, TimeoutError), LogUnavailableError),
    ((kafka.KafkaError,), LogError),
)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn kafka-python's errors into ours, with `what` we were doing and the cause chained."""
    try:
        yield
    except (kafka.KafkaError, OSError, TimeoutError) as error:
        raise translated(error, what) from error


def translated(error: BaseException, what: str) -> LogError:
    """Choose our error for one of kafka-python's."""
    ours = next((ours for theirs, ours in _OURS if isinstance(error, theirs)), LogError)
    return ours(f"{what}: {error}")
