"""A first story: articles with the same title within two days are copies of one another."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

WINDOW = timedelta(days=2)
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Story:
    """The id of a story (its first article's) and when it was first seen."""

    id: str
    first_seen: datetime


def title_key(title: str) -> bytes:
    """Return a digest of the title without case, marks and punctuation; b"" if nothing is left."""
    plain = unicodedata.normalize("NFKC", title).casefold()
    words = _SEPARATORS.sub(" ", plain).strip()
    return sha256(words.encode("utf-8", "ignore")).digest()[:16] if words else b""


def story_of(
    article_id: str, key: bytes, observed_at: datetime, seen: Mapping[bytes, Story]
) -> Story:
    """Return the story of an article by its title's key; without a title it is its own story."""
    known = seen.get(key) if key else None
    if known is not None and observed_at - known.first_seen <= WINDOW:
        return known
    return Story(article_id, observed_at)
