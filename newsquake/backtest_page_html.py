"""The pieces that a backtest's page is put together from; whatever is no Markup is escaped."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from urllib.parse import urlsplit

from alerts.keys import moment

LONGEST_TITLE, LONGEST_LINK = 300, 600
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # no HTML, or no Unicode


class Markup(str):
    """HTML that is safe as it stands."""

    __slots__ = ()


Cell = str | int | float


def text(value: Cell) -> Markup:
    """Escape for text and for quoted attributes; Markup stays."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", str(value))))


def join(parts: Iterable[Cell]) -> Markup:
    """Put pieces one after the other."""
    return Markup("".join(map(text, parts)))


def element(name: str, *parts: Cell, **attributes: Cell) -> Markup:
    """Wrap pieces in an element; a trailing underscore of an attribute's name falls away."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{join(parts)}</{name}>")


def table(head: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> Markup:
    """Make a table that scrolls by itself where it is too wide."""
    body = join(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    return element("div", element("table", element("thead", top), element("tbody", body)), class_="wide")


def headline(title: str, url: str) -> Markup:
    """Show a title of somebody else's, as a link where that is http or https."""
    shown = element("bdi", title[:LONGEST_TITLE] or "(no title)")
    if not _leads(url):
        return shown
    return element("a", shown, href=url, rel="noopener noreferrer nofollow")


def _leads(url: str) -> bool:
    if len(url) > LONGEST_LINK or _UNSHOWN.search(url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def stamp(time: datetime | int) -> str:
    """Write a time (or microseconds since 1970), in UTC, to the minute."""
    return f"{moment(time) if isinstance(time, int) else time:%Y-%m-%d %H:%M}"
