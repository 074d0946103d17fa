"""The pages behind feedback links: what is asked, and a form. Only its POST stores anything.

Mail scanners and link previews follow links, so a GET must change nothing. The pages are plain
HTML without scripts, everything in them escaped; a link is a right, so no page is cached, named
in a Referer or indexed.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from alerts import answers
from alerts.answers import Case
from alerts.feedback import Answer, Claim, Flaw, check
from alerts.incidents import key_of, volume
from alerts.settings import Feedback
from alerts.store import Store

from . import posting

PATH = "/feedback/{incident}/{answer}/{expires}/{signature}"
QUESTIONS: dict[Answer, str] = {
    "true": "Was this alert right?",
    "false_alarm": "Was this a false alarm?",
    "wrong_topic": "Which headline has the wrong topic?",
    "wrong_sentiment": "Which headline has the wrong sentiment?",
}
BUTTONS: dict[Answer, str] = {
    "true": "Yes, it was right", "false_alarm": "Yes, it was a false alarm",
    "wrong_topic": "Store the topics", "wrong_sentiment": "Store the sentiments",
}  # fmt: skip
_FLAWS: dict[Flaw, tuple[int, str]] = {
    "malformed": (404, "This is not a feedback link."),
    "forged": (404, "This is not a feedback link of ours, or it was changed on its way."),
    "expired": (410, "This link has expired. Nothing was stored."),
}
_OUTCOMES: dict[answers.Outcome, tuple[int, str]] = {
    "stored": (200, "Thank you. Your answer is stored."),
    "again": (200, "This link was used before. Nothing was changed."),
    "unknown": (404, "The incident is no longer kept. Nothing was stored."),
    "unchosen": (400, "Nothing was stored: choose another value for at least one headline."),
}
MAX_FIELDS = 50

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;"
    "color:#111;background:#fff}button,select{font:inherit;padding:.5rem 1rem;margin:.25rem 0}"
    "li{margin:.5rem 0}fieldset{border:0;padding:0}label{display:block;margin-top:1rem}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}


def routes(store: Store | None, settings: Feedback, clock: Callable[[], datetime]) -> list[Route]:
    """The page and its form; none where there are no links."""
    if store is None or not settings.keys:
        return []
    pages = _Pages(store, settings.keys, clock)
    return [
        Route(PATH, pages.ask, methods=["GET"]),
        Route(PATH, pages.take, methods=["POST"]),
    ]


class _Pages:
    def __init__(self, store: Store, keys: Sequence[bytes], clock: Callable[[], datetime]) -> None:
        self._store, self._keys, self._clock = store, keys, clock

    def ask(self, request: Request) -> Response:
        claim = self._claim(request)
        if not isinstance(claim, Claim):
            return told(*_FLAWS[claim])
        found = answers.case(self._store, claim)
        if found is None:
            return told(*_OUTCOMES["unknown"])
        return told(*_OUTCOMES["again"]) if found.answered else form(claim, found)

    async def take(self, request: Request) -> Response:
        claim = self._claim(request)
        if not isinstance(claim, Claim):
            return told(*_FLAWS[claim])
        try:
            chosen = fields(await posting.body(request, "application/x-www-form-urlencoded"))
        except HTTPException as error:
            return told(error.status_code, f"Nothing was stored: {error.detail}.")
        now = self._clock()
        outcome = await run_in_threadpool(answers.answer, self._store, claim, chosen, now)
        return told(*_OUTCOMES[outcome])

    def _claim(self, request: Request) -> Claim | Flaw:
        given = request.path_params
        incident, answer, expires = given["incident"], given["answer"], given["expires"]
        return check(incident, answer, expires, given["signature"], self._keys, self._clock())


def fields(body: bytes) -> dict[str, str]:
    """Read a form; of a field given twice the last counts. Raises HTTPException 400."""
    try:
        return dict(parse_qsl(body.decode(), strict_parsing=bool(body), max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise HTTPException(400, "the form cannot be read") from error


def form(claim: Claim, found: Case) -> Response:
    """Ask, with the incident and its headlines; a correction has a choice for each headline."""
    if claim.answer in answers.FIELDS:
        if not found.headlines:
            return told(410, "Its headlines are no longer kept, so none can be corrected.")
        shown = "".join(_choice(one, found.choices) for one in found.headlines)
    else:
        items = "".join(f"<li>{_headline(one.title, one.link, one.source)}</li>"
                        for one in found.incident.evidence)  # fmt: skip
        shown = f"<ul>{items}</ul>"
    return page(200, QUESTIONS[claim.answer], f"""<p>{_incident(found)}</p>
<form method="post"><fieldset>{shown}</fieldset>
<button type="submit">{escape(BUTTONS[claim.answer])}</button></form>""")


def told(status: int, text: str) -> Response:
    """Say one thing."""
    return page(status, text, "")


def page(status: int, title: str, body: str) -> Response:
    """Make a page; `body` is HTML, `title` is text."""
    text = escape(title)
    return HTMLResponse(f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{text} - Newsquake</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><main><h1>{text}</h1>
{body}
</main></body></html>
""", status, HEADERS)


def _incident(found: Case) -> str:
    one = found.incident
    name, opened = key_of(one).shown, f"{one.opened_at:%Y-%m-%d %H:%M} UTC"
    return escape(f"{name}: {volume(one)}, {opened} ({one.severity})")


def _choice(one: answers.Headline, choices: Sequence[str]) -> str:
    name = escape(one.article_id)
    values = [one.value, *(each for each in choices if each != one.value)]
    options = "".join(
        f'<option value="{escape(each)}">{escape(each)}{" (as it is)" * (each == one.value)}</option>'
        for each in values
    )
    label = f'<label for="{name}">{escape(one.title)} ({escape(one.source)})</label>'
    return f'{label}<select id="{name}" name="{name}">{options}</select>'


def _headline(title: str, link: str, source: str) -> str:
    """A headline and its source; a link only where it is one of the web's."""
    text = f"{escape(title)} ({escape(source)})"
    if not link.lower().startswith(("https://", "http://")):
        return text
    return f'<a href="{escape(link)}" rel="noopener noreferrer nofollow">{text}</a>'
