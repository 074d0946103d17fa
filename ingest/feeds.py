"""Bytes of a feed or news sitemap -> entries. Pure: no network, no files, no clock."""

import calendar
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import feedparser

from .entries import Entry, entry
from .sitemaps import looks_like_sitemap, sitemap_entries
from .text import from_html
from .times import parse_time

MAX_ENTRIES = 5_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """The entries of a document in its order, and what was wrong with it ("" if nothing).

    `problem` is one of: "not_a_feed", "parser_failed". A broken feed may still have entries.
    """

    entries: tuple[Entry, ...] = ()
    problem: str = ""


def parse(body: bytes, content_type: str = "", base_url: str = "") -> Parsed:
    """Read RSS, Atom or a news sitemap; relative links are resolved against `base_url`.

    Never raises, whatever the bytes. Entries without title and text are kept: the admitter
    says what becomes of them. Refuses more than MAX_ENTRIES entries: the rest is left out.
    """
    if looks_like_sitemap(body):
        found = sitemap_entries(body)
        return Parsed((), "not_a_feed") if found is None else Parsed(tuple(found[:MAX_ENTRIES]))
    try:
        return _parse_feed(body, content_type, base_url)
    except Exception as error:  # noqa: BLE001 - a stranger's bytes in a third party's parser
        return Parsed((), f"parser_failed: {type(error).__name__}")


def _parse_feed(body: bytes, content_type: str, base_url: str) -> Parsed:
    headers = {"content-type": content_type} if content_type else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A stream, for feedparser opens a file of that name when it is given mere bytes.
        document = feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    version = str(document.get("version") or "")
    items = document.get("entries") or []
    if not version and not items:
        return Parsed((), "not_a_feed")
    language = _string(document.get("feed") or {}, "language")
    return Parsed(tuple(
        _entry(item, atom=version.startswith("atom"), language=language, base_url=base_url)
        for item in items[:MAX_ENTRIES]
    ))


def _entry(item: dict[str, Any], *, atom: bool, language: str, base_url: str) -> Entry:
    return entry(
        title=_plain(item, "title", atom=atom),
        text=_plain(item, "summary", atom=atom) or _content(item, atom=atom),
        link=_absolute(_string(item, "link"), base_url),
        guid=_string(item, "id"),
        language=_string(item, "language") or language,
        published_at=_published(item),
    )


def _string(item: dict[str, Any], name: str) -> str:
    # dict.get, for FeedParserDict maps names onto one another, with warnings.
    value = dict.get(item, name)
    return value if isinstance(value, str) else ""


def _plain(item: dict[str, Any], name: str, *, atom: bool) -> str:
    """Return a field as plain text: HTML, unless Atom says that it is plain."""
    value = _string(item, name)
    detail = dict.get(item, f"{name}_detail")
    kind = detail.get("type") if isinstance(detail, dict) else ""
    return value if atom and kind == "text/plain" else from_html(value)


def _content(item: dict[str, Any], *, atom: bool) -> str:
    parts = dict.get(item, "content") or []
    for part in parts:
        value = str(part.get("value") or "")
        if value:
            return value if atom and part.get("type") == "text/plain" else from_html(value)
    return ""


def _absolute(link: str, base_url: str) -> str:
    if not link or not base_url or ":" in link.partition("/")[0]:
        return link
    try:
        return urljoin(base_url, link)
    except ValueError:
        return link


def _published(item: dict[str, Any]) -> datetime | None:
    """Return the time of publication, to the microsecond where another field of the item has it.

    RSS's pubDate has whole seconds; a dc:date beside it (feedparser: `updated`) may say the
    same instant more precisely.
    """
    times = [time for name in ("published", "updated", "created") for time in _times(item, name)]
    if not times:
        return None
    first = times[0]
    same = (t for t in times if timedelta() <= t - first < timedelta(seconds=1))
    return max(same) if first.microsecond == 0 else first


def _times(item: dict[str, Any], name: str) -> Iterator[datetime]:
    time = parse_time(_string(item, name)) or _from_struct(dict.get(item, f"{name}_parsed"))
    if time is not None:
        yield time


def _from_struct(parsed: Any) -> datetime | None:
    """Read what feedparser made of a date in one of its odder formats."""
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None
