"""What can go wrong in `alerts`. The docstring of a class is its default message."""


class AlertsError(Exception):
    """something failed while counting, judging or delivering"""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class StoreError(AlertsError):
    """the store failed"""

    retryable = False


class StoreBusyError(StoreError):
    """the store is locked or cannot be reached now"""

    retryable = True


class StaleError(AlertsError):
    """somebody else has moved this position or taken this lease: the transaction was rolled back"""


class CountsError(AlertsError):
    """counts cannot be judged as they are"""

    exit_status = 2
