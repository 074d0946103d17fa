"""One member per group: an operating-system file lock."""

import fcntl
import os
from pathlib import Path
from urllib.parse import quote

from .errors import LogUnavailableError, MemberBusyError


class GroupLock:
    """Held from construction to `release`, or to the death of the process, whatever kills it.

    A stopped process keeps it, so that it cannot wake up and settle behind a successor's
    back. Raises MemberBusyError at once when somebody holds it. The file itself stays: a
    removed lock file can be locked twice.
    """

    def __init__(self, folder: Path, stream: str, group: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{quote(stream, safe='')}@{quote(group, safe='')}.lock"
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LogUnavailableError(f"cannot open a lock file: {error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip() or "?"
            os.close(self._file)
            raise MemberBusyError(
                f"process {holder} is the member of group {group!r} on stream {stream!r}; "
                "the embedded log has one member per group"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._file)
