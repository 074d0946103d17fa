"""Turn an expected failure into one line and a hint; an unexpected one stays a traceback."""

from dataclasses import dataclass

from alerts.errors import AlertsError
from classifier.errors import ClassifierError
from ingest.errors import IngestError
from wire.errors import WireError

from .errors import NewsquakeError

ROOTS = (NewsquakeError, WireError, IngestError, ClassifierError, AlertsError)


@dataclass(frozen=True)
class Explanation:
    """What to print on stderr, and with which status to exit."""

    text: str
    exit_status: int


def explain(error: BaseException) -> Explanation | None:
    """Explain an error of ours, or one of the operating system about a file; None: a bug."""
    if isinstance(error, OSError) and error.filename is not None:
        return Explanation(f"error: {error.filename}: {error.strerror}", 1)
    if not isinstance(error, ROOTS):
        return None
    hint = getattr(error, "hint", "")
    text = f"error: {error}" + (f"\nhint: {hint}" if hint else "")
    return Explanation(text, getattr(error, "exit_status", 1))
