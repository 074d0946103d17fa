"""Training of the model: `train` does it all; `python -m classifier.training` calls it."""

from .run import train

__all__ = ["train"]
