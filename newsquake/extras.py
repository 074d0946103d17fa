"""What is installed only where it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ConfigurationError

TRAIN = ("torch", "transformers", "safetensors", "sklearn", "matplotlib", "peft", "optuna")


@contextmanager
def needing_train(what: str) -> Iterator[None]:
    """Say which extra `what` needs where an import of it fails; any other failure is a bug."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in TRAIN:
            raise
        raise ConfigurationError(
            f"{what} needs {error.name}", "install the extra: pip install -e '.[train]'"
        ) from error
