"""Loops that run together and stop together."""

import signal
import threading
import time
import weakref

import pytest

from newsquake.crew import Crew, Stop
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_where_an_exception_would_be(number: signal.Signals) -> None:
    """It comes while a weak reference's callback runs, whose exceptions Python prints and forgets."""
    class Thing:
        """What is referred to."""

    with Crew({"a": waiting}) as crew, crew.stop.on_signals():
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(number))
        del thing
        assert reference() is None
        assert crew.stop.wait(5)
    assert signal.getsignal(number) != crew.stop.interrupt


def test_a_wait_ends_in_time_and_soon_after_a_signal() -> None:
    """Without a signal it takes as long as was asked, with one a tenth of a second."""
    stop = Stop()
    begun = time.monotonic()
    assert not stop.wait(0.25)
    assert time.monotonic() - begun >= 0.25
    threading.Timer(0.05, stop.interrupt).start()
    assert stop.wait(30)
    assert time.monotonic() - begun < 5


def test_a_loop_that_does_not_stop_is_named() -> None:
    """Draining has a deadline."""
    never = threading.Event()
    crew = Crew({"stuck": lambda _: never.wait(5)}, drain_s=0.1)
    with pytest.raises(StageStoppedError, match="stuck did not stop"), crew:
        pass
    never.set()
