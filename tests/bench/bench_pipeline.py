"""The whole pipeline: articles a second, HTTP against log-direct, and the share spent in the model.

    python tests/bench/bench_pipeline.py [days]

Both runs replay the same days of our simulated newswire into fresh homes, in one process each
in turn, so the ratio between them is of one machine at one time.
"""

import csv
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from newsquake import logs, replaying
from newsquake.demo.newswire import rows
from newsquake.installation import Installation
from newsquake.settings import load

START = datetime(2026, 1, 5, tzinfo=UTC)


def archive(folder: Path, days: float) -> Path:
    """Write so many days of the newswire as an archive."""
    end = START + timedelta(days=days)
    path = folder / "wire.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("published", "title", "summary", "link", "source", "language"))
        for row in takewhile(lambda row: row.published < end, rows(START, 5)):
            published = row.published.isoformat()
            writer.writerow((published, row.title, row.summary, row.link, row.source, row.language))
    return path


def measure(path: Path, home: Path, *, direct: bool) -> tuple[float, float]:
    """Articles a second, and the share of the wall time in which the model was at work."""
    with ExitStack() as stack:
        here = Installation(load(None, home=home), stack)
        options = {"deliver": False, "ingest_only": False}
        outcome = replaying.run(here, [path], None, direct=direct, **options)
        in_model = here.registry.get_sample_value("newsquake_model_seconds_sum") or 0.0
    return outcome.counted / outcome.seconds, in_model / outcome.seconds


def main() -> None:
    """Measure both ways and print their ratio."""
    logs.configure("error")
    days = float(sys.argv[1]) if len(sys.argv) > 1 else 7.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = archive(folder, days)
        over_http = measure(path, folder / "http", direct=False)
        direct = measure(path, folder / "direct", direct=True)
    for way, (rate, share) in (("HTTP", over_http), ("log-direct", direct)):
        print(f"{way:10}  {rate:7.1f} articles/s   model at work {share:.0%} of the time")
    print(f"log-direct / HTTP: {direct[0] / over_http[0]:.2f}")


if __name__ == "__main__":
    main()
