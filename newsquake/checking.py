"""`newsquake check`: try each part of an installation, and say what is wrong with it."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import apsw

from .failures import explain
from .installation import Installation


@dataclass(frozen=True)
class Finding:
    """One part, whether it is right, and what was found."""

    part: str
    ok: bool
    text: str

    def line(self) -> str:
        """The finding as a line to print."""
        return f"{'ok ' if self.ok else 'BAD'} {self.part}: {self.text}"


def findings(here: Installation) -> Iterator[Finding]:
    """Try every part; an unexpected error (a bug) is raised, an expected one is a finding."""
    parts: dict[str, Callable[[Installation], str]] = {
        "sources": sources,
        "log": log,
        "model": model,
        "store": store,
        "receivers": receivers,
    }
    yield Finding("settings", ok=True, text=f"home {here.settings.home}")
    for part, look in parts.items():
        try:
            yield Finding(part, ok=True, text=look(here))
        except Exception as error:
            explanation = explain(error)
            if explanation is None:
                raise
            text = explanation.text.removeprefix("error: ").replace("\n", "; ")
            yield Finding(part, ok=False, text=text)


def sources(here: Installation) -> str:
    """How many sources there are."""
    number = len(here.settings.sources)
    return f"{number} sources" if number else "none set ([[sources]]); only replay and demo have news"


def log(here: Installation) -> str:
    """Reach the log and list its streams."""
    streams = ", ".join(here.log.streams()) or "no streams yet"
    embedded = here.settings.log == "embedded"
    kind = f"embedded (SQLite {apsw.sqlite_lib_version()}, WAL)" if embedded else here.settings.log
    return f"{kind}, prefix {here.prefix}: {streams}"


def model(here: Installation) -> str:
    """Load the model, which runs its contract checks."""
    from .pipeline import load_model

    loaded = load_model(here)
    return f"{loaded.name} on {loaded.backend_name}, {len(loaded.topics)} topics"


def store(here: Installation) -> str:
    """Open the store, which brings its schema up to date."""
    _ = here.store
    url = here.store.engine.url.render_as_string(hide_password=True)
    if url.startswith("sqlite"):
        return f"{url} (SQLite {sqlite3.sqlite_version}, rollback journal: no WAL-reset race)"
    return url


def receivers(here: Installation) -> str:
    """How many receivers are set."""
    number = len(here.settings.receivers)
    return f"{number} receivers" if number else "none set ([[receivers]]); nothing will be sent"
