"""What can go wrong in training. The docstring of a class is its default message."""


class TrainingError(Exception):
    """training failed"""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class RecipeError(TrainingError):
    """the recipe cannot be used"""


class DataError(TrainingError):
    """the training data cannot be used"""


class ExportError(TrainingError):
    """the exported model does not say what the trained one says"""


class InterruptedTrainingError(TrainingError):
    """training was stopped; the same command goes on from the last checkpoint"""
