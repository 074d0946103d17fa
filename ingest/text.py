"""Plain text out of what strangers send.

`clean` is the one form in which titles and texts travel: no control characters, no
surrogates, no non-characters, runs of white space collapsed to one space.
"""

import html
import re
from html.parser import HTMLParser

MAX_TITLE = 2_000
MAX_TEXT = 100_000

_PLANES = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
_UNWANTED = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANES}]")
_HIDDEN = frozenset({"script", "style", "template", "noscript"})
_INLINE = frozenset(
    {"a", "abbr", "b", "em", "font", "i", "mark", "small", "span", "strong", "sub", "sup", "u"}
)


def clean(value: str) -> str:
    """Return the text without what no reader can see, white space collapsed; idempotent."""
    # What is printable holds nothing unwanted, and telling so is much faster than looking.
    return " ".join((value if value.isprintable() else _UNWANTED.sub(" ", value)).split())


def from_html(value: str) -> str:
    """Return the text of an HTML fragment, however broken; scripts and styles are left out.

    Never raises on hostile markup: what the parser gives up on is stripped by pattern.
    """
    if "<" not in value:
        return clean(html.unescape(value))
    stripper = _Stripper()
    try:
        stripper.feed(value)
        stripper.close()
    except (AssertionError, ValueError, IndexError):
        # html.parser asserts on some malformed declarations.
        return clean(html.unescape(re.sub(r"<[^<>]*>", " ", value)))
    return clean("".join(stripper.parts))


class _Stripper(HTMLParser):
    """Collects the visible text; tags that break a line or a cell become a space."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in _HIDDEN
        self._space(tag)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        self._space(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)

    def _space(self, tag: str) -> None:
        if tag not in _INLINE:
            self.parts.append(" ")
