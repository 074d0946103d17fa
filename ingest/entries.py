"""What a source shows, before it is an Article."""

import re
from dataclasses import dataclass
from datetime import datetime

from .identity import article_id, clean_link
from .text import MAX_TEXT, MAX_TITLE, clean

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed in plain text. Make it with `entry`; any field but the time may be empty."""

    title: str
    text: str
    link: str
    guid: str
    language: str
    published_at: datetime | None

    def id(self, source: str) -> str:
        """Return the article's id, by the rule in `identity`."""
        return article_id(
            link=self.link, guid=self.guid, title=self.title, text=self.text, source=source
        )


def entry(
    *, title: str, text: str = "", link: str = "", guid: str = "", language: str = "",
    published_at: datetime | None = None,
) -> Entry:
    """Make an entry of plain text as it came: cleaned, and cut at the limits of `text`."""
    language = language.strip()
    return Entry(
        title=clean(title)[:MAX_TITLE].rstrip(),
        text=clean(text)[:MAX_TEXT].rstrip(),
        link=clean_link(link),
        guid=clean(guid),
        language=language if _LANGUAGE.fullmatch(language) else "",
        published_at=published_at,
    )
