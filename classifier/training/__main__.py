"""`python -m classifier.training [RECIPE [DATA [OUT]]]`: `newsquake train` without newsquake."""

import sys
from pathlib import Path

from .errors import TrainingError
from .run import train


def main(arguments: list[str]) -> int:
    """Train; return the exit status."""
    names = ("recipe", "data", "out")
    if len(arguments) > len(names):
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    try:
        train(**dict(zip(names, map(Path, arguments), strict=False)))
    except TrainingError as error:
        print(f"training: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
