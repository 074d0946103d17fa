"""Lines of text that can be told again, for what a CSV reader could not make sense of."""

import io
from collections.abc import Iterable, Iterator
from typing import Self

MAX_TOLD = 200_000


class Lines:
    """Decodes lines of bytes and remembers those since `forget`, up to 200,000 characters.

    A byte order mark is dropped. Bytes that are not UTF-8 become surrogates, so that one bad
    byte costs its row and not the file.
    """

    def __init__(self, stream: Iterable[bytes]) -> None:
        readable = stream if isinstance(stream, io.IOBase) else io.BytesIO(b"".join(stream))
        self._text = io.TextIOWrapper(
            readable, encoding="utf-8-sig", errors="surrogateescape", newline=""  # type: ignore[type-var]
        )
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
