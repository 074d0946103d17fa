"""Live: real feeds over local HTTP, and the metrics that a scrape shows."""

import json
import re
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest.feeds import parse
from tests.journeys.journey import Journey, eventually

ROOT = Path(__file__).parents[2]
FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title>
<item><title>Harbour Bank halts withdrawals</title><link>https://wire.example/1</link></item>
<item><title>Ferry operator adds a route</title><link>https://wire.example/2</link></item>
</channel></rss>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def feeds(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address that serves it."""
    folder = tmp_path / "feeds"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def config(path: Path, urls: dict[str, str]) -> Path:
    """Settings with these sources."""
    sources = "".join(
        f'[[sources]]\nname = "{name}"\nurl = "{url}"\ninterval_s = 1\nallow_private = true\n'
        for name, url in urls.items()
    )
    path.write_text(f"[ingest]\nheartbeat_s = 1\nstart_spread_s = 0\n{sources}")
    return path


def read(url: str) -> str:
    """The body at an address of ours."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body.decode()


def url_of(home: Path) -> str:
    """Where the process listens, from its first words on stderr."""
    return eventually(lambda: next(iter(re.findall(r"http://\S+", home.read_text())), None))


@pytest.fixture
def running(tmp_path: Path, feeds: tuple[Path, str]) -> Iterator[str]:
    """A live pipeline on two feeds, one of which is broken; its address."""
    folder, address = feeds
    (folder / "wire.xml").write_text(FEED)
    urls = {"wire": f"{address}/wire.xml", "gone": f"{address}/gone.xml"}
    journey = Journey(tmp_path / "home")
    heard = tmp_path / "stderr"
    with journey.listening(heard, "--config", str(config(tmp_path / "c.toml", urls)), "run"):
        yield url_of(heard)


def test_live_news_is_counted_and_every_documented_metric_is_scraped(running: str) -> None:
    """Two articles are counted, one source fails, and the README names what /metrics shows."""
    eventually(lambda: total(running, "articles_counted_total") == 2)
    text = eventually(lambda: _with(read(f"{running}/metrics"), 'state="failing"} 1.0'))
    shown = set(re.findall(r"^# TYPE (newsquake_\w+)", text, re.MULTILINE))
    named = set(re.findall(r"^\| `(newsquake_\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {name for name in shown if not name.endswith("_created")} == named
    assert json.loads(read(f"{running}/readyz"))["status"] == "ready"
    assert json.loads(read(f"{running}/api/incidents?state=open")) == {"incidents": []}


def _with(text: str, part: str) -> str | None:
    return text if part in text else None


def test_captured_feeds_are_read(
    shared_data: Path, tmp_path: Path, feeds: tuple[Path, str]
) -> None:
    """The real XML of five publishers gives articles, live."""
    folder, address = feeds
    captured = sorted((shared_data / "feeds" / "captured-2026-03").glob("*.xml"))
    for file in captured:
        (folder / file.name).write_bytes(file.read_bytes())
    heard = tmp_path / "stderr"
    settings = config(tmp_path / "c.toml", {f.stem: f"{address}/{f.name}" for f in captured})
    healthy = f'newsquake_sources{{state="healthy"}} {len(captured)}.0'
    with Journey(tmp_path / "home").listening(heard, "--config", str(settings), "run"):
        url = url_of(heard)
        eventually(lambda: total(url, "articles_admitted_total") > 100)
        assert healthy in read(f"{url}/metrics")


def show(folder: Path, snapshot: Path) -> set[str]:
    """Put a snapshot's feeds in place of what stood there; return the ids of all their entries."""
    ids: set[str] = set()
    with tarfile.open(snapshot) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.name.endswith(".xml"):
                continue
            name, body = Path(member.name).name, content.read()
            fresh = folder / f"{name}.new"
            fresh.write_bytes(body)
            fresh.rename(folder / name)  # whole at every moment: it is being polled
            ids |= {entry.id(Path(name).stem) for entry in parse(body).entries}
    return ids


def test_snapshots_of_real_feeds_follow_one_another(
    shared_data: Path, tmp_path: Path, feeds: tuple[Path, str]
) -> None:
    """What the second polls bring anew is counted too, once, and only the first were backfill."""
    folder, address = feeds
    first, second = sorted((shared_data / "streams" / "financial-feeds-2026-08").glob("snapshot_*"))[:2]
    before = show(folder, first)
    names = sorted(file.stem for file in folder.glob("*.xml"))
    settings = config(tmp_path / "c.toml", {name: f"{address}/{name}.xml" for name in names})
    heard = tmp_path / "stderr"
    with Journey(tmp_path / "home").listening(heard, "--config", str(settings), "run"):
        url = url_of(heard)
        eventually(lambda: total(url, "articles_counted_total") == len(before), deadline_s=120)
        everything = before | show(folder, second)
        eventually(lambda: total(url, "articles_counted_total") == len(everything), deadline_s=120)
        assert total(url, "articles_backfill_total") == len(before)
        assert total(url, "dead_letters_total") == 0
        assert total(url, "polls_total", 'outcome="failed"') == 0


def total(url: str, name: str, label: str = "") -> float:
    """A metric's value, summed over its labels (or those that have one)."""
    lines = re.findall(rf"^newsquake_{name}(.*) ([\d.e+]+)$", read(f"{url}/metrics"), re.MULTILINE)
    return sum(float(value) for labels, value in lines if label in labels)
