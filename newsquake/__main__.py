"""`python -m newsquake` is the command line."""

from .cli import main

main()
