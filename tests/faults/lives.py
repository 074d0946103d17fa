"""Many short lives of the alerts stage on one home: each is killed at one of its durable steps.

    lives.py HOME STEPS THROUGH [LOG [STORE]]

A fork dies by SIGKILL at the first of STEPS ("3,4,5": boundaries, 0 is none), the next one at the
second, and so on round and round, until one lives to judge everything before THROUGH (microseconds).
Prints how many died.
"""

import os
import signal
import sys
import traceback
from itertools import cycle, islice
from pathlib import Path

from tests.alerts.child import SETTINGS, work

# Small transactions, so that a death falls between any two of them.
FINE = SETTINGS.model_copy(update={"batch_articles": 12, "buckets_per_transaction": 2})
MOST = 300


def live(home: Path, last: int, through: int, log: str, store: str) -> int:
    """Work in a fork; return how it ended: an exit status, or less than 0 where it was killed."""
    fork = os.fork()
    if fork:
        return os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    try:
        work(home, last, through, FINE, log=log, store=store)
    except BaseException:  # noqa: BLE001  a fork must never go on as its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main(
    home: Path, steps: list[int], through: int, log: str = "embedded", store: str = ""
) -> int:
    """Live over and over; return the exit status of the life that was not cut short."""
    for deaths, step in enumerate(islice(cycle(steps), MOST)):
        status = live(home, step, through, log, store)
        if status != -signal.SIGKILL:
            print(deaths)
            return status
    return 1


if __name__ == "__main__":
    home, steps, through, *places = sys.argv[1:]
    sys.exit(main(Path(home), [int(step) for step in steps.split(",")], int(through), *places))
