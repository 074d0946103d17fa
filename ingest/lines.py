"""Lines of text that can be told again, for what a CSV reader could not make sense of."""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TextIO, cast

MAX_TOLD = 100_000


def open_text(path: Path) -> TextIO:
    """Open a file of text, gzipped or not (its first bytes tell), as a CSV reader wants it.

    A byte order mark is dropped. Bytes that are not UTF-8 become surrogates, so that one bad
    byte costs its row and not the file. Raises OSError.
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    opener = gzip.open if zipped else open
    text = opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    return cast("TextIO", text)


class Lines:
    """An iterator of lines that remembers those since `forget`, up to 100,000 characters of them."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self._told: list[str] = []
        self._size = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.number += 1
        if self._size < MAX_TOLD:
            self._told.append(line[: MAX_TOLD - self._size])
            self._size += len(line)
        return line

    def forget(self) -> Self:
        """Forget the lines so far."""
        self._told.clear()
        self._size = 0
        return self

    def taken(self) -> str:
        """Return the lines since `forget`, printable whatever their bytes."""
        return "".join(self._told).encode("utf-8", "backslashreplace").decode()
