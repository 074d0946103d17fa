"""The web endpoints of a process: metrics, health, and what the desk's tools read as JSON.

| path | answer |
| --- | --- |
| /metrics | Prometheus' text, or OpenMetrics where the scraper asks for it |
| /healthz | 200 while the process lives |
| /readyz | 200 when it can do its work, else 503 and the reason |
| /api/trends | every judged key, at the end of the last judged bucket |
| /api/incidents | the newest incidents; `state` (open, resolved), `limit` |
| /api/incidents/ID | one incident, what people did about it, and where it stands |
| /api/evidence | the newest negative headlines of a key: `topic`, `watch`, `limit` |
| /api/precision | how many of the alerts that people answered about were true, by rule and key |
| POST /api/incidents/ID/actions | note an action: `action`, `author`, `text`; with the token |
| /feedback/... | the pages behind feedback links (`newsquake.feedback`) |

All but the two that are posted to only read. A parameter that is unknown, given twice or out of
bounds is answered with 400 and what is wrong; it is never guessed at or ignored.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from alerts import answers, operations, report
from alerts.errors import StoreError
from alerts.keys import Key
from alerts.settings import Feedback, Watch
from alerts.store import Store
from alerts.windows import Sums

from . import feedback as pages_of_feedback
from . import posting
from .errors import ConfigurationError, StageStoppedError

if TYPE_CHECKING:
    from .installation import Installation

LONGEST_LABEL = 200
MOST = 1000
API = [
    "/api/trends", "/api/incidents?state=open", "/api/incidents/ID",
    "/api/evidence?topic=&watch=&limit=", "/api/precision",
]  # fmt: skip
START_S = 10.0
STOP_S = 5.0

Ready = Callable[[], str | None]


def wall_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def app(
    registry: CollectorRegistry, store: Store | None, ready: Ready, *,
    watches: Sequence[Watch] = (), token: SecretStr | None = None,
    feedback: Feedback | None = None, clock: Callable[[], datetime] = wall_clock,
) -> Starlette:  # fmt: skip
    """Make the application; `ready` gives None, or the reason why not.

    Without a store (a process without the alerts stage) the /api paths answer 404. Without a
    token nothing can be posted but answers to feedback links, which carry their own right.
    """
    pages = _Pages(registry, store, ready, watches)
    desk = _Desk(pages, token, clock)
    routes = {
        "/": pages.index,
        "/metrics": pages.metrics,
        "/healthz": pages.health,
        "/readyz": pages.readiness,
        "/api/trends": pages.trends,
        "/api/incidents": pages.incidents,
        "/api/incidents/{incident}": desk.incident,
        "/api/evidence": pages.evidence,
        "/api/precision": pages.precision,
    }
    return Starlette(
        routes=[
            *(Route(path, page, methods=["GET"]) for path, page in routes.items()),
            Route("/api/incidents/{incident}/actions", desk.act, methods=["POST"]),
            *pages_of_feedback.routes(store, feedback or Feedback(), clock),
        ],
        exception_handlers={HTTPException: _refusal, StoreError: _store_trouble},
    )


class _Pages:
    def __init__(
        self, registry: CollectorRegistry, store: Store | None, ready: Ready,
        watches: Sequence[Watch],
    ) -> None:  # fmt: skip
        self._registry, self._store = registry, store
        self._ready, self._watches = ready, watches
        self._sums = Sums()

    def index(self, _: Request) -> Response:
        paths = ["/metrics", "/healthz", "/readyz"]
        return _json({"paths": paths + (API if self._store else [])})

    def metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"content-type": content_type})

    def health(self, _: Request) -> Response:
        return _json({"status": "ok"})

    def readiness(self, _: Request) -> Response:
        reason = self._ready()
        if reason is None:
            return _json({"status": "ready"})
        return _json({"status": "unready", "reason": reason}, 503)

    def trends(self, request: Request) -> Response:
        _parameters(request)
        trends = (_trend(each) for each in report.trends(self.stored(), self._sums))
        return _json({"trends": list(trends)})

    def incidents(self, request: Request) -> Response:
        given = _parameters(request, "state", "limit")
        state, limit = given.get("state"), _limit(given, 100)
        if state not in (None, "open", "resolved"):
            raise HTTPException(400, "state: must be open or resolved")
        found = report.incidents(self.stored(), open_only=state == "open")
        chosen = [each for each in found if state in (None, each.state)]
        return _json({"incidents": chosen[::-1][:limit]})

    def evidence(self, request: Request) -> Response:
        given = _parameters(request, "topic", "watch", "limit")
        key = Key(given.get("topic", ""), given.get("watch", ""))
        if key.watch and key.watch not in {watch.name for watch in self._watches}:
            raise HTTPException(400, "watch: no watch of this name in the settings")
        limit = _limit(given, 10)
        return _json({"evidence": report.evidence(self.stored(), key, limit, self._watches)})

    def precision(self, request: Request) -> Response:
        _parameters(request)
        found = answers.precision(self.stored())
        return _json({"rules": answers.by_rule(found), "keys": found})

    def stored(self) -> Store:
        """Return the store, or answer that there is none here."""
        if self._store is None:
            raise HTTPException(404, "the alerts stage does not run in this process")
        return self._store


class _Desk:
    """One incident, and what people do about it."""

    def __init__(
        self, pages: _Pages, token: SecretStr | None, clock: Callable[[], datetime]
    ) -> None:
        self._pages, self._token, self._clock = pages, token, clock

    def incident(self, request: Request) -> Response:
        _parameters(request)
        return _json(self._file(request))

    async def act(self, request: Request) -> Response:
        posting.admit(request, self._token)
        _parameters(request)
        asked = await posting.message(request, operations.Request)
        if reason := operations.refusal(asked):
            raise HTTPException(400, reason)
        return _json(await run_in_threadpool(self._act, request, asked), 201)

    def _act(self, request: Request, asked: operations.Request) -> operations.File:
        name = request.path_params["incident"]
        operations.act(self._pages.stored(), name, asked, self._clock())
        return self._file(request)

    def _file(self, request: Request) -> operations.File:
        found = operations.read(self._pages.stored(), request.path_params["incident"])
        if found is None:
            raise HTTPException(404, "no incident of this id")
        return found


def _trend(trend: report.Trend) -> dict[str, Any]:
    shares = {"net_sentiment": trend.net_sentiment, "negative_share": trend.negative_share}
    return msgspec.to_builtins(trend) | shares  # type: ignore[no-any-return]


def _parameters(request: Request, *known: str) -> dict[str, str]:
    """Read the query; refuses what is unknown, repeated, too long or has control characters."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            takes = f"known: {', '.join(known)}" if known else "this path takes none"
            raise HTTPException(400, f"{name[:40]}: no such parameter; {takes}")
        if name in found:
            raise HTTPException(400, f"{name}: given more than once")
        if len(value) > LONGEST_LABEL or any(ord(c) < 32 for c in value):  # noqa: PLR2004
            raise HTTPException(400, f"{name}: longer than {LONGEST_LABEL}, or control characters")
        found[name] = value
    return found


