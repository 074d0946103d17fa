"""What can go wrong in the classifier. The docstring of a class is its default message."""


class ClassifierError(Exception):
    """the classifier failed"""

    def __init__(self, message: str | None = None, hint: str = "") -> None:
        super().__init__(message or self.__doc__)
        self.hint = hint


class ArtifactError(ClassifierError):
    """the model's files are not what its manifest says"""


class BackendError(ClassifierError):
    """the backend that was asked for cannot run here"""


class InputError(ClassifierError):
    """the texts cannot be read"""

    exit_status = 2


class ScoringError(ClassifierError):
    """the model gives no usable answer for a text"""


class MemoryExhaustedError(ClassifierError):
    """the batch does not fit into memory"""
