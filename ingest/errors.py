"""What can go wrong in ingest. The docstring of a class is its default message."""


class IngestError(Exception):
    """ingest failed"""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class IngestBusyError(IngestError):
    """another live process ingests into this home already"""


class StreamRecreatedError(IngestError):
    """the stream was recreated since the index was written: use another home or delete ingest.db"""


class SourcesError(IngestError):
    """two sources have the same name"""


class ArchiveError(IngestError):
    """the archive cannot be read"""


class ReplayError(IngestError):
    """the local newswire did not deliver what it was given"""


class IndexStalledError(IngestError):
    """the log gives nothing more, though it says that there is more"""
