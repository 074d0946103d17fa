"""Append what was scored and what was refused, and lose nothing that is too large."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from wire.errors import RecordTooLargeError
from wire.log import Log, NewRecord

from .sorting import Item, Reason, Refusal, dead_letter

# Of a record that fits as it came but not as a dead letter, where JSON escapes it once more.
PAYLOAD_CHARACTERS = 100_000

_log = structlog.get_logger()


class Appending:
    """Appends items of a micro-batch in their order, refusals to the dead letters."""

    def __init__(
        self, log: Log, scored: str, dead: str, now: Callable[[], datetime]
    ) -> None:
        self._log, self._scored, self._dead, self._now = log, scored, dead, now

    def append(self, items: Sequence[Item]) -> list[Reason]:
        """Append all; every record is durable on return. Returns the reasons of the refusals.

        Raises LogUnavailableError, after which some may have been appended: repeat the batch.
        """
        items = self._passed_on(items)
        reasons: list[Reason] = []
        for item in items:
            if isinstance(item.content, Refusal):
                self._bury(item, item.content)
                reasons.append(item.content.reason)
        return reasons

    def _passed_on(self, items: Sequence[Item]) -> Sequence[Item]:
        """Append what goes on, in order; return the items with what was too large refused."""
        try:
            self._append(items)
        except RecordTooLargeError:
            # None was appended. One by one, so that the others go on in their order.
            return [self._one(item) for item in items]
        return items

    def _one(self, item: Item) -> Item:
        try:
            self._append([item])
        except RecordTooLargeError as error:
            return replace(item, content=Refusal("too_large", str(error)))
        return item

    def _append(self, items: Sequence[Item]) -> None:
        records: list[NewRecord] = [
            record for item in items if (record := item.onward()) is not None
        ]
        if records:
            self._log.append(self._scored, records)

    def _bury(self, item: Item, refusal: Refusal) -> None:
        now = self._now()
        try:
            self._log.append(self._dead, [dead_letter(item.record, refusal, now)])
        except RecordTooLargeError:
            short = dead_letter(item.record, refusal, now, PAYLOAD_CHARACTERS)
            self._log.append(self._dead, [short])
        _log.error(
            "classifier.dead_letter", reason=refusal.reason, detail=refusal.detail,
            partition=item.record.partition, offset=item.record.offset,
        )
