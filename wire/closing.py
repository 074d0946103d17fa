"""What is open until it is closed, and closes itself at the end of a `with`."""

from typing import Protocol, Self


class Closing(Protocol):
    """A context whose end is its `close`. Inherit from it, and write `close`."""

    def close(self) -> None:
        """Release everything; may be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
