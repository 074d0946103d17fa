"""What can go wrong between the stages. The docstring of a class is its default message."""


class WireError(Exception):
    """something failed between two stages"""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class BadMessageError(WireError):
    """the record is not a message of ours"""


class LogError(WireError):
    """the log failed"""

    retryable = False


class LogUnavailableError(LogError):
    """the log cannot be reached or written now (broker away, disk full, file locked)"""

    retryable = True


class StreamUnknownError(LogError):
    """no such stream"""


class StreamMismatchError(LogError):
    """the stream exists with another number of partitions"""


class RecordTooLargeError(LogError):
    """the record is larger than the log accepts"""


class PositionLostError(LogError):
    """the log no longer has this position (pruned, past the end, or recreated)"""


class MemberBusyError(LogError):
    """another live process is this group's member already"""


class FencedError(LogError):
    """somebody else has taken over: this settle or commit is stale"""
