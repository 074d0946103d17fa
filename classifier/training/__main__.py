"""`python -m classifier.training [RECIPE [DATA [OUT]]]`: `newsquake train` without newsquake."""

import sys
from pathlib import Path

from .errors import TrainingError
from .recipe import DEFAULT
from .run import train

DEFAULTS = (str(DEFAULT), "../shared/data", "candidate")


def main(arguments: list[str]) -> int:
    """Train; return the exit status."""
    recipe, data, out = map(Path, [*arguments, *DEFAULTS[len(arguments):]][:3])
    if len(arguments) > len(DEFAULTS):
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    try:
        train(recipe, data, out)
    except TrainingError as error:
        print(f"training: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
