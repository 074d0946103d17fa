"""The virtual clock's durable side: a step's articles, then the heartbeat that closes it."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from wire.messages import DeadLetter, Heartbeat

from .admit import Admission, Candidate
from .index import Index
from .poll import Poll
from .steps import Step
from .times import EPOCH, STEP, TICK, bucket_start
from .writer import Writer

LONGEST_QUIET = timedelta(days=1)


class Ticker:
    """Writes steps in order. `through` is the clock: how far heartbeats were written.

    The heartbeat that closes a step is owed until the next append, which takes it along in
    front (with those of the empty steps between), or until `settle`: its articles are
    acknowledged before, either way.
    """

    def __init__(self, index: Index, writer: Writer, sources: set[str]) -> None:
        self._index, self._writer, self._sources = index, writer, sources
        self.through = index.through(writer.partitions)
        self._owed: datetime | None = None
        self._last: datetime | None = None
        if self.through is not None:
            # Nothing is stamped below a heartbeat.
            self._last = max(index.last(before=self.through) or EPOCH, self.through - TICK)

    def interrupted(self) -> bool:
        """Tell whether articles were written that no heartbeat has closed yet."""
        return bool(self._index.since(self.through or EPOCH))

    def resume(self, under_way: Collection[str]) -> None:
        """Go on where a run was interrupted: these ids will be decided again.

        Their stamps count when it is their turn; only what others wrote counts from now on.
        """
        others = {
            stamp for key, stamp in self._index.since(self.through or EPOCH).items()
            if key not in under_way
        }
        self._last = max([self._last or EPOCH, *others])

    def write(self, step: Step, poll: Poll) -> Admission:
        """Poll, decide and write a step; its heartbeat is owed then."""
        candidates = self._candidates(step, poll)
        admission = self._writer.decide(candidates, self._last)
        closing = self._marks(step.start)
        self._owed = None
        self._writer.write(admission, closing=[self._heartbeat(mark) for mark in closing])
        self.through = closing[-1] if closing else self.through
        stamps = [self._last, admission.last]
        self._last = max((stamp for stamp in stamps if stamp is not None), default=None)
        if not step.late:
            self._owed = step.end
        return admission

    def _marks(self, until: datetime) -> list[datetime]:
        """Return the heartbeats that are due before a step at `until`: one for every five minutes.

        A quiet night was watched. Nothing at all from any source for longer than a day was
        not: such a gap of an archive is closed by no heartbeats but the one that is owed.
        """
        owed = [] if self._owed is None else [self._owed]
        begin = self._owed or self.through
        if begin is None or until - begin > LONGEST_QUIET:
            return owed
        return [*owed, *(begin + n * STEP for n in range(1, (until - begin) // STEP + 1))]

    def _candidates(self, step: Step, poll: Poll) -> list[Candidate]:
        """Return a step's candidates in (published, id) order; of late ones those to be decided."""
        self._sources.update(row.source for row in step.rows)
        rows = step.rows
        if step.late:
            known = self._index.observed([row.id for row in rows])
            rows = tuple(row for row in rows if known.get(row.id, step.start) >= step.start)
        candidates = [
            Candidate(
                entry.id(source), entry, source,
                step.start if step.late else (entry.published_at or step.start), step.late,
            )
            for source, entry in (poll(rows) if rows else ())
        ]
        return sorted(candidates, key=lambda item: (item.entry.published_at or EPOCH, item.id))

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Append dead letters that are not in the stream yet."""
        self._writer.bury(letters)

    def beat(self, through: datetime) -> None:
        """Write a heartbeat now, if it takes the clock further."""
        self.settle()
        if self.through is None or through > self.through:
            self._writer.heartbeat(self._heartbeat(through))
            self.through = through

    def settle(self) -> None:
        """Write the heartbeat that is owed, if one is."""
        owed, self._owed = self._owed, None
        if owed is not None:
            self._writer.heartbeat(self._heartbeat(owed))
            self.through = owed

    def close(self) -> None:
        """Close the bucket of the last article, so that it can be judged."""
        last = self._index.last()
        if last is not None:
            self.beat(bucket_start(last) + STEP)

    def _heartbeat(self, through: datetime) -> Heartbeat:
        return Heartbeat(through=through, sources=len(self._sources))
