"""What can go wrong in training. The docstring of a class is its default message."""

from classifier.errors import ClassifierError


class TrainingError(ClassifierError):
    """training failed"""


class RecipeError(TrainingError):
    """the recipe cannot be used"""

    exit_status = 2


class DataError(TrainingError):
    """the training data cannot be used"""

    exit_status = 2


class ExportError(TrainingError):
    """the exported model does not say what the trained one says"""


class InterruptedTrainingError(TrainingError):
    """training was stopped; the same command goes on from the last checkpoint"""
