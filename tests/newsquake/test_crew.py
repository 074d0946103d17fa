"""Loops that run together and stop together."""

import threading

import pytest

from newsquake.crew import Crew
from newsquake.errors import StageStoppedError


def waiting(stop: threading.Event) -> None:
    """A loop that runs until it is told to stop."""
    assert stop.wait(30)


def failing(_: threading.Event) -> None:
    """A loop that has a bug."""
    raise ValueError("a bug")


def test_one_failure_stops_all_and_is_raised() -> None:
    """The others are stopped, and the error says which loop it was."""
    crew = Crew({"a": waiting, "b": failing})
    with pytest.raises(StageStoppedError, match="b: a bug"), crew:
        crew.wait()
    assert crew.stop.is_set()


def test_leaving_stops_the_loops() -> None:
    """The end of the context ends every loop, without an error."""
    with Crew({"a": waiting, "b": waiting}) as crew:
        crew.wait(until=lambda: True)
    assert crew.stop.is_set()


def test_a_loop_that_does_not_stop_is_named() -> None:
    """Draining has a deadline."""
    never = threading.Event()
    crew = Crew({"stuck": lambda _: never.wait(5)}, drain_s=0.1)
    with pytest.raises(StageStoppedError, match="stuck did not stop"), crew:
        pass
    never.set()
