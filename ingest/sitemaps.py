"""News sitemaps (https://www.google.com/schemas/sitemap-news/0.9), which feedparser does not read."""

from xml.etree import ElementTree as ET

from .entries import Entry, entry
from .text import from_html
from .times import parse_time

_URL = "{*}url"
_NEWS = "{*}news/{*}"


def looks_like_sitemap(body: bytes) -> bool:
    """Tell whether the document's root is a `urlset`."""
    return b"<urlset" in body[:4096]


def sitemap_entries(body: bytes) -> list[Entry] | None:
    """Return the entries of a news sitemap, or None if it is not well-formed.

    Refuses a document type declaration: a sitemap needs none, and entities are where XML
    bombs live.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return None
    try:
        root = ET.fromstring(body)  # noqa: S314 - no entities, see above
    except (ET.ParseError, ValueError, LookupError):
        return None
    return [_entry(url) for url in root.findall(_URL)]


def _entry(url: ET.Element) -> Entry:
    published = _text(url, f"{_NEWS}publication_date") or _text(url, "{*}lastmod")
    return entry(
        title=from_html(_text(url, f"{_NEWS}title")),
        link=_text(url, "{*}loc"),
        language=_text(url, f"{_NEWS}publication/{{*}}language"),
        published_at=parse_time(published),
    )


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
