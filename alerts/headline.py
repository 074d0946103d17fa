"""A headline as the rules on watches see it: folded text, words with their places, manner of capitals."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Manner = Literal["sentence", "title", "capitals", "small"]

_WORD = re.compile(r"\w+|[^\w\s]")
_ACCENTS = re.compile("[\u0300-\u036f]")  # not the voicing marks of kana, which tell words apart
_ONE_FORM = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u2032": "'", "`": "'", "\u201c": '"', "\u201d": '"',
    "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u00ad": None, "\u200b": None, "\ufeff": None,
    "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "\u0131": "i",
    "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe",
})  # fmt: skip
# Scripts that put no spaces between words (Thai to Burmese, Khmer, kana, Han), and Korean, which
# writes its particles onto the name.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002ffff]"
)
_TITLE_SHARE = 0.7  # a headline in which so many of the longer words are capitalised is in title case
_CAPITALS_SHARE = 0.6  # "PROFITS FALL - Reuters" is still in capitals
_LONGER = 4


def fold(text: str) -> str:
    """Write a text in one form: no accents, one kind of quote, hyphen, width and space; capitals stay.

    Lower-casing what comes out keeps every place: no letter is left that becomes two.
    """
    text = " ".join(text.split())
    if text.isascii():
        return text
    whole = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate is no letter
    apart = unicodedata.normalize("NFKD", whole.translate(_ONE_FORM))
    folded = unicodedata.normalize("NFC", _ACCENTS.sub("", apart).translate(_ONE_FORM))
    return " ".join(folded.split())


def joins(letter: str) -> bool:
    """Say whether a character goes on with the word beside it, so that no name ends there."""
    return (letter.isalnum() or letter == "_") and not _UNSPACED.match(letter)


def unspaced(letter: str) -> bool:
    """Say whether a character is of a script without spaces between words."""
    return _UNSPACED.match(letter) is not None


@dataclass(frozen=True)
class Headline:
    """Words and marks of a folded text, each with where it starts."""

    text: str

    @cached_property
    def words(self) -> list[str]:
        """Words and marks as written."""
        return _WORD.findall(self.text)

    @cached_property
    def low(self) -> list[str]:
        """Words and marks in small letters."""
        return [word.lower() for word in self.words]

    @cached_property
    def starts(self) -> list[int]:
        """Where each word starts, in characters."""
        return [found.start() for found in _WORD.finditer(self.text)]

    def place(self, start: int, stop: int) -> tuple[int, int]:
        """Give the words between two characters, as a half-open range."""
        first = bisect_right(self.starts, start) - 1
        return max(first, 0), bisect_left(self.starts, stop)

    def at(self, index: int) -> str:
        """Give a word in small letters; nothing before the first and after the last."""
        return self.low[index] if 0 <= index < len(self.low) else ""

    def capital(self, index: int) -> bool:
        """Say whether a word starts with a capital or is of a script that has none."""
        if not 0 <= index < len(self.words):
            return False
        letter = self.words[index][0]
        return letter.isalpha() and not letter.islower()

    def glued(self, index: int) -> bool:
        """Say whether a mark stands between two words with no space, as a hyphen does."""
        if not 0 < index < len(self.words) - 1:
            return False
        start = self.starts[index]
        return self.starts[index + 1] == start + 1 and not self.text[start - 1].isspace()

    def speaks_of(self, words: Collection[str]) -> bool:
        """Say whether one of these words (folded, small letters) stands anywhere."""
        return not self.vocabulary.isdisjoint(words)

    def holds(self, parts: frozenset[str]) -> bool:
        """Say whether one of these stands anywhere, inside a run of letters too; each set is sought once."""
        if parts not in self._held:
            self._held[parts] = any(part in self.text for part in parts)
        return self._held[parts]

    @cached_property
    def _held(self) -> dict[frozenset[str], bool]:
        return {}

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """All words in small letters."""
        return frozenset(self.low)

    @cached_property
    def manner(self) -> Manner:
        """Say how the headline uses capitals, which decides what a capital is worth."""
        letters = [letter for letter in self.text if letter.isupper() or letter.islower()]
        capitals = sum(letter.isupper() for letter in letters)
        if not capitals:
            return "small"
        if capitals >= _CAPITALS_SHARE * len(letters):
            return "capitals"
        longer = [word for word in self.words[1:] if len(word) >= _LONGER and word[0].isalpha()]
        capitalised = sum(word[0].isupper() for word in longer)
        titled = len(longer) > 1 and capitalised >= _TITLE_SHARE * len(longer)
        return "title" if titled else "sentence"
