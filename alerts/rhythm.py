"""How a key's week differs from the one that all keys share: how deep its nights are, and its weekends.

A coin is traded day and night, companies are not. A key's own 168 hours take months to outweigh the
shared ones, and until then every weekend would be a burst. So the shared rhythm is compared with others, of
flatter days, flatter weeks or both, and a key has their mean, each as likely as its hours say.
Functions over all keys at once: each works on the rows of `state.ROW` element by element.
"""

import numpy as np
from numpy.typing import NDArray

from .keys import DAY_S
from .shape import HOUR_S, HOURS, Pool
from .state import RHYTHMS, RHYTHMS_PRIOR, Rows

_UPS = 10.0  # however many stories an hour has, they say no more: ups and downs last for hours
_LEAST = 1e-9

Floats = NDArray[np.float64]


def rhythms(pool: Pool) -> Floats:
    """Return the weeks to choose from, [rhythms, hours], each of the shared one's mean."""
    shared = np.array(pool.hours).reshape(7, 24)
    days = shared.mean(1, keepdims=True)
    nights, weekends = np.array(RHYTHMS).T[:, :, None, None]
    found = np.exp(nights * np.log(shared / days) + weekends * np.log(days)).reshape(-1, HOURS)
    return np.asarray(found * shared.mean() / found.mean(1, keepdims=True))


def hour_of_week(rows: Rows, weeks: Floats, hour: int) -> Floats:
    """Say how busy an hour of each key is, before its own hours are asked."""
    return np.asarray((rows["rhythm"] * weeks[:, hour]).sum(1))


def choose(rows: Rows, levels: Floats, pool: Pool) -> None:
    """Compare the rhythms, once a day, by what a key's hours had as shares of all that it had.

    The likelihood of a multinomial: neither the level nor how it drifts says anything.
    """
    due = np.flatnonzero(rows["known"] % max(DAY_S // pool.width_s, 1) == 0)
    if not len(due):
        return
    weeks, visits = rhythms(pool), rows["visits"][due].astype(np.float64)
    most = visits * _UPS * min(pool.width_s / HOUR_S, 1.0)
    weight = most / np.maximum(visits * levels[due, None] * np.array(pool.hours) + most, _LEAST)
    stories = weight * rows["seen"][due] * levels[due, None]
    logs = np.log(RHYTHMS_PRIOR) + np.stack([
        (stories * np.log(week / np.maximum((weight * visits * week).sum(1, keepdims=True), _LEAST))).sum(1)
        for week in weeks
    ], 1)
    likely = np.exp(logs - logs.max(1, keepdims=True))
    rows["rhythm"][due] = likely / likely.sum(1, keepdims=True)
