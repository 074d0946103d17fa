"""How long to wait between tries."""


class Backoff:
    """Waits that double from `first_s` to `most_s`, and begin again after a success."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._wait_s = first_s

    def next_s(self) -> float:
        """Return how long to wait now; the next wait is twice as long."""
        wait_s = min(self._wait_s, self._most_s)
        self._wait_s = min(self._wait_s * 2, self._most_s)
        return wait_s

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._wait_s = self._first_s
