"""What an incident rests on, and what would have had to be missing for it not to open. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from wire.messages import Counterfactual, Leader, Proof

from .keys import BUCKET_S, WEEK_S, Key
from .rules import Rule
from .state import Rows
from .stories import First, Row
from .surprise import Surprise, likeliest
from .watches import Matcher

LEADERS = 5


def enough(stories: Sequence[Row], surprise: Surprise, rule: Rule) -> bool:
    """Whether a window has the stories and origins that the rule asks for."""
    origins = len({row.source for row in stories})
    return surprise.observed >= rule.min_stories and origins >= rule.min_origins


def made(
    fresh: Iterable[First], key: Key, surprise: Surprise, since: int, known: int,
    needs: Counterfactual | None, matcher: Matcher,
) -> Proof:  # fmt: skip
    """Sum up the news of a key in the window from `since` on, against the day before it."""
    mine = [first.row for first in fresh if key in first.keys]
    window = [row for row in mine if row.bucket >= since]
    stories = [row for row in window if row.sentiment == "negative"]
    watches = Counter(name for row in stories for name in matcher.subjects(row.title))
    return Proof(
        window_s=surprise.buckets * BUCKET_S,
        factor=round(surprise.observed / max(surprise.expected, 1e-6), 2),
        baseline_weeks=round(known * BUCKET_S / WEEK_S, 2),
        negative_share=_share(window),
        negative_share_before=_share([row for row in mine if row.bucket < since]),
        origins=len({row.source for row in stories}),
        sources=_leaders(Counter(row.source for row in stories)),
        watches=_leaders(watches),
        counterfactual=needs,
    )


def _share(rows: Sequence[Row]) -> float:
    negative = sum(row.sentiment == "negative" for row in rows)
    return round(negative / len(rows), 4) if rows else 0.0


def _leaders(counts: Counter[str]) -> tuple[Leader, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Leader(name=name, stories=number) for name, number in ordered[:LEADERS])


def counterfactual(
    if_counted: Callable[[Rows, Rows, int, NDArray[np.int64]], Rows], before: Rows, after: Rows,
    bucket: int, surprise: Surprise, window: Callable[[Surprise], Sequence[Row]],
    *, threshold: float, rule: Rule,
) -> Counterfactual | None:  # fmt: skip
    """Name the fewest stories, the last seen first, without which the bucket would not have fired.

    The bucket before did not fire, so those of this bucket are mostly enough; they are taken away
    one by one and the bucket judged again, from the key's row `before` it, in the window that is
    the likeliest then. None where it fires without any (a window turned up that has the stories),
    and where articles or origins are counted, of which a story is no unit.
    """
    last = sorted(
        (row for row in window(surprise) if row.bucket == bucket),
        key=lambda row: (row.observed_at, row.id),
    )
    if rule.counts != "stories" or not last:
        return None
    rows = if_counted(before, after, bucket, np.arange(len(last), dtype=np.int64))
    for left in range(len(last) - 1, -1, -1):
        gone = {row.id for row in last[left:]}
        fewer = likeliest(rows[left], bucket, BUCKET_S, float(rows["weeks"][left]))
        rest = [row for row in window(fewer) if row.id not in gone]
        if fewer.weeks < threshold or not enough(rest, fewer, rule):
            return Counterfactual(
                fires_from=surprise.observed - len(gone) + 1,
                without=tuple(row.id for row in reversed(last[left:])),
            )
    return None