def _limit(given: dict[str, str], default: int) -> int:
    text = given.get("limit", str(default))
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else 0  # noqa: PLR2004
    if not 1 <= limit <= MOST:
        raise HTTPException(400, f"limit: must be a whole number from 1 to {MOST}")
    return limit


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = _json({"error": error.detail}, error.status_code)
    answer.headers.update(error.headers or {})
    return answer


def _store_trouble(_: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 503)


class WebServer:
    """Serves an application from a thread for as long as the context lasts.

    The address is bound at once, so `port` is known, and an address that is taken raises
    ConfigurationError here, not in the thread. Port 0 takes a free one.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = _bind(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=2, limit_concurrency=200,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def url(self) -> str:
        """What to open in a browser on this machine."""
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  shown, not bound
        host = anywhere.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(START_S / 0.01)):
            if self._server.started:
                return self
            waiting.wait(0.01)
        self._stop()
        raise StageStoppedError("web: the server did not start")

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(STOP_S)
        self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            "choose another with --port, or --port 0 for a free one",
        ) from error


def serve(here: "Installation", store: Store | None, ready: Ready) -> WebServer:
    """Make the server of an installation, at the address of its settings."""
    settings = here.settings
    watches = settings.watches or settings.alerts.watches
    pages = app(
        here.registry, store, ready, watches=watches,
        token=settings.web.token, feedback=settings.alerts.feedback,
    )  # fmt: skip
    return WebServer(pages, settings.web.host, settings.web.port)
