"""Run several stage loops as threads of one process; all stop when one of them fails."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from .errors import StageStoppedError

Loop = Callable[[threading.Event], object]


class Stop(threading.Event):
    """An event that a signal may set, whatever the interrupted thread is doing.

    A KeyboardInterrupt would be raised wherever that thread is: in a weak reference's callback or
    a `__del__` Python prints and forgets it, and the program goes on. `set` could wait for a
    lock that the thread holds. `interrupt` does neither: it notes the signal, and every wait looks.
    """

    LOOK_S = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._interrupted = False

    def interrupt(self, *_: object) -> None:
        """Handle a signal."""
        self._interrupted = True

    def is_set(self) -> bool:
        """Whether it was set or a signal came."""
        return self._interrupted or super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set or a signal comes, or for so many seconds; say whether it is."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (left := end - time.monotonic()) > 0:
            super().wait(min(left, self.LOOK_S))
        return self.is_set()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Be set by Ctrl-C and by a service manager's SIGTERM; the main thread's business alone."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(each, self.interrupt) for each in signals]
        try:
            yield
        finally:
            for each, handler in zip(signals, before, strict=True):
                signal.signal(each, handler)


class Crew:
    """A context in which the loops run; leaving it stops and joins them.

    Refuses to swallow: the first error of a loop is raised by `check` and on leaving.
    """

    def __init__(self, loops: Mapping[str, Loop], drain_s: float = 9.0) -> None:
        self.stop = Stop()
        self._drain_s = drain_s
        self._errors: list[tuple[str, BaseException]] = []
        self._threads = [
            threading.Thread(target=self._run, args=(name, loop), name=name, daemon=True)
            for name, loop in loops.items()
        ]

    def _run(self, name: str, loop: Loop) -> None:
        try:
            loop(self.stop)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            self._errors.append((name, error))
            self.stop.set()

    def check(self) -> None:
        """Raise StageStoppedError if a loop has failed."""
        if self._errors:
            name, error = self._errors[0]
            raise StageStoppedError(f"{name}: {error}") from error

    def wait(self, until: Callable[[], bool] = lambda: False, poll_s: float = 0.05) -> None:
        """Return when `until()` holds or the crew is stopped; raises what a loop raised."""
        while not self.stop.is_set() and not until():
            self.stop.wait(poll_s)
        self.check()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop.set()
        deadline = time.monotonic() + self._drain_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if kind is None:
            self.check()
            if late:
                raise StageStoppedError(f"{', '.join(late)} did not stop within {self._drain_s:g} s")
