"""Which days have no working day's rhythm: public holidays, exchanges' and a desk's own.

Without it a holiday is learned as any calm is: not at all while it lasts. What it spares is the
morning after, when a level that sank with the quiet takes a working day for a surge.
"""

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from pydantic import field_validator

from .frozen import Frozen
from .keys import DAY_S
from .zones import Zone

_SUNDAY = 6
_ANY_YEAR = 2024


class Calendar(Frozen):
    """Days that are judged, and learned from, as Sundays are.

    `holidays` names countries ("US"), parts of them ("GB-ENG") or exchanges ("NYSE"), by the codes
    of the package of that name; `dates` adds days. A day is a date in `zone`.
    """

    holidays: tuple[str, ...] = ()
    dates: tuple[dt.date, ...] = ()
    zone: Zone = "UTC"

    @field_validator("holidays")
    @classmethod
    def _codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            _days_of(code, _ANY_YEAR)
        return codes

    def like(self, bucket: int) -> int:
        """Return a time (seconds since 1970) in whose hour of the week a bucket's news is as usual."""
        if not (self.holidays or self.dates):
            return bucket
        day = dt.datetime.fromtimestamp(bucket, ZoneInfo(self.zone)).date()
        free = day in self.dates or any(day in _days_of(code, day.year) for code in self.holidays)
        return bucket + (_SUNDAY - day.weekday()) * DAY_S if free else bucket


EVERY_WEEK_ALIKE = Calendar()


@lru_cache(maxsize=1024)
def _days_of(code: str, year: int) -> frozenset[dt.date]:
    """Return the holidays of a year; raises ValueError where nobody is known by that code."""
    try:
        if code in holidays.list_supported_financial(include_aliases=True):
            return frozenset(holidays.financial_holidays(code, years=year))
        country, _, part = code.partition("-")
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError:
        raise ValueError(f"no holidays are known of {code!r}: name US, GB-ENG or NYSE, say") from None
