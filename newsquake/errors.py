"""What a command can fail with. The docstring of a class is its default message."""


class NewsquakeError(Exception):
    """the command failed"""

    exit_status = 1

    def __init__(self, message: str | None = None, hint: str = "") -> None:
        super().__init__(message or self.__doc__)
        self.hint = hint


class ConfigurationError(NewsquakeError):
    """the settings are wrong"""

    exit_status = 2


class StageStoppedError(NewsquakeError):
    """a stage stopped with an error"""


class StalledError(NewsquakeError):
    """nothing made progress before the deadline"""
